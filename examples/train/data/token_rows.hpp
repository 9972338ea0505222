// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Rows of the dataset type tokens.

#include "common/json.hpp"
#include "data/labelled_tokens.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::train {

/// Refuses a key or column that a row of ids does not have: it would go unnoticed
/// ("label").
/// \param what "key" or "column", for the message
/// \throws app::input_error with `place`
void check_column(const std::string& place, const char* what, const std::string& key);

/// Keys that say something about training, which rows of text must not have.
[[nodiscard]] std::span<const std::string_view> training_keys();

/// Keys of a row of ids that are read where they are there.
[[nodiscard]] std::vector<std::string> optional_token_keys();

/// What a row of ids holds.
struct token_row {
    /// Ids and labels without padding.
    labelled_tokens sample;
    /// Where documents begin in it, the first at 0: position_ids start again there.
    std::vector<std::size_t> documents;
    std::int64_t padding = 0;  ///< ids that were removed
    bool labelled = false;     ///< whether it has labels; otherwise they are the ids
};

/// Reads a row {"input_ids": […], "labels": […], "attention_mask": […], …}.
/// \details `labels` are optional, unshifted, ignored_label where there is no target. Ids
/// whose attention_mask is 0 are padding and are removed, wherever they stand.
/// position_ids count up from 0, and start again at 0 where another document begins;
/// labels of documents that follow one another lie as those of samples of their own.
/// token_type_ids must be zero everywhere, and `length` the number of ids.
/// \param vocab_size ids are below it
/// \throws app::input_error with `place`, the key, the position and the value
void read_token_row(const std::string& place, const app::json& row,
                    std::int64_t vocab_size, token_row& out);

}  // namespace packkit::train
