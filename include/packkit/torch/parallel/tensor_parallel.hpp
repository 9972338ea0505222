// SPDX-License-Identifier: Apache-2.0
/// @file
/// Tensor parallelism: a layer's weight matrices are split over a group of ranks, all of
/// which work on the same tokens (Shoeybi et al. 2019, Megatron-LM, arXiv 1909.08053,
/// section 3).
///
/// Between `enter_parallel` and `leave_parallel` each rank computes with its own columns
/// of a layer; before and after, every rank holds the whole activations:
///
///     enter: (T, C)  ──►  column-parallel linears, heads, gates ...  ──►  leave: (T, C)
///     forward  nothing                                                    all-reduce
///     backward all-reduce                                                 nothing
///
/// With sequence parallelism (Korthikanti et al. 2022, arXiv 2205.05198, section 4.2.2)
/// what lies outside is cut by tokens: entering gathers them and leaving scatters the
/// sums, and the other way round in backward. Every rank holds ceil(T / ranks) rows; the
/// last ones are padding where the ranks do not divide T. Padding never comes back from
/// `enter_parallel`, so its gradients are zero.
///
/// A group of one costs nothing and changes no bit. T tokens, C features; all tensors are
/// of one floating dtype, in which the sums are taken.
#pragma once

#include <packkit/error.hpp>
#include <packkit/mesh/shard.hpp>
#include <packkit/torch/communication/communicator.hpp>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstdint>
#include <optional>

namespace packkit::lt {

/// How the work on the same tokens is shared.
struct tensor_parallel {
    communicator* group = nullptr;   ///< null: one rank alone. Outlives the graph.
    bool sequence_parallel = false;  ///< outside of the layers, tokens are split

    [[nodiscard]] int size() const { return group == nullptr ? 1 : group->size(); }
    [[nodiscard]] int rank() const { return group == nullptr ? 0 : group->rank(); }

