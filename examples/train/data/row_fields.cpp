// SPDX-License-Identifier: Apache-2.0
#include "data/row_fields.hpp"

#include "common/errors.hpp"
#include "config/config.hpp"

#include <fmt/format.h>

namespace packkit::train {

using app::in_quotes;
using app::input_error;
using app::json;

const json* find_field(const std::string& place, const json& row,
                       std::string_view field) {
    const json* value = &row;
    std::string_view rest = field;
    while (!rest.empty()) {
        if (!value->is_object()) {
            const std::size_t depth = field.size() - rest.size();
            refuse_kind(place, field.substr(0, depth - 1), *value,
                        "an object with " + in_quotes(field.substr(depth)));
        }
        auto found = value->find(std::string(rest));
        if (found != value->end()) return &*found;
        const auto point = rest.find('.');
        found = value->find(std::string(rest.substr(0, point)));
        if (found == value->end()) return nullptr;
        value = &*found;
        rest.remove_prefix(point == std::string_view::npos ? rest.size() : point + 1);
    }
    return value;
}

void require_object(const std::string& place, const json& value) {
    if (!value.is_object()) {
        throw input_error(
            place, fmt::format("expected an object, found {}", app::json_kind(value)));
    }
}

const json& field_of(const std::string& place, const json& row, std::string_view field) {
    const json* const value = find_field(place, row, field);
    if (value == nullptr) {
        throw input_error(place, "key " + in_quotes(field) + " is missing");
    }
    return *value;
}

const std::string& text_field(const std::string& place, const json& row,
                              std::string_view field) {
    const json& value = field_of(place, row, field);
    if (!value.is_string()) refuse_kind(place, field, value, "a string");
    return value.get_ref<const std::string&>();
}

void refuse_kind(const std::string& place, std::string_view field, const json& value,
                 std::string_view expected) {
    throw input_error(place, fmt::format("key {} holds {}; expected {}", in_quotes(field),
                                         app::json_kind(value), expected));
}

}  // namespace packkit::train
