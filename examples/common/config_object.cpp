// SPDX-License-Identifier: Apache-2.0
#include "config_object.hpp"

#include "errors.hpp"

#include <cmath>

namespace packkit::app {

std::string shown(const json& value) {
    if (value.is_string()) return in_quotes(value.get_ref<const std::string&>());
    if (value.is_object() || value.is_array()) return std::string(json_kind(value));
    return value.dump();
}

void config_object::fail(std::string_view key, const std::string& message) const {
    throw input_error(file_, prefix_ + escaped(key) + ": " + message);
}

const json* config_object::find(std::string_view key) const {
    const auto found = object_->find(key);
    return found == object_->end() || found->is_null() ? nullptr : &*found;
}

bool config_object::has(std::string_view key) const {
    return object_->contains(key);
}

std::optional<std::int64_t> config_object::size(std::string_view key, std::int64_t high,
                                                std::int64_t low) const {
    const json* const value = find(key);
    if (value == nullptr) return std::nullopt;
    const bool whole = value->is_number_integer();
    const bool fits =
        whole && (!value->is_number_unsigned() ||
                  value->get<std::uint64_t>() <= static_cast<std::uint64_t>(high));
    if (!fits || value->get<std::int64_t>() < low) {
        fail(key, "expected a whole number from " + std::to_string(low) + " to " +
                      std::to_string(high) + ", found " + shown(*value));
    }
    return value->get<std::int64_t>();
}

std::int64_t config_object::required_size(std::string_view key, std::int64_t high) const {
    const auto value = size(key, high);
    if (!value) fail(key, "is missing; expected a whole number >= 1");
    return *value;
}

std::optional<double> config_object::positive(std::string_view key) const {
    const json* const value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number() || !std::isfinite(value->get<double>()) ||
        value->get<double>() <= 0.0) {
        fail(key, "expected a number > 0, found " + shown(*value));
    }
    return value->get<double>();
}

std::optional<double> config_object::probability(std::string_view key) const {
    const json* const value = find(key);
    if (value == nullptr) return std::nullopt;
    const bool inside =
        value->is_number() && value->get<double>() >= 0.0 && value->get<double>() < 1.0;
    if (!inside) { fail(key, "expected a number >= 0 and < 1, found " + shown(*value)); }
    return value->get<double>();
}

std::optional<bool> config_object::truth(std::string_view key) const {
    const json* const value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_boolean()) fail(key, "expected true or false, found " + shown(*value));
    return value->get<bool>();
}

std::optional<std::string> config_object::text(std::string_view key) const {
    const json* const value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) fail(key, "expected a string, found " + shown(*value));
    return value->get<std::string>();
}

std::optional<config_object> config_object::inner(std::string_view key) const {
    const json* const value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_object()) fail(key, "expected an object, found " + shown(*value));
    return config_object(file_, *value, prefix_ + std::string(key) + ".");
}

void config_object::only(std::string_view key, const json& supported) const {
    const json* const value = find(key);
    if (value == nullptr || *value == supported) return;
    fail(key, shown(*value) + " is not supported; expected " + shown(supported));
}

}  // namespace packkit::app
