// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/weight_files.hpp"

#include "common/did_you_mean.hpp"
#include "common/document_field.hpp"
#include "common/errors.hpp"

#include <packkit/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <ranges>
#include <utility>

namespace packkit::train {
namespace fs = std::filesystem;
namespace {

constexpr const char* single_name = "model.safetensors";
constexpr const char* index_name = "model.safetensors.index.json";

/// Tensor → file name, as the index says.
std::map<std::string, std::string> read_index(const std::string& path) {
    const app::document_node document = app::read_json_document(path);
    const auto files = app::document_field(document, path).member("weight_map");
    std::map<std::string, std::string> map;
    for (const auto& member : files.members()) {
        const app::document_field file = files.at(member);
        const std::string& name = file.text();
        if (name.empty() || fs::path(name).filename() != name || name == "..")
            file.fail(app::in_quotes(name) + " is no name of a file beside the index");
        map.emplace(member.key, name);
    }
    return map;
}

/// A tensor that lies in one file.
stored_tensor whole_tensor(const tensor_info& info, std::size_t file) {
    return {info.dtype, info.shape, {{file, whole_slice(info.shape)}}};
}

index_range overlap(const index_range& a, const index_range& b) {
    const auto begin = std::max(a.begin, b.begin);
    return {begin, std::max(begin, std::min(a.end, b.end))};
}

bool contains_range(const index_range& outer, const index_range& inner) {
    return inner.empty() || (inner.begin >= outer.begin && inner.begin < inner.end &&
                             inner.end <= outer.end);
}

}  // namespace

weight_files::weight_files(const std::string& path) : place_(path) {
    add(path);
}

void weight_files::add(const std::string& path) {
    files_.emplace_back(path);
    for (const auto& [name, info] : files_.back().tensors())
        tensors_.emplace(name, whole_tensor(info, files_.size() - 1));
}

weight_files weight_files::open_folder(const std::string& folder) {
    const std::string single = folder + "/" + single_name;
    const std::string index = folder + "/" + index_name;
    const std::string shards = folder + "/" + shard_index_name;
    if (fs::exists(single)) return weight_files(single);
    weight_files all;
    if (!fs::exists(index) && fs::exists(shards)) {
        all.open_pieces(folder, shards);
        return all;
    }
    if (!fs::exists(index)) {
        throw app::input_error(
            single, fmt::format("is missing, and so is {}; set random_init_weights: true "
                                "to start from random weights",
                                index_name));
    }
    all.place_ = index;
    std::map<std::string, std::size_t> number;
    for (const auto& [tensor, name] : read_index(index)) {
        const auto [found, is_new] = number.try_emplace(name, all.files_.size());
        if (is_new) all.files_.emplace_back(folder + "/" + name);
        const auto& file = all.files_[found->second];
        if (!file.tensors().contains(tensor)) {
            throw app::input_error(file.path(), "has no tensor " + tensor + ", which " +
                                                    index_name + " says it holds");
        }
        all.tensors_.emplace(tensor, whole_tensor(file.info(tensor), found->second));
    }
    return all;
}

void weight_files::open_pieces(const std::string& folder, const std::string& index) {
    place_ = index;
    auto listed = read_shard_index(index);
    for (const auto& file : listed.files)
        files_.emplace_back(folder + "/" + file.name);
    for (const auto& [name, tensor] : listed.tensors) {
        for (const auto& piece : tensor.pieces)
            check_piece(name, tensor, piece);
    }
    tensors_ = std::move(listed.tensors);
}

void weight_files::check_piece(const std::string& name, const stored_tensor& tensor,
                               const tensor_piece& piece) const {
    const auto& file = files_[piece.file];
    if (!file.tensors().contains(name)) {
        throw app::input_error(file.path(), "has no tensor " + name + ", of which " +
                                                shard_index_name +
                                                " says it holds a part");
    }
    const auto& found = file.info(name);
    const auto elements = whole_slice(found.shape).elements();
    if (found.dtype != tensor.dtype || elements != piece.part.elements()) {
        throw app::input_error(
            file.path(), fmt::format("tensor {} has {} elements of {}, {} says {} of {}",
                                     name, elements, found.dtype, shard_index_name,
                                     piece.part.elements(), tensor.dtype));
    }
}

const stored_tensor& weight_files::info(const std::string& name) const {
    const auto found = tensors_.find(name);
    if (found != tensors_.end()) return found->second;
    throw app::input_error(place_,
                           "tensor " + name + " is missing" +
                               app::did_you_mean(name, std::views::keys(tensors_)));
}

const std::string& weight_files::place_of(const std::string& name) const {
    const auto& pieces = info(name).pieces;
    return pieces.size() == 1 ? files_[pieces.front().file].path() : place_;
}

void weight_files::read(const std::string& name, const tensor_slice& slice,
                        std::span<std::byte> to) const {
    const auto& tensor = info(name);
    const auto all = whole_slice(tensor.shape);
    const std::size_t size = safetensors_dtype_bits(tensor.dtype) / 8;
    if (!contains_range(all.rows, slice.rows) ||
        !contains_range(all.columns, slice.columns) || size == 0 ||
        to.size() != static_cast<std::size_t>(slice.elements()) * size) {
        throw packkit::invalid_argument(
            fmt::format("{}: tensor {} of {} x {} elements of {}: {} rows from {} and {} "
                        "columns from {} do not fit it or {} bytes",
                        place_of(name), name, all.rows.end, all.columns.end, tensor.dtype,
                        slice.rows.size(), slice.rows.begin, slice.columns.size(),
                        slice.columns.begin, to.size()));
    }
    const auto bytes = [size](std::int64_t elements) {
        return static_cast<std::size_t>(elements) * size;
    };
    for (const auto& piece : tensor.pieces) {
        const auto rows = overlap(piece.part.rows, slice.rows);
        const auto columns = overlap(piece.part.columns, slice.columns);
        if (rows.empty() || columns.empty()) continue;
        const auto from = files_[piece.file].data(name);
        const auto from_row = bytes(piece.part.columns.size());
        const auto to_row = bytes(slice.columns.size());
        const auto width = bytes(columns.size());
        const std::byte* source =
            from.data() +
            static_cast<std::size_t>(rows.begin - piece.part.rows.begin) * from_row +
            bytes(columns.begin - piece.part.columns.begin);
        std::byte* target =
            to.data() + static_cast<std::size_t>(rows.begin - slice.rows.begin) * to_row +
            bytes(columns.begin - slice.columns.begin);
        if (width == from_row && width == to_row) {
            std::memcpy(target, source, width * static_cast<std::size_t>(rows.size()));
            continue;
        }
        const auto count = static_cast<std::size_t>(rows.size());
        for (std::size_t row = 0; row < count; ++row)
            std::memcpy(target + row * to_row, source + row * from_row, width);
    }
}

}  // namespace packkit::train
