// SPDX-License-Identifier: Apache-2.0
/// @file
/// Samples padded to a multiple before they are packed: of 8 or 16 for tensor cores, of
/// 2 x cp so that head-tail context parallelism cuts every sample evenly.
///
/// ```cpp
/// auto bins = pack(lengths, 4096, first_fit_decreasing{}, {}, padded_to{8});
/// ```
#pragma once

#include <packkit/concepts.hpp>
#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>

namespace packkit {

/// `length` rounded up to a multiple of `multiple`; a length of 0 or less stays what it
/// is, for the packer to judge.
/// @throws invalid_argument if `multiple` is not positive or the result exceeds int64
[[nodiscard]] constexpr std::int64_t padded_length(std::int64_t length,
                                                   std::int64_t multiple) {
    if (multiple <= 0) {
        detail::throw_invalid_argument("cannot pad to a multiple of ", multiple,
                                       ", it must be positive");
    }
    if (length <= 0 || length % multiple == 0) return length;
    const std::int64_t padding = multiple - length % multiple;
    if (length > std::numeric_limits<std::int64_t>::max() - padding) {
        detail::throw_invalid_argument("length ", length, " padded to a multiple of ",
                                       multiple, " exceeds 64 bits");
    }
    return length + padding;
}

/// A projection: the length of a sample, padded to a multiple. Given to `pack` and all
/// that takes lengths and a projection, every sample takes as much of a bin as it does
/// padded; what they then call the length of a sample is its padded length.
///
/// @tparam Proj reads the length of an element, as `&sample::tokens` does
template <class Proj = std::identity>
struct padded_to {
    /// @throws invalid_argument if `multiple` is not positive
    constexpr explicit padded_to(std::int64_t multiple, Proj proj = {})
        : multiple_(multiple), proj_(std::move(proj)) {
        (void)padded_length(0, multiple);
    }

    /// @throws invalid_argument if the padded length exceeds int64
    template <class Element>
        requires std::invocable<const Proj&, Element> &&
                 length_value<
                     std::remove_cvref_t<std::invoke_result_t<const Proj&, Element>>>
    [[nodiscard]] constexpr std::int64_t operator()(Element&& element) const {
        const auto length = std::invoke(proj_, std::forward<Element>(element));
        if (!std::in_range<std::int64_t>(length)) {
            detail::throw_invalid_argument("length ", length,
                                           " does not fit into 64 bits with a sign");
        }
        return padded_length(static_cast<std::int64_t>(length), multiple_);
    }

    [[nodiscard]] constexpr std::int64_t multiple() const noexcept { return multiple_; }

private:
    std::int64_t multiple_;
    [[no_unique_address]] Proj proj_;
};

padded_to(std::int64_t) -> padded_to<>;

/// Tokens of all samples, each padded to the multiple; less the sum of lengths it is the
/// padding that the multiple costs. O(N).
/// @throws invalid_argument if `multiple` is not positive, a length is negative, or the
///   sum exceeds int64
template <class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] constexpr std::int64_t padded_total(const Lengths& lengths,
                                                  std::int64_t multiple, Proj proj = {}) {
    std::int64_t total = padded_length(0, multiple);
    const auto held = detail::contiguous_lengths(lengths, proj);
    const std::span<const std::int64_t> all(held);
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i] < 0) {
            detail::throw_invalid_argument("item ", i, " has length ", all[i],
                                           ", lengths must not be negative");
        }
        total = detail::checked_add(total, padded_length(all[i], multiple),
                                    "the sum of padded lengths");
    }
    return total;
}

}  // namespace packkit
