// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.hpp"

#include "common/column_rows.hpp"
#include "common/errors.hpp"
#include "common/input_file.hpp"
#include "common/json.hpp"
#include "common/jsonl.hpp"
#include "common/problems.hpp"
#include "data/chat_rows.hpp"
#include "data/instruction_rows.hpp"
#include "data/prepared_data.hpp"
#include "data/row_fields.hpp"
#include "data/token_rows.hpp"

#include <packkit/lengths/excess_length.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <initializer_list>
#include <iterator>
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

    /// Adds a row, which may be empty.
    /// \param labels as many as tokens, or the tokens themselves.
    void add(const std::string& place, std::span<const std::int32_t> tokens,
             std::span<const std::int32_t> labels) {
        const auto length = static_cast<std::int64_t>(tokens.size());
        ++report.rows;
        report.tokens_read += length;
        if (length == 0) {
            ++report.empty;
            return;
        }
        if (length <= capacity_) return keep(tokens, labels);
        ++report.overlong;
        if (strategy_ == excess_length_strategy::raise) {
            throw input_error(
                place,
                fmt::format("{} tokens, sequence_len is {} (excess_length_strategy "
                            "raise; drop, truncate and split would let it pass)",
                            length, capacity_));
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
                   progress_sum& progress, const bad_input& bad)
        : data_(data),
          kind_(file_kind(data)),
          config_(config),
          tokenizer_(tokens),
          vocab_size_(vocab_size),
          sink_(sink),
          progress_(progress),
          bad_(bad) {}

    void read() {
        if (!kind_) {
            throw input_error(data_.path,
                              "is not read; expected a .jsonl, .parquet, .arrow or .txt "
                              "file, or ds_type");
        }
        switch (data_.type) {
            case dataset_type::tokens:
                return read_token_rows();
            case dataset_type::alpaca:
                return read_supervised({"instruction", "output"}, {"input"}, read_alpaca);
            case dataset_type::input_output:
                return read_supervised({"segments"}, {}, read_segments);
            case dataset_type::chat_template:
                return read_conversations();
            case dataset_type::completion:
                return kind_ == file_format::text ? read_text_file() : read_text_rows();
        }
    }

private:
    void read_text_file() {
        switch (data_.sample_by) {
            case text_unit::line:
                return read_lines();
            case text_unit::paragraph:
                return read_paragraphs();
            case text_unit::document:
                const std::string text = app::read_file(data_.path);
                add_text(data_.path, text);
                progress_.file_done(text.size());
        }
    }

    /// Reads one row; what is wrong with it does not end the file where the caller
    /// gathers problems.
    template <class Read>
    void on_row(Read&& read) {
        if (!bad_) return read();
        try {
            read();
        } catch (const input_error& error) { bad_(data_.path, error); }
    }

    void add_text(const std::string& place, std::string_view text) {
        ids_.clear();
        try {
            if (!text.empty()) encode_document(tokenizer_, text, ids_);
        } catch (const input_error& fault) { throw input_error(place, fault.what()); }
        sink_.add(place, ids_, ids_);
    }

    void read_lines() {
        app::line_reader lines(data_.path);
        for (std::string_view line; lines.next(line);) {
            on_row([&] { add_text(lines.place(), line); });
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
            on_row([&] {
                if (!paragraph.empty()) add_text(place, paragraph);
            });
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
        const bool arrow = kind_ == file_format::arrow;
        if (!arrow && kind_ != file_format::parquet) {
            app::jsonl_reader rows(data_.path);
            return use_rows(rows, use);
        }
        app::column_row_reader rows(
            data_.path, arrow ? app::column_format::arrow : app::column_format::parquet);
        if (data_.type == dataset_type::tokens) {
            for (const auto& name : rows.columns())
                check_column(data_.path, "column", name);
        }
        std::vector<std::string> columns;
        for (const auto& key : keys)
            columns.push_back(column_of(rows, key));
        std::copy_if(optional.begin(), optional.end(), std::back_inserter(columns),
                     [&](const std::string& key) { return rows.has_column(key); });
        rows.select(columns);
        use_rows(rows, use);
    }

    template <class Rows, class Use>
    void use_rows(Rows& rows, Use& use) {
        for (json row; next(rows, row);) {
            on_row([&] {
                require_object(rows.place(), row);
                use(rows.place(), row);
            });
            progress_.set(rows.bytes_read());
        }
        progress_.file_done(rows.bytes_read());
    }

    static bool next(app::column_row_reader& rows, json& row) { return rows.next(row); }
    /// The next line that is JSON; where problems are gathered, others are passed over.
    bool next(app::jsonl_reader& rows, json& row) {
        while (true) {
            const std::size_t line = rows.line_number();
            try {
                return rows.next(row);
            } catch (const input_error& error) {
                // A file that cannot be read gets no further.
                if (!bad_ || rows.line_number() == line) throw;
                bad_(data_.path, error);
            }
        }
    }

    void read_text_rows() {
        for_each_row({data_.field}, {},
                     [this](const std::string& place, const json& row) {
                         add_text(place, text_field(place, row, data_.field));
                     });
    }

    /// \param read_row read_alpaca or read_segments.
    template <class ReadRow>
    void read_supervised(std::initializer_list<std::string> keys,
                         std::initializer_list<std::string> optional,
                         ReadRow&& read_row) {
        for_each_row(keys, optional, [&](const std::string& place, const json& row) {
            sample_.clear();
            read_row(place, row, tokenizer_, config_.train_on_inputs, sample_);
            sink_.add(place, sample_.ids, sample_.labels);
        });
    }

    void read_conversations() {
        chat_reader chats(data_, config_, tokenizer_);
        for_each_row({data_.chat.field_messages}, {"system"},
                     [&](const std::string& place, const json& row) {
                         sample_.clear();
                         chats.read(place, row, sample_);
                         sink_.add(place, sample_.ids, sample_.labels);
                     });
    }

    void read_token_rows() {
        const auto use = [this](const std::string& place, const json& row) {
            for (const auto& [key, value] : row.items())
                check_column(place, "key", key);
            auto& [ids, labels] = sample_;
            read_ids(place, row, "input_ids", vocab_size_, false, ids);
            const bool labelled = row.contains("labels") && !row["labels"].is_null();
            if (labelled) {
                read_ids(place, row, "labels", vocab_size_, true, labels);
                if (labels.size() != ids.size()) {
                    throw input_error(place,
                                      fmt::format("labels has {} entries, input_ids {}",
                                                  labels.size(), ids.size()));
                }
            }
            sink_.add(place, ids, labelled ? labels : ids);
        };
        for_each_row({"input_ids"}, {"labels"}, use);
    }

    const dataset_config& data_;
    std::optional<file_format> kind_;
    const train_config& config_;
    const tokenizer& tokenizer_;
    std::int64_t vocab_size_;
    row_sink& sink_;
    progress_sum& progress_;
    const bad_input& bad_;
    std::vector<std::int32_t> ids_;
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
    const auto are = [](std::int64_t count) {
        return fmt::format(", {} {} ", count, count == 1 ? "is" : "are");
    };
    std::string what = "no sample is left of " + app::counted(report.rows, "row");
    if (report.empty > 0) what += are(report.empty) + "empty";
    if (report.dropped > 0) {
        what += fmt::format("{}longer than sequence_len {} (excess_length_strategy drop)",
                            are(report.dropped), config.sequence_len);
    }
    return what;
}

void check_vocabulary(const dataset_config& data, const tokenizer& tokens,
                      std::int64_t vocab_size) {
    if (data.type == dataset_type::tokens || tokens.vocabulary_size() <= vocab_size)
        return;
    throw input_error(
        data.path,
        fmt::format("the tokenizer {} has {} ids, the model's vocabulary {}",
                    in_quotes(tokens.name()), tokens.vocabulary_size(), vocab_size));
}

}  // namespace

