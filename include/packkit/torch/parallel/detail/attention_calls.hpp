// SPDX-License-Identifier: Apache-2.0
/// @file
/// Attention and its gradients outside of autograd, on the device of the tensors: for
/// functions that put an attention together from several.
#pragma once

#include <packkit/torch/ops/varlen_attention.hpp>

#include <ATen/Functions.h>
#include <ATen/core/Tensor.h>

namespace packkit::lt::detail {

/// Shapes as `varlen_attention_with_lse`.
[[nodiscard]] inline attention_with_lse attention_without_graph(
    const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
    const document_layout& queries, const document_layout& keys,
    const attention_options& options) {
#ifdef PACKKIT_CUDA
    if (q.is_cuda()) {
        check_attention(q, k, v, {queries.cu_seqlens(), keys.cu_seqlens()}, options);
        if (options.softcap > 0) {
            throw invalid_argument("attention on CUDA: the kernel has no softcap");
        }
        auto made = at::_flash_attention_forward(
            q, k, v, queries.on_device(), keys.on_device(), queries.max_seqlen(),
            keys.max_seqlen(), 0.0, options.causal, false, options.scale,
            cuda_varlen_function::left_window(options),
            cuda_varlen_function::right_window(options));
        return {std::get<0>(made), std::get<1>(made)};
    }
#endif
    auto made = cpu_attention_forward(q, k, v, {queries.cu_seqlens(), keys.cu_seqlens()},
                                      options);
    return {made.out, made.lse};
}

/// Gradients of the part that these keys have in an attention whose result is `whole`:
/// with its log-sum-exp the weights are those of the whole softmax, so the parts' query
/// gradients add up to the whole one's. `dlse` may be undefined.
[[nodiscard]] inline attention_gradients attention_gradients_without_graph(
    const at::Tensor& dout, const at::Tensor& dlse, const at::Tensor& q,
    const at::Tensor& k, const at::Tensor& v, const attention_with_lse& whole,
    const document_layout& queries, const document_layout& keys,
    const attention_options& options) {
#ifdef PACKKIT_CUDA
    if (q.is_cuda()) {
        if (dlse.defined()) {
            throw invalid_argument(
                "attention on CUDA: the kernel takes no gradient of the log-sum-exp");
        }
        // The state of a generator that is not used without dropout.
        const auto unused = at::zeros({2}, q.options().dtype(at::kUInt64));
        auto made = at::_flash_attention_backward(
            dout.contiguous(), q, k, v, whole.out, whole.lse, queries.on_device(),
            keys.on_device(), queries.max_seqlen(), keys.max_seqlen(), 0.0,
            options.causal, unused, unused, options.scale,
            cuda_varlen_function::left_window(options),
            cuda_varlen_function::right_window(options));
        return {std::get<0>(made), std::get<1>(made), std::get<2>(made)};
    }
#endif
    return cpu_attention_backward(dout, dlse, q, k, v, {whole.out, whole.lse},
                                  {queries.cu_seqlens(), keys.cu_seqlens()}, options);
}

}  // namespace packkit::lt::detail
