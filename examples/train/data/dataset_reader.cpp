// SPDX-License-Identifier: Apache-2.0
#include "data/dataset_reader.hpp"

#include "common/errors.hpp"
#include "common/json.hpp"
#include "data/instruction_rows.hpp"
#include "data/row_fields.hpp"

#include <packkit/utility/permutation.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

namespace packkit::train {
namespace {

using app::in_quotes;
using app::input_error;
using app::json;

/// Stream of the random numbers that choose the rows of a shard.
constexpr std::uint64_t stream_of_shards = 0x736861;

bool holds(const std::vector<std::string>& keys, std::string_view key) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
}

/// A boundary of a slice as a row number, as `datasets` computes it.
std::uint64_t row_of(const slice_end& end, std::uint64_t rows) {
    const auto all = static_cast<std::int64_t>(rows);
    std::int64_t row = end.value;
    if (end.percent) {
        row = static_cast<std::int64_t>(std::nearbyint(static_cast<double>(end.value) *
                                                       static_cast<double>(all) / 100.0));
    }
    if (row < 0) row += all;
    return static_cast<std::uint64_t>(std::clamp<std::int64_t>(row, 0, all));
}

/// Refuses a key of a text's row that says something about training.
void check_text_key(const std::string& place, const char* what, const std::string& key) {
    const auto known = training_keys();
    if (std::find(known.begin(), known.end(), key) == known.end()) return;
    throw input_error(place, fmt::format("{} {} is not used by rows of text; leave it "
                                         "out, or use type: tokens for rows of ids",
                                         what, in_quotes(key)));
}

/// Refuses a file that is one object with the rows under a key, {"data": [{…}, …]}.
void check_first_row(const std::string& place, const json& row, const row_keys& wanted) {
    if (!row.is_object() || row.size() != 1) return;
    const auto first = row.begin();
    const std::string& key = first.key();
    const json& value = first.value();
    const bool holds_rows = value.is_array() && !value.empty() && value[0].is_object();
    const auto is_wanted = [&](const std::string& name) {
        return name == key || name.starts_with(key + ".");
    };
    const auto& names = wanted.needed;
    if (!holds_rows || std::any_of(names.begin(), names.end(), is_wanted)) return;
    throw input_error(place, fmt::format("is an object that holds rows under the key {}; "
                                         "expected an array of objects, or an object a "
                                         "line (jq -c '.[\"KEY\"][]' makes it)",
                                         in_quotes(key)));
}

}  // namespace

dataset_reader::dataset_reader(const dataset_config& data, const train_config& config,
                               const tokenizer& tokens, std::int64_t vocab_size,
                               row_sink& sink, progress_sum& progress,
                               const bad_input& bad)
    : data_(data),
      config_(config),
      tokenizer_(tokens),
      vocab_size_(vocab_size),
      sink_(sink),
      progress_(progress),
      bad_(bad),
      type_(data.type) {}

/// Whether the rows hold ids although the type does not say so.
bool dataset_reader::holds_ids() const {
    const std::string file = files_of(data_).front();
    const file_format format = file_kind(data_, file);
    if (type_ == dataset_type::tokens || format == file_format::text) return false;
    const auto keys = keys_of_rows(file, format, data_.sample_by);
    if (!holds(keys, "input_ids")) return false;
    return !data_.type_is_set || (holds(keys, "attention_mask") && holds(keys, "labels"));
}

row_keys dataset_reader::keys() const {
    switch (type_) {
        case dataset_type::tokens:
            return {{"input_ids"}, optional_token_keys()};
        case dataset_type::alpaca: {
            auto [needed, optional] = keys_of(data_.prompt);
            return {std::move(needed), std::move(optional)};
        }
        case dataset_type::input_output:
            return {{"segments"}, {}};
        case dataset_type::chat_template:
            return {{data_.chat.field_messages},
                    {"system", "images", data_.chat.field_tools}};
        case dataset_type::completion:
            break;
    }
    return {{data_.field}, {}};
}

void dataset_reader::read() {
    try {
        if (holds_ids()) type_ = dataset_type::tokens;
    } catch (const input_error&) {
        // Said again, with its place, when the file is read.
    }
    if (type_ == dataset_type::chat_template) chats_.emplace(data_, config_, tokenizer_);
    select_rows();
    const row_keys wanted = keys();
    for (const std::string& file : files_of(data_)) {
        if (!bad_) {
            read_file(file, wanted);
            continue;
        }
        try {
            read_file(file, wanted);
        } catch (const input_error& error) { bad_(data_.path, error); }
    }
    if (!chats_) return;
    sink_.count_without_end(chats_->without_end());
    sink_.count_unused_marks(chats_->unused_marks());
}

