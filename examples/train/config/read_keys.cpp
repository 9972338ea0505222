// SPDX-License-Identifier: Apache-2.0
// What the table of keys is used for: reading a configuration and printing settings.
#include "config/schema.hpp"

#include "common/did_you_mean.hpp"

#include <algorithm>

namespace packkit::train {
namespace {

/// The nearest of the keys that may stand in a file.
template <class Section>
std::string suggestion(key_table<Section> table, std::string_view name) {
    constexpr std::size_t longest = 100;  // the search takes quadratic time
    if (name.size() > longest) return {};
    std::vector<std::string_view> names;
    for (const auto& key : table) {
        if (key.status != key_status::rejected) names.push_back(key.name);
    }
    return app::did_you_mean(name, names);
}

/// Noted keys by their reason, in the order of the file.
using noted_keys = std::vector<std::pair<std::string_view, std::vector<std::string>>>;

void add_noted(noted_keys& noted, std::string_view why, const std::string& key) {
    const auto found = std::find_if(noted.begin(), noted.end(),
                                    [&](const auto& each) { return each.first == why; });
    if (found == noted.end()) {
        noted.push_back({why, {key}});
    } else {
        found->second.push_back(key);
    }
}

/// "`a`, `b` have no effect: why".
std::string noted_text(std::string_view why, const std::vector<std::string>& keys) {
    std::string names;
    for (const auto& key : keys)
        names += (names.empty() ? "`" : ", `") + key + "`";
    return names + (keys.size() == 1 ? " has" : " have") +
           " no effect: " + std::string(why);
}

/// Says of one member of a map what concerns its name.
template <class Section>
void check_name(const key_reader& keys, const config_member& member,
                key_table<Section> table, bool suggest, noted_keys& noted,
                std::vector<std::string>& warnings) {
    const std::string full = keys.prefix() + member.key;
    const auto* const key = find_key(table, member.key);
    const auto refuse = [&](const std::string& what) {
        throw config_error(place_of(keys.file(), member.line), what, full, member.line);
    };
    if (key == nullptr) {
        refuse("key " + app::in_quotes(full) + " is unknown" +
               (suggest ? suggestion(table, member.key) : std::string()));
    } else if (key->status == key_status::rejected) {
        if (keys.off(member.key)) return;
        const std::string note = key->note.empty() ? "" : "; " + std::string(key->note);
        refuse(full + " is not supported" + note);
    } else if (key->status == key_status::noted && !keys.off(member.key)) {
        add_noted(noted, key->note, full);
    }
    if (!key->deprecation.empty() && !keys.off(member.key)) {
        warnings.push_back("`" + full + "` is deprecated, " +
                           std::string(key->deprecation));
    }
}

}  // namespace

template <class Section>
void read_keys(const key_reader& keys, key_table<Section> table, Section& section,
               config_problems& problems, key_remarks& remarks) {
    noted_keys noted;
    for (const auto& member : keys.map().members) {
        const bool suggest = !problems.many();
        problems.attempt(
            [&] { check_name(keys, member, table, suggest, noted, remarks.warnings); });
    }
    for (const auto& [why, names] : noted)
        remarks.notes.push_back(noted_text(why, names));
    for (const auto& key : table) {
        if (!keys.has(key.name)) {
            if (key.missing.empty()) continue;
            problems.attempt([&] {
                keys.conflict(key.name, keys.prefix() + std::string(key.name) +
                                            " is missing: expected " +
                                            std::string(key.missing));
            });
        } else if (key.read && !problems.has(keys.prefix() + std::string(key.name))) {
            problems.attempt([&] { key.read(keys, section); });
            if (key.inner)
                read_keys(keys.inner(key.name), key.inner(), section, problems, remarks);
        }
    }
}

template <class Section>
void add_settings(key_table<Section> table, const Section& section,
                  const std::string& prefix, setting_list& list) {
    for (const auto& key : table) {
        if (key.applies && !key.applies(section)) continue;
        if (key.inner) {
            add_settings(key.inner(), section, prefix + std::string(key.name) + ".",
                         list);
        } else if (key.list_settings != nullptr) {
            key.list_settings(section, list);
        } else if (key.text) {
            list.push_back(
                {prefix + std::string(key.setting_name), key.text(section), key.affects});
        }
    }
}

template void read_keys(const key_reader&, key_table<train_config>, train_config&,
                        config_problems&, key_remarks&);
template void read_keys(const key_reader&, key_table<dataset_config>, dataset_config&,
                        config_problems&, key_remarks&);
template void add_settings(key_table<train_config>, const train_config&,
                           const std::string&, setting_list&);
template void add_settings(key_table<dataset_config>, const dataset_config&,
                           const std::string&, setting_list&);

void note_defaults(const key_reader& keys, train_config& config) {
    std::string list;
    for (const auto& key : top_level_keys()) {
        if (!key.tells_default || keys.has(key.name) || keys.has(key.told_instead))
            continue;
        if (key.default_text.empty() && key.text(config) != key.text(train_config()))
            continue;
        const auto value =
            key.default_text.empty() ? key.text(config) : std::string(key.default_text);
        list += (list.empty() ? "" : ", ") + std::string(key.name) + " " + value;
    }
    if (!list.empty())
        config.notes.push_back("not set, so Axolotl's defaults hold: " + list);
}

std::vector<std::pair<std::string, std::string>> settings_that_affect(
    const train_config& config, std::optional<key_effect> effect) {
    setting_list settings;
    add_settings(top_level_keys(), config, "", settings);
    std::vector<std::pair<std::string, std::string>> result;
    const auto is_meant = [effect](key_effect affects) {
        if (!effect || affects == *effect) return true;
        return affects == key_effect::data_and_run &&
               (effect == key_effect::data || effect == key_effect::run);
    };
    for (auto& [key, text, affects] : settings) {
        if (is_meant(affects)) result.emplace_back(std::move(key), std::move(text));
    }
    return result;
}

std::vector<std::pair<std::string, std::string>> resolved_settings(
    const train_config& config) {
    return settings_that_affect(config, std::nullopt);
}

}  // namespace packkit::train
