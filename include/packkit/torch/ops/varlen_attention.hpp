// SPDX-License-Identifier: Apache-2.0
/// @file
/// Attention over packed documents: no document sees another, no dense mask is ever
/// built.
///
/// Tensors are rows of tokens: q (total_q, heads, head_dim), k and v (total_k, kv_heads,
/// head_dim), with document boundaries in cu_seqlens. On the CPU `cpu_attention.hpp`, on
/// CUDA LibTorch's flash attention. `reference_attention` is the two-line definition; it
/// and the fast kernels are interchangeable.
#pragma once

#include <packkit/sequence/cu_seqlens.hpp>
#include <packkit/torch/memory/to_device.hpp>
#include <packkit/torch/ops/attention_options.hpp>
#include <packkit/torch/ops/cpu_attention.hpp>

#include <ATen/Functions.h>
#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

namespace packkit::lt {

/// Document boundaries of one packed row. Cheap to copy.
class document_layout {
public:
    /// `cu_seqlens`: starts at 0, ascending, one more entry than documents. `device`:
    /// where the kernels run; CUDA kernels want the boundaries there.
    explicit document_layout(std::vector<std::int32_t> cu_seqlens,
                             at::Device device = at::kCPU)
        : cu_seqlens_(
              std::make_shared<const std::vector<std::int32_t>>(std::move(cu_seqlens))),
          max_seqlen_(packkit::max_seqlen(*cu_seqlens_)) {
        if (!device.is_cpu()) { on_device_ = upload(*cu_seqlens_, device); }
    }

    [[nodiscard]] const std::vector<std::int32_t>& cu_seqlens() const {
        return *cu_seqlens_;
    }
    [[nodiscard]] std::int64_t documents() const {
        return static_cast<std::int64_t>(cu_seqlens_->size()) - 1;
    }
    [[nodiscard]] std::int64_t total() const { return cu_seqlens_->back(); }
    [[nodiscard]] std::int64_t max_seqlen() const { return max_seqlen_; }
    [[nodiscard]] const at::Tensor& on_device() const { return on_device_; }

private:
    std::shared_ptr<const std::vector<std::int32_t>> cu_seqlens_;
    std::int64_t max_seqlen_;
    at::Tensor on_device_;
};

/// out: (total_q, heads, head_dim); lse: (heads, total_q), float32 (float64 for float64).
/// Both are differentiable: parts of an attention are merged by their lse.
struct attention_with_lse {
    at::Tensor out;
    at::Tensor lse;
};

/// Causal or full attention inside each document, differentiable; queries and keys of a
/// document may differ in number.
///
/// q: (total_q, heads, head_dim); k, v: (total_k, kv_heads, head_dim), kv_heads divides
/// heads; float64, float32 or bfloat16 on the CPU, float16 or bfloat16 on CUDA. On the
/// CPU the same bits on any number of threads.
/// @throws invalid_argument when shapes, layouts and options disagree, or a CUDA kernel
///   lacks an option (softcap)
[[nodiscard]] attention_with_lse varlen_attention_with_lse(
    const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
    const document_layout& queries, const document_layout& keys,
    const attention_options& options);

/// The same where queries and keys are the same tokens. Returns (total, heads, head_dim).
[[nodiscard]] inline at::Tensor varlen_attention(const at::Tensor& q, const at::Tensor& k,
                                                 const at::Tensor& v,
                                                 const document_layout& layout,
                                                 const attention_options& options) {
    return varlen_attention_with_lse(q, k, v, layout, layout, options).out;
}

// --- implementation
// -----------------------------------------------------------------------------

namespace detail {

/// What a backward needs beside its tensors.
struct attention_record : torch::CustomClassHolder {
    attention_record(document_layout queries_, document_layout keys_,
                     attention_options options_)
        : queries(std::move(queries_)), keys(std::move(keys_)), options(options_) {}
    document_layout queries, keys;
    attention_options options;

