// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Names of enumerated values, as a configuration spells them.

#include <array>
#include <span>
#include <string_view>

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
