// SPDX-License-Identifier: Apache-2.0
/// @file
/// Sums whose bits do not depend on how the terms were spread over ranks and
/// micro-batches.
///
/// Floating-point addition is commutative but not associative, so the sum is always taken
/// by one binary tree: of n = 2^k terms, term i and term i + n/2 first. Term
/// i = micro-batch × ranks + rank then has its partner on the same rank as long as there
/// are several micro-batches: going through them in the order `bit_reversed` a rank adds
/// up its own part of the tree, and what is left is a tree over the ranks.
#pragma once

#include <packkit/error.hpp>
#include <packkit/torch/communication/communicator.hpp>

#include <ATen/Functions.h>
#include <ATen/core/Tensor.h>

#include <bit>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace packkit::lt {

/// In which order gradients are summed over micro-batches and ranks.
enum class summation : std::uint8_t {
    fast,      ///< as micro-batches and ranks come: least memory, overlapped
    canonical  ///< by the tree: the same bits however the work was split
};

/// `index` with its log2(count) bits in reverse order.
/// @throws invalid_argument unless `count` is a power of two
[[nodiscard]] inline std::int64_t bit_reversed(std::int64_t index, std::int64_t count) {
    if (count < 1 || !std::has_single_bit(static_cast<std::uint64_t>(count))) {
        throw invalid_argument("a canonical sum has " + std::to_string(count) +
                               " terms, expected a power of two");
    }
    std::int64_t reversed = 0;
    for (std::int64_t bit = 1; bit < count; bit *= 2) {
        reversed = 2 * reversed + index % 2;
        index /= 2;
    }
    return reversed;
}

/// Adds terms that come one by one in the order of the tree's leaves, from left to right.
/// Holds at most log2(terms) + 1 of them.
class tree_sum {
public:
    /// Takes `term`, whose memory is used for sums.
    void add(at::Tensor term) {
        ++terms_;
        for (std::uint64_t right = terms_; right % 2 == 0; right /= 2) {
            term = partial_.back().add_(term);
            partial_.pop_back();
        }
        partial_.push_back(std::move(term));
    }

    /// The sum of all terms; none are left. Precondition: a term has been added.
    [[nodiscard]] at::Tensor take() {
        auto sum = std::move(partial_.back());
        for (partial_.pop_back(); !partial_.empty(); partial_.pop_back())
            sum = partial_.back().add_(sum);
        terms_ = 0;
        return sum;
    }

private:
    std::uint64_t terms_ = 0;
    std::vector<at::Tensor> partial_;  // one of each power of two in terms_
};

/// Chunk rank() of the tree sum of every rank's `input` (size() equal chunks), into
/// `output`. Sends what `communicator::reduce_scatter` sends.
/// @throws invalid_argument unless the group's size is a power of two
inline void canonical_reduce_scatter(communicator& group, const at::Tensor& output,
                                     const at::Tensor& input) {
    if (group.size() == 1) {
        output.view({-1}).copy_(input.view({-1}));
        return;
    }
    auto parts = at::empty({group.size(), output.numel()}, output.options());
    group.all_to_all(parts, input).wait();
    tree_sum sum;
    for (std::int64_t rank = 0; rank < group.size(); ++rank)
        sum.add(parts[bit_reversed(rank, group.size())]);
    output.view({-1}).copy_(sum.take());
    detail::take_storage(parts);
}

/// The tree sum of every rank's `tensor`, in place. Sends what `communicator::all_reduce`
/// sends.
/// @throws invalid_argument unless the group's size is a power of two
inline void canonical_all_reduce(communicator& group, const at::Tensor& tensor) {
    if (group.size() == 1) return;
    const std::int64_t chunk = (tensor.numel() + group.size() - 1) / group.size();
    auto padded = at::zeros({group.size() * chunk}, tensor.options());
    padded.narrow(0, 0, tensor.numel()).copy_(tensor.view({-1}));
    auto mine = at::empty({chunk}, tensor.options());
    canonical_reduce_scatter(group, mine, padded);
    group.all_gather(padded, mine).wait();
    tensor.view({-1}).copy_(padded.narrow(0, 0, tensor.numel()));
}

}  // namespace packkit::lt
