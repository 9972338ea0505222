// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// What the steps of a tokenizer.json have in common.

#include "common/document_field.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace packkit::app {

/// Most steps of a normalizer or a pre-tokenizer.
inline constexpr std::size_t most_steps = 64;

/// A value of `type`, and the function that reads a step of that type.
template <class Step>
struct named_reader {
    std::string_view type;
    Step (*read)(const document_field& field);
};

/// Returns the function for the type of a step.
/// @throws input_error for a type that is not in the table
template <class Step, std::size_t Size>
auto reader_of(const document_field& field, const named_reader<Step> (&kinds)[Size]) {
    std::array<std::string_view, Size> names;
    std::transform(std::begin(kinds), std::end(kinds), names.begin(),
                   [](const auto& kind) { return kind.type; });
    return kinds[field.member("type").one_of(names)].read;
}

}  // namespace packkit::app
