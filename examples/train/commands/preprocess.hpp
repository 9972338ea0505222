// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `packkit-train preprocess`: tokenised data for later runs.

#include "config/config.hpp"

#include <string>
#include <string_view>

namespace packkit::train {

/// The folder of prepared data where dataset_prepared_path is not set, beside the
/// configuration file: Axolotl's default.
inline constexpr std::string_view default_prepared_folder = "last_run_prepared";

/// Sets dataset_prepared_path to the default folder if it is not set.
/// \param only_if_there unless there is no such folder: for commands that may use what
/// `preprocess` has left
void set_prepared_folder(train_config& config, bool only_if_there);

/// Reads all data, keeps the tokens in dataset_prepared_path, and logs the same summary
/// as a training; a run with the same data, tokenizer and settings reads no text.
/// \returns what was written, or that nothing had to be done, for people
/// \throws app::input_error as read_datasets(); std::runtime_error when it cannot be
/// written
[[nodiscard]] std::string preprocess(train_config config);

}  // namespace packkit::train
