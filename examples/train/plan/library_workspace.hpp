// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Memory that LibTorch's matrix products take for themselves on a CPU, beside the
/// tensors that `memory_estimate` predicts exactly: copies of factors in oneDNN's layout,
/// accumulators, buffers of threads. It depends on the processor and on oneDNN's version,
/// so there is a bound for each instruction set and no exact figure.

#include <packkit/estimate/training_setup.hpp>
#include <packkit/model/model_shape.hpp>
#include <packkit/torch/ops/instruction_set.hpp>

#include <cstdint>

namespace packkit::train {

/// A product of (rows x depth) and (depth x columns) matrices.
struct matrix_product {
    std::int64_t rows = 0;
    std::int64_t columns = 0;
    std::int64_t depth = 0;
};

/// Returns the instruction set that oneDNN may use: the machine's largest, or the one
/// that the environment variable ONEDNN_MAX_CPU_ISA holds it to.
lt::instruction_set library_instruction_set();

/// Returns the most bytes that oneDNN takes for a product of bfloat16 matrices, however
/// they lie, on that many threads.
///
/// None up to AVX2, where LibTorch multiplies bfloat16 itself; float32 accumulators of
/// the result with AVX-512; those, copies of both factors and 128 KiB a thread with
/// bfloat16 instructions, 256 KiB with tiles. Measured with LibTorch 2.11 for AVX-512 and
/// its bfloat16 instructions, from 1 to 4096 rows, columns and depth, on 1, 2 and 8
/// threads.
std::int64_t product_workspace_bound(const matrix_product& product, std::int64_t threads,
                                     lt::instruction_set set);

/// Returns the most bytes that products take at the same time on a rank whose longest
/// micro-batch has `tokens` tokens, of which `targets` at most have a target. 0 where the
/// run computes in float32 or float64: their products need nothing from the allocator.
std::int64_t library_workspace_bound(const training_setup& setup,
                                     const model_shape& shape, std::int64_t tokens,
                                     std::int64_t targets, std::int64_t threads,
                                     lt::instruction_set set);

}  // namespace packkit::train
