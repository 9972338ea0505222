// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The keys of a JSON object that configures something: each with its type, its limits
/// and its place in messages.

#include "json.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace packkit::app {

/// An object of a configuration file. null counts as not there.
class config_object {
public:
    /// Sizes beyond this are none.
    static constexpr std::int64_t max_size = std::numeric_limits<std::int32_t>::max();

    /// @param prefix of the keys in messages: "rope_parameters."
    /// @param object must outlive this.
    config_object(std::string file, const json& object, std::string prefix = {})
        : file_(std::move(file)), object_(&object), prefix_(std::move(prefix)) {}

    /// @throws input_error "FILE: KEY: MESSAGE"
    [[noreturn]] void fail(std::string_view key, const std::string& message) const;

    /// The value, or null if it is missing or null.
    [[nodiscard]] const json* find(std::string_view key) const;
    /// Whether the key is there at all, null included.
    [[nodiscard]] bool has(std::string_view key) const;
    [[nodiscard]] const json& object() const { return *object_; }

    /// A whole number from `low` to `high`. @throws input_error for anything else
    [[nodiscard]] std::optional<std::int64_t> size(std::string_view key,
                                                   std::int64_t high = max_size,
                                                   std::int64_t low = 1) const;
    /// @throws input_error as `size`, and if it is missing
    [[nodiscard]] std::int64_t required_size(std::string_view key,
                                             std::int64_t high = max_size) const;
    /// A number above zero. @throws input_error for anything else
    [[nodiscard]] std::optional<double> positive(std::string_view key) const;
    /// A number from 0 to below 1. @throws input_error for anything else
    [[nodiscard]] std::optional<double> probability(std::string_view key) const;
    /// @throws input_error unless true or false
    [[nodiscard]] std::optional<bool> truth(std::string_view key) const;
    /// @throws input_error unless a string
    [[nodiscard]] std::optional<std::string> text(std::string_view key) const;
    /// @throws input_error unless an object
    [[nodiscard]] std::optional<config_object> inner(std::string_view key) const;
    /// Refuses any value but this one; the key may be missing. @throws input_error
    void only(std::string_view key, const json& supported) const;

private:
    std::string file_;
    const json* object_;
    std::string prefix_;
};

/// A value in a message: a string in quotes, a number as written, "an object".
[[nodiscard]] std::string shown(const json& value);

}  // namespace packkit::app
