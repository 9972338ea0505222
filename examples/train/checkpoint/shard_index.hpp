// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Where the tensors of a sharded checkpoint lie: shards.index.json beside the files.
///
///     {"format": "packkit shards", "version": 1,
///      "files": {"shard-00001-of-00002.safetensors": "<XXH3-64 of the file>", …},
///      "tensors": {"model.norm.weight": {"dtype": "F32", "shape": [32], "pieces": [
///          {"file": "shard-00001-of-00002.safetensors", "rows": [0, 16],
///           "columns": [0, 1]}, …]}, …}}
///
/// A piece is a tensor of the same name in its file. Ranges are half-open, of the whole
/// tensor seen as a matrix (`tensor_slice`): dimension 0, times all others.

#include <packkit/mesh/tensor_slice.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::train {

/// A part of a tensor that lies in one file.
struct tensor_piece {
    std::size_t file = 0;  ///< its number in the list of files
    tensor_slice part;

    friend bool operator==(const tensor_piece&, const tensor_piece&) = default;
};

/// A tensor, whole or in pieces that cover it without overlap.
struct stored_tensor {
    std::string dtype;                ///< as in a safetensors file
    std::vector<std::int64_t> shape;  ///< of the whole
    std::vector<tensor_piece> pieces;

    friend bool operator==(const stored_tensor&, const stored_tensor&) = default;
};

/// The whole of a tensor of that shape as a matrix; a scalar has one row.
[[nodiscard]] tensor_slice whole_slice(std::span<const std::int64_t> shape);

/// A file of a sharded checkpoint.
struct shard_file {
    std::string name;
    std::string checksum;  ///< XXH3-64 as 16 hex digits

    friend bool operator==(const shard_file&, const shard_file&) = default;
};

struct shard_index {
    std::vector<shard_file> files;  ///< sorted by name once read
    std::map<std::string, stored_tensor> tensors;
};

inline constexpr const char* shard_index_name = "shards.index.json";

/// "shard-00002-of-00004.safetensors"; `number` counts from 1.
[[nodiscard]] std::string shard_file_name(std::int64_t number, std::int64_t count);

/// The index as it is written.
[[nodiscard]] std::string to_json_text(const shard_index& index);

/// Checks all of an index that can be told without the files.
/// \param place the index's name, for messages.
/// \throws app::input_error naming place, tensor and fault: another format, wrong types,
/// names that lie elsewhere, unknown dtypes, pieces that leave the tensor, overlap or
/// leave a hole.
[[nodiscard]] shard_index parse_shard_index(std::string_view text,
                                            const std::string& place);

/// Reads an index. \throws app::input_error as parse_shard_index, and when it cannot be
/// read.
[[nodiscard]] shard_index read_shard_index(const std::string& path);

}  // namespace packkit::train
