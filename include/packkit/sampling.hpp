// SPDX-License-Identifier: Apache-2.0
/// @file
/// From bins to the steps of ranks: the distributed plan, its reader, balance.
#pragma once

// IWYU pragma: begin_exports
#include <packkit/sampling/cursor.hpp>
#include <packkit/sampling/distributed_plan.hpp>
#include <packkit/sampling/distributed_plan_options.hpp>
#include <packkit/sampling/imbalance.hpp>
#include <packkit/sampling/plan_reader.hpp>
#include <packkit/sampling/split_to_multiple.hpp>
// IWYU pragma: end_exports
