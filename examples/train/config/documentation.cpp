// SPDX-License-Identifier: Apache-2.0
// The table of keys for users.
#include "config/schema.hpp"

#include "common/did_you_mean.hpp"
#include "common/json.hpp"

#include <algorithm>
#include <array>

namespace packkit::train {
namespace {

/// A key as the documentation shows it.
struct documented_key {
    std::string name;
    std::string_view status;
    std::string value;
    std::string by_default;
    std::string_view affects;
    std::string note;
};

/// The default that a member has in config.hpp.
template <class Section>
std::string default_of(const config_key<Section>& key) {
    if (!key.missing.empty()) return "required";
    if (!key.default_text.empty()) return std::string(key.default_text);
    setting_list settings;
    if (key.add_settings) key.add_settings(Section(), "", key.affects, settings);
    return settings.size() == 1 && settings.front().key == key.name
               ? settings.front().text
               : std::string();
}

template <class Section>
void document(key_table<Section> table, const std::string& prefix,
              std::vector<documented_key>& all) {
    for (const auto& key : table) {
        std::string note(key.note);
        if (!key.deprecation.empty()) {
            note += (note.empty() ? "" : "; ") + std::string("deprecated, ") +
                    std::string(key.deprecation);
        }
        all.push_back({prefix + std::string(key.name), to_string(key.status),
                       key.expected, default_of(key), to_string(key.affects),
                       std::move(note)});
        if (key.inner) document(key.inner(), prefix + std::string(key.name) + ".", all);
        if (key.name == "datasets") document(dataset_keys(), "datasets.N.", all);
    }
}

std::vector<documented_key> keys_with(std::span<const std::string> names) {
    std::vector<documented_key> all;
    document(top_level_keys(), "", all);
    if (names.empty()) return all;
    std::vector<documented_key> chosen;
    for (const std::string& name : names) {
        const std::size_t before = chosen.size();
        std::copy_if(all.begin(), all.end(), std::back_inserter(chosen),
                     [&](const documented_key& key) {
                         return key.name.find(name) != std::string::npos;
                     });
        if (chosen.size() > before) continue;
        std::vector<std::string_view> known;
        for (const documented_key& key : all)
            known.push_back(key.name);
        throw app::usage_error(app::in_quotes(name),
                               "is no part of a key" + app::did_you_mean(name, known));
    }
    return chosen;
}

std::string json_of(const std::vector<documented_key>& keys) {
    auto list = app::ordered_json::array();
    for (const documented_key& key : keys) {
        list.push_back({{"key", key.name},
                        {"status", key.status},
                        {"value", key.value},
                        {"default", key.by_default},
                        {"affects", key.affects},
                        {"note", key.note}});
    }
    return list.dump(2) + "\n";
}

}  // namespace

std::string key_documentation(std::span<const std::string> names,
                              app::output_format format) {
    const auto keys = keys_with(names);
    if (format == app::output_format::json) return json_of(keys);
    using enum app::alignment;
    app::table table({{"key", left},
                      {"status", left},
                      {"value", left},
                      {"default", left},
                      {"affects", left},
                      {"note", left}});
    for (const documented_key& key : keys) {
        table.add_row({key.name, std::string(key.status), key.value, key.by_default,
                       std::string(key.affects), key.note});
    }
    switch (format) {
        case app::output_format::csv:
            return table.to_csv();
        case app::output_format::markdown:
            return table.to_markdown();
        default:
            return table.to_text();
    }
}

}  // namespace packkit::train
