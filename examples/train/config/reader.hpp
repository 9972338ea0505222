// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Access to the keys of one map of a configuration, and a list of its problems.

#include "common/errors.hpp"
#include "config/tree.hpp"

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace packkit::train {

/// A problem of one key.
struct config_error : app::input_error {
    config_error(const std::string& place, const std::string& message, std::string of_key,
                 std::optional<std::size_t> of_line);

    std::string key;                  ///< in full: "fsdp_config.version"
    std::optional<std::size_t> line;  ///< of the file, 0: of the command line
};

/// The keys of one map. Values that are null count as not set.
/// \details Every error is a config_error as "config.yaml:7: sequence_len: expected a
/// whole number >= 1, found 'abc'".
class key_reader {
public:
    /// \param file for places, \param prefix of names in messages: "fsdp_config.".
    key_reader(std::string file, const config_node& map, std::string prefix = {})
        : file_(std::move(file)), map_(&map), prefix_(std::move(prefix)) {}

    /// The value of a key, or nullptr when it is not there or null.
    [[nodiscard]] const config_node* find(std::string_view key) const;
    [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }

    /// The value of a key as a kind reads it (kinds.hpp); nothing when it is not set.
    template <class Kind>
    [[nodiscard]] auto read(std::string_view key, const Kind& kind) const
        -> decltype(kind.read(std::declval<const config_node&>())) {
        const config_node* const node = find(key);
        if (node == nullptr) return std::nullopt;
        auto value = kind.read(*node);
        if (value) return value;
        if constexpr (requires { kind.rejection(*node); })
            fail(key, kind.rejection(*node));
        expected(key, kind.expected());
    }

    /// Whether a value says "not at all": null, false, zero, an empty text, list or map.
    [[nodiscard]] bool off(std::string_view key) const;

    /// The keys of the map under a key; of none when there is no map.
    [[nodiscard]] key_reader inner(std::string_view key) const;

    /// Throws "place: key: message".
    [[noreturn]] void fail(std::string_view key, const std::string& message) const;
    /// Throws "place: key: expected …, found …".
    [[noreturn]] void expected(std::string_view key, const std::string& what) const;
    /// Throws "place: message": for what concerns several keys.
    [[noreturn]] void conflict(std::string_view key, const std::string& message) const;

    [[nodiscard]] const config_node& map() const { return *map_; }
    [[nodiscard]] const std::string& prefix() const { return prefix_; }
    [[nodiscard]] const std::string& file() const { return file_; }

private:
    std::string file_;
    const config_node* map_;
    std::string prefix_;
};

/// All problems of a configuration, at most one for each key.
class config_problems {
public:
    /// Runs `work` and keeps the config_error that it throws.
    template <class Work>
    void attempt(Work&& work) {
        try {
            work();
        } catch (const config_error& error) { add(error); }
    }

    /// attempt(work), unless one of these keys has a problem already: what would be said
    /// about the others might not be true.
    template <class Work>
    void attempt_with(const key_reader& keys,
                      std::initializer_list<std::string_view> names, Work&& work) {
        for (const auto name : names) {
            if (!sound(keys.prefix() + std::string(name))) return;
        }
        attempt(work);
    }

    void add(const config_error& error);

    /// Whether the key, given in full, has no problem, and no key inside it has one.
    [[nodiscard]] bool sound(std::string_view key) const;
    /// Whether the key itself has a problem.
    [[nodiscard]] bool has(std::string_view key) const { return keys_.contains(key); }
    [[nodiscard]] bool empty() const { return errors_.empty(); }
    /// Whether there are as many as lines() lists.
    [[nodiscard]] bool many() const { return errors_.size() >= most_lines; }
    /// Returns a line for each problem, sorted by place. After 100 lines, one more line
    /// says how many problems are left.
    [[nodiscard]] std::vector<std::string> lines() const;

private:
    static constexpr std::size_t most_lines = 100;

    std::set<std::string, std::less<>> keys_;
    std::vector<config_error> errors_;
};

}  // namespace packkit::train
