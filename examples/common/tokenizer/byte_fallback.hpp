// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Tokens that stand for the bytes of characters without a token.

#include "vocabulary.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace packkit::app {

/// The ids of "<0x00>" to "<0xFF>", as far as a vocabulary has them.
class byte_fallback {
public:
    byte_fallback() = default;  ///< has none
    /// @param field a model, which asks for them by `byte_fallback`
    byte_fallback(const document_field& field, const vocabulary& tokens) {
        constexpr std::string_view digits = "0123456789ABCDEF";
        if (!field.truth_or("byte_fallback", false)) return;
        for (std::size_t byte = 0; byte < ids_.size(); ++byte) {
            ids_[byte] = tokens.find(
                std::string{'<', '0', 'x', digits[byte >> 4U], digits[byte & 15U], '>'});
        }
    }

    /// Appends the ids of the bytes of `text`. Returns false, and appends nothing, when
    /// one of them has no id.
    template <class Id>
    bool append(std::string_view text, std::vector<Id>& ids) const {
        const auto id_of = [this](char byte) {
            return ids_[static_cast<unsigned char>(byte)];
        };
        if (!std::all_of(text.begin(), text.end(), id_of)) return false;
        for (const char byte : text)
            ids.push_back(static_cast<Id>(*id_of(byte)));
        return true;
    }

private:
    std::array<std::optional<std::int32_t>, 256> ids_{};
};

}  // namespace packkit::app
