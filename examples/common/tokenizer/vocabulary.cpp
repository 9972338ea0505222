// SPDX-License-Identifier: Apache-2.0
#include "vocabulary.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace packkit::app {

vocabulary::vocabulary(const json_field& field) {
    const auto& tokens = field.object();
    ids_.reserve(tokens.size());
    std::unordered_map<std::int32_t, std::string_view> seen;
    seen.reserve(tokens.size());
    constexpr auto greatest =
        static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max() - 1);
    for (const auto& [token, value] : tokens) {
        if (!value.is_number_unsigned() || value.get<std::uint64_t>() > greatest) {
            field.fail(
                "id of token " + in_quotes(token) + ": expected 0 to " +
                std::to_string(greatest) + ", found " +
                (value.is_number() ? value.dump() : std::string(json_kind(value))));
        }
        const auto id = static_cast<std::int32_t>(value.get<std::uint64_t>());
        const auto [other, is_new] = seen.emplace(id, token);
        if (!is_new) {
            field.fail("tokens " + in_quotes(other->second) + " and " + in_quotes(token) +
                       " have the same id " + std::to_string(id));
        }
        insert(token, id);
    }
}

std::int32_t vocabulary::require(const json_field& field) const {
    const auto id = find(field.text());
    if (!id) field.fail("token " + in_quotes(field.text()) + " is not in the vocabulary");
    return *id;
}

void vocabulary::insert(std::string token, std::int32_t id) {
    ids_.insert_or_assign(std::move(token), id);
    id_bound_ = std::max(id_bound_, std::int64_t{id} + 1);
}

}  // namespace packkit::app
