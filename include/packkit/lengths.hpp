// SPDX-License-Identifier: Apache-2.0
/// @file
/// Lengths of samples: counted, summarized, padded, and those that are too long.
#pragma once

// IWYU pragma: begin_exports
#include <packkit/lengths/excess_length.hpp>
#include <packkit/lengths/fitted_counts.hpp>
#include <packkit/lengths/length_counts.hpp>
#include <packkit/lengths/padded_length.hpp>
#include <packkit/lengths/samples_by_length.hpp>
#include <packkit/lengths/squared_lengths.hpp>
#include <packkit/lengths/summary.hpp>
// IWYU pragma: end_exports
