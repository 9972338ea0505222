// SPDX-License-Identifier: Apache-2.0
/// @file
/// Vector bin packing with two resources: every sample takes tokens and something else,
/// such as image tokens or supervised tokens, and a bin has a capacity for each.
#pragma once

#include <packkit/bin_list.hpp>
#include <packkit/concepts.hpp>
#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>
#include <packkit/packing/bound/lower_bound.hpp>
#include <packkit/packing/detail/bin_assignment.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <limits>
#include <span>
#include <vector>

namespace packkit {

/// What one bin may hold of two resources.
struct two_resource_limits {
    std::int64_t tokens = 0;   ///< of the first resource, positive
    std::int64_t second = 0;   ///< of the second resource, positive
    std::size_t bin_size = 0;  ///< items a bin; 0: as many as fit

    friend constexpr bool operator==(const two_resource_limits&,
                                     const two_resource_limits&) = default;
};

namespace detail {

/// What a bin still takes of both resources.
using two_resource_room = std::array<std::int64_t, 2>;

/// An upper bound of the rooms of some bins: a few points, so that a need that fits one
/// of the bins fits one of the points. Up to 2 points it is exact: the rooms that no
/// other room exceeds in both. Beyond that neighbouring points are joined.
class two_resource_front {
public:
    constexpr two_resource_front() = default;
    /// A bin that takes this, or, with a room below 0, nothing.
    constexpr explicit two_resource_front(const two_resource_room& room)
        : points_{room}, size_(room[0] < 0 || room[1] < 0 ? 0 : 1) {}

    /// The front over the bins of `a` and `b`.
    constexpr two_resource_front(const two_resource_front& a,
                                 const two_resource_front& b) {
        // Merged by the first resource descending; a point stays if it has more of the
        // second than all before.
        std::array<two_resource_room, 2 * most> all{};
        std::size_t count = 0;
        for (std::size_t i = 0, j = 0; i < a.size_ || j < b.size_;) {
            const bool from_a =
                j == b.size_ || (i < a.size_ && a.points_[i] > b.points_[j]);
            const auto& point = from_a ? a.points_[i++] : b.points_[j++];
            if (count == 0 || point[1] > all[count - 1][1]) all[count++] = point;
        }
        for (; count > most; --count)
            join_cheapest(all, count);
        std::copy_n(all.begin(), count, points_.begin());
        size_ = count;
    }

    /// Whether a point takes `need` of both.
    [[nodiscard]] constexpr bool may_take(const two_resource_room& need) const {
        for (std::size_t k = 0; k < size_; ++k) {
            if (points_[k][1] >= need[1]) return points_[k][0] >= need[0];
        }
        return false;
    }

    friend constexpr bool operator==(const two_resource_front& a,
                                     const two_resource_front& b) {
        return a.size_ == b.size_ &&
               std::equal(a.points_.begin(),
                          a.points_.begin() + static_cast<std::ptrdiff_t>(a.size_),
                          b.points_.begin());
    }

private:
    static constexpr std::size_t most = 2;  // more were slower

    /// Joins the two neighbours of `all[0, count)` that promise least beyond themselves.
    static constexpr void join_cheapest(std::array<two_resource_room, 2 * most>& all,
                                        std::size_t count) {
        std::size_t cheapest = 0;
        std::int64_t least = std::numeric_limits<std::int64_t>::max();
        for (std::size_t k = 0; k + 1 < count; ++k) {
            const std::int64_t more =
                (all[k][0] - all[k + 1][0]) * (all[k + 1][1] - all[k][1]);
            if (more < least) {
                least = more;
                cheapest = k;
            }
        }
        all[cheapest][1] = all[cheapest + 1][1];
        std::copy(all.begin() + static_cast<std::ptrdiff_t>(cheapest) + 2,
                  all.begin() + static_cast<std::ptrdiff_t>(count),
                  all.begin() + static_cast<std::ptrdiff_t>(cheapest) + 1);
    }

