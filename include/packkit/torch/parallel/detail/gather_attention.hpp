// SPDX-License-Identifier: Apache-2.0
/// @file
/// Attention of a context-parallel rank by one exchange of all keys and values that it
/// needs; the gradients of those received go back in another.
#pragma once

#include <packkit/torch/parallel/context_parallel_plan.hpp>
#include <packkit/torch/parallel/detail/attention_calls.hpp>
#include <packkit/torch/parallel/detail/context_rows.hpp>

#include <ATen/Functions.h>
#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace packkit::lt::detail {

/// Keys and values of many ranks in one buffer, a (2, tokens, kv_heads, head_dim) each,
/// in rank order.
class key_value_parts {
public:
    key_value_parts(const std::vector<std::int64_t>& tokens, const at::Tensor& k)
        : all_(empty_key_values(sum(tokens), k).view({-1})) {
        for (const std::int64_t count : tokens) {
            elements_.push_back(2 * count * k.size(1) * k.size(2));
            parts_.push_back(all_.narrow(0, at_, elements_.back())
                                 .view({2, count, k.size(1), k.size(2)}));
            at_ += elements_.back();
        }
    }
    key_value_parts(const key_value_parts&) = delete;
    key_value_parts& operator=(const key_value_parts&) = delete;
    /// A process group's thread would keep the memory for a while.
    ~key_value_parts() { take_storage(all_); }

    [[nodiscard]] const at::Tensor& all() const { return all_; }
    [[nodiscard]] const std::vector<std::int64_t>& elements() const { return elements_; }
    /// The part of rank `rank`.
    [[nodiscard]] const at::Tensor& operator[](std::size_t rank) const {
        return parts_[rank];
    }

private:
    static std::int64_t sum(const std::vector<std::int64_t>& tokens) {
        return std::accumulate(tokens.begin(), tokens.end(), std::int64_t{0});
    }

    at::Tensor all_;
    std::vector<at::Tensor> parts_;
    std::vector<std::int64_t> elements_;
    std::int64_t at_ = 0;
};

/// The keys and values of every slice of this rank, one behind the other.
[[nodiscard]] inline std::pair<at::Tensor, at::Tensor> gather_key_values(
    const at::Tensor& k, const at::Tensor& v, const context_layout& layout,
    const gather_plan& plan) {
    if (plan.silent) return {k, v};
    const key_value_parts leaving(plan.tokens_sent, k);
    for (std::size_t to = 0; to < plan.sent.size(); ++to)
        pack_key_values(k, v, plan.sent[to], leaving[to]);
    const key_value_parts come(plan.tokens_received, k);
    layout.group()
        .all_to_all(come.all(), come.elements(), leaving.all(), leaving.elements())
        .wait();
    if (plan.own_only) return {k, v};
    const auto in_order = [&](const at::Tensor& own, std::int64_t which) {
        std::vector<at::Tensor> parts;
        for (const key_piece& piece : plan.pieces) {
            const auto& from =
                piece.origin == layout.rank() ? own : come[piece.origin][which];
            parts.push_back(from.narrow(0, piece.rows.begin, piece.rows.tokens()));
        }
        return at::cat(parts, 0);
    };
    return {in_order(k, 0), in_order(v, 1)};
}

/// Brings the gradients of gathered keys and values to the rank's own: each rank adds
/// what it computed itself, slice by slice, then what came back, in rank order.
[[nodiscard]] inline std::pair<at::Tensor, at::Tensor> return_gradients(
    const at::Tensor& dk, const at::Tensor& dv, const at::Tensor& k,
    const context_layout& layout, const gather_plan& plan) {
    if (plan.silent) return {dk, dv};
    const auto wide = k.options().dtype(sum_type(k));
    const auto own = at::zeros({2, k.size(0), k.size(1), k.size(2)}, wide);
    const key_value_parts leaving(plan.tokens_received, k);
    {
        std::vector<at::Tensor> sums;  // of others' keys, until they are rounded
        for (const std::int64_t tokens : plan.tokens_received)
            sums.push_back(at::zeros({2, tokens, k.size(1), k.size(2)}, wide));
        std::int64_t at = 0;
        for (const key_piece& piece : plan.pieces) {
            const auto& to = piece.origin == layout.rank() ? own : sums[piece.origin];
            add_rows(to[0], {piece.rows}, dk.narrow(0, at, piece.rows.tokens()));
            add_rows(to[1], {piece.rows}, dv.narrow(0, at, piece.rows.tokens()));
            at += piece.rows.tokens();
        }
        for (std::size_t to = 0; to < sums.size(); ++to)
            leaving[to].copy_(sums[to]);
    }
    const key_value_parts come(plan.tokens_sent, k);
    layout.group()
        .all_to_all(come.all(), come.elements(), leaving.all(), leaving.elements())
        .wait();
    for (std::size_t from = 0; from < plan.sent.size(); ++from) {
        add_rows(own[0], plan.sent[from], come[from][0]);
        add_rows(own[1], plan.sent[from], come[from][1]);
    }
    return {own[0].to(k.scalar_type()), own[1].to(k.scalar_type())};
}

[[nodiscard]] inline attention_with_lse gather_attention(
    const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
    const context_layout& layout, const attention_options& options) {
    const gather_plan& plan = layout.gather(options.window);
    const auto [keys, values] = gather_key_values(k, v, layout, plan);
    return attention_without_graph(q, keys, values, plan.queries, plan.keys, options);
}

/// The keys and values are gathered a second time.
[[nodiscard]] inline attention_gradients gather_attention_gradients(
    const at::Tensor& dout, const at::Tensor& dlse, const at::Tensor& q,
    const at::Tensor& k, const at::Tensor& v, const attention_with_lse& made,
    const context_layout& layout, const attention_options& options) {
    const gather_plan& plan = layout.gather(options.window);
    const auto [keys, values] = gather_key_values(k, v, layout, plan);
    auto found = attention_gradients_without_graph(dout, dlse, q, keys, values, made,
                                                   plan.queries, plan.keys, options);
    auto [dk, dv] = return_gradients(found.dk, found.dv, k, layout, plan);
    return {found.dq, dk, dv};
}

}  // namespace packkit::lt::detail