void dataset_reader::read_file(const std::string& file, const row_keys& wanted) {
    const file_format format = file_kind(data_, file);
    text_key_ = format == file_format::text ? "text" : data_.field;
    if (format == file_format::parquet || format == file_format::arrow) {
        for (const std::string& name : keys_of_rows(file, format, data_.sample_by)) {
            if (type_ == dataset_type::tokens) {
                check_column(file, "column", name);
            } else {
                check_text_key(file, "column", name);
            }
        }
    }
    const auto rows = open_rows(file, format, data_.sample_by, wanted);
    bool first = true;
    while (!end_ || row_ < *end_) {
        const auto row = next_row(*rows);
        if (!row) break;
        if (std::exchange(first, false)) check_first_row(rows->place(), *row, wanted);
        if (is_selected(row_++)) {
            try {
                require_object(rows->place(), *row);
                use(rows->place(), *row);
            } catch (const input_error& error) {
                if (!bad_) throw;
                bad_(data_.path, error);
            }
        }
        progress_.set(rows->bytes_read());
    }
    progress_.file_done(rows->bytes_read());
}

/// The next row that can be read; where problems are gathered, others are passed over.
std::optional<json> dataset_reader::next_row(row_source& rows) {
    while (true) {
        try {
            json row;
            if (!rows.next(row)) return std::nullopt;
            return row;
        } catch (const input_error& error) {
            if (!bad_ || !rows.passes_over_errors()) throw;
            bad_(data_.path, error);
            ++row_;
        }
    }
}

void dataset_reader::use(const std::string& place, const json& row) {
    if (type_ == dataset_type::tokens) return use_ids(place, row);
    for (const auto& [key, value] : row.items())
        check_text_key(place, "key", key);
    sample_.clear();
    switch (type_) {
        case dataset_type::chat_template:
            chats_->read(place, row, sample_);
            break;
        case dataset_type::alpaca:
            read_instruction(place, row, data_.prompt, tokenizer_,
                             config_.train_on_inputs, sample_);
            break;
        case dataset_type::input_output:
            read_segments(place, row, tokenizer_, config_.train_on_inputs, sample_);
            break;
        default:
            return use_text(place, row);
    }
    sink_.add(place, sample_.ids, sample_.labels, false);
}

void dataset_reader::use_text(const std::string& place, const json& row) {
    const std::string& text = text_field(place, row, text_key_);
    ids_.clear();
    try {
        if (!text.empty()) encode_document(tokenizer_, text, ids_);
    } catch (const input_error& fault) { throw input_error(place, fault.what()); }
    sink_.add(place, ids_, ids_, true);
}

void dataset_reader::use_ids(const std::string& place, const json& row) {
    for (const auto& [key, value] : row.items())
        check_column(place, "key", key);
    read_token_row(place, row, vocab_size_, token_row_);
    if (data_.type != dataset_type::tokens) sink_.count_as_ids();
    sink_.count_padding(token_row_.padding);
    const auto& [ids, labels] = token_row_.sample;
    const auto& begins = token_row_.documents;
    for (std::size_t i = 0; i < begins.size(); ++i) {
        const std::size_t end = i + 1 < begins.size() ? begins[i + 1] : ids.size();
        const auto part = [&](const std::vector<std::int32_t>& values) {
            return std::span(values).subspan(begins[i], end - begins[i]);
        };
        sink_.add(place, part(ids), part(token_row_.labelled ? labels : ids), false);
    }
}

/// Settles which rows are read. Counts them first where that depends on their number.
void dataset_reader::select_rows() {
    const row_selection& rows = data_.rows;
    const auto counts = [](const std::optional<slice_end>& end) {
        return end && (end->percent || end->value < 0);
    };
    const auto skip = static_cast<std::uint64_t>(rows.skip);
    const bool needs_count = counts(rows.from) || counts(rows.to) || rows.shards > 1;
    const std::uint64_t all =
        needs_count ? std::max(count_rows(), skip) - skip : std::uint64_t{1} << 60U;
    begin_ = skip + (rows.from ? row_of(*rows.from, all) : 0);
    if (rows.to) end_ = skip + row_of(*rows.to, all);
    if (rows.shards <= 1) return;
    const std::uint64_t last = std::max(begin_, end_.value_or(skip + all));
    const std::uint64_t count = last - begin_;
    const auto shards = static_cast<std::uint64_t>(rows.shards);
    const auto shard = static_cast<std::uint64_t>(rows.shards_idx);
    // Parts of equal size; the first ones have a row more.
    const auto begin_of = [&](std::uint64_t part) {
        return part * (count / shards) + std::min(part, count % shards);
    };
    in_shard_.assign(count, 0);
    const lazy_permutation shuffled(count, config_.seed, stream_of_shards);
    for (std::uint64_t i = begin_of(shard); i < begin_of(shard + 1); ++i)
        in_shard_[shuffled(i)] = 1;
}

std::uint64_t dataset_reader::count_rows() {
    std::uint64_t count = 0;
    const row_keys wanted = keys();
    for (const std::string& file : files_of(data_)) {
        const auto rows =
            open_rows(file, file_kind(data_, file), data_.sample_by, wanted);
        for (json row;;) {
            try {
                if (!rows->next(row)) break;
            } catch (const input_error&) {
                // Said again, with its place, when the file is read.
                if (!rows->passes_over_errors()) break;
            }
            ++count;
        }
    }
    return count;
}

bool dataset_reader::is_selected(std::uint64_t row) const {
    if (row < begin_ || (end_ && row >= *end_)) return false;
    return in_shard_.empty() ||
           (row - begin_ < in_shard_.size() && in_shard_[row - begin_] != 0);
}

}  // namespace packkit::train
