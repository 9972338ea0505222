// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The report as text, one function a form.

#include "report.hpp"
#include "settings.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace packkit::app {

/// For people at a terminal: lengths with a histogram, results, advice.
std::string render_table(const report& result, const settings& options);

/// One object with the stable keys, and the further capacities of a sweep under "sweep".
std::string render_json(const report& result);

/// One row an algorithm and capacity.
std::string render_csv(const report& result);

/// Sections and tables for a README or a web page.
std::string render_markdown(const report& result, const settings& options);

/// A self-contained page with plots; needs neither scripts nor a network.
std::string render_html(const report& result, const settings& options);

/// One JSON array of sample indices a line, a bin a line, in pieces of about 64 KiB.
void render_bins(const bin_list<>& bins,
                 const std::function<void(std::string_view)>& write);

/// "5 longer than the capacity (drop, 25,600 tokens), 2 empty"; empty when there are
/// none.
std::string describe_skipped(const capacity_report& capacity);

}  // namespace packkit::app
