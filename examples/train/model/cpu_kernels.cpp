// SPDX-License-Identifier: Apache-2.0
#include "model/cpu_kernels.hpp"

namespace packkit::lt::detail {

template std::vector<attention_kernels<double>> available_kernels<double>();
template std::vector<attention_kernels<float>> available_kernels<float>();
template std::vector<attention_kernels<bf16>> available_kernels<bf16>();

template std::vector<elementwise_kernels<double>> available_elementwise_kernels<double>();
template std::vector<elementwise_kernels<float>> available_elementwise_kernels<float>();
template std::vector<elementwise_kernels<bf16>> available_elementwise_kernels<bf16>();

template std::vector<token_loss_kernels<double>> available_loss_kernels<double>();
template std::vector<token_loss_kernels<float>> available_loss_kernels<float>();
template std::vector<token_loss_kernels<bf16>> available_loss_kernels<bf16>();

}  // namespace packkit::lt::detail
