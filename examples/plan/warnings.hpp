// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// What a person should know about a plan beyond its figures.

#include "report.hpp"

#include <string>
#include <vector>

namespace packkit::plan {

/// What the planner warns of, and further questionable values of a setup, a sentence
/// each.
std::vector<std::string> all_warnings(const plan_subject& subject,
                                      const plan_estimate& plan);

/// What to change, with what it would bring: derived from estimates of the neighbours of
/// a plan.
std::vector<std::string> plan_advice(const plan_subject& subject,
                                     const model_layout& layout,
                                     const plan_estimate& plan);

}  // namespace packkit::plan