    /// Rows of activations outside of the layers, for `tokens` inside.
    [[nodiscard]] std::int64_t rows(std::int64_t tokens) const {
        return sequence_parallel ? rows_per_shard(tokens, size()) : tokens;
    }
};

/// Into a layer: what this rank's columns are multiplied with. x: (tp.rows(tokens), C),
/// the same on every rank or this rank's tokens; returns (tokens, C), the same on every
/// rank. The gradient is the sum of all ranks' gradients.
[[nodiscard]] at::Tensor enter_parallel(const tensor_parallel& tp, const at::Tensor& x,
                                        std::int64_t tokens);

/// Out of a layer: the sum of all ranks' `part` (T, C), as (tp.rows(T), C).
[[nodiscard]] at::Tensor leave_parallel(const tensor_parallel& tp,
                                        const at::Tensor& part);

/// x · weightᵀ + bias with this rank's rows of weight and bias, of what
/// `enter_parallel` returned. x: (T, C), weight: (N here, C); returns (T, N here), which
/// may be empty.
[[nodiscard]] inline at::Tensor column_parallel_linear(
    const at::Tensor& x, const at::Tensor& weight,
    const std::optional<at::Tensor>& bias = {}) {
    return at::linear(x, weight, bias);
}

/// x · weightᵀ + bias with this rank's columns of weight, and the whole bias, which is
/// added once, to the sum. Leaves the layer. x: (T, N here), weight: (C, N here), bias:
/// (C); returns (tp.rows(T), C).
[[nodiscard]] at::Tensor row_parallel_linear(const tensor_parallel& tp,
                                             const at::Tensor& x,
                                             const at::Tensor& weight,
                                             const std::optional<at::Tensor>& bias = {});

/// Rows `ids` (T), int64, of a table of which this rank holds `rows`. table:
/// (rows.size(), C); returns (tp.rows(T), C). Ids lie within the whole table. The row
/// `padding`, if any, gets no gradient.
[[nodiscard]] at::Tensor vocabulary_parallel_embedding(
    const tensor_parallel& tp, const at::Tensor& table, index_range rows,
    const at::Tensor& ids, std::optional<std::int64_t> padding = {});

/// Features of all ranks side by side: of `width` in all, cut as by `shard_of`. x:
/// (…, this rank's part of width); returns (…, width). The gradient is the sum of all
/// ranks' gradients for this rank's part. One all-gather, one reduce-scatter of parts
/// padded to the same size.
[[nodiscard]] at::Tensor gather_features(const tensor_parallel& tp, const at::Tensor& x,
                                         std::int64_t width);

// --- implementation
// -----------------------------------------------------------------------------

namespace detail {

/// `x` with zeros below, up to `rows` rows.
[[nodiscard]] inline at::Tensor padded_rows(const at::Tensor& x, std::int64_t rows) {
    if (x.size(0) == rows) return x.contiguous();
    auto shape = x.sizes().vec();
    shape[0] = rows - x.size(0);
    return at::cat({x, at::zeros(shape, x.options())}, 0);
}

/// Collectives of tensors (rows, …) by rows; nothing is sent of an empty tensor.
[[nodiscard]] inline at::Tensor sum_over(communicator& group, const at::Tensor& part) {
    auto sum = part.clone(at::MemoryFormat::Contiguous);
    if (sum.numel() > 0) group.all_reduce(sum).wait();
    return sum;
}
[[nodiscard]] inline at::Tensor gather_rows(communicator& group, const at::Tensor& mine,
                                            std::int64_t rows) {
    auto shape = mine.sizes().vec();
    shape[0] *= group.size();
    auto all = at::empty(shape, mine.options());
    if (all.numel() > 0) group.all_gather(all, mine.contiguous()).wait();
    return all.narrow(0, 0, rows);
}
[[nodiscard]] inline at::Tensor scatter_rows(communicator& group,
                                             const at::Tensor& part) {
    const auto chunk = rows_per_shard(part.size(0), group.size());
    auto shape = part.sizes().vec();
    shape[0] = chunk;
    auto mine = at::empty(shape, part.options());
    if (mine.numel() > 0)
        group.reduce_scatter(mine, padded_rows(part, chunk * group.size())).wait();
    return mine;
}

struct enter_parallel_function : torch::autograd::Function<enter_parallel_function> {
    static at::Tensor forward(torch::autograd::AutogradContext* context,
                              const at::Tensor& x, const tensor_parallel& tp,
                              std::int64_t tokens) {
        context->saved_data["group"] = reinterpret_cast<std::int64_t>(tp.group);
        context->saved_data["scatter"] = tp.sequence_parallel;
        return tp.sequence_parallel ? gather_rows(*tp.group, x, tokens) : x.view_as(x);
    }
    static torch::autograd::tensor_list backward(
        torch::autograd::AutogradContext* context,
        torch::autograd::tensor_list gradients) {
        auto& group =
            *reinterpret_cast<communicator*>(context->saved_data["group"].toInt());
        return {context->saved_data["scatter"].toBool()
                    ? scatter_rows(group, gradients[0])
                    : sum_over(group, gradients[0]),
                at::Tensor(), at::Tensor()};
    }
};

struct leave_parallel_function : torch::autograd::Function<leave_parallel_function> {
    static at::Tensor forward(torch::autograd::AutogradContext* context,
                              const at::Tensor& part, const tensor_parallel& tp) {
        context->saved_data["group"] = reinterpret_cast<std::int64_t>(tp.group);
        context->saved_data["gather"] = tp.sequence_parallel;
        context->saved_data["rows"] = part.size(0);
        return tp.sequence_parallel ? scatter_rows(*tp.group, part)
                                    : sum_over(*tp.group, part);
    }
    static torch::autograd::tensor_list backward(
        torch::autograd::AutogradContext* context,
        torch::autograd::tensor_list gradients) {
        auto& group =
            *reinterpret_cast<communicator*>(context->saved_data["group"].toInt());
        return {
            context->saved_data["gather"].toBool()
                ? gather_rows(group, gradients[0], context->saved_data["rows"].toInt())
                : gradients[0],
            at::Tensor()};
    }
};

struct gather_features_function : torch::autograd::Function<gather_features_function> {
    static at::Tensor forward(torch::autograd::AutogradContext* context,
                              const at::Tensor& x, const tensor_parallel& tp,
                              std::int64_t width) {
        context->saved_data["group"] = reinterpret_cast<std::int64_t>(tp.group);
        const auto chunk = rows_per_shard(width, tp.size());
        const auto mine = padded_rows(x.movedim(-1, 0), chunk);
        return gather_rows(*tp.group, mine, width).movedim(0, -1).contiguous();
    }
    static torch::autograd::tensor_list backward(
        torch::autograd::AutogradContext* context,
        torch::autograd::tensor_list gradients) {
        auto& group =
            *reinterpret_cast<communicator*>(context->saved_data["group"].toInt());
        const auto width = gradients[0].size(-1);
        const auto here = shard_of(width, group.size(), group.rank());
        return {scatter_rows(group, gradients[0].movedim(-1, 0))
                    .narrow(0, 0, here.size())
                    .movedim(0, -1),
                at::Tensor(), at::Tensor()};
    }
};

}  // namespace detail

inline at::Tensor enter_parallel(const tensor_parallel& tp, const at::Tensor& x,
                                 std::int64_t tokens) {
    if (x.size(0) != tp.rows(tokens)) {
        throw invalid_argument("enter_parallel: " + std::to_string(x.size(0)) +
                               " rows, expected " + std::to_string(tp.rows(tokens)) +
                               " of " + std::to_string(tokens) + " tokens over " +
                               std::to_string(tp.size()) + " ranks");
    }
    if (tp.size() == 1) return x;
    return detail::enter_parallel_function::apply(x, tp, tokens);
}

inline at::Tensor leave_parallel(const tensor_parallel& tp, const at::Tensor& part) {
    if (tp.size() == 1) return part;
    return detail::leave_parallel_function::apply(part, tp);
}

inline at::Tensor row_parallel_linear(const tensor_parallel& tp, const at::Tensor& x,
                                      const at::Tensor& weight,
                                      const std::optional<at::Tensor>& bias) {
    if (tp.size() == 1) return at::linear(x, weight, bias);
    const auto sum = leave_parallel(tp, at::linear(x, weight));
    return bias ? sum + *bias : sum;
}

inline at::Tensor vocabulary_parallel_embedding(const tensor_parallel& tp,
                                                const at::Tensor& table, index_range rows,
                                                const at::Tensor& ids,
                                                std::optional<std::int64_t> padding) {
    // LibTorch's: −1 for no row.
    const bool here = padding && *padding >= rows.begin && *padding < rows.end;
    const std::int64_t without_gradient = here ? *padding - rows.begin : -1;
    if (tp.size() == 1) return at::embedding(table, ids, without_gradient);
    // Without a row here: zeros that still belong to the graph.
    if (rows.empty())
        return leave_parallel(tp, table.sum(0).expand({ids.size(0), table.size(1)}));
    const auto elsewhere = ids.lt(rows.begin).logical_or_(ids.ge(rows.end));
    const auto found = at::embedding(table, (ids - rows.begin).masked_fill_(elsewhere, 0),
                                     without_gradient);
    return leave_parallel(tp, found.masked_fill(elsewhere.unsqueeze(1), 0.0));
}

inline at::Tensor gather_features(const tensor_parallel& tp, const at::Tensor& x,
                                  std::int64_t width) {
    if (tp.size() == 1) return x;
    return detail::gather_features_function::apply(x, tp, width);
}

}  // namespace packkit::lt
