// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// One table of all keys: how each is read, checked, printed and documented.

#include "common/table.hpp"
#include "config/config.hpp"
#include "config/kinds.hpp"
#include "config/reader.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace packkit::train {

/// What becomes of a key.
enum class key_status : std::uint8_t {
    done,      ///< does what its note says
    noted,     ///< changes nothing here; the note says why, in one line of the log
    rejected,  ///< would change the result: only a value that switches it off passes
};
template <>
inline constexpr auto names_of<key_status> =
    in_order<key_status>("done", "noted", "rejected");

/// What a setting decides besides the run itself.
enum class key_effect : std::uint8_t {
    none,
    data,  ///< the samples: another value means other prepared data
    run,   ///< what a run and the checkpoint that it resumes from must have in common
    data_and_run,
    change  ///< may change when a run is resumed, which the log then says
};
template <>
inline constexpr auto names_of<key_effect> =
    in_order<key_effect>("", "data", "resume", "data, resume", "log on resume");

/// What the user should know of keys, apart from problems.
struct key_remarks {
    std::vector<std::string> warnings;
    std::vector<std::string> notes;
};

/// A setting as text.
struct setting {
    std::string key;
    std::string text;
    key_effect affects;
};
using setting_list = std::vector<setting>;

/// Relative to the configuration file; without a slash at the end.
inline std::string resolved_path(const std::string& config_path,
                                 const std::string& path) {
    const auto folder = std::filesystem::path(config_path).parent_path();
    const auto whole = (folder / path).lexically_normal();
    return (whole.has_filename() ? whole : whole.parent_path()).string();
}

template <class Section>
struct config_key;

/// The keys of a section: train_config or dataset_config.
template <class Section>
using key_table = std::span<const config_key<Section>>;

/// A key of a section.
/// \details A row of the table is one of
/// - (name, member, kind, note): the kind's value becomes the member's, which may be a
///   std::optional. Its default is that of config.hpp;
/// - (name, kind, note): the value is checked here and used by a rule (rules.hpp);
/// - (name, noted, note), (name, rejected, note).
/// A name with '*' at its end stands for all that begin so.
template <class Section>
struct config_key {
    template <class Member, class Kind>
    config_key(std::string_view key, Member member, Kind kind, std::string_view what)
        : config_key(key, kind, what) {
        read = [=](const key_reader& keys, Section& section) {
            const auto value = keys.read(key, kind);
            if (!value) return;
            if constexpr (std::is_same_v<Kind, file_path>) {
                std::invoke(member, section) = resolved_path(keys.file(), *value);
            } else {
                std::invoke(member, section) = *value;
            }
        };
        text = [=](const Section& section) {
            return text_of(kind, std::invoke(member, section));
        };
    }

    template <class Kind>
    config_key(std::string_view key, Kind kind, std::string_view what)
        : config_key(key, key_status::done, what) {
        is_truth = std::is_same_v<Kind, truth>;
        expected = kind.expected();
        read = [=](const key_reader& keys, Section&) {
            static_cast<void>(keys.read(key, kind));
        };
    }

    config_key(std::string_view key, key_status becomes, std::string_view what)
        : name(key), status(becomes), note(what), setting_name(key) {}

    /// The key decides also this.
    config_key affecting(key_effect effect) && {
        return with(&config_key::affects, effect);
    }
    /// The key must be set; `what` is what a message expects if it is not.
    config_key required(std::string_view what) && {
        return with(&config_key::missing, what);
    }
    /// The key gets a warning: "`key` is deprecated, …".
    config_key deprecated(std::string_view instead) && {
        return with(&config_key::deprecation, instead);
    }
    /// Where the file leaves the key out, and also the key `other`, a note says which
    /// default is taken, unless another key has decided.
    config_key told(std::string_view other = {}) && {
        tells_default = true;
        return with(&config_key::told_instead, other);
    }
    /// The key is for some values of the section only.
    config_key when(bool (*condition)(const Section&)) && {
        return with(&config_key::applies, condition);
    }
    /// The setting has this name and text, not those of key and member.
    config_key printed(std::string_view as, std::string (*shown)(const Section&)) && {
        setting_name = as;
        return with(&config_key::text, shown);
    }
    /// The settings are added by this function.
    config_key listed(void (*function)(const Section&, setting_list&)) && {
        return with(&config_key::list_settings, function);
    }
    /// Another key's setting says what this one has decided.
    config_key not_printed() && { return with(&config_key::text, nullptr); }
    /// The value is read by this function.
    config_key reading(void (*function)(const key_reader&, Section&)) && {
        return with(&config_key::read, function);
    }
    /// The value is checked, and changes nothing.
    config_key as_noted() && { return with(&config_key::status, key_status::noted); }
    /// The default in the documentation, where it depends on other keys.
    config_key by_default(std::string_view shown) && {
        return with(&config_key::default_text, shown);
    }
    /// The value is a map with keys of its own, which belong to the section, too.
    config_key with_keys(key_table<Section> (*keys)()) && {
        return with(&config_key::inner, keys);
    }

