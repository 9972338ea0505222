// SPDX-License-Identifier: Apache-2.0
#include "config/kinds.hpp"

#include "chat/template.hpp"
#include "common/errors.hpp"
#include "common/json.hpp"
#include "common/numbers.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <system_error>
#include <type_traits>

namespace packkit::train {
namespace {

using namespace std::string_view_literals;
using app::in_quotes;
using node_kind = config_node::kind;

/// The text without underscores between digits, as YAML 1.1 writes 500_000; nothing when
/// one stands elsewhere.
std::optional<std::string> without_underscores(std::string_view text) {
    const auto is_digit = [&](std::size_t at) {
        return at < text.size() && text[at] >= '0' && text[at] <= '9';
    };
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '_') {
            plain += text[i];
        } else if (i == 0 || !is_digit(i - 1) || !is_digit(i + 1)) {
            return std::nullopt;
        }
    }
    return plain;
}

template <class Number>
std::optional<Number> number_in(std::string_view text) {
    Number value{};
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, value);
    if (error != std::errc() || end != last) return std::nullopt;
    return value;
}

/// All of a text as a number, with the signs, points and underscores that YAML allows:
/// "+1", ".5", "1.", "500_000". A whole number may be written as 2.0.
template <class Number>
std::optional<Number> parse_number(const config_node& node) {
    if (node.type != node_kind::scalar) return std::nullopt;
    const auto plain = without_underscores(node.text);
    if (!plain) return std::nullopt;
    std::string_view text = *plain;
    if (text.starts_with('+')) text.remove_prefix(1);
    if (text.starts_with('+') || text.empty()) return std::nullopt;
    if constexpr (std::is_integral_v<Number>) {
        const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
        // YAML 1.1 would read 010 as eight.
        if (digits.size() > 1 && digits.starts_with('0') && digits[1] != '.')
            return std::nullopt;
        if (text.find('.') == text.npos) return number_in<Number>(text);
        constexpr double exact = 9007199254740992.0;  // 2^53
        const auto real = number_in<double>(text);
        const double low = std::is_signed_v<Number> ? -exact : 0.0;
        if (!real || *real != std::floor(*real) || *real < low || *real > exact)
            return std::nullopt;
        return static_cast<Number>(*real);
    } else {
        return number_in<Number>(text);
    }
}

/// All of a text as a whole number.
std::optional<std::int64_t> whole_of(std::string_view text) {
    config_node node;
    node.type = node_kind::scalar;
    node.text = text;
    return parse_number<std::int64_t>(node);
}

constexpr auto stays_on_device =
    "is not supported: activations stay on the device; use true, which keeps nothing of "
    "a block but its input, or selective"sv;
constexpr auto other_checkpointing =
    rejected_names(stays_on_device, "offload", "offload_disk", "unsloth");
constexpr auto checkpointing_names =
    in_order<checkpointing_kind>("false", "selective", "true");

constexpr auto jinja =
    rejected_names("is not supported: Jinja templates are not read; expected", "jinja",
                   "tokenizer_default*");

std::vector<std::string_view> template_names() {
    std::vector<std::string_view> names;
    for (const chat_template& form : chat_templates())
        names.push_back(form.name);
    return names;
}

}  // namespace

std::optional<bool> parse_truth(std::string_view text) {
    constexpr std::array yes = {"true"sv, "True"sv, "TRUE"sv, "yes"sv, "Yes"sv, "YES"sv,
                                "on"sv,   "On"sv,   "ON"sv,   "y"sv,   "Y"sv,   "1"sv};
    constexpr std::array no = {"false"sv, "False"sv, "FALSE"sv, "no"sv, "No"sv, "NO"sv,
                               "off"sv,   "Off"sv,   "OFF"sv,   "n"sv,  "N"sv,  "0"sv};
    if (std::find(yes.begin(), yes.end(), text) != yes.end()) return true;
    if (std::find(no.begin(), no.end(), text) != no.end()) return false;
    return std::nullopt;
}

std::string expected_found(const std::string& expected, const config_node& node) {
    return "expected " + expected + ", found " + describe(node);
}

std::optional<bool> truth::read(const config_node& node) const {
    return node.type == node_kind::scalar ? parse_truth(node.text) : std::nullopt;
}

std::optional<std::int64_t> whole::read(const config_node& node) const {
    const auto number = parse_number<std::int64_t>(node);
    return number && *number >= low && *number <= high ? number : std::nullopt;
}

std::string whole::expected() const {
    if (high == std::numeric_limits<std::int64_t>::max())
        return "a whole number >= " + std::to_string(low);
    return "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
}

std::optional<std::uint64_t> natural::read(const config_node& node) const {
    return parse_number<std::uint64_t>(node);
}

std::optional<double> real::read(const config_node& node) const {
    const auto number = parse_number<double>(node);
    const bool inside = number && std::isfinite(*number) &&
                        (range.with_low ? *number >= range.low : *number > range.low) &&
                        (range.with_high ? *number <= range.high : *number < range.high);
    return inside ? number : std::nullopt;
}

std::string real::text(double value) const {
    return app::shortest(value);
}

std::optional<std::string> plain_text::read(const config_node& node) const {
    const bool good = node.type == node_kind::scalar && !node.text.empty() &&
                      node.text.find('\0') == std::string::npos;
    return good ? std::optional(node.text) : std::nullopt;
}

std::string plain_text::rejection(const config_node& node) const {
    if (node.type != node_kind::scalar) return expected_found("a text", node);
    return expected_found(
        node.text.empty() ? "a text that is not empty" : "a text without NUL bytes",
        node);
}

