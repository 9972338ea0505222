// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// A length written as text.

#include "common/errors.hpp"
#include "common/numbers.hpp"
#include "common/problems.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace packkit::app {

/// The message for a text that is no length: "length 1.5 is fractional; expected …".
inline std::string length_fault(std::string_view text, integer_fault fault) {
    const std::string expected = "; expected a whole number ≥ 1";
    switch (fault) {
        case integer_fault::none:
        case integer_fault::empty:
            return "no length" + expected;
        case integer_fault::fractional:
            return "length " + escaped(with_short_words(text)) + " is fractional" +
                   expected;
        case integer_fault::overflow:
            return "length " + escaped(with_short_words(text)) + " does not fit 64 bits" +
                   expected;
        case integer_fault::not_a_number:
            break;
    }
    return in_quotes(text) + " is not a number" + expected;
}

/// Reads a length from text. @throws input_error when it is no whole number
template <class Place>
std::int64_t parse_length(std::string_view text, const Place& place) {
    const auto [value, fault] = parse_integer(text);
    if (fault != integer_fault::none)
        throw input_error(place(), length_fault(text, fault));
    return value;
}

}  // namespace packkit::app
