// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The report as text, in each form.

#include "report.hpp"
#include "settings.hpp"

#include "common/report/report.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace packkit::app {

/// The report in the form of `--format`.
std::string render(const report& result, const settings& options);

/// One object with the stable keys, and the further capacities of a sweep under "sweep".
ordered_json report_json(const report& result);

/// One row an algorithm and capacity.
std::string report_csv(const report& result);

/// A self-contained page with plots; needs neither scripts nor a network.
std::string render_html(const report& result, const settings& options);

/// One JSON array of sample indices a line, a bin a line, in pieces of about 64 KiB.
void render_bins(const bin_list<>& bins,
                 const std::function<void(std::string_view)>& write);

}  // namespace packkit::app
