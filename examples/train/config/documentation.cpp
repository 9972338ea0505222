// SPDX-License-Identifier: Apache-2.0
// The table of keys for users.
#include "config/schema.hpp"

#include "common/did_you_mean.hpp"
#include "common/json.hpp"

#include <algorithm>
#include <array>

namespace packkit::train {
namespace {

/// A key as the documentation shows it, a text for each of the columns.
using documented_key = std::array<std::string, 6>;

/// The default that a member has in config.hpp.
template <class Section>
std::string default_of(const config_key<Section>& key) {
    if (!key.missing.empty()) return "required";
    if (!key.default_text.empty()) return std::string(key.default_text);
    return key.text && key.setting_name == key.name ? key.text(Section()) : std::string();
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
        all.push_back({prefix + std::string(key.name), std::string(to_string(key.status)),
                       key.expected, default_of(key), std::string(to_string(key.affects)),
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
                         return key.front().find(name) != std::string::npos;
                     });
        if (chosen.size() > before) continue;
        std::vector<std::string_view> known;
        for (const documented_key& key : all)
            known.push_back(key.front());
        throw app::usage_error(app::in_quotes(name),
                               "is no part of a key" + app::did_you_mean(name, known));
    }
    return chosen;
}

constexpr std::array columns = {"key", "status", "value", "default", "affects", "note"};

std::string json_of(const std::vector<documented_key>& keys) {
    auto list = app::ordered_json::array();
    for (const documented_key& key : keys) {
        auto& row = list.emplace_back();
        for (std::size_t i = 0; i < columns.size(); ++i)
            row[columns[i]] = key[i];
    }
    return list.dump(2) + "\n";
}

}  // namespace

std::string key_documentation(std::span<const std::string> names,
                              app::output_format format) {
    const auto keys = keys_with(names);
    if (format == app::output_format::json) return json_of(keys);
    std::vector<app::table::column> headings;
    for (const char* const name : columns)
        headings.push_back({name, app::alignment::left});
    app::table table(std::move(headings));
    for (const documented_key& key : keys)
        table.add_row({key.begin(), key.end()});
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
