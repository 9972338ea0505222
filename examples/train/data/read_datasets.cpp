// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.hpp"

#include "chat/rows.hpp"
#include "common/column_rows.hpp"
#include "common/errors.hpp"
#include "common/input_file.hpp"
#include "common/json.hpp"
#include "common/jsonl.hpp"
#include "data/instruction_rows.hpp"
#include "data/prepared_data.hpp"
#include "data/row_fields.hpp"

#include <packkit/excess_length.hpp>

#include <array>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace packkit::train {
namespace {

using app::in_quotes;
using app::input_error;
using app::json;

/// Puts rows into the store: counts them, and cuts or drops what is too long.
class row_sink {
public:
    row_sink(const train_config& config, token_store& store)
        : capacity_(config.sequence_len),
          strategy_(config.excess_length_strategy),
          store_(store) {}

    /// A row without text or tokens.
    void add_empty() {
        ++report.rows;
        ++report.empty;
    }

    /// \param labels as many as tokens, or the tokens themselves.
    void add(const std::string& place, std::span<const std::int32_t> tokens,
             std::span<const std::int32_t> labels) {
        const auto length = static_cast<std::int64_t>(tokens.size());
        ++report.rows;
        report.tokens_read += length;
        if (length <= capacity_) {
            keep(tokens, labels);
            return;
        }
        ++report.overlong;
        if (strategy_ == excess_length_strategy::raise) {
            throw input_error(place,
                              std::to_string(length) + " tokens, sequence_len is " +
                                  std::to_string(capacity_) +
                                  " (excess_length_strategy raise; drop, truncate and "
                                  "split would let it pass)");
        }
        const auto fitted = apply_excess_length(std::array{length}, capacity_, strategy_);
        report.dropped += static_cast<std::int64_t>(fitted.dropped.size());
        report.dropped_tokens += fitted.dropped_tokens;
        report.cut_tokens += fitted.cut_tokens;
        report.truncated += fitted.cut_tokens > 0 ? 1 : 0;
        report.split += fitted.lengths.size() > 1 ? 1 : 0;
        for (std::size_t piece = 0; piece < fitted.lengths.size(); ++piece) {
            const auto from = static_cast<std::size_t>(fitted.offset[piece]);
            const auto count = static_cast<std::size_t>(fitted.lengths[piece]);
            keep(tokens.subspan(from, count), labels.subspan(from, count));
        }
    }

    dataset_report report;

private:
    void keep(std::span<const std::int32_t> tokens,
              std::span<const std::int32_t> labels) {
        store_.append(tokens, labels);
        ++report.samples;
        report.tokens += static_cast<std::int64_t>(tokens.size());
        report.valid_targets += store_.valid_targets().back();
    }

    std::int64_t capacity_;
    packkit::excess_length_strategy strategy_;
    token_store& store_;
};

/// Adds up the bytes of several files for the caller's progress.
class progress_sum {
public:
    progress_sum(const read_progress& callback, std::uint64_t total)
        : callback_(callback), total_(total) {}

    void set(std::uint64_t of_this_file) {
        if (callback_) callback_(before_ + of_this_file, total_);
    }
    void file_done(std::uint64_t bytes) {
        before_ += bytes;
        set(0);
    }

private:
    const read_progress& callback_;
    std::uint64_t total_;
    std::uint64_t before_ = 0;
};

/// One dataset's way into the sink.
class dataset_reader {
public:
    dataset_reader(const dataset_config& data, const train_config& config,
                   const tokenizer& tokens, std::int64_t vocab_size, row_sink& sink,
                   progress_sum& progress)
        : data_(data),
          kind_(file_kind(data)),
          config_(config),
          tokenizer_(tokens),
          vocab_size_(vocab_size),
          sink_(sink),
          progress_(progress) {}

    void read() {
        if (kind_.empty()) {
            throw input_error(data_.path,
                              "is not read; expected a .jsonl, .parquet, .arrow or .txt "
                              "file, or ds_type");
        }
        if (data_.type == "tokens") {
            read_token_rows();
        } else if (data_.type == "alpaca") {
            read_supervised({"instruction", "output"}, {"input"}, read_alpaca);
        } else if (data_.type == "input_output") {
            read_supervised({"segments"}, {}, read_segments);
        } else if (data_.type == "chat_template") {
            read_conversations();
        } else if (data_.type != "completion") {
            throw input_error(data_.path,
                              "type " + in_quotes(data_.type) +
                                  " is not read; expected completion, tokens, "
                                  "alpaca, input_output or chat_template");
        } else if (kind_ != "text") {
            read_text_rows();
        } else if (data_.sample_by == "line") {
            read_lines();
        } else if (data_.sample_by == "paragraph") {
            read_paragraphs();
        } else {
            const std::string text = app::read_file(data_.path);
            add_text(data_.path, text);
            progress_.file_done(text.size());
        }
    }

private:
    void add_text(const std::string& place, std::string_view text) {
        if (text.empty()) {
            sink_.add_empty();
            return;
        }
        ids_.clear();
        try {
            encode_document(tokenizer_, text, ids_);
        } catch (const input_error& fault) { throw input_error(place, fault.what()); }
        if (ids_.empty()) {
            sink_.add_empty();
        } else {
            sink_.add(place, ids_, ids_);
        }
    }

