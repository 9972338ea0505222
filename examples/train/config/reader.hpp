// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Typed access to the keys of one map of a configuration.

#include "config/tree.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace packkit::train {

/// Bounds of a real number, and their text: "a number >= 0".
struct real_range {
    double low;
    double high;
    bool with_low;   ///< low itself is allowed
    bool with_high;  ///< high itself is allowed
    std::string_view expected;
};

inline constexpr real_range not_negative{0.0, std::numeric_limits<double>::max(), true,
                                         true, "a number >= 0"};
inline constexpr real_range positive{0.0, std::numeric_limits<double>::max(), false, true,
                                     "a number > 0"};
inline constexpr real_range share{0.0, 1.0, true, false, "a number >= 0 and < 1"};

/// The keys of one map. Values that are null count as not set.
/// \details Every error is an app::input_error as "config.yaml:7: sequence_len: expected
/// a whole number >= 1, found 'abc'". Numbers and truth values are read by their text:
/// quotes make no difference; truth values are those of YAML 1.1 (true, yes, on, …).
class key_reader {
public:
    /// \param file for places, \param prefix of names in messages: "fsdp_config.".
    key_reader(std::string file, const config_node& map, std::string prefix = {})
        : file_(std::move(file)), map_(&map), prefix_(std::move(prefix)) {}

    /// The value of a key, or nullptr when it is not there or null.
    [[nodiscard]] const config_node* find(std::string_view key) const;
    [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }

    [[nodiscard]] std::optional<bool> truth(std::string_view key) const;
    [[nodiscard]] std::optional<std::int64_t> whole(
        std::string_view key, std::int64_t low,
        std::int64_t high = std::numeric_limits<std::int64_t>::max()) const;
    [[nodiscard]] std::optional<std::uint64_t> natural(std::string_view key) const;
    [[nodiscard]] std::optional<double> real(std::string_view key,
                                             real_range range) const;
    /// A text that is not empty and has no NUL byte.
    [[nodiscard]] std::optional<std::string> text(std::string_view key) const;
    /// One of the names; the error lists them, with a suggestion.
    [[nodiscard]] std::optional<std::string> one_of(
        std::string_view key, std::span<const std::string_view> names) const;

    /// Whether a value says "not at all": null, false, zero, an empty text, list or map.
    [[nodiscard]] bool off(std::string_view key) const;

    /// "config.yaml:7" of a key, or the file when the key is not there.
    [[nodiscard]] std::string place(std::string_view key) const;

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
    [[nodiscard]] const config_node* scalar(std::string_view key,
                                            const std::string& what) const;

    std::string file_;
    const config_node* map_;
    std::string prefix_;
};

/// A truth value of YAML 1.1, or nothing: true, yes, on; false, no, off in the three
/// usual spellings.
std::optional<bool> parse_truth(std::string_view text);

}  // namespace packkit::train