std::optional<std::vector<std::string>> text_list::read(const config_node& node) const {
    if (node.type != node_kind::sequence) return std::nullopt;
    std::vector<std::string> texts;
    for (const config_node& item : node.items) {
        if (item.type != node_kind::scalar || item.text.empty()) return std::nullopt;
        texts.push_back(item.text);
    }
    return texts;
}

std::optional<std::vector<std::string>> some_texts::read(const config_node& node) const {
    if (node.type == node_kind::sequence) {
        auto texts = text_list{what}.read(node);
        return texts && !texts->empty() ? texts : std::nullopt;
    }
    const auto text = plain_text{what}.read(node);
    return text ? std::optional(std::vector{*text}) : std::nullopt;
}

std::string some_texts::text(const std::vector<std::string>& value) const {
    return value.empty() ? std::string() : text_list{what}.text(value);
}

std::optional<split_slice> split_choice::read(const config_node& node) const {
    if (node.type != node_kind::scalar) return std::nullopt;
    const std::string_view text = node.text;
    const std::size_t bracket = text.find('[');
    split_slice slice{std::string(text.substr(0, bracket)), {}, {}};
    if (slice.name.empty() || slice.name.find_first_of("+/\\:]") != std::string::npos)
        return std::nullopt;
    if (bracket == std::string_view::npos) return slice;
    if (!text.ends_with(']')) return std::nullopt;
    const std::string_view ends = text.substr(bracket + 1, text.size() - bracket - 2);
    const std::size_t colon = ends.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const auto end_of = [](std::string_view part, std::optional<slice_end>& end) {
        if (part.empty()) return true;
        slice_end value;
        value.percent = part.ends_with('%');
        if (value.percent) part.remove_suffix(1);
        const auto number = whole_of(part);
        if (!number || (value.percent && std::abs(*number) > 100)) return false;
        value.value = *number;
        end = value;
        return true;
    };
    const bool good = end_of(ends.substr(0, colon), slice.from) &&
                      end_of(ends.substr(colon + 1), slice.to);
    return good ? std::optional(std::move(slice)) : std::nullopt;
}

std::string split_choice::rejection(const config_node& node) const {
    const bool joins =
        node.type == node_kind::scalar && node.text.find('+') != std::string::npos;
    return expected_found(expected(), node) +
           (joins ? "; give each split an entry of datasets" : "");
}

std::string split_choice::text(const split_slice& value) const {
    const auto end = [](const std::optional<slice_end>& each) {
        if (!each) return std::string();
        return std::to_string(each->value) + (each->percent ? "%" : "");
    };
    if (!value.from && !value.to) return value.name;
    return value.name + "[" + end(value.from) + ":" + end(value.to) + "]";
}

std::string text_list::text(const std::vector<std::string>& value) const {
    return app::ordered_json(value).dump();
}

std::optional<std::string> name_rejection(std::string_view text,
                                          std::span<const rejected_name> rejected,
                                          const std::string& expected) {
    for (const rejected_name& each : rejected) {
        const std::string_view name = each.name;
        const bool matches = name.ends_with('*')
                                 ? text.starts_with(name.substr(0, name.size() - 1))
                                 : text.substr(0, text.find_first_of(".:")) == name;
        if (!matches) continue;
        const bool lists = each.why.ends_with("; expected");
        return in_quotes(text) + " " + std::string(each.why) +
               (lists ? " " + expected : std::string());
    }
    return std::nullopt;
}

std::string unknown_name(const config_node& node, const std::string& expected,
                         std::span<const std::string_view> names) {
    // Almost any word is near one of three letters: 'gpu' does not mean 'cpu'.
    const bool suggest = node.type == node_kind::scalar && node.text.size() > 3;
    return expected_found(expected, node) +
           (suggest ? app::did_you_mean(node.text, names) : std::string());
}

std::optional<precision_switch> precision_switch_name::read(
    const config_node& node) const {
    if (const auto on = truth().read(node))
        return *on ? precision_switch::on : precision_switch::off;
    if (node.type != node_kind::scalar) return std::nullopt;
    if (node.text == "full") return precision_switch::on;
    if (node.text == "auto") return precision_switch::automatic;
    return std::nullopt;
}

std::optional<checkpointing_kind> checkpointing_choice::read(
    const config_node& node) const {
    if (const auto on = truth().read(node))
        return *on ? checkpointing_kind::full : checkpointing_kind::none;
    return choice<checkpointing_kind>{checkpointing_names}.read(node);
}

std::string checkpointing_choice::rejection(const config_node& node) const {
    if (auto why = name_rejection(node.text, other_checkpointing, {})) return *why;
    return expected_found(expected(), node);
}

std::string checkpointing_choice::text(checkpointing_kind value) const {
    return std::string(name_of<checkpointing_kind>(value, checkpointing_names));
}

std::optional<std::string> template_name::read(const config_node& node) const {
    const bool found =
        node.type == node_kind::scalar && find_chat_template(node.text) != nullptr;
    return found ? std::optional(node.text) : std::nullopt;
}

std::string template_name::expected() const {
    return "one of " + app::name_list(template_names());
}

std::string template_name::rejection(const config_node& node) const {
    if (node.type == node_kind::scalar) {
        if (auto why = name_rejection(node.text, jinja, expected())) return *why;
    }
    return unknown_name(node, expected(), template_names());
}

}  // namespace packkit::train
