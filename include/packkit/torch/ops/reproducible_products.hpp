// SPDX-License-Identifier: Apache-2.0
/// @file
/// Makes the bits of LibTorch's matrix products depend on the numbers alone.
#pragma once

#include <packkit/torch/ops/instruction_set.hpp>

#include <cstdlib>
#include <string_view>

namespace packkit::lt {

/// Asks MKL for products whose bits depend neither on the number of threads nor on where
/// in memory the matrices lie, on machines where it does not give them by itself: those
/// where it multiplies with AVX2 (measured with LibTorch 2.11: the gradients of a loss
/// differ between one and two threads). Its cost there is not settled: products of one
/// thread ran at 94 and 92 GFLOP/s without and at 83 and 95 with it, on a busy machine.
/// With AVX-512 products are reproducible already, and it was slower by 18 to 28 %.
///
/// Call it before the first product of a program; not thread-safe. A value that the user
/// has given to MKL_CBWR stays.
inline void make_products_reproducible() {
    const char* const held = std::getenv("MKL_ENABLE_INSTRUCTIONS");
    const bool with_avx512 =
        machine_instruction_sets().back() >= instruction_set::avx512 &&
        (held == nullptr || std::string_view(held).starts_with("AVX512"));
    if (!with_avx512) setenv("MKL_CBWR", "AUTO,STRICT", /*overwrite=*/0);
}

}  // namespace packkit::lt
