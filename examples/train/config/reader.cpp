// SPDX-License-Identifier: Apache-2.0
#include "config/reader.hpp"

#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "common/numbers.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <system_error>

namespace packkit::train {
namespace {

using kind = config_node::kind;

/// All of a text as a number, with the signs and points that YAML allows: "+1", ".5",
/// "1.".
/// \details YAML 1.1 reads "010" as eight, others as ten: no leading zeros in whole
/// numbers.
template <class Number>
std::optional<Number> parse_number(std::string_view text) {
    if (text.starts_with('+')) text.remove_prefix(1);
    if (text.starts_with('+') || text.empty()) return std::nullopt;
    if constexpr (std::is_integral_v<Number>) {
        const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
        if (digits.size() > 1 && digits.starts_with('0')) return std::nullopt;
    }
    Number value{};
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, value);
    if (error != std::errc() || end != last) return std::nullopt;
    return value;
}

std::string whole_range(std::int64_t low, std::int64_t high) {
    if (high == std::numeric_limits<std::int64_t>::max()) {
        return "a whole number >= " + std::to_string(low);
    }
    return "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
}

}  // namespace

std::optional<bool> parse_truth(std::string_view text) {
    constexpr std::array<std::string_view, 9> yes = {"true", "True", "TRUE", "yes", "Yes",
                                                     "YES",  "on",   "On",   "ON"};
    constexpr std::array<std::string_view, 9> no = {"false", "False", "FALSE", "no", "No",
                                                    "NO",    "off",   "Off",   "OFF"};
    for (const auto word : yes) {
        if (word == text) return true;
    }
    for (const auto word : no) {
        if (word == text) return false;
    }
    return std::nullopt;
}

const config_node* key_reader::find(std::string_view key) const {
    const config_node* const value = map_->find(key);
    return value == nullptr || value->type == kind::null ? nullptr : value;
}

const config_node* key_reader::scalar(std::string_view key,
                                      const std::string& what) const {
    const config_node* const value = find(key);
    if (value != nullptr && value->type != kind::scalar) expected(key, what);
    return value;
}

std::optional<bool> key_reader::truth(std::string_view key) const {
    constexpr auto what = "true or false";
    const config_node* const value = scalar(key, what);
    if (value == nullptr) return std::nullopt;
    const auto read = parse_truth(value->text);
    if (!read) expected(key, what);
    return read;
}

std::optional<std::int64_t> key_reader::whole(std::string_view key, std::int64_t low,
                                              std::int64_t high) const {
    const std::string what = whole_range(low, high);
    const config_node* const value = scalar(key, what);
    if (value == nullptr) return std::nullopt;
    const auto read = parse_number<std::int64_t>(value->text);
    if (!read || *read < low || *read > high) expected(key, what);
    return read;
}

std::optional<std::uint64_t> key_reader::natural(std::string_view key) const {
    const std::string what = "a whole number from 0 to 18446744073709551615";
    const config_node* const value = scalar(key, what);
    if (value == nullptr) return std::nullopt;
    const auto read = parse_number<std::uint64_t>(value->text);
    if (!read) expected(key, what);
    return read;
}

std::optional<double> key_reader::real(std::string_view key, real_range range) const {
    const std::string what(range.expected);
    const config_node* const value = scalar(key, what);
    if (value == nullptr) return std::nullopt;
    const auto read = parse_number<double>(value->text);
    const bool inside = read && std::isfinite(*read) &&
                        (range.with_low ? *read >= range.low : *read > range.low) &&
                        (range.with_high ? *read <= range.high : *read < range.high);
    if (!inside) expected(key, what);
    return read;
}

std::optional<std::string> key_reader::text(std::string_view key) const {
    const config_node* const value = scalar(key, "a text");
    if (value == nullptr) return std::nullopt;
    if (value->text.empty() || value->text.find('\0') != std::string::npos) {
        expected(key, value->text.empty() ? "a text that is not empty"
                                          : "a text without NUL bytes");
    }
    return value->text;
}

std::optional<std::string> key_reader::one_of(
    std::string_view key, std::span<const std::string_view> names) const {
    const std::string what = "one of " + app::name_list(names);
    const config_node* const value = scalar(key, what);
    if (value == nullptr) return std::nullopt;
    for (const auto name : names) {
        if (name == value->text) return value->text;
    }
    // Of three letters almost any word is near: 'gpu' does not mean 'cpu'.
    const bool suggest = value->text.size() > 3;
    fail(key, "expected " + what + ", found " + describe(*value) +
                  (suggest ? app::did_you_mean(value->text, names) : std::string()));
}

bool key_reader::off(std::string_view key) const {
    const config_node* const value = find(key);
    if (value == nullptr) return true;
    if (value->type != kind::scalar)
        return value->items.empty() && value->members.empty();
    return value->text.empty() || parse_truth(value->text) == false ||
           parse_number<double>(value->text) == 0.0;
}

std::string key_reader::place(std::string_view key) const {
    for (const auto& member : map_->members) {
        if (member.key == key) {
            const bool line_of_value = member.value.type != kind::null;
            return place_of(file_, line_of_value ? member.value.line : member.line);
        }
    }
    return file_;
}

void key_reader::fail(std::string_view key, const std::string& message) const {
    throw app::input_error(place(key), prefix_ + std::string(key) + ": " + message);
}

void key_reader::expected(std::string_view key, const std::string& what) const {
    const config_node* const value = map_->find(key);
    fail(key, "expected " + what + ", found " +
                  (value == nullptr ? std::string("nothing") : describe(*value)));
}

void key_reader::conflict(std::string_view key, const std::string& message) const {
    throw app::input_error(place(key), message);
}

}  // namespace packkit::train