    // The first descending, the second ascending.
    std::array<two_resource_room, most> points_{};
    std::size_t size_ = 0;
};

/// Rooms of the open bins under a tree of fronts. Where a front of joined points promises
/// what none of its bins has, the search turns back, so that a look-up takes O(log bins)
/// only as a rule. (With the two maxima alone in each node, 1,000,000 samples of two
/// independent uniform resources took 30 times as long.)
class two_resource_tree {
public:
    [[nodiscard]] constexpr std::size_t size() const noexcept { return room_.size(); }

    /// The lowest-numbered bin that takes `need` of both, or `size()`.
    [[nodiscard]] constexpr std::size_t find(const two_resource_room& need) const {
        if (leaves_ == 0) return size();
        std::size_t node = 1;
        for (;;) {
            if (front_[node].may_take(need)) {
                if (node >= leaves_) return node - leaves_;
                node = 2 * node;
            } else {
                while (node % 2 == 1) {  // a right child, or the root: all was seen
                    if (node == 1) return size();
                    node /= 2;
                }
                ++node;
            }
        }
    }

    [[nodiscard]] constexpr const two_resource_room& room(std::size_t bin) const {
        return room_[bin];
    }

    /// Below 0 in either resource: takes nothing more.
    constexpr void set(std::size_t bin, const two_resource_room& room) {
        room_[bin] = room;
        std::size_t node = leaves_ + bin;
        front_[node] = two_resource_front(room);
        while (node > 1) {
            node /= 2;
            const two_resource_front best(front_[2 * node], front_[2 * node + 1]);
            if (best == front_[node]) break;
            front_[node] = best;
        }
    }

    constexpr void open(const two_resource_room& room) {
        room_.push_back(room);
        if (size() > leaves_) {
            grow();
        } else {
            set(size() - 1, room);
        }
    }

private:
    constexpr void grow() {
        leaves_ = leaves_ == 0 ? 1 : 2 * leaves_;
        front_.assign(2 * leaves_, two_resource_front{});
        for (std::size_t b = 0; b < size(); ++b) {
            front_[leaves_ + b] = two_resource_front(room_[b]);
        }
        for (std::size_t node = leaves_ - 1; node > 0; --node) {
            front_[node] = two_resource_front(front_[2 * node], front_[2 * node + 1]);
        }
    }

