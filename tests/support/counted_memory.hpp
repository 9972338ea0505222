// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Fixtures of suites that must act before their first tensor.

#include <packkit/torch/memory/memory_counter.hpp>
#include <packkit/torch/ops/reproducible_products.hpp>

namespace packkit::test {

/// Counts memory from before the suite's first tensor is made.
struct counted_memory {
    counted_memory() { packkit::lt::count_memory(); }
};

/// Makes matrix products independent of threads and addresses.
struct reproducible_products {
    reproducible_products() { packkit::lt::make_products_reproducible(); }
};

}  // namespace packkit::test
