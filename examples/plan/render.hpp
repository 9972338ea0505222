// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Reports as text, one function a form.

#include "report.hpp"

#include "common/report/report.hpp"

#include <string>
#include <vector>

namespace packkit::plan {

/// A report in the form of `--format`.
std::string render(const estimate_report& report, app::output_format format);
std::string render(const search_report& report, app::output_format format);

/// One object with the stable keys.
app::ordered_json estimate_json(const estimate_report& report);
/// {"plans": […], "rejected": […]}, each plan with the keys of an estimate.
app::ordered_json search_json(const search_report& report);

/// A row a plan, the columns those of the JSON without its nesting.
std::string plans_csv(const std::vector<app::ordered_json>& plans);

/// A self-contained page with plots; needs neither scripts nor a network.
std::string estimate_html(const estimate_report& report);
std::string search_html(const search_report& report);

}  // namespace packkit::plan
