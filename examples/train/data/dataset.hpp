// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The samples of a run as tokens in memory.

#include "common/errors.hpp"
#include "config/config.hpp"
#include "data/dataset_report.hpp"
#include "data/labelled_tokens.hpp"
#include "data/tokenizer.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace packkit::train {

/// Samples one behind the other in flat arrays.
class token_store {
public:
    /// Appends a sample all of whose tokens are targets.
    void append(std::span<const std::int32_t> tokens);
    /// Appends a sample with unshifted labels. Preconditions: as many as tokens, each a
    /// token id or ignored_label. Spans into this store must not be passed.
    void append(std::span<const std::int32_t> tokens,
                std::span<const std::int32_t> labels);

    /// Number of samples.
    [[nodiscard]] std::size_t size() const { return lengths_.size(); }
    [[nodiscard]] bool empty() const { return lengths_.empty(); }

    /// Tokens of sample i; valid until the next append().
    [[nodiscard]] std::span<const std::int32_t> tokens(std::size_t i) const {
        return {tokens_.data() + offsets_[i], offsets_[i + 1] - offsets_[i]};
    }
    /// Unshifted labels of sample i: labels(i)[j] belongs to tokens(i)[j], ignored_label
    /// where it is no target. Its tokens when the store holds no labels.
    [[nodiscard]] std::span<const std::int32_t> labels(std::size_t i) const {
        if (labels_.empty()) return tokens(i);
        return {labels_.data() + offsets_[i], offsets_[i + 1] - offsets_[i]};
    }
    /// Whether some label differs from its token; otherwise labels take no memory.
    [[nodiscard]] bool has_labels() const { return !labels_.empty(); }

    /// Tokens per sample.
    [[nodiscard]] std::span<const std::int64_t> lengths() const { return lengths_; }
    /// Targets per sample after shifting inside it: labels other than ignored_label, the
    /// first not counted.
    [[nodiscard]] std::span<const std::int64_t> valid_targets() const {
        return valid_targets_;
    }

    /// All tokens, sample after sample; sample i is [offsets()[i], offsets()[i + 1]).
    [[nodiscard]] std::span<const std::int32_t> all_tokens() const { return tokens_; }
    /// All labels likewise; empty when has_labels() is false.
    [[nodiscard]] std::span<const std::int32_t> all_labels() const { return labels_; }
    [[nodiscard]] std::span<const std::size_t> offsets() const { return offsets_; }

    /// XXH3-64 of lengths, tokens and labels: equal data, equal hash, wherever it came
    /// from. O(tokens).
    [[nodiscard]] std::uint64_t content_hash() const;

    /// How read_datasets came to these samples.
    [[nodiscard]] const dataset_report& report() const { return report_; }
    void set_report(const dataset_report& report) { report_ = report; }

    /// What the user should know of the prepared data: that a file of it was damaged and
    /// made anew, or could not be written. "" when there is nothing to say.
    [[nodiscard]] const std::string& note() const { return note_; }
    void set_note(std::string note) { note_ = std::move(note); }

private:
    std::vector<std::int32_t> tokens_;
    std::vector<std::int32_t> labels_;  // empty, or as many as tokens_
    std::vector<std::size_t> offsets_ = {0};
    std::vector<std::int64_t> lengths_;
    std::vector<std::int64_t> valid_targets_;
    dataset_report report_;
    std::string note_;
};

/// Called now and then with the bytes read so far and the bytes of all files.
using read_progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// Called for each row, or file, that cannot be used, with the path of its dataset.
using bad_input = std::function<void(const std::string& path, const app::input_error&)>;

/// Reads all datasets of a configuration in their order, and the files of each in theirs.
/// \details
/// - completion: `field` of each row; .txt: lines, paragraphs (separated by blank
///   lines) or the document. Each text becomes bos, its tokens, eos. A .txt file may hold
///   any bytes; the lines' endings are no part of a line.
/// - tokens: rows of ids (data/token_rows.hpp). Nothing is added.
/// - alpaca and its relatives, input_output: data/instruction_rows.hpp. chat_template:
///   data/chat_rows.hpp. Only the answers are targets.
///
/// Rows are objects of a .jsonl, .json or .csv file, or those of a .parquet or .arrow
/// file, of which the columns that are needed are read some rows at a time
/// (data/row_source.hpp). Rows that hold input_ids are read as tokens where the type is
/// not set, or where attention_mask and labels stand beside them, as Axolotl has it.
/// Another key or column that says something about training (`loss_mask`) is refused.
///
/// Rows without text or tokens are left out, and so are samples that are too short or
/// without a target (data/row_sink.hpp). Rows longer than sequence_len go by
/// excess_length_strategy; the first token of each piece of a split row is no target.
///
/// With dataset_prepared_path the result is kept there, and taken from there when nothing
/// that it depends on has changed (prepared_data.hpp).
/// \param vocab_size of the model: every id must be below.
/// \param bad unless empty: gets what would be thrown, and reading goes on behind it.
/// Nothing is kept in dataset_prepared_path then, and the result is of no use.
/// \throws app::input_error with file and line ("data.jsonl:17: input_ids[3] is 300, the
/// vocabulary has 259"; "x.parquet: row group 0, row 16: …"), and when no sample is left.
token_store read_datasets(const train_config& config, const tokenizer& tokens,
                          std::int64_t vocab_size, const read_progress& progress = {},
                          const bad_input& bad = {});

}  // namespace packkit::train