    void read_lines() {
        app::line_reader lines(data_.path);
        for (std::string_view line; lines.next(line);) {
            add_text(lines.place(), line);
            progress_.set(lines.bytes_read());
        }
        progress_.file_done(lines.bytes_read());
    }

    /// Lines up to a blank one, joined by line feeds. Blank lines are no empty samples.
    void read_paragraphs() {
        app::line_reader lines(data_.path);
        std::string paragraph;
        std::string place;
        const auto flush = [&] {
            if (!paragraph.empty()) add_text(place, paragraph);
            paragraph.clear();
        };
        for (std::string_view line; lines.next(line);) {
            if (line.find_first_not_of(" \t") == std::string_view::npos) {
                flush();
                progress_.set(lines.bytes_read());
                continue;
            }
            if (paragraph.empty()) {
                place = lines.place();
            } else {
                paragraph += '\n';
            }
            paragraph += line;
        }
        flush();
        progress_.file_done(lines.bytes_read());
    }

    /// Names that a column may be asked for by: a key with points in its name goes before
    /// a path.
    static std::string column_of(const app::column_row_reader& rows,
                                 const std::string& field) {
        return rows.has_column(field) ? field : field.substr(0, field.find('.'));
    }

    /// Calls use(place, row) for each row.
    /// \param keys what is read of a row; of columns no other is read
    /// \param optional keys likewise, which need not be there
    template <class Use>
    void for_each_row(std::initializer_list<std::string> keys,
                      std::initializer_list<std::string> optional, Use&& use) {
        if (kind_ == "parquet" || kind_ == "arrow") {
            app::column_row_reader rows(data_.path, kind_ == "arrow"
                                                        ? app::column_format::arrow
                                                        : app::column_format::parquet);
            if (data_.type == "tokens") {
                for (const auto& name : rows.columns())
                    check_column(data_.path, "column", name);
            }
            std::vector<std::string> columns;
            for (const auto& key : keys)
                columns.push_back(column_of(rows, key));
            for (const auto& key : optional) {
                if (rows.has_column(key)) columns.push_back(key);
            }
            rows.select(columns);
            use_rows(rows, use);
        } else {
            app::jsonl_reader rows(data_.path);
            use_rows(rows, use);
        }
    }

    template <class Rows, class Use>
    void use_rows(Rows& rows, Use& use) {
        for (json row; rows.next(row);) {
            if (!row.is_object()) {
                throw input_error(rows.place(), "expected an object, found " +
                                                    std::string(app::json_kind(row)));
            }
            use(rows.place(), row);
            progress_.set(rows.bytes_read());
        }
        progress_.file_done(rows.bytes_read());
    }

    void read_text_rows() {
        for_each_row({data_.field}, {},
                     [this](const std::string& place, const json& row) {
                         add_text(place, text_field(place, row, data_.field));
                     });
    }

    void add_sample(const std::string& place) {
        if (sample_.ids.empty()) {
            sink_.add_empty();
        } else {
            sink_.add(place, sample_.ids, sample_.labels);
        }
    }

    /// \param read_row read_alpaca or read_segments.
    template <class ReadRow>
    void read_supervised(std::initializer_list<std::string> keys,
                         std::initializer_list<std::string> optional,
                         ReadRow&& read_row) {
        for_each_row(keys, optional, [&](const std::string& place, const json& row) {
            sample_.clear();
            read_row(place, row, tokenizer_, config_.train_on_inputs, sample_);
            add_sample(place);
        });
    }

    void read_conversations() {
        chat_reader chats(data_, config_, tokenizer_);
        for_each_row({data_.chat.field_messages}, {"system"},
                     [&](const std::string& place, const json& row) {
                         sample_.clear();
                         chats.read(place, row, sample_);
                         add_sample(place);
                     });
    }

    void read_token_rows() {
        const auto use = [this](const std::string& place, const json& row) {
            for (const auto& [key, value] : row.items())
                check_column(place, "key", key);
            read_ids(place, row, "input_ids", false, ids_);
            const bool labelled = row.contains("labels") && !row["labels"].is_null();
            if (labelled) {
                read_ids(place, row, "labels", true, labels_);
                if (labels_.size() != ids_.size()) {
                    throw input_error(
                        place, "labels has " + std::to_string(labels_.size()) +
                                   " entries, input_ids " + std::to_string(ids_.size()));
                }
            }
            if (ids_.empty()) {
                sink_.add_empty();
            } else {
                sink_.add(place, ids_, labelled ? labels_ : ids_);
            }
        };
        for_each_row({"input_ids"}, {"labels"}, use);
    }

