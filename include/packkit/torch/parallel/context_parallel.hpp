// SPDX-License-Identifier: Apache-2.0
/// @file
/// Attention over a packed row whose tokens lie on several ranks: of documents of any
/// length, split in any way, without padding and without a dense mask.
///
/// Each rank calls it with its own tokens and gets their results; what it needs of the
/// others is known from the split. Everything else in a model works token by token and
/// need not know.
#pragma once

#include <packkit/error.hpp>
#include <packkit/torch/ops/varlen_attention.hpp>
#include <packkit/torch/parallel/context_parallel_plan.hpp>
#include <packkit/torch/parallel/detail/gather_attention.hpp>
#include <packkit/torch/parallel/detail/ring_attention.hpp>

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

namespace packkit::lt {

/// Causal attention of this rank's queries to all keys before them in their documents,
/// wherever these lie; differentiable.
///
/// q: (tokens, heads, head_dim); k, v: (tokens, kv_heads, head_dim), of the rank's tokens
/// in row order; dtypes as `varlen_attention_with_lse`. Only keys and values travel, of
/// kv_heads heads, once forward and once more backward, where their gradients return: in
/// all what `context_traffic` says. Deterministic: sums have a fixed order. All ranks of
/// the group call it together, forward and backward; a rank without tokens as well. Where
/// no document lies on two ranks nothing is sent.
///
/// With a window keys are gathered at once, whatever the layout's variant is: a slice
/// needs less than a window's length of them.
/// @throws invalid_argument when shapes, layout and options disagree, or attention is not
///   causal
[[nodiscard]] attention_with_lse context_attention_with_lse(
    const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
    const context_layout& layout, const attention_options& options);

/// The same without the log-sum-exp.
[[nodiscard]] inline at::Tensor context_attention(const at::Tensor& q,
                                                  const at::Tensor& k,
                                                  const at::Tensor& v,
                                                  const context_layout& layout,
                                                  const attention_options& options) {
    return context_attention_with_lse(q, k, v, layout, options).out;
}

// --- implementation
// -----------------------------------------------------------------------------

namespace detail {

struct context_record : torch::CustomClassHolder {
    context_record(context_layout layout_, attention_options options_)
        : layout(std::move(layout_)), options(options_) {}
    context_layout layout;
    attention_options options;
};

struct context_attention_function
    : torch::autograd::Function<context_attention_function> {
    static tensor_list forward(torch::autograd::AutogradContext* context,
                               const at::Tensor& q, const at::Tensor& k,
                               const at::Tensor& v, const context_layout* layout,
                               attention_options options) {
        const bool ring = layout->variant(options.window) == context_variant::ring;
        const auto made = ring ? ring_attention(q, k, v, *layout, options)
                               : gather_attention(q, k, v, *layout, options);
        context->save_for_backward({q, k, v, made.out, made.lse});
        // An lse that nobody differentiates has no gradient, rather than zeros.
        context->set_materialize_grads(false);
        context->saved_data["record"] = c10::IValue::make_capsule(
            c10::make_intrusive<context_record>(*layout, options));
        return {made.out, made.lse};
    }

    static tensor_list backward(torch::autograd::AutogradContext* context,
                                tensor_list gradients) {
        const auto saved = context->get_saved_variables();
        const auto& record = static_cast<const context_record&>(
            *context->saved_data["record"].toCapsule());
        const attention_with_lse made{saved[3], saved[4]};
        const auto dout =
            gradients[0].defined() ? gradients[0] : at::zeros_like(made.out);
        const bool ring =
            record.layout.variant(record.options.window) == context_variant::ring;
        const auto found =
            ring ? ring_attention_gradients(dout, gradients[1], saved[0], saved[1],
                                            saved[2], made, record.layout, record.options)
                 : gather_attention_gradients(dout, gradients[1], saved[0], saved[1],
                                              saved[2], made, record.layout,
                                              record.options);
        return {found.dq, found.dk, found.dv, at::Tensor(), at::Tensor()};
    }
};

}  // namespace detail

inline attention_with_lse context_attention_with_lse(const at::Tensor& q,
                                                     const at::Tensor& k,
                                                     const at::Tensor& v,
                                                     const context_layout& layout,
                                                     const attention_options& options) {
    check_attention_shapes(q, k, v, layout.tokens(), layout.tokens());
    check_attention_options(options);
    if (!options.causal) {
        throw invalid_argument("context_attention: attention must be causal");
    }
    auto made = detail::context_attention_function::apply(q, k, v, &layout, options);
    return {made[0], made[1]};
}

}  // namespace packkit::lt
