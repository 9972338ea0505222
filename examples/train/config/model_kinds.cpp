// SPDX-License-Identifier: Apache-2.0
#include "config/model_kinds.hpp"

#include "common/json.hpp"
#include "config/kinds.hpp"

#include <limits>

namespace packkit::train {
namespace {

using app::ordered_json;
using value_kind = config_node::kind;

ordered_json json_of(const config_node& node) {
    switch (node.type) {
        case value_kind::null:
            return nullptr;
        case value_kind::scalar:
            break;
        case value_kind::sequence: {
            ordered_json list = ordered_json::array();
            for (const auto& item : node.items)
                list.push_back(json_of(item));
            return list;
        }
        case value_kind::map: {
            ordered_json object = ordered_json::object();
            for (const auto& member : node.members)
                object[member.key] = json_of(member.value);
            return object;
        }
    }
    if (node.quoted) return node.text;
    // Numbers before truth values: 1 is a number here. 2.0 stays a real number.
    constexpr auto least = std::numeric_limits<std::int64_t>::min();
    if (node.text.find('.') == std::string::npos) {
        if (const auto value = whole{least}.read(node)) return *value;
    }
    if (const auto value = real{any_number}.read(node)) return *value;
    if (const auto value = parse_truth(node.text)) return *value;
    return node.text;
}

}  // namespace

std::optional<std::string> json_map::read(const config_node& node) const {
    if (node.type != value_kind::map) return std::nullopt;
    return node.members.empty() ? std::string() : json_of(node).dump();
}

std::optional<std::map<std::int32_t, std::string>> token_overrides::read(
    const config_node& node) const {
    if (node.type != value_kind::map) return std::nullopt;
    std::map<std::int32_t, std::string> overrides;
    for (const auto& [key, value, line] : node.members) {
        config_node number;
        number.type = value_kind::scalar;
        number.text = key;
        const auto id =
            whole{0, std::numeric_limits<std::int32_t>::max() - 1}.read(number);
        const auto text = plain_text().read(value);
        if (!id || !text) return std::nullopt;
        overrides[static_cast<std::int32_t>(*id)] = *text;
    }
    return overrides;
}

std::string token_overrides::text(
    const std::map<std::int32_t, std::string>& value) const {
    if (value.empty()) return {};
    ordered_json object = ordered_json::object();
    for (const auto& [id, token] : value)
        object[std::to_string(id)] = token;
    return object.dump();
}

}  // namespace packkit::train
