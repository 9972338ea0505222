// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Values of a JSON row by their keys, and what is said when they are not there.

#include "common/json.hpp"

#include <string>
#include <string_view>

namespace packkit::train {

/// The value under `field`: a key, or "a.b" for b inside a. A key with points in its name
/// goes before a path. nullptr when it is missing.
/// \throws app::input_error with `place` when something on the way is no object.
[[nodiscard]] const app::json* find_field(const std::string& place, const app::json& row,
                                          std::string_view field);

/// find_field() of what must be there. \throws app::input_error "key 'a.b' is missing".
[[nodiscard]] const app::json& field_of(const std::string& place, const app::json& row,
                                        std::string_view field);

/// field_of() of a string. \throws app::input_error also for another kind of value.
[[nodiscard]] const std::string& text_field(const std::string& place,
                                            const app::json& row, std::string_view field);

/// Throws "place: key 'field' holds a number; expected a string".
[[noreturn]] void refuse_kind(const std::string& place, std::string_view field,
                              const app::json& value, std::string_view expected);

/// Throws app::input_error unless the value is an object.
void require_object(const std::string& place, const app::json& value);

}  // namespace packkit::train