    [[nodiscard]] attention_bounds bounds() const {
        return {queries.cu_seqlens(), keys.cu_seqlens()};
    }
};

inline void keep_record(torch::autograd::AutogradContext* context,
                        const document_layout& queries, const document_layout& keys,
                        const attention_options& options) {
    // An lse that nobody differentiates has no gradient, rather than zeros.
    context->set_materialize_grads(false);
    context->saved_data["record"] = c10::IValue::make_capsule(
        c10::make_intrusive<attention_record>(queries, keys, options));
}

inline const attention_record& record_of(torch::autograd::AutogradContext* context) {
    return static_cast<const attention_record&>(
        *context->saved_data["record"].toCapsule());
}

using torch::autograd::tensor_list;

struct cpu_varlen_function : torch::autograd::Function<cpu_varlen_function> {
    static tensor_list forward(torch::autograd::AutogradContext* context,
                               const at::Tensor& q, const at::Tensor& k,
                               const at::Tensor& v, const document_layout* queries,
                               const document_layout* keys, attention_options options) {
        const auto made = cpu_attention_forward(
            q, k, v, {queries->cu_seqlens(), keys->cu_seqlens()}, options);
        context->save_for_backward({q, k, v, made.out, made.lse});
        keep_record(context, *queries, *keys, options);
        return {made.out, made.lse};
    }

    static tensor_list backward(torch::autograd::AutogradContext* context,
                                tensor_list gradients) {
        const auto saved = context->get_saved_variables();
        const auto& record = record_of(context);
        const auto dout =
            gradients[0].defined() ? gradients[0] : at::zeros_like(saved[3]);
        auto [dq, dk, dv] =
            cpu_attention_backward(dout, gradients[1], saved[0], saved[1], saved[2],
                                   {saved[3], saved[4]}, record.bounds(), record.options);
        return {dq, dk, dv, at::Tensor(), at::Tensor(), at::Tensor()};
    }
};

#ifdef PACKKIT_CUDA
struct cuda_varlen_function : torch::autograd::Function<cuda_varlen_function> {
    static tensor_list forward(torch::autograd::AutogradContext* context,
                               const at::Tensor& q, const at::Tensor& k,
                               const at::Tensor& v, const document_layout* queries,
                               const document_layout* keys, attention_options options) {
        auto [out, lse, rng_state, unused, debug_mask] = at::_flash_attention_forward(
            q, k, v, queries->on_device(), keys->on_device(), queries->max_seqlen(),
            keys->max_seqlen(), 0.0, options.causal, false, options.scale,
            left_window(options), right_window(options));
        context->save_for_backward({q, k, v, out, lse, rng_state, unused});
        keep_record(context, *queries, *keys, options);
        return {out, lse};
    }

    static tensor_list backward(torch::autograd::AutogradContext* context,
                                tensor_list gradients) {
        const auto s = context->get_saved_variables();
        const auto& [queries, keys, options] = parts(record_of(context));
        if (gradients[1].defined()) {
            throw invalid_argument(
                "attention on CUDA: the kernel takes no gradient of the log-sum-exp");
        }
        auto [dq, dk, dv] = at::_flash_attention_backward(
            gradients[0].contiguous(), s[0], s[1], s[2], s[3], s[4], queries.on_device(),
            keys.on_device(), queries.max_seqlen(), keys.max_seqlen(), 0.0,
            options.causal, s[5], s[6], options.scale, left_window(options),
            right_window(options));
        return {dq, dk, dv, at::Tensor(), at::Tensor(), at::Tensor()};
    }

    /// Keys before the query's own.
    static std::optional<std::int64_t> left_window(const attention_options& options) {
        if (options.window == 0) { return std::nullopt; }
        return options.window - 1;
    }
    static std::optional<std::int64_t> right_window(const attention_options& options) {
        if (options.window == 0) { return std::nullopt; }
        return 0;
    }

private:
    static std::tuple<const document_layout&, const document_layout&,
                      const attention_options&>
    parts(const attention_record& record) {
        return {record.queries, record.keys, record.options};
    }
};
#endif

}  // namespace detail

inline attention_with_lse varlen_attention_with_lse(const at::Tensor& q,
                                                    const at::Tensor& k,
                                                    const at::Tensor& v,
                                                    const document_layout& queries,
                                                    const document_layout& keys,
                                                    const attention_options& options) {
    detail::check_attention(q, k, v, {queries.cu_seqlens(), keys.cu_seqlens()}, options);
#ifdef PACKKIT_CUDA
    if (q.is_cuda()) {
        if (options.softcap > 0) {
            throw invalid_argument("attention on CUDA: the kernel has no softcap");
        }
        auto made =
            detail::cuda_varlen_function::apply(q, k, v, &queries, &keys, options);
        return {made[0], made[1]};
    }
#endif
    auto made = detail::cpu_varlen_function::apply(q, k, v, &queries, &keys, options);
    return {made[0], made[1]};
}

}  // namespace packkit::lt
