// SPDX-License-Identifier: Apache-2.0
/// @file
/// Attention over packed documents: no document sees another, no dense mask is ever
/// built.
///
/// Tensors are rows of tokens: q (total_q, heads, head_dim), k and v (total_k, kv_heads,
/// head_dim), with document boundaries in cu_seqlens. `reference_attention` is the
/// two-line definition; it and the fast kernels are interchangeable.
#pragma once

#include <packkit/cu_seqlens.hpp>
#include <packkit/torch/attention_options.hpp>
#include <packkit/torch/attention_reference.hpp>

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace packkit::lt {

/// Document boundaries of one packed row, for queries and keys alike. Cheap to copy.
class document_layout {
public:
    /// `cu_seqlens`: starts at 0, ascending, one more entry than documents. `device`:
    /// where the kernels run; CUDA kernels want the boundaries there.
    explicit document_layout(std::vector<std::int32_t> cu_seqlens,
                             at::Device device = at::kCPU)
        : cu_seqlens_(
              std::make_shared<const std::vector<std::int32_t>>(std::move(cu_seqlens))),
          max_seqlen_(packkit::max_seqlen(*cu_seqlens_)) {
        if (!device.is_cpu()) {
            on_device_ = at::tensor(*cu_seqlens_, at::kInt).to(device);
        }
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

/// Causal or full attention inside each document, differentiable.
///
/// q: (total, heads, head_dim); k, v: (total, kv_heads, head_dim), kv_heads divides
/// heads; float64, float32 or bfloat16 on the CPU, float16 or bfloat16 on CUDA. Returns
/// (total, heads, head_dim). Deterministic on the CPU for a given number of threads.
/// Throws `invalid_argument` when the shapes and the layout disagree.
[[nodiscard]] at::Tensor varlen_attention(const at::Tensor& q, const at::Tensor& k,
                                          const at::Tensor& v,
                                          const document_layout& layout,
                                          const attention_options& options);

// --- implementation
// -----------------------------------------------------------------------------

namespace detail {

/// Rows [begin, end) as the (1, heads, length, head_dim) that LibTorch's kernels take.
[[nodiscard]] inline at::Tensor as_batch(const at::Tensor& rows, std::int64_t begin,
                                         std::int64_t end) {
    return rows.slice(0, begin, end).transpose(0, 1).unsqueeze(0);
}

/// Each key/value head repeated for the query heads that share it.
[[nodiscard]] inline at::Tensor repeat_heads(const at::Tensor& kv, std::int64_t groups) {
    return groups == 1 ? kv : kv.repeat_interleave(groups, 1);
}

/// Gradient of `repeat_heads`.
[[nodiscard]] inline at::Tensor sum_heads(const at::Tensor& gradient,
                                          std::int64_t groups) {
    if (groups == 1) { return gradient; }
    return gradient
        .view({gradient.size(0), gradient.size(1) / groups, groups, gradient.size(2)})
        .sum(2);
}

/// Calls body(begin, end) for every document, several at a time when they are short.
template <class Body>
void for_each_document(const document_layout& layout, Body body) {
    const auto& bounds = layout.cu_seqlens();
    const auto run = [&](std::int64_t first, std::int64_t last) {
        const at::NoGradGuard no_grad;  // the guard is a thread's own
        for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last);
             ++i) {
            if (bounds[i] != bounds[i + 1]) { body(bounds[i], bounds[i + 1]); }
        }
    };
    // One long document is split better by the kernel itself than by us.
    if (layout.max_seqlen() * 2 > layout.total()) {
        run(0, layout.documents());
    } else {
        at::parallel_for(0, layout.documents(), 1, run);
    }
}

/// The log-sum-exp is kept in float64 for float64, else in float32.
[[nodiscard]] inline at::ScalarType lse_dtype(const at::Tensor& q) {
    return q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

/// What a backward needs beside its tensors.
struct attention_record : torch::CustomClassHolder {
    attention_record(document_layout boundaries, attention_options chosen)
        : layout(std::move(boundaries)), options(chosen) {}
    document_layout layout;
    attention_options options;
};

inline const attention_record& record_of(torch::autograd::AutogradContext* context) {
    return static_cast<const attention_record&>(
        *context->saved_data["record"].toCapsule());
}

struct cpu_varlen_function : torch::autograd::Function<cpu_varlen_function> {
    static at::Tensor forward(torch::autograd::AutogradContext* context,
                              const at::Tensor& q, const at::Tensor& k,
                              const at::Tensor& v, const document_layout* layout,
                              attention_options options) {
        const std::int64_t groups = q.size(1) / k.size(1);
        const auto keys = repeat_heads(k, groups);
        const auto values = repeat_heads(v, groups);
        auto out = at::empty(q.sizes(), q.options());
        auto lse = at::empty({q.size(1), q.size(0)}, q.options().dtype(lse_dtype(q)));
        for_each_document(*layout, [&](std::int64_t begin, std::int64_t end) {
            const auto [part, part_lse] = at::_scaled_dot_product_flash_attention_for_cpu(
                as_batch(q, begin, end), as_batch(keys, begin, end),
                as_batch(values, begin, end), 0.0, options.causal, {}, options.scale);
            as_batch(out, begin, end).copy_(part);
            lse.slice(1, begin, end).copy_(part_lse[0]);
        });
        context->save_for_backward({q, k, v, out, lse});
        context->saved_data["record"] = c10::IValue::make_capsule(
            c10::make_intrusive<attention_record>(*layout, options));
        return out;
    }

    static torch::autograd::tensor_list backward(
        torch::autograd::AutogradContext* context,
        torch::autograd::tensor_list gradients) {
        const auto saved = context->get_saved_variables();
        const auto &q = saved[0], &k = saved[1], &v = saved[2], &out = saved[3],
                   &lse = saved[4];
        const auto& layout = record_of(context).layout;
        const auto& options = record_of(context).options;
        const std::int64_t groups = q.size(1) / k.size(1);
        const auto keys = repeat_heads(k, groups);
        const auto values = repeat_heads(v, groups);
        const auto dout = gradients[0].contiguous();
        auto dq = at::empty_like(q, at::MemoryFormat::Contiguous);
        auto dk = at::empty_like(keys, at::MemoryFormat::Contiguous);
        auto dv = at::empty_like(values, at::MemoryFormat::Contiguous);
        for_each_document(layout, [&](std::int64_t begin, std::int64_t end) {
            const auto [part_dq, part_dk, part_dv] =
                at::_scaled_dot_product_flash_attention_for_cpu_backward(
                    as_batch(dout, begin, end), as_batch(q, begin, end),
                    as_batch(keys, begin, end), as_batch(values, begin, end),
                    as_batch(out, begin, end),
                    lse.slice(1, begin, end).unsqueeze(0).contiguous(), 0.0,
                    options.causal, {}, options.scale);
            as_batch(dq, begin, end).copy_(part_dq);
            as_batch(dk, begin, end).copy_(part_dk);
            as_batch(dv, begin, end).copy_(part_dv);
        });
        return {dq, sum_heads(dk, groups), sum_heads(dv, groups), at::Tensor(),
                at::Tensor()};
    }
};

#ifdef PACKKIT_CUDA
struct cuda_varlen_function : torch::autograd::Function<cuda_varlen_function> {
    static at::Tensor forward(torch::autograd::AutogradContext* context,
                              const at::Tensor& q, const at::Tensor& k,
                              const at::Tensor& v, const document_layout* layout,
                              attention_options options) {
        const auto& bounds = layout->on_device();
        auto [out, lse, rng_state, unused, debug_mask] = at::_flash_attention_forward(
            q, k, v, bounds, bounds, layout->max_seqlen(), layout->max_seqlen(), 0.0,
            options.causal, false, options.scale);
        context->save_for_backward({q, k, v, out, lse, rng_state, unused});
        context->saved_data["record"] = c10::IValue::make_capsule(
            c10::make_intrusive<attention_record>(*layout, options));
        return out;
    }

    static torch::autograd::tensor_list backward(
        torch::autograd::AutogradContext* context,
        torch::autograd::tensor_list gradients) {
        const auto s = context->get_saved_variables();
        const auto& layout = record_of(context).layout;
        const auto& options = record_of(context).options;
        auto [dq, dk, dv] = at::_flash_attention_backward(
            gradients[0].contiguous(), s[0], s[1], s[2], s[3], s[4], layout.on_device(),
            layout.on_device(), layout.max_seqlen(), layout.max_seqlen(), 0.0,
            options.causal, s[5], s[6], options.scale);
        return {dq, dk, dv, at::Tensor(), at::Tensor()};
    }
};
#endif

}  // namespace detail

inline at::Tensor varlen_attention(const at::Tensor& q, const at::Tensor& k,
                                   const at::Tensor& v, const document_layout& layout,
                                   const attention_options& options) {
    check_attention_shapes(q, k, v, layout.total());
#ifdef PACKKIT_CUDA
    if (q.is_cuda()) {
        return detail::cuda_varlen_function::apply(q, k, v, &layout, options);
    }
#endif
    return detail::cpu_varlen_function::apply(q, k, v, &layout, options);
}

}  // namespace packkit::lt
