// SPDX-License-Identifier: Apache-2.0
/// @file
/// What the core accepts: lengths, and policies that place them.
///
/// - `length_value<T>`, one length: `std::in_range<std::int64_t>(t)`
/// - `length_range<R, Proj>`, any sized range that lengths are read from:
///   `std::ranges::size(r)`, and `std::invoke(proj, *it)` is a `length_value`
/// - `packing_policy<P>`, a way to pack one group: it has a `P::name`, and
///   `p(lengths, limits, first, bins)` appends bins
#pragma once

#include <packkit/bin_list.hpp>

#include <algorithm>  // std::identity, as every library declares it there
#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

namespace packkit {

/// A number of tokens: any integer type but `bool` and the character types, so that a
/// string is not taken for a list of lengths.
template <class T>
concept length_value =
    std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char> &&
    !std::same_as<T, wchar_t> && !std::same_as<T, char8_t> &&
    !std::same_as<T, char16_t> && !std::same_as<T, char32_t>;

/// A sized range whose projected value is a length: the tokens of each sample. Vectors,
/// arrays, spans and sized views of any integer type are; so is a range of structs with a
/// projection such as `&sample::tokens`.
template <class R, class Proj = std::identity>
concept length_range =
    std::ranges::input_range<R> && std::ranges::sized_range<R> &&
    std::invocable<Proj&, std::ranges::range_reference_t<R>> &&
    length_value<std::remove_cvref_t<
        std::invoke_result_t<Proj&, std::ranges::range_reference_t<R>>>>;

/// A value that packs one group of samples.
///
/// `policy(lengths, limits, first, bins)` appends to `bins` the bins of the group whose
/// samples have the given lengths, each in [1, limits.capacity]. The sample at position
/// `i` of `lengths` has index `first + i`. Every sample goes into exactly one bin, no bin
/// exceeds `limits`, and the result depends on nothing but the arguments.
///
/// Any such type works with `pack`; packkit's own are in multipack.hpp.
template <class P>
concept packing_policy =
    std::copy_constructible<P> &&
    requires(const P& policy, std::span<const std::int64_t> lengths, bin_limits limits,
             std::uint32_t first, bin_list<std::uint32_t>& bins) {
        { P::name } -> std::convertible_to<std::string_view>;
        policy(lengths, limits, first, bins);
    };

}  // namespace packkit
