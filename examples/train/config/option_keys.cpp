// SPDX-License-Identifier: Apache-2.0
#include "config/option_keys.hpp"

#include "config/schema.hpp"

#include <algorithm>

namespace packkit::train {
namespace {

std::string with_underscores(std::string_view name) {
    std::string key(name);
    std::replace(key.begin(), key.end(), '-', '_');
    return key;
}

/// The part of a dotted path before its first point, which is then taken away.
std::string take_part(std::string_view& path) {
    const auto dot = path.find('.');
    const std::string part(path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
    return part;
}

template <class Section>
option_value value_of(const config_key<Section>* key) {
    if (key == nullptr || !key->read) return option_value::unknown;
    return key->is_truth ? option_value::truth : option_value::required;
}

/// What the key `path` below `key` takes.
template <class Section>
option_value value_below(const config_key<Section>* key, std::string_view path) {
    if (path.empty()) return value_of(key);
    if (key == nullptr || key->inner == nullptr) return option_value::required;
    const auto* const inner = find_key(key->inner(), take_part(path));
    return inner == nullptr ? option_value::required : value_below(inner, path);
}

}  // namespace

std::optional<option_key> find_option_key(std::string_view name) {
    const std::string path = with_underscores(name);
    std::string_view rest = path;
    const auto first = take_part(rest);
    const auto* const key = find_key(top_level_keys(), first);
    if (key == nullptr) return std::nullopt;
    if (key->list_settings == nullptr || rest.empty())
        return option_key{path, value_below(key, rest)};
    static_cast<void>(take_part(rest));  // the number of the entry
    const auto* const entry = find_key(dataset_keys(), take_part(rest));
    return option_key{
        path, entry == nullptr ? option_value::required : value_below(entry, rest)};
}

std::vector<std::string> option_key_names() {
    std::vector<std::string> names;
    for (const auto& key : top_level_keys()) {
        if (key.status == key_status::rejected || key.name.ends_with('*')) continue;
        std::string name = "--" + std::string(key.name);
        std::replace(name.begin(), name.end(), '_', '-');
        names.push_back(std::move(name));
    }
    return names;
}

}  // namespace packkit::train
