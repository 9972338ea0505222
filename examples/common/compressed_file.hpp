// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Files that are decompressed while they are read: gzip (.gz) and Zstandard (.zst).

#include "common/input_file.hpp"

#include <string>
#include <string_view>

namespace packkit::app {

/// The name of a file without the ending of its compression: "a.jsonl" for "a.jsonl.gz",
/// any other name as it is.
[[nodiscard]] std::string_view without_compression(std::string_view path);

/// Whether the name ends with .gz or .zst.
[[nodiscard]] bool is_compressed(std::string_view path);

/// Opens a file; its bytes are the decompressed ones if its name ends with .gz or .zst.
/// Members or frames that follow one another are read as one content.
/// @throws input_error when the file cannot be opened; input_file::read() throws it for
/// content that is damaged, cut short or not of this format
[[nodiscard]] input_file open_data_file(const std::string& path);

/// The content of `file`, of which `name` says how it is compressed.
[[nodiscard]] input_file decompressed(input_file file, std::string_view name);

}  // namespace packkit::app
