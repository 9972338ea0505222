// SPDX-License-Identifier: Apache-2.0
#include "data/token_rows.hpp"

#include "common/errors.hpp"
#include "data/row_fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace packkit::train {
namespace {

using namespace std::string_view_literals;
using app::input_error;
using app::json;

constexpr std::array known_keys = {"input_ids"sv,      "labels"sv,
                                   "attention_mask"sv, "position_ids"sv,
                                   "token_type_ids"sv, "length"sv};
constexpr std::array keys_of_training = {
    "input_ids"sv,    "labels"sv,  "attention_mask"sv, "position_ids"sv, "loss_mask"sv,
    "loss_weights"sv, "weights"sv, "token_type_ids"sv, "loss_weight"sv};

/// Replaces `out` by the array of ids under a key.
/// \param may_be_ignored also ignored_label may stand there
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

/// An array of numbers from `low` to `high`, as long as the ids; empty when it is not
/// there.
std::vector<std::int64_t> read_numbers(const std::string& place, const json& row,
                                       const char* key, std::size_t length,
                                       std::int64_t high) {
    std::vector<std::int64_t> numbers;
    const auto found = row.find(key);
    if (found == row.end() || found->is_null()) return numbers;
    if (!found->is_array()) refuse_kind(place, key, *found, "an array of numbers");
    if (found->size() != length) {
        throw input_error(place, fmt::format("{} has {} entries, input_ids {}", key,
                                             found->size(), length));
    }
    for (std::size_t i = 0; i < found->size(); ++i) {
        const json& value = (*found)[i];
        const bool truth = value.is_boolean();
        const bool whole = value.is_number_integer() &&
                           !(value.is_number_unsigned() &&
                             std::cmp_greater(value.get<std::uint64_t>(), high));
        const std::int64_t number = truth   ? (value.get<bool>() ? 1 : 0)
                                    : whole ? value.get<std::int64_t>()
                                            : -1;
        if (number < 0 || number > high) {
            throw input_error(
                place, fmt::format("{}[{}] is {}; expected 0 to {}", key, i,
                                   value.is_number() ? value.dump()
                                                     : std::string(app::json_kind(value)),
                                   high));
        }
        numbers.push_back(number);
    }
    return numbers;
}

/// Refuses columns that would change the result and are not used.
void check_rest(const std::string& place, const json& row, std::size_t length) {
    const auto types = read_numbers(place, row, "token_type_ids", length, 1 << 30);
    if (std::any_of(types.begin(), types.end(), [](auto type) { return type != 0; })) {
        throw input_error(place,
                          "token_type_ids are not all 0; the models here have no token "
                          "types, so leave the key out");
    }
    const auto given = row.find("length");
    if (given == row.end() || given->is_null()) return;
    if (!given->is_number_integer() || given->get<std::int64_t>() < 0 ||
        std::cmp_not_equal(given->get<std::int64_t>(), length)) {
        throw input_error(
            place, fmt::format("length is not {}, the number of input_ids", length));
    }
}

/// Removes what the mask says is padding from the values that stand in parallel.
template <class Value>
void remove_padding(const std::vector<std::int64_t>& mask, std::vector<Value>& values) {
    if (values.empty()) return;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < mask.size(); ++i) {
        if (mask[i] != 0) values[kept++] = values[i];
    }
    values.resize(kept);
}

/// Where documents begin, by positions that count up from 0 in each.
std::vector<std::size_t> documents_of(const std::string& place,
                                      const std::vector<std::int64_t>& positions) {
    std::vector<std::size_t> begins = {0};
    for (std::size_t i = 0; i < positions.size(); ++i) {
        const bool begins_here = positions[i] == 0;
        if (begins_here && i > 0) begins.push_back(i);
        if (begins_here || (i > 0 && positions[i] == positions[i - 1] + 1)) continue;
        throw input_error(
            place,
            fmt::format("position_ids has {} for token {}; expected positions that "
                        "count up from 0 and start again at 0 for each document",
                        positions[i], i));
    }
    return begins;
}

}  // namespace

std::span<const std::string_view> training_keys() {
    return keys_of_training;
}

std::vector<std::string> optional_token_keys() {
    return {known_keys.begin() + 1, known_keys.end()};
}

void check_column(const std::string& place, const char* what, const std::string& key) {
    const bool known =
        std::find(known_keys.begin(), known_keys.end(), key) != known_keys.end();
    // Row numbers that pandas writes.
    if (known || key.starts_with("__index_level_")) return;
    throw input_error(place, std::string(what) + " " + app::in_quotes(key) +
                                 " is unknown; expected input_ids and labels");
}

void read_token_row(const std::string& place, const json& row, std::int64_t vocab_size,
                    token_row& out) {
    auto& [ids, labels] = out.sample;
    read_ids(place, row, "input_ids", vocab_size, false, ids);
    labels.clear();
    const std::size_t length = ids.size();
    out.labelled = row.contains("labels") && !row["labels"].is_null();
    if (out.labelled) {
        read_ids(place, row, "labels", vocab_size, true, labels);
        if (labels.size() != length) {
            throw input_error(place, fmt::format("labels has {} entries, input_ids {}",
                                                 labels.size(), length));
        }
    }
    check_rest(place, row, length);
    auto positions = read_numbers(place, row, "position_ids", length, 1 << 30);
    const auto mask = read_numbers(place, row, "attention_mask", length, 1);
    if (!mask.empty()) {
        remove_padding(mask, ids);
        remove_padding(mask, labels);
        remove_padding(mask, positions);
    }
    out.padding = static_cast<std::int64_t>(length - ids.size());
    out.documents = documents_of(place, positions);
}

}  // namespace packkit::train
