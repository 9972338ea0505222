// SPDX-License-Identifier: Apache-2.0
/// @file
/// Everything that needs only the standard library.
#pragma once

// IWYU pragma: begin_exports
#include <packkit/bin_list.hpp>
#include <packkit/concepts.hpp>
#include <packkit/error.hpp>
#include <packkit/estimate.hpp>
#include <packkit/fwd.hpp>
#include <packkit/lengths.hpp>
#include <packkit/mesh.hpp>
#include <packkit/model.hpp>
#include <packkit/packing.hpp>
#include <packkit/planner.hpp>
#include <packkit/sampling.hpp>
#include <packkit/sequence.hpp>
#include <packkit/utility.hpp>
#include <packkit/version.hpp>
// IWYU pragma: end_exports
