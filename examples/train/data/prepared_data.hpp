// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Tokenised data kept between runs, in files named by what they were made of.

#include "config/config.hpp"
#include "data/dataset.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace packkit::train {

/// The file in dataset_prepared_path for the data of this configuration:
/// "<16 hex digits>.tokens".
/// \details The digits are a checksum over the content of the data files and of the
/// tokenizer's files, over the settings that affect data (config/schema.hpp) and
/// vocab_size. When one of them
/// changes another file is meant; nothing is deleted.
/// \throws app::input_error for a file that cannot be read.
[[nodiscard]] std::string prepared_file(const train_config& config,
                                        std::int64_t vocab_size);

/// Writes samples and report whole or not at all; makes the folder.
/// \throws std::runtime_error with the path and the system's reason.
void write_prepared(const std::string& path, const token_store& store);

/// What write_prepared() wrote, or nothing when there is no such file, or a damaged one:
/// then `fault` says why, and is "" otherwise. Everything is checked: sizes, checksum,
/// the ranges of ids.
[[nodiscard]] std::optional<token_store> read_prepared(const std::string& path,
                                                       std::int64_t vocab_size,
                                                       std::string& fault);

}  // namespace packkit::train
