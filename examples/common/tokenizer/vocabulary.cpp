// SPDX-License-Identifier: Apache-2.0
#include "vocabulary.hpp"

#include "common/errors.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace packkit::app {

vocabulary::vocabulary(const document_field& field) {
    const auto& tokens = field.members();
    ids_.reserve(tokens.size());
    std::unordered_map<std::int32_t, std::string_view> seen;
    seen.reserve(tokens.size());
    constexpr std::int64_t greatest = max_size - 1;
    for (const auto& [token, value, line] : tokens) {
        const auto whole = whole_of(value);
        if (!whole || *whole < 0 || *whole > greatest) {
            field.fail("id of token " + in_quotes(token) + ": expected 0 to " +
                       std::to_string(greatest) + ", found " + describe_json(value));
        }
        const auto id = static_cast<std::int32_t>(*whole);
        const auto [other, is_new] = seen.emplace(id, token);
        if (!is_new) {
            field.fail("tokens " + in_quotes(other->second) + " and " + in_quotes(token) +
                       " have the same id " + std::to_string(id));
        }
        insert(token, id);
    }
}

std::int32_t vocabulary::require(const document_field& field) const {
    const auto id = find(field.text());
    if (!id) field.fail("token " + in_quotes(field.text()) + " is not in the vocabulary");
    return *id;
}

void vocabulary::insert(std::string token, std::int32_t id) {
    ids_.insert_or_assign(std::move(token), id);
    id_bound_ = std::max(id_bound_, std::int64_t{id} + 1);
}

}  // namespace packkit::app