    std::string_view name;
    key_status status = key_status::done;
    std::string_view note;
    std::string expected;   ///< what the value may be; "" when anything goes
    bool is_truth = false;  ///< the value is true or false
    key_effect affects = key_effect::none;
    std::string_view missing;
    std::string_view deprecation;
    std::string_view default_text;
    bool tells_default = false;
    std::string_view told_instead;
    bool (*applies)(const Section&) = nullptr;
    key_table<Section> (*inner)() = nullptr;
    std::function<void(const key_reader&, Section&)> read;
    std::string_view setting_name;
    std::function<std::string(const Section&)> text;  ///< of the setting, if there is one
    void (*list_settings)(const Section&, setting_list&) = nullptr;

private:
    template <class Member, class Value>
    config_key with(Member config_key::* member, Value value) {
        this->*member = value;
        return std::move(*this);
    }
    template <class Kind, class Value>
    static std::string text_of(const Kind& kind, const Value& value) {
        return kind.text(value);
    }
    template <class Kind, class Value>
    static std::string text_of(const Kind& kind, const std::optional<Value>& value) {
        return value ? kind.text(*value) : std::string();
    }
};

/// Keys that are noted, or rejected, for one reason.
struct key_group {
    key_status status;
    std::string_view note;
    std::vector<std::string_view> names;
};

/// Returns the table with a row more for each key of the groups.
template <class Section>
std::vector<config_key<Section>> with_groups(std::vector<config_key<Section>> table,
                                             std::span<const key_group> groups) {
    for (const auto& [status, note, names] : groups) {
        for (const auto name : names)
            table.emplace_back(name, status, note);
    }
    return table;
}

/// All keys of the file.
key_table<train_config> top_level_keys();
/// All keys of `fsdp_config`.
key_table<train_config> fsdp_keys();
/// All keys of an entry of `datasets`.
key_table<dataset_config> dataset_keys();

/// The row of a key, which may be one that stands for all that begin so; or nullptr.
template <class Section>
const config_key<Section>* find_key(key_table<Section> table, std::string_view name) {
    for (const auto& key : table) {
        if (key.name == name) return &key;
    }
    for (const auto& key : table) {
        const std::string_view family = key.name.substr(0, key.name.size() - 1);
        if (key.name.ends_with('*') && name.starts_with(family)) return &key;
    }
    return nullptr;
}

/// Reads all keys of a map into a section.
/// \details Problems: unknown keys, with the nearest that there is; rejected keys whose
/// value does not switch them off; values that are not of the key's kind; required keys
/// that are missing. Warnings: deprecated keys. Notes: noted keys, those with one reason
/// in one line.
template <class Section>
void read_keys(const key_reader& keys, key_table<Section> table, Section& section,
               config_problems& problems, key_remarks& remarks);

/// Adds one note that lists the settings which the file leaves out and which are taken
/// from Axolotl's defaults, in the order of the table.
void note_defaults(const key_reader& keys, train_config& config);

/// Adds the settings of a section, in the order of the table.
template <class Section>
void add_settings(key_table<Section> table, const Section& section,
                  const std::string& prefix, setting_list& list);

/// Settings of one effect, those of key_effect::data_and_run with either of the two; all
/// settings without one.
std::vector<std::pair<std::string, std::string>> settings_that_affect(
    const train_config& config, std::optional<key_effect> effect);

/// The table for users: every key with what it takes, its default and its note.
/// \param names only keys that contain one of these; all when there is none
/// \throws app::usage_error for a name that no key contains
std::string key_documentation(std::span<const std::string> names,
                              app::output_format format);

}  // namespace packkit::train
