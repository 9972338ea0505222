// SPDX-License-Identifier: Apache-2.0
#include "data/token_rows.hpp"

#include "common/errors.hpp"
#include "data/labelled_tokens.hpp"

#include <string_view>
#include <utility>

namespace packkit::train {

using app::input_error;
using app::json;

void check_column(const std::string& place, const char* what, const std::string& key) {
    for (const std::string_view known : {"input_ids", "labels", "attention_mask",
                                         "position_ids", "token_type_ids", "length"}) {
        if (key == known) return;
    }
    // Row numbers that pandas writes.
    if (key.starts_with("__index_level_")) return;
    throw input_error(place, std::string(what) + " " + app::in_quotes(key) +
                                 " is unknown; expected input_ids and labels");
}

void read_ids(const std::string& place, const json& row, const char* key,
              std::int64_t vocab_size, bool may_be_ignored,
              std::vector<std::int32_t>& out) {
    const auto found = row.find(key);
    if (found == row.end()) {
        throw input_error(place, "key " + app::in_quotes(key) + " is missing");
    }
    if (!found->is_array()) {
        throw input_error(place, std::string(key) + " holds " +
                                     std::string(app::json_kind(*found)) +
                                     "; expected an array of token ids");
    }
    out.clear();
    for (std::size_t i = 0; i < found->size(); ++i) {
        const json& value = (*found)[i];
        const auto refuse = [&](const std::string& what) {
            throw input_error(
                place, std::string(key) + "[" + std::to_string(i) + "] is " + what);
        };
        if (!value.is_number_integer()) {
            refuse(
                (value.is_number() ? value.dump() : std::string(app::json_kind(value))) +
                "; expected a whole number");
        }
        const bool large =
            value.is_number_unsigned()
                ? std::cmp_greater_equal(value.get<std::uint64_t>(), vocab_size)
                : value.get<std::int64_t>() >= vocab_size;
        if (large) {
            refuse(value.dump() + ", the vocabulary has " + std::to_string(vocab_size));
        }
        const auto id = value.get<std::int64_t>();
        if (id < 0 && !(may_be_ignored && id == ignored_label)) {
            refuse(std::to_string(id) + "; expected 0 to " +
                   std::to_string(vocab_size - 1) + (may_be_ignored ? " or -100" : ""));
        }
        out.push_back(static_cast<std::int32_t>(id));
    }
}

}  // namespace packkit::train
