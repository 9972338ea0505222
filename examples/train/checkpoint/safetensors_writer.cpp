// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/safetensors.hpp"

#include "common/errors.hpp"
#include "common/json.hpp"

#include <packkit/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <set>
#include <stdexcept>
#include <utility>

namespace packkit::train {
namespace {

using app::in_quotes;

[[noreturn]] void refuse(const std::string& path, const std::string& name,
                         const std::string& what) {
    throw packkit::invalid_argument(path + ": tensor " + in_quotes(name) + ": " + what);
}

/// Where each tensor ends in the data.
std::vector<std::uint64_t> tensor_ends(const std::string& path,
                                       const std::vector<tensor_spec>& tensors) {
    std::vector<std::uint64_t> ends;
    std::set<std::string_view> names;
    std::uint64_t end = 0;
    for (const tensor_spec& tensor : tensors) {
        if (tensor.name == "__metadata__")
            refuse(path, tensor.name, "the name is reserved");
        if (!names.insert(tensor.name).second) refuse(path, tensor.name, "appears twice");
        if (safetensors_dtype_bits(tensor.dtype) == 0) {
            refuse(path, tensor.name, "dtype " + in_quotes(tensor.dtype) + " is unknown");
        }
        const auto bytes = safetensors_bytes(tensor.dtype, tensor.shape);
        if (!bytes || *bytes > std::numeric_limits<std::int64_t>::max() - end) {
            refuse(path, tensor.name, "its shape has no possible number of bytes");
        }
        end += *bytes;
        ends.push_back(end);
    }
    return ends;
}

/// Length and JSON, padded with spaces to a multiple of 8 as the reference writes it, so
/// that tensors lie aligned.
std::string header_text(const std::string& path, const std::vector<tensor_spec>& tensors,
                        const std::vector<std::uint64_t>& ends,
                        const safetensors_metadata& metadata) {
    app::ordered_json document = app::ordered_json::object();
    if (!metadata.empty()) document["__metadata__"] = metadata;
    std::uint64_t begin = 0;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        // Not operator[]: ordered_json would search all names for each new one.
        app::ordered_json entry = {{"dtype", tensors[i].dtype},
                                   {"shape", tensors[i].shape},
                                   {"data_offsets", {begin, ends[i]}}};
        document.get_ref<app::ordered_json::object_t&>().emplace_back(tensors[i].name,
                                                                      std::move(entry));
        begin = ends[i];
    }
    std::string text;
    try {
        text = document.dump();
    } catch (const app::json::exception&) {
        throw packkit::invalid_argument(
            path + ": a name or a text of the metadata is not UTF-8");
    }
    text.resize((text.size() + 7) / 8 * 8, ' ');
    if (text.size() > max_safetensors_header) {
        throw packkit::invalid_argument(
            fmt::format("{}: the header has {} bytes; at most {} are allowed", path,
                        text.size(), max_safetensors_header));
    }
    std::string length(8, '\0');
    std::uint64_t rest = text.size();
    for (char& byte : length) {
        byte = static_cast<char>(static_cast<unsigned char>(rest & 0xFFU));
        rest >>= 8U;
    }
    return length + text;
}

}  // namespace

safetensors_writer::safetensors_writer(const std::string& path,
                                       std::vector<tensor_spec> tensors,
                                       const safetensors_metadata& metadata)
    : path_(path),
      tensors_(std::move(tensors)),
      ends_(tensor_ends(path, tensors_)),
      file_(path) {
    const std::string header = header_text(path, tensors_, ends_, metadata);
    header_bytes_ = header.size();
    data_bytes_ = ends_.empty() ? 0 : ends_.back();
    append(header);
}

void safetensors_writer::write(std::span<const std::byte> bytes) {
    if (bytes.size() > data_bytes_ - written_) {
        throw packkit::invalid_argument(
            fmt::format("{}: {} bytes more, but the tensors have {} and {} are written",
                        path_, bytes.size(), data_bytes_, written_));
    }
    written_ += bytes.size();
    append({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

/// In small pieces: the file's buffer would grow to the largest.
void safetensors_writer::append(std::string_view bytes) {
    checksum_.update(std::as_bytes(std::span<const char>(bytes)));
    constexpr std::size_t piece = std::size_t{1} << 18U;
    try {
        for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
            file_.write(bytes.substr(0, piece));
        }
    } catch (const std::runtime_error& error) { fail(error.what()); }
}

void safetensors_writer::finish() {
    if (written_ != data_bytes_) {
        const auto open = static_cast<std::size_t>(
            std::upper_bound(ends_.begin(), ends_.end(), written_) - ends_.begin());
        refuse(path_, tensors_[open].name,
               fmt::format("not complete: {} of {} bytes are written, it ends at {}",
                           written_, data_bytes_, ends_[open]));
    }
    try {
        file_.commit();
    } catch (const std::runtime_error& error) { fail(error.what()); }
}

void safetensors_writer::fail(const char* what) const {
    std::string message =
        std::string(what) + " (the file needs " + std::to_string(file_bytes()) + " bytes";
    std::error_code error;
    const auto folder = std::filesystem::absolute(path_, error).parent_path();
    const auto space = std::filesystem::space(folder, error);
    if (!error) message += ", " + std::to_string(space.available) + " are free";
    throw std::runtime_error(message + ")");
}

}  // namespace packkit::train
