// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Plots of a packing for HTML pages.

#include "report.hpp"
#include "settings.hpp"

#include "common/report/report.hpp"

#include <string>
#include <vector>

namespace packkit::app {

/// All samples by length, with the capacity, and a sentence about it.
std::string lengths_plot(const report& result);
std::string lengths_caption(const capacity_report& main);

/// Efficiency without packing and with each algorithm.
std::string efficiency_plot(const capacity_report& main);
/// Efficiency of the best algorithm at each capacity.
std::string sweep_plot(const report& result);

/// Sections that are plots alone: distance from the bound, how full rows are, drawn rows,
/// balance over ranks.
std::vector<report_section> plot_sections(const capacity_report& main,
                                          const settings& options);

/// "101–200", the lengths of a bucket.
std::string bucket_text(const histogram_bucket& bucket);

}  // namespace packkit::app
