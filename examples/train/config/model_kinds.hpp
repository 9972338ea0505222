// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Kinds of values of the keys that change a model or its tokenizer (config/kinds.hpp
/// says what a kind is).

#include "config/tree.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace packkit::train {

/// A map, as the text of a JSON object. Scalars without quotes are null, truth values and
/// numbers where they read as such.
struct json_map {
    std::string_view what;

    [[nodiscard]] std::optional<std::string> read(const config_node& node) const;
    [[nodiscard]] std::string expected() const { return std::string(what); }
    [[nodiscard]] std::string text(const std::string& value) const { return value; }
};

/// A map of ids to texts that are not empty.
struct token_overrides {
    [[nodiscard]] std::optional<std::map<std::int32_t, std::string>> read(
        const config_node& node) const;
    [[nodiscard]] std::string expected() const {
        return "token ids and their new texts, as {128041: \"<|im_start|>\"}";
    }
    [[nodiscard]] std::string text(
        const std::map<std::int32_t, std::string>& value) const;
};

}  // namespace packkit::train
