// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The tensors of a folder, however they lie there: model.safetensors, several files that
/// model.safetensors.index.json lists, or the pieces of a sharded checkpoint
/// (shard_index.hpp).

#include "checkpoint/safetensors.hpp"
#include "checkpoint/shard_index.hpp"

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::train {

/// Tensors of one or several files, mapped into memory, found by name and read by slices:
/// only the pages that a slice touches are read.
/// \details Each file is checked in full when it is opened, its data aside. An index must
/// name files beside it, and each tensor or piece must lie in the file that the index
/// says; tensors that no model asks for are no fault.
class weight_files {
public:
    /// The weights of `folder`; of a sharded checkpoint also the optimizer's moments.
    /// \throws app::input_error naming the file that is missing or broken, the key of the
    /// index, or the tensor.
    static weight_files open_folder(const std::string& folder);

    /// One file.
    explicit weight_files(const std::string& path);

    /// Adds the tensors of one more file. Of two tensors of one name the first is found.
    void add(const std::string& path);

    /// The file that holds a tensor, or the index of its pieces: for messages. \throws as
    /// info().
    [[nodiscard]] const std::string& place_of(const std::string& name) const;
    /// \throws app::input_error with the nearest name when there is none.
    [[nodiscard]] const stored_tensor& info(const std::string& name) const;
    [[nodiscard]] bool contains(const std::string& name) const {
        return tensors_.contains(name);
    }

    /// Copies `slice` of a tensor to `to`, row by row and without gaps.
    /// \throws as info(); packkit::invalid_argument unless the slice lies inside the
    /// tensor and `to` has its size in bytes.
    void read(const std::string& name, const tensor_slice& slice,
              std::span<std::byte> to) const;

private:
    weight_files() = default;
    void open_pieces(const std::string& folder, const std::string& index);
    void check_piece(const std::string& name, const stored_tensor& tensor,
                     const tensor_piece& piece) const;

    std::string place_;  // folder's index or file, for what is missing
    std::vector<safetensors_file> files_;
    std::map<std::string, stored_tensor> tensors_;
};

}  // namespace packkit::train
