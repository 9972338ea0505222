// SPDX-License-Identifier: Apache-2.0
/// @file
/// Reading and checking lengths, shared by the core headers.
#pragma once

#include <packkit/concepts.hpp>
#include <packkit/error.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace packkit::detail {

/// proj(item), where `proj` may be a pointer to a member as well: `std::invoke` without
/// <functional>, which costs as much to compile as all of multipack.hpp's own code.
template <class Proj, class Item>
[[nodiscard]] constexpr decltype(auto) project(Proj& proj, Item&& item) {
    if constexpr (std::is_member_object_pointer_v<Proj>) {
        return (item.*proj);
    } else if constexpr (std::is_member_function_pointer_v<Proj>) {
        return (item.*proj)();
    } else {
        return proj(std::forward<Item>(item));
    }
}

/// The lengths as `int64` in one piece: a span when they already are, else a copy. Both
/// convert to `std::span<const std::int64_t>`.
/// @throws invalid_argument if a length does not fit into int64
template <class Lengths, class Proj>
[[nodiscard]] constexpr auto contiguous_lengths(const Lengths& lengths, Proj& proj) {
    if constexpr (std::same_as<Proj, std::identity> &&
                  std::ranges::contiguous_range<const Lengths> &&
                  std::same_as<std::ranges::range_value_t<const Lengths>, std::int64_t>) {
        return std::span<const std::int64_t>(std::ranges::data(lengths),
                                             std::ranges::size(lengths));
    } else {
        std::vector<std::int64_t> copy;
        copy.reserve(static_cast<std::size_t>(std::ranges::size(lengths)));
        for (auto&& item : lengths) {
            const auto length = project(proj, item);
            if (!std::in_range<std::int64_t>(length)) {
                throw_invalid_argument("item ", copy.size(), " has length ", length,
                                       ", lengths must fit into 64 bits with a sign");
            }
            copy.push_back(static_cast<std::int64_t>(length));
        }
        return copy;
    }
}

/// The lengths in one piece and of one integral type: a span of theirs when they lie so
/// already, else an int64 copy. Converts to a span.
template <class Lengths, class Proj>
[[nodiscard]] constexpr auto contiguous_integers(const Lengths& lengths, Proj& proj) {
    if constexpr (std::same_as<Proj, std::identity> &&
                  std::ranges::contiguous_range<const Lengths>) {
        using length = std::ranges::range_value_t<const Lengths>;
        return std::span<const length>(std::ranges::data(lengths),
                                       std::ranges::size(lengths));
    } else {
        const auto copy = contiguous_lengths(lengths, proj);
        return std::vector<std::int64_t>(copy.begin(), copy.end());
    }
}

/// Lengths as int64, copied only where they are of another type.
template <std::integral Length>
[[nodiscard]] constexpr auto as_int64(std::span<const Length> lengths) {
    if constexpr (std::same_as<Length, std::int64_t>) {
        return lengths;
    } else {
        return std::vector<std::int64_t>(lengths.begin(), lengths.end());
    }
}

constexpr void check_capacity(std::int64_t capacity) {
    if (capacity <= 0) {
        throw_invalid_argument("capacity is ", capacity, ", it must be positive");
    }
}

/// Every length in [1, capacity], or the exception that names the first that is not;
/// `first` is the number of the first item.
template <std::integral Length>
constexpr void check_lengths(std::span<const Length> lengths, std::int64_t capacity,
                             std::size_t first = 0) {
    check_capacity(capacity);
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        if (std::cmp_less(lengths[i], 1)) {
            throw_invalid_argument("item ", first + i, " has length ", lengths[i],
                                   ", lengths must be positive");
        }
        if (std::cmp_greater(lengths[i], capacity)) {
            throw_invalid_argument(
                "item ", first + i, " has length ", lengths[i], ", capacity is ",
                capacity, " (drop, truncate or split it with apply_excess_length)");
        }
    }
}

/// Samples are numbered with 32 bits.
constexpr void check_sample_count(std::size_t samples) {
    if (samples > std::numeric_limits<std::uint32_t>::max()) {
        throw_invalid_argument("cannot index ", samples, " items, at most ",
                               std::numeric_limits<std::uint32_t>::max());
    }
}

/// a + b for non-negative values. @throws invalid_argument if the sum exceeds int64
[[nodiscard]] constexpr std::int64_t checked_add(std::int64_t a, std::int64_t b,
                                                 const char* what) {
    if (a > std::numeric_limits<std::int64_t>::max() - b) {
        throw_invalid_argument(what, " exceeds 64 bits: ", a, " + ", b);
    }
    return a + b;
}

/// a * b for non-negative values. @throws invalid_argument if it exceeds int64
[[nodiscard]] constexpr std::int64_t checked_multiply(std::int64_t a, std::int64_t b,
                                                      const char* what) {
    if (b != 0 && a > std::numeric_limits<std::int64_t>::max() / b) {
        throw_invalid_argument(what, " exceeds 64 bits: ", a, " x ", b);
    }
    return a * b;
}

/// ceil(a / b) for a >= 0, b > 0.
[[nodiscard]] constexpr std::int64_t ceil_divide(std::int64_t a, std::int64_t b) {
    return a / b + (a % b != 0 ? 1 : 0);
}

/// A count that comes as `std::size_t`, as int64.
[[nodiscard]] constexpr std::int64_t to_int64(std::size_t value) {
    return static_cast<std::int64_t>(value);
}

}  // namespace packkit::detail
