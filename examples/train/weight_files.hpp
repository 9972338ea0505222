// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The weights of a Hugging Face folder: model.safetensors, or several files that
/// model.safetensors.index.json lists.

#include "safetensors.hpp"

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace packkit::train {

/// Tensors of one or several files, mapped into memory, found by name.
/// \details Each file is checked in full when it is opened. An index must name files
/// beside it, and each tensor must lie in the file that the index says; tensors that no
/// model asks for are no fault.
class weight_files {
public:
    /// The weights of `folder`. \throws app::input_error naming the file that is missing
    /// or broken, the key of the index, or the tensor.
    static weight_files open_folder(const std::string& folder);

    /// One file.
    explicit weight_files(const std::string& path);

    /// The file that holds a tensor, for messages. \throws as info().
    [[nodiscard]] const std::string& file_of(const std::string& name) const;
    /// \throws app::input_error with the nearest name when there is none.
    [[nodiscard]] const tensor_info& info(const std::string& name) const;
    [[nodiscard]] std::span<const std::byte> data(const std::string& name) const;
    [[nodiscard]] bool contains(const std::string& name) const {
        return holder_.contains(name);
    }

private:
    weight_files() = default;
    [[nodiscard]] const safetensors_file& holder(const std::string& name) const;

    std::string place_;  // folder's index or file, for what is missing
    std::vector<safetensors_file> files_;
    std::map<std::string, std::size_t> holder_;  // of each tensor
};

}  // namespace packkit::train