    std::size_t leaves_ = 0;                 // 0 or a power of two
    std::vector<two_resource_room> room_;    // of each bin
    std::vector<two_resource_front> front_;  // node 1 the root, bin b at leaves_ + b
};

/// Every sample in [1, tokens] x [0, second], or the exception that names the first that
/// is not.
constexpr void check_two_resources(std::span<const std::int64_t> tokens,
                                   std::span<const std::int64_t> second,
                                   const two_resource_limits& limits) {
    check_lengths(tokens, limits.tokens);
    if (limits.second <= 0) {
        throw_invalid_argument("capacity of the second resource is ", limits.second,
                               ", it must be positive");
    }
    if (tokens.size() != second.size()) {
        throw_invalid_argument("there are ", tokens.size(), " lengths, but ",
                               second.size(), " amounts of the second resource");
    }
    for (std::size_t i = 0; i < second.size(); ++i) {
        if (second[i] < 0 || second[i] > limits.second) {
            throw_invalid_argument("item ", i, " takes ", second[i],
                                   " of the second resource, expected 0 to the capacity "
                                   "of ",
                                   limits.second);
        }
    }
    if (tokens.size() > std::numeric_limits<std::uint32_t>::max()) {
        throw_invalid_argument("cannot index ", tokens.size(), " items, at most ",
                               std::numeric_limits<std::uint32_t>::max());
    }
}

}  // namespace detail

/// First-fit decreasing for two resources: samples by the greater of their two shares of
/// a bin, tokens / limits.tokens and second / limits.second, descending (compared
/// exactly, ties by index); each into the lowest-numbered bin with room for both. With a
/// second resource that never binds, `pack` with `first_fit_decreasing`.
///
/// The order is FFDMax of Panigrahy, Talwar, Uyeda and Wieder: Heuristics for vector bin
/// packing (Microsoft Research, 2011). Any first fit needs at most 2.7 OPT bins, up to a
/// constant (Garey, Graham, Johnson, Yao 1976, J. Comb. Theory A 21, 257-298,
/// doi:10.1016/0097-3165(76)90001-7).
///
/// @param tokens of each sample: any sized range of integers
/// @param second what each sample takes of the second resource, 0 or more
/// @param limits of a bin
/// @return bins in the order they were opened; each lists its samples in placement order
/// @throws invalid_argument if a limit is not positive, their product exceeds int64, the
///   ranges differ in size, a sample exceeds a bin, tokens are not positive or the
///   second amount is negative, or there are 2^32 samples or more
///
/// O(N log N) as a rule, O(N bins) at worst, when many bins have room for one resource
/// only. Deterministic. Usable in constant expressions.
template <class Tokens, class Second, class Proj = std::identity,
          class SecondProj = std::identity>
    requires length_range<const Tokens&, Proj> && length_range<const Second&, SecondProj>
[[nodiscard]] constexpr bin_list<> pack_two_resources(const Tokens& tokens,
                                                      const Second& second,
                                                      two_resource_limits limits,
                                                      Proj proj = {},
                                                      SecondProj second_proj = {}) {
    const auto held_tokens = detail::contiguous_lengths(tokens, proj);
    const auto held_second = detail::contiguous_lengths(second, second_proj);
    const std::span<const std::int64_t> a(held_tokens);
    const std::span<const std::int64_t> b(held_second);
    detail::check_two_resources(a, b, limits);
    (void)detail::checked_multiply(limits.tokens, limits.second,
                                   "the product of both capacities");
    // The greater share times both capacities is an integer of at most their product.
    std::vector<std::int64_t> share(a.size(), 0);
    for (std::size_t i = 0; i < a.size(); ++i) {
        share[i] = std::max(a[i] * limits.second, b[i] * limits.tokens);
    }
    const std::vector<std::uint32_t> order = detail::decreasing_order(share);
    detail::two_resource_tree tree;
    std::vector<std::size_t> count;  // items of each bin
    std::vector<std::uint32_t> bin_of(a.size(), 0);
    for (std::size_t k = 0; k < order.size(); ++k) {
        const detail::two_resource_room need = {a[order[k]], b[order[k]]};
        const std::size_t bin = tree.find(need);
        if (bin == tree.size()) {
            tree.open({limits.tokens, limits.second});
            count.push_back(0);
        }
        const auto room = tree.room(bin);
        const bool full = ++count[bin] == limits.bin_size;
        tree.set(bin, {full ? -1 : room[0] - need[0], room[1] - need[1]});
        bin_of[k] = static_cast<std::uint32_t>(bin);
    }
    bin_list<> bins;
    detail::append_placed<std::uint32_t>(
        bin_of, tree.size(), 0, [&order](std::size_t k) { return order[k]; }, bins);
    return bins;
}

/// No packing of two resources has fewer bins: the greatest of the lower bounds of each
/// resource alone, and of ceil(samples / bin_size). O(N log N).
/// @throws invalid_argument as `pack_two_resources` does for samples and limits, or if a
///   sum exceeds int64
template <class Tokens, class Second, class Proj = std::identity,
          class SecondProj = std::identity>
    requires length_range<const Tokens&, Proj> && length_range<const Second&, SecondProj>
[[nodiscard]] constexpr std::size_t two_resource_lower_bound(
    const Tokens& tokens, const Second& second, two_resource_limits limits,
    Proj proj = {}, SecondProj second_proj = {}) {
    const auto held_tokens = detail::contiguous_lengths(tokens, proj);
    const auto held_second = detail::contiguous_lengths(second, second_proj);
    const std::span<const std::int64_t> a(held_tokens);
    const std::span<const std::int64_t> b(held_second);
    detail::check_two_resources(a, b, limits);
    std::vector<std::int64_t> some;  // what takes none of it needs no bin for it
    std::copy_if(b.begin(), b.end(), std::back_inserter(some),
                 [](std::int64_t amount) { return amount > 0; });
    const std::size_t by_size =
        limits.bin_size == 0
            ? 0
            : a.size() / limits.bin_size + (a.size() % limits.bin_size != 0 ? 1 : 0);
    return std::max({by_size, best_lower_bound(a, limits.tokens),
                     best_lower_bound(some, limits.second)});
}

}  // namespace packkit
