// SPDX-License-Identifier: Apache-2.0
#include "json_field.hpp"

#include "common/did_you_mean.hpp"

#include <algorithm>
#include <limits>

namespace packkit::app {

void json_field::fail(const std::string& message) const {
    throw input_error(file_, way_.empty() ? message : way_ + ": " + message);
}

void json_field::expected(std::string_view what) const {
    std::string found(json_kind(*value_));
    if (value_->is_string()) found = in_quotes(value_->get_ref<const std::string&>());
    if (value_->is_number()) found = value_->dump();
    fail("expected " + std::string(what) + ", found " + found);
}

json_field json_field::member(const std::string& key) const {
    const auto& members = object();
    const auto found = members.find(key);
    if (found == members.end()) fail("key " + in_quotes(key) + " is missing");
    return {found->second, file_, way_.empty() ? key : way_ + "." + key};
}

std::optional<json_field> json_field::find(const std::string& key) const {
    const auto& members = object();
    const auto found = members.find(key);
    if (found == members.end() || found->second.is_null()) return std::nullopt;
    return member(key);
}

json_field json_field::element(std::size_t index) const {
    return {(*value_)[index], file_, way_ + "[" + std::to_string(index) + "]"};
}

std::size_t json_field::array_size() const {
    if (!value_->is_array()) expected("an array");
    return value_->size();
}

const json::object_t& json_field::object() const {
    if (!value_->is_object()) expected("an object");
    return value_->get_ref<const json::object_t&>();
}

const std::string& json_field::text() const {
    if (!value_->is_string()) expected("a string");
    return value_->get_ref<const std::string&>();
}

bool json_field::truth() const {
    if (!value_->is_boolean()) expected("true or false");
    return value_->get<bool>();
}

double json_field::number() const {
    if (!value_->is_number()) expected("a number");
    return value_->get<double>();
}

std::int32_t json_field::id() const {
    constexpr auto greatest = std::numeric_limits<std::int32_t>::max() - 1;
    if (!value_->is_number_unsigned() ||
        value_->get<std::uint64_t>() > static_cast<std::uint64_t>(greatest)) {
        expected("an id from 0 to " + std::to_string(greatest));
    }
    return static_cast<std::int32_t>(value_->get<std::uint64_t>());
}

bool json_field::truth_or(const std::string& key, bool otherwise) const {
    const auto found = find(key);
    return found ? found->truth() : otherwise;
}

std::string json_field::text_or(const std::string& key,
                                std::string_view otherwise) const {
    const auto found = find(key);
    return found ? found->text() : std::string(otherwise);
}

std::size_t json_field::one_of(std::initializer_list<std::string_view> names) const {
    const auto* const found = std::find(names.begin(), names.end(), text());
    if (found == names.end()) {
        fail(in_quotes(text()) + " is not supported" + did_you_mean(text(), names) +
             "; known: " + name_list(names));
    }
    return static_cast<std::size_t>(found - names.begin());
}

void json_field::only(std::initializer_list<std::string_view> known) const {
    for (const auto& [key, value] : object()) {
        if (std::find(known.begin(), known.end(), key) == known.end()) {
            fail("key " + in_quotes(key) + " is not supported" +
                 did_you_mean(key, known));
        }
    }
}

}  // namespace packkit::app
