// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// What the steps of a tokenizer.json have in common.

#include "common/document_field.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
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

/// Calls `add(read, field)` for a step, or for each of a Sequence, whose reader is null
/// and whose list is under `list_key`.
/// @throws input_error for a type that is not in the table, and for too many `steps`
template <class Step, std::size_t Size, class Steps, class Add>
void read_steps(const document_field& field, const named_reader<Step> (&kinds)[Size],
                std::string_view list_key, const Steps& steps, const Add& add) {
    std::array<std::string_view, Size> names;
    std::transform(std::begin(kinds), std::end(kinds), names.begin(),
                   [](const auto& kind) { return kind.type; });
    if (const auto read = kinds[field.member("type").one_of(names)].read) {
        add(read, field);
    } else {
        field.only({"type", list_key});
        const document_field list = field.member(list_key);
        for (std::size_t i = 0; i < list.array_size(); ++i)
            read_steps(list.element(i), kinds, list_key, steps, add);
    }
    if (steps.size() > most_steps)
        field.fail("has more than " + std::to_string(most_steps) + " steps");
}

}  // namespace packkit::app
