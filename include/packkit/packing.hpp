// SPDX-License-Identifier: Apache-2.0
/// @file
/// Samples into rows: every packing algorithm, plans of bins, lower bounds and
/// certificates.
#pragma once

// IWYU pragma: begin_exports
#include <packkit/packing/assign_samples.hpp>
#include <packkit/packing/axolotl.hpp>
#include <packkit/packing/best_fit.hpp>
#include <packkit/packing/best_fit_decreasing.hpp>
#include <packkit/packing/bound/dual_feasible.hpp>
#include <packkit/packing/bound/linear_bound.hpp>
#include <packkit/packing/bound/lower_bound.hpp>
#include <packkit/packing/certificate.hpp>
#include <packkit/packing/efficiency.hpp>
#include <packkit/packing/first_fit.hpp>
#include <packkit/packing/first_fit_decreasing.hpp>
#include <packkit/packing/grouped.hpp>
#include <packkit/packing/lazy_bin_list.hpp>
#include <packkit/packing/next_fit.hpp>
#include <packkit/packing/next_k_fit.hpp>
#include <packkit/packing/pack.hpp>
#include <packkit/packing/packing_plan.hpp>
#include <packkit/packing/pattern_fit.hpp>
#include <packkit/packing/plan_from_bins.hpp>
#include <packkit/packing/streaming.hpp>
#include <packkit/packing/two_resource.hpp>
#include <packkit/packing/worst_fit.hpp>
// IWYU pragma: end_exports
