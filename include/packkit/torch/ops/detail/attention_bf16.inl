// SPDX-License-Identifier: Apache-2.0
// The kernels of bfloat16 factors on the dot products of AVX-512-BF16. Included once, for
// that instruction set, after simd.inl.

#include <packkit/torch/ops/detail/attention_parts.inl>
//
#include <packkit/torch/ops/detail/attention_factors.inl>
//
#include <packkit/torch/ops/detail/attention_dots.inl>
//
#include <packkit/torch/ops/detail/attention_strips.inl>
//
#include <packkit/torch/ops/detail/attention_factored.inl>
