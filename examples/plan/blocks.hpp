// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// What a report says of one plan, as sections: the same for the terminal, Markdown and
/// HTML.

#include "report.hpp"

#include "common/report/report.hpp"

#include <string>
#include <vector>

namespace packkit::plan {

/// Sections that say everything about one plan.
std::vector<app::report_section> plan_blocks(const plan_subject& subject,
                                             const plan_estimate& plan);

/// Packed and padded next to each other; empty where lengths are not known.
app::report_section arrangements_block(const estimate_report& report);

/// A plan in a plot; without a label it is the only one.
struct plotted_plan {
    std::string label;
    const plan_figures* plan = nullptr;
};

/// Memory of each plan by component, against the capacity.
std::string memory_plot(const std::vector<plotted_plan>& plans);
/// Tokens a second and GPU of each plan; the first is the best.
std::string speed_plot(const std::vector<plotted_plan>& plans);

/// "llama-3-8b (8,030,261,248 parameters) on 64 x h100-80gb"
std::string headline_of(const plan_subject& subject);

/// "1 epoch", "2.5 epochs".
std::string epochs_text(double epochs);

}  // namespace packkit::plan
