// SPDX-License-Identifier: Apache-2.0
/// @file
/// Random numbers, hashes, permutations, exact fractions, and the arithmetic of
/// batches and learning rates.
#pragma once

// IWYU pragma: begin_exports
#include <packkit/utility/batch_size.hpp>
#include <packkit/utility/hash.hpp>
#include <packkit/utility/learning_rate.hpp>
#include <packkit/utility/permutation.hpp>
#include <packkit/utility/random.hpp>
#include <packkit/utility/rational.hpp>
// IWYU pragma: end_exports
