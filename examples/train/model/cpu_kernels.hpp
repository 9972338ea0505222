// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The kernels of the LibTorch layer are templates, made for three instruction sets and
/// three types: cpu_kernels.cpp compiles them, and whoever includes this does not compile
/// them again.

#include <packkit/torch/memory/detail/storage.hpp>
#include <packkit/torch/ops/detail/attention_dispatch.hpp>
#include <packkit/torch/ops/detail/elementwise_dispatch.hpp>
#include <packkit/torch/ops/detail/token_loss_dispatch.hpp>

#include <vector>

namespace packkit::lt::detail {

extern template std::vector<attention_kernels<double>> available_kernels<double>();
extern template std::vector<attention_kernels<float>> available_kernels<float>();
extern template std::vector<attention_kernels<bf16>> available_kernels<bf16>();

extern template std::vector<elementwise_kernels<double>>
available_elementwise_kernels<double>();
extern template std::vector<elementwise_kernels<float>>
available_elementwise_kernels<float>();
extern template std::vector<elementwise_kernels<bf16>>
available_elementwise_kernels<bf16>();

extern template std::vector<token_loss_kernels<double>> available_loss_kernels<double>();
extern template std::vector<token_loss_kernels<float>> available_loss_kernels<float>();
extern template std::vector<token_loss_kernels<bf16>> available_loss_kernels<bf16>();

}  // namespace packkit::lt::detail
