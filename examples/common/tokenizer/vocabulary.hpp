// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Tokens and their ids.

#include "common/document_field.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace packkit::app {

/// Lets maps of strings be searched by std::string_view.
struct string_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
        return std::hash<std::string_view>{}(text);
    }
};

/// Token texts with distinct ids.
class vocabulary {
public:
    vocabulary() = default;
    /// Reads {"token": id, ...}. @throws input_error for what is no id, and for two
    /// tokens with one id.
    explicit vocabulary(const document_field& field);

    [[nodiscard]] std::optional<std::int32_t> find(std::string_view token) const {
        const auto found = ids_.find(token);
        if (found == ids_.end()) return std::nullopt;
        return found->second;
    }
    /// As find(). @throws input_error naming `field`, whose text it is.
    [[nodiscard]] std::int32_t require(const document_field& field) const;

    [[nodiscard]] std::size_t size() const { return ids_.size(); }
    /// One more than the greatest id.
    [[nodiscard]] std::int64_t id_bound() const { return id_bound_; }

    [[nodiscard]] auto begin() const { return ids_.begin(); }
    [[nodiscard]] auto end() const { return ids_.end(); }

    void insert(std::string token, std::int32_t id);

private:
    std::unordered_map<std::string, std::int32_t, string_hash, std::equal_to<>> ids_;
    std::int64_t id_bound_ = 0;
};

}  // namespace packkit::app
