// SPDX-License-Identifier: Apache-2.0
/// @file
/// Attention of a context-parallel rank in steps: keys and values of one rank are
/// attended to while those of the next are under way (Liu et al. 2023, Ring Attention,
/// arXiv 2310.01889). Unlike there, what a rank needs comes from its owner straight away
/// rather than through all ranks between, so only that is sent.
#pragma once

#include <packkit/torch/ops/merge_attention.hpp>
#include <packkit/torch/parallel/context_parallel_plan.hpp>
#include <packkit/torch/parallel/detail/attention_calls.hpp>
#include <packkit/torch/parallel/detail/context_rows.hpp>

#include <ATen/Functions.h>
#include <ATen/core/Tensor.h>

#include <cstddef>
#include <optional>
#include <utility>

namespace packkit::lt::detail {

/// One send and receive under way, between tensors that nothing else uses.
class key_value_transfer {
public:
    key_value_transfer(communicator& group, at::Tensor leaving, int to, at::Tensor come,
                       int from)
        : leaving_(std::move(leaving)),
          come_(std::move(come)),
          pending_(group.send_recv(leaving_, to, come_, from)) {}

    /// (2, tokens, kv_heads, head_dim)
    const at::Tensor& wait() {
        pending_.wait();
        take_storage(leaving_);
        return come_;
    }
    /// The memory of what came; a process group's thread would keep it for a while.
    void release() { take_storage(come_); }

private:
    at::Tensor leaving_, come_;
    pending pending_;
};

/// Sends this step's keys and values on their way, if there is such a step.
[[nodiscard]] inline std::optional<key_value_transfer> begin_step(
    const context_layout& layout, std::size_t number, const at::Tensor& k,
    const at::Tensor& v) {
    const auto& steps = layout.ring().steps;
    if (number >= steps.size()) return std::nullopt;
    const ring_step& step = steps[number];
    const auto leaving = empty_key_values(step.tokens_sent, k);
    pack_key_values(k, v, step.sent, leaving);
    return std::make_optional<key_value_transfer>(
        layout.group(), leaving, step.to, empty_key_values(step.tokens_received, k),
        step.from);
}

[[nodiscard]] inline attention_with_lse ring_attention(const at::Tensor& q,
                                                       const at::Tensor& k,
                                                       const at::Tensor& v,
                                                       const context_layout& layout,
                                                       attention_options options) {
    const ring_plan& plan = layout.ring();
    auto under_way = begin_step(layout, 0, k, v);
    auto whole = attention_without_graph(q, k, v, plan.own, plan.own, options);
    if (plan.steps.empty()) return whole;
    whole.out = whole.out.to(sum_type(q));
    options.causal = false;
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        auto arrived = std::move(*under_way);
        const auto& come = arrived.wait();
        under_way = begin_step(layout, i + 1, k, v);
        for (const ring_call& call : plan.steps[i].calls) {
            const auto part = attention_without_graph(
                rows_of(q, call.query_rows), rows_of(come[0], call.key_rows),
                rows_of(come[1], call.key_rows), call.queries, call.keys, options);
            const auto merged = merge_attention({rows_of(whole.out, call.query_rows),
                                                 rows_of(whole.lse, call.query_rows, 1)},
                                                part);
            copy_rows(whole.out, call.query_rows, merged.out);
            copy_rows(whole.lse.transpose(0, 1), call.query_rows,
                      merged.lse.transpose(0, 1));
        }
        arrived.release();
    }
    return {whole.out.to(q.scalar_type()), whole.lse};
}

/// Keys and values take the same ways again, and each step's gradients go back to their
/// owner while the next is computed. An owner adds them in the order of the steps.
[[nodiscard]] inline attention_gradients ring_attention_gradients(
    const at::Tensor& dout, const at::Tensor& dlse, const at::Tensor& q,
    const at::Tensor& k, const at::Tensor& v, const attention_with_lse& made,
    const context_layout& layout, attention_options options) {
    const ring_plan& plan = layout.ring();
    auto under_way = begin_step(layout, 0, k, v);
    auto sums = attention_gradients_without_graph(dout, dlse, q, k, v, made, plan.own,
                                                  plan.own, options);
    if (plan.steps.empty()) return sums;
    for (at::Tensor* gradient : {&sums.dq, &sums.dk, &sums.dv})
        *gradient = gradient->to(sum_type(q));
    options.causal = false;
    std::optional<key_value_transfer> returning;
    const auto add_returned = [&](std::size_t step) {
        const auto& come = returning->wait();
        add_rows(sums.dk, plan.steps[step].sent, come[0]);
        add_rows(sums.dv, plan.steps[step].sent, come[1]);
        returning->release();
        returning.reset();
    };
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        const ring_step& step = plan.steps[i];
        auto arrived = std::move(*under_way);
        const auto& come = arrived.wait();
        under_way = begin_step(layout, i + 1, k, v);
        const auto gradients = empty_key_values(step.tokens_received, k);
        for (const ring_call& call : step.calls) {
            const auto rows = [&](const at::Tensor& tensor) {
                return rows_of(tensor, call.query_rows);
            };
            const auto columns = [&](const at::Tensor& tensor) {
                return rows_of(tensor, call.query_rows, 1).contiguous();
            };
            const auto found = attention_gradients_without_graph(
                rows(dout), dlse.defined() ? columns(dlse) : dlse, rows(q),
                rows_of(come[0], call.key_rows), rows_of(come[1], call.key_rows),
                {rows(made.out), columns(made.lse)}, call.queries, call.keys, options);
            add_rows(sums.dq, call.query_rows, found.dq);
            copy_rows(gradients[0], call.key_rows, found.dk);
            copy_rows(gradients[1], call.key_rows, found.dv);
        }
        arrived.release();
        if (returning) add_returned(i - 1);
        returning.emplace(layout.group(), gradients, step.from,
                          empty_key_values(step.tokens_sent, k), step.to);
    }
    add_returned(plan.steps.size() - 1);
    return {sums.dq.to(q.scalar_type()), sums.dk.to(k.scalar_type()),
            sums.dv.to(v.scalar_type())};
}

}  // namespace packkit::lt::detail
