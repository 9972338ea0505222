// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Names of enumerated values, as a configuration spells them.

#include <array>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace packkit::train {

/// A value and its name in a configuration.
template <class Value>
struct named {
    std::string_view name;
    Value value;
};

/// The names of an enumeration's values, in the order in which messages list them.
/// Specialised for each enumeration of config.hpp.
template <class Value>
inline constexpr std::array<named<Value>, 0> names_of{};

/// Names of an enumeration whose values count up from 0, in the order of the values.
template <class Value, class... Name>
[[nodiscard]] constexpr std::array<named<Value>, sizeof...(Name)> in_order(
    Name... names) {
    std::underlying_type_t<Value> value = 0;
    return {{{names, static_cast<Value>(value++)}...}};
}

/// The names alone, for messages.
template <class Value>
[[nodiscard]] std::vector<std::string_view> texts_of(
    std::span<const named<Value>> names) {
    std::vector<std::string_view> texts;
    for (const named<Value>& each : names)
        texts.push_back(each.name);
    return texts;
}

/// The first name of a value. Precondition: it has one.
template <class Value>
[[nodiscard]] constexpr std::string_view name_of(
    Value value, std::span<const named<Value>> names = names_of<Value>) {
    for (const named<Value>& each : names) {
        if (each.value == value) return each.name;
    }
    return {};
}

}  // namespace packkit::train
