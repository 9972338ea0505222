// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The way of tokenised rows into the store: what is too long, too short, without a
/// target or there twice is cut or left out, and counted.

#include "config/config.hpp"
#include "data/dataset.hpp"

#include <packkit/lengths/excess_length.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>

namespace packkit::train {

/// Puts rows into a store and counts them.
class row_sink {
public:
    /// `store` outlives the sink.
    row_sink(const train_config& config, token_store& store)
        : config_(config), store_(store) {}

    /// Adds a row, which may be empty.
    /// \param place for a message
    /// \param labels as many as tokens, or the tokens themselves
    /// \param is_text a text that may be split where excess_length_strategy is not set
    /// \throws app::input_error for a row that is too long with excess_length_strategy
    /// raise
    void add(const std::string& place, std::span<const std::int32_t> tokens,
             std::span<const std::int32_t> labels, bool is_text);

    /// Counts conversations in which a turn is trained and the end of none.
    void count_without_end(std::int64_t rows) { report_.without_end += rows; }
    /// Counts messages that say of themselves whether they are trained, unheard.
    void count_unused_marks(std::int64_t messages) { report_.unused_marks += messages; }
    /// Counts ids that an attention_mask has removed.
    void count_padding(std::int64_t ids) { report_.padding += ids; }
    /// Counts a row that is read as tokens although the type does not say so.
    void count_as_ids() { ++report_.as_ids; }

    [[nodiscard]] const dataset_report& report() const { return report_; }

private:
    void keep(std::span<const std::int32_t> tokens, std::span<const std::int32_t> labels);
    void drop(std::int64_t dataset_report::* reason, std::size_t tokens);
    [[nodiscard]] bool is_known(std::span<const std::int32_t> tokens,
                                std::span<const std::int32_t> labels);

    const train_config& config_;
    token_store& store_;
    dataset_report report_;
    std::unordered_multimap<std::uint64_t, std::size_t> known_;  // hash to sample
};

}  // namespace packkit::train
