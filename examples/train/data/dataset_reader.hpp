// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The way of one dataset's files into samples.

#include "config/config.hpp"
#include "data/chat_rows.hpp"
#include "data/dataset.hpp"
#include "data/row_sink.hpp"
#include "data/row_source.hpp"
#include "data/token_rows.hpp"
#include "data/tokenizer.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace packkit::train {

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

/// Reads the rows of one dataset; the arguments outlive it.
class dataset_reader {
public:
    dataset_reader(const dataset_config& data, const train_config& config,
                   const tokenizer& tokens, std::int64_t vocab_size, row_sink& sink,
                   progress_sum& progress, const bad_input& bad);

    /// \throws app::input_error, or gives it to `bad` and reads on, if that is not empty
    void read();

private:
    [[nodiscard]] bool holds_ids() const;
    [[nodiscard]] row_keys keys() const;
    void read_file(const std::string& file, const row_keys& keys);
    [[nodiscard]] std::optional<app::json> next_row(row_source& rows);
    void use(const std::string& place, const app::json& row);
    void use_text(const std::string& place, const app::json& row);
    void use_ids(const std::string& place, const app::json& row);
    void select_rows();
    [[nodiscard]] std::uint64_t count_rows();
    [[nodiscard]] bool is_selected(std::uint64_t row) const;

    const dataset_config& data_;
    const train_config& config_;
    const tokenizer& tokenizer_;
    std::int64_t vocab_size_;
    row_sink& sink_;
    progress_sum& progress_;
    const bad_input& bad_;
    dataset_type type_;
    std::optional<chat_reader> chats_;
    std::string text_key_;   // of rows of type completion, in the file being read
    std::uint64_t row_ = 0;  // of all files
    std::uint64_t begin_ = 0;
    std::optional<std::uint64_t> end_;
    std::vector<char> in_shard_;  // of the rows from begin_ to end_, or empty
    std::vector<std::int32_t> ids_;
    labelled_tokens sample_;
    token_row token_row_;
};

}  // namespace packkit::train