    /// Columns that tokenizers write beside the ids say nothing new; others are a mistake
    /// that would go unnoticed ("label").
    static void check_column(const std::string& place, const char* what,
                             const std::string& key) {
        for (const std::string_view known :
             {"input_ids", "labels", "attention_mask", "position_ids", "token_type_ids",
              "length"}) {
            if (key == known) return;
        }
        // Row numbers that pandas writes.
        if (key.starts_with("__index_level_")) return;
        throw input_error(place, std::string(what) + " " + in_quotes(key) +
                                     " is unknown; expected input_ids and labels");
    }

    void read_ids(const std::string& place, const json& row, const char* key,
                  bool may_be_ignored, std::vector<std::int32_t>& out) const {
        const auto found = row.find(key);
        if (found == row.end()) {
            throw input_error(place, "key " + in_quotes(key) + " is missing");
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
                refuse((value.is_number() ? value.dump()
                                          : std::string(app::json_kind(value))) +
                       "; expected a whole number");
            }
            const bool large =
                value.is_number_unsigned()
                    ? std::cmp_greater_equal(value.get<std::uint64_t>(), vocab_size_)
                    : value.get<std::int64_t>() >= vocab_size_;
            if (large) {
                refuse(value.dump() + ", the vocabulary has " +
                       std::to_string(vocab_size_));
            }
            const auto id = value.get<std::int64_t>();
            if (id < 0 && !(may_be_ignored && id == ignored_label)) {
                refuse(std::to_string(id) + "; expected 0 to " +
                       std::to_string(vocab_size_ - 1) +
                       (may_be_ignored ? " or -100" : ""));
            }
            out.push_back(static_cast<std::int32_t>(id));
        }
    }

    const dataset_config& data_;
    std::string_view kind_;
    const train_config& config_;
    const tokenizer& tokenizer_;
    std::int64_t vocab_size_;
    row_sink& sink_;
    progress_sum& progress_;
    std::vector<std::int32_t> ids_;
    std::vector<std::int32_t> labels_;
    labelled_tokens sample_;
};

std::uint64_t bytes_of(const train_config& config) {
    std::uint64_t total = 0;
    for (const auto& data : config.datasets) {
        std::error_code error;
        const auto bytes = std::filesystem::file_size(data.path, error);
        if (!error) total += bytes;
    }
    return total;
}

std::string without_samples(const train_config& config, const dataset_report& report) {
    std::string what = "no sample is left of " + std::to_string(report.rows) + " rows";
    if (report.empty > 0) what += ", " + std::to_string(report.empty) + " are empty";
    if (report.dropped > 0) {
        what += ", " + std::to_string(report.dropped) + " are longer than sequence_len " +
                std::to_string(config.sequence_len) + " (excess_length_strategy drop)";
    }
    return what;
}

}  // namespace

token_store read_datasets(const train_config& config, const tokenizer& tokens,
                          std::int64_t vocab_size, const read_progress& progress) {
    for (const auto& data : config.datasets) {
        if (data.type != "tokens" && tokens.vocabulary_size() > vocab_size) {
            throw input_error(data.path, "the tokenizer " + in_quotes(tokens.name()) +
                                             " has " +
                                             std::to_string(tokens.vocabulary_size()) +
                                             " ids, the model's vocabulary " +
                                             std::to_string(vocab_size));
        }
    }
    std::string prepared;
    std::string fault;
    if (!config.dataset_prepared_path.empty()) {
        prepared = prepared_file(config, vocab_size);
        if (auto kept = read_prepared(prepared, vocab_size, fault)) {
            return std::move(*kept);
        }
    }
    token_store store;
    row_sink sink(config, store);
    progress_sum sum(progress, bytes_of(config));
    for (const auto& data : config.datasets) {
        dataset_reader(data, config, tokens, vocab_size, sink, sum).read();
    }
    if (store.empty()) {
        throw input_error(config.datasets.size() == 1 ? config.datasets.front().path
                                                      : std::string("datasets"),
                          without_samples(config, sink.report));
    }
    store.set_report(sink.report);
    if (prepared.empty()) return store;
    if (!fault.empty()) store.set_note(fault + "; it was made anew");
    try {
        write_prepared(prepared, store);
    } catch (const std::runtime_error& error) {
        store.set_note(std::string("the prepared data is not kept: ") + error.what());
    }
    return store;
}

}  // namespace packkit::train
