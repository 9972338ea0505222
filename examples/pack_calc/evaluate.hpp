// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// From lengths to the report.

#include "report.hpp"
#include "settings.hpp"

#include "common/lengths/sample_table.hpp"

namespace packkit::app {

/// Samples from which on an algorithm is left out when none is named, unless it packs by
/// lengths alone, and those that do leave it at that, unless the bins were asked for:
/// beyond, every algorithm that places sample by sample adds seconds.
inline constexpr std::size_t many_samples = 1'000'000;

/// Packs the samples with every algorithm at every capacity.
/// Deterministic but for the times measured.
/// @throws input_error when no sample is left at a capacity
report evaluate(sample_table samples, const settings& options);

/// Whether packing pays, and the settings that go with it.
advice advise(const capacity_report& capacity, const settings& options);

}  // namespace packkit::app
