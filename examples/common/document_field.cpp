// SPDX-License-Identifier: Apache-2.0
#include "document_field.hpp"

#include "did_you_mean.hpp"
#include "errors.hpp"
#include "numbers.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>

namespace packkit::app {

using kind = document_node::kind;

bool is_text(const document_node& node) {
    return node.type == kind::scalar && node.quoted;
}

bool is_truth(const document_node& node) {
    return node.type == kind::scalar && !node.quoted &&
           (node.text == "true" || node.text == "false");
}

std::optional<double> number_of(const document_node& node) {
    if (node.type != kind::scalar || node.quoted) return std::nullopt;
    double value = 0;
    const char* const last = node.text.data() + node.text.size();
    const auto [end, error] = std::from_chars(node.text.data(), last, value);
    // Too small a number is zero, as other readers take it; JSON has no too large ones.
    const bool read = error == std::errc() || error == std::errc::result_out_of_range;
    if (!read || end != last) return std::nullopt;
    return value;
}

std::optional<std::int64_t> whole_of(const document_node& node) {
    if (node.type != kind::scalar || node.quoted) return std::nullopt;
    const auto [value, fault] = parse_integer(node.text);
    return fault == integer_fault::none ? std::optional(value) : std::nullopt;
}

std::string document_field::way_to(std::string_view key) const {
    return way_ + (way_.empty() ? "" : ".") + escaped(key);
}

void document_field::fail(const std::string& message) const {
    throw input_error(place_of(file_, node_->line),
                      way_.empty() ? message : way_ + ": " + message);
}

void document_field::fail(std::string_view key, const std::string& message) const {
    const document_node* const value = node_->find(key);
    throw input_error(place_of(file_, value == nullptr ? node_->line : value->line),
                      way_to(key) + ": " + message);
}

void document_field::expected(std::string_view what) const {
    fail("expected " + std::string(what) + ", found " + describe_json(*node_));
}

const std::vector<document_member>& document_field::members() const {
    if (node_->type != kind::map) expected("an object");
    return node_->members;
}

std::size_t document_field::array_size() const {
    if (node_->type != kind::sequence) expected("an array");
    return node_->items.size();
}

const std::string& document_field::text() const {
    if (!is_text(*node_)) expected("a string");
    return node_->text;
}

bool document_field::truth() const {
    if (!is_truth(*node_)) expected("true or false");
    return node_->text == "true";
}

double document_field::number() const {
    const auto value = number_of(*node_);
    if (!value) expected("a number");
    return *value;
}

std::int64_t document_field::whole(std::int64_t low, std::int64_t high,
                                   std::string_view what) const {
    const auto value = whole_of(*node_);
    if (!value || *value < low || *value > high) {
        const bool open = high == std::numeric_limits<std::int64_t>::max();
        expected(std::string(what) +
                 (open ? " >= " + std::to_string(low)
                       : " from " + std::to_string(low) + " to " + std::to_string(high)));
    }
    return *value;
}

std::int32_t document_field::id() const {
    return static_cast<std::int32_t>(whole(0, max_size - 1, "an id"));
}

std::size_t document_field::one_of(std::span<const std::string_view> names) const {
    const auto found = std::find(names.begin(), names.end(), text());
    if (found == names.end()) {
        fail(in_quotes(text()) + " is not known; expected one of " + name_list(names) +
             did_you_mean(text(), names));
    }
    return static_cast<std::size_t>(found - names.begin());
}

document_field document_field::member(std::string_view key) const {
    (void)members();
    const document_node* const found = node_->find(key);
    if (found == nullptr) fail("key " + in_quotes(key) + " is missing");
    return {*found, file_, way_to(key)};
}

std::optional<document_field> document_field::find(std::string_view key) const {
    (void)members();
    const document_node* const found = node_->find(key);
    if (found == nullptr || found->type == kind::null) return std::nullopt;
    return document_field(*found, file_, way_to(key));
}

bool document_field::has(std::string_view key) const {
    return node_->find(key) != nullptr;
}

document_field document_field::at(const document_member& member) const {
    return {member.value, file_, way_to(member.key)};
}

document_field document_field::element(std::size_t index) const {
    return {node_->items[index], file_, way_ + "[" + std::to_string(index) + "]"};
}

void document_field::only(std::initializer_list<std::string_view> known) const {
    for (const auto& member : members()) {
        if (std::find(known.begin(), known.end(), member.key) == known.end()) {
            fail("key " + in_quotes(member.key) + " is not supported" +
                 did_you_mean(member.key, known));
        }
    }
}

bool document_field::truth_or(std::string_view key, bool otherwise) const {
    return truth(key).value_or(otherwise);
}

std::string document_field::text_or(std::string_view key,
                                    std::string_view otherwise) const {
    return text(key).value_or(std::string(otherwise));
}

std::optional<bool> document_field::truth(std::string_view key) const {
    const auto found = find(key);
    return found ? std::optional(found->truth()) : std::nullopt;
}

std::optional<std::string> document_field::text(std::string_view key) const {
    const auto found = find(key);
    return found ? std::optional(found->text()) : std::nullopt;
}

std::optional<std::int64_t> document_field::size(std::string_view key, std::int64_t high,
                                                 std::int64_t low) const {
    const auto found = find(key);
    return found ? std::optional(found->whole(low, high)) : std::nullopt;
}

std::int64_t document_field::required_size(std::string_view key,
                                           std::int64_t high) const {
    const auto value = size(key, high);
    if (!value) fail(key, "is missing; expected a whole number >= 1");
    return *value;
}

std::optional<double> document_field::ranged(std::string_view key, double low,
                                             bool with_low, double high,
                                             std::string_view what) const {
    const auto found = find(key);
    if (!found) return std::nullopt;
    const auto value = number_of(found->node());
    const bool inside = value && std::isfinite(*value) &&
                        (with_low ? *value >= low : *value > low) && *value < high;
    if (!inside) found->expected(what);
    return value;
}

std::optional<double> document_field::positive(std::string_view key) const {
    constexpr double none = std::numeric_limits<double>::infinity();
    return ranged(key, 0, false, none, "a number > 0");
}

std::optional<double> document_field::not_negative(std::string_view key) const {
    constexpr double none = std::numeric_limits<double>::infinity();
    return ranged(key, 0, true, none, "a number >= 0");
}

std::optional<double> document_field::probability(std::string_view key) const {
    return ranged(key, 0, true, 1, "a number >= 0 and < 1");
}

std::optional<document_field> document_field::inner(std::string_view key) const {
    const auto found = find(key);
    if (found) (void)found->members();
    return found;
}

void document_field::only(std::string_view key, std::string_view supported,
                          bool quoted) const {
    const auto found = find(key);
    if (!found) return;
    const document_node& node = found->node();
    if (node.type == kind::scalar && node.quoted == quoted && node.text == supported)
        return;
    found->fail(describe_json(node) + " is not supported; expected " +
                (quoted ? in_quotes(supported) : std::string(supported)));
}

void document_field::only(std::string_view key, std::string_view supported) const {
    only(key, supported, true);
}

void document_field::only(std::string_view key, bool supported) const {
    only(key, supported ? "true" : "false", false);
}

}  // namespace packkit::app
