// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The files that a data set's name stands for.

#include "config/config.hpp"

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::train {

/// What an entry of `datasets` says about its files.
struct file_request {
    std::string config_file;              ///< relative names are relative to its folder
    std::vector<std::string> paths;       ///< key path, as written
    std::vector<std::string> data_files;  ///< key data_files, as written
    std::optional<file_format> ds_type;
    std::string split;     ///< name of the split that is wanted
    std::string name;      ///< key name: a folder of the data set, or ""
    std::string revision;  ///< key revision: a branch, tag or commit, or ""
};

/// The files of a data set, in the order in which they are read.
struct found_files {
    std::vector<std::string> files;
    /// Format of all files, where ds_type, or a path like `json`, says so.
    std::optional<file_format> format;
    /// Sentences about what was left out.
    std::vector<std::string> notes;
    /// Whether the name of the split chose the files; otherwise they are one split.
    bool by_split = false;
};

/// A data set that cannot be found: the key to blame, and a message for it.
struct dataset_not_found : std::runtime_error {
    dataset_not_found(std::string_view of_key, const std::string& message)
        : std::runtime_error(message), key(of_key) {}

    std::string key;
};

/// Finds the files that a request names.
/// \details A path is a file, a pattern (`*`, `?`, `[…]`, and `**` for any folders), a
/// folder, or the name of a data set in the local cache of the Hugging Face hub. A
/// folder that `datasets.save_to_disk` has written is read as its state.json says; of any
/// other one all files with an ending of data are read, in the order of their names.
/// Where names of files or folders hold the word of a split (train, test, validation,
/// dev, eval, …), only those of the split are taken. Nothing is fetched.
/// \throws dataset_not_found
[[nodiscard]] found_files find_dataset_files(const file_request& request);

/// The format that the ending of a name stands for, without that of a compression (.gz,
/// .zst), or nothing.
[[nodiscard]] std::optional<file_format> format_of_name(std::string_view path);

}  // namespace packkit::train