token_store read_datasets(const train_config& config, const tokenizer& tokens,
                          std::int64_t vocab_size, const read_progress& progress,
                          const bad_input& bad) {
    bool usable = true;
    const bad_input gather = [&](const std::string& path, const input_error& error) {
        usable = false;
        bad(path, error);
    };
    const auto attempt = [&](const dataset_config& data, auto&& work) {
        if (!bad) return work();
        try {
            work();
        } catch (const input_error& error) { gather(data.path, error); }
    };
    for (const auto& data : config.datasets) {
        attempt(data, [&] { check_vocabulary(data, tokens, vocab_size); });
    }
    std::string prepared;
    std::string fault;
    if (!config.dataset_prepared_path.empty()) {
        try {
            prepared = prepared_file(config, vocab_size);
        } catch (const input_error&) {
            if (!bad) throw;  // otherwise it is found again when the file is read
        }
    }
    if (!prepared.empty()) {
        if (auto kept = read_prepared(prepared, vocab_size, fault))
            return std::move(*kept);
    }
    token_store store;
    row_sink sink(config, store);
    progress_sum sum(progress, bytes_of(config));
    for (const auto& data : config.datasets) {
        attempt(data, [&] {
            dataset_reader(data, config, tokens, vocab_size, sink, sum,
                           bad ? gather : bad)
                .read();
        });
    }
    if (!usable) return store;
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
