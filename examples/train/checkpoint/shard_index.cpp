// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/shard_index.hpp"

#include "checkpoint/safetensors.hpp"
#include "common/document_field.hpp"
#include "common/errors.hpp"
#include "common/input_file.hpp"
#include "common/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <utility>

namespace packkit::train {
namespace fs = std::filesystem;
namespace {

using app::in_quotes;

constexpr const char* format_name = "packkit shards";
constexpr int format_version = 1;
/// Elements of half a byte can still be counted.
constexpr std::uint64_t max_tensor_bytes = std::uint64_t{1} << 62U;

std::string range_text(const index_range& range) {
    return fmt::format("[{}, {}]", range.begin, range.end);
}

/// An index as a document, checked piece by piece.
class index_reader {
public:
    shard_index read(const app::document_field& document) {
        if (document.text_or("format", "") != format_name)
            document.fail("expected an index of format " + in_quotes(format_name));
        const auto version = document.member("version");
        if (app::whole_of(version.node()) != format_version) {
            version.fail(app::describe_json(version.node()) + " is not known; expected " +
                         std::to_string(format_version));
        }
        const auto files = document.member("files");
        for (const auto& member : files.members())
            read_file(member.key, files.at(member));
        std::sort(index_.files.begin(), index_.files.end(),
                  [](const auto& a, const auto& b) { return a.name < b.name; });
        for (std::size_t i = 0; i < index_.files.size(); ++i)
            number_.emplace(index_.files[i].name, i);
        const auto tensors = document.member("tensors");
        for (const auto& member : tensors.members())
            index_.tensors.emplace(member.key, read_tensor(tensors.at(member)));
        return std::move(index_);
    }

private:
    void read_file(const std::string& name, const app::document_field& checksum) {
        if (name.empty() || fs::path(name).filename() != name || name == "..")
            checksum.fail("is no name of a file beside the index");
        index_.files.push_back({name, checksum.text()});
    }

    [[nodiscard]] static index_range range(const app::document_field& value,
                                           std::int64_t end) {
        if (value.array_size() != 2) value.expected("[begin, end]");
        const index_range found{value.element(0).whole(0), value.element(1).whole(0)};
        if (found.begin >= found.end || found.end > end) {
            value.fail(fmt::format("{} is no part of [0, {}]", range_text(found), end));
        }
        return found;
    }

    [[nodiscard]] stored_tensor read_tensor(const app::document_field& value) const {
        stored_tensor tensor;
        tensor.dtype = value.member("dtype").text();
        const auto shape = value.member("shape");
        for (std::size_t i = 0; i < shape.array_size(); ++i)
            tensor.shape.push_back(shape.element(i).whole(0));
        const auto bytes = safetensors_bytes(tensor.dtype, tensor.shape);
        if (!bytes || *bytes > max_tensor_bytes) {
            value.fail(app::json(tensor.shape).dump() + " elements of dtype " +
                       in_quotes(tensor.dtype) + " take no possible number of bytes");
        }
        const auto all = whole_slice(tensor.shape);
        const auto pieces = value.member("pieces");
        for (std::size_t i = 0; i < pieces.array_size(); ++i) {
            const auto piece = pieces.element(i);
            const auto file = piece.member("file");
            const auto found = number_.find(file.text());
            if (found == number_.end())
                file.fail(in_quotes(file.text()) + " is not in the list of files");
            tensor.pieces.push_back({found->second,
                                     {range(piece.member("rows"), all.rows.end),
                                      range(piece.member("columns"), all.columns.end)}});
        }
        check_cover(pieces, all, tensor.pieces);
        return tensor;
    }

    /// Pieces lie in bands of the same columns, one beside the other, and in each band
    /// one below the other: what meshes make.
    static void check_cover(const app::document_field& field, const tensor_slice& all,
                            const std::vector<tensor_piece>& pieces) {
        std::vector<tensor_slice> parts;
        for (const auto& piece : pieces)
            parts.push_back(piece.part);
        std::sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) {
            return std::pair(a.columns.begin, a.rows.begin) <
                   std::pair(b.columns.begin, b.rows.begin);
        });
        index_range band;                    // of columns
        std::int64_t filled = all.rows.end;  // rows of the band
        for (const auto& part : parts) {
            if (filled == all.rows.end) {
                band = {band.end, part.columns.end};
                filled = 0;
            }
            if (part.columns != band || part.rows.begin != filled)
                field.fail(
                    fmt::format("overlap or leave a hole before rows {}, columns {}",
                                range_text(part.rows), range_text(part.columns)));
            filled = part.rows.end;
        }
        if (all.elements() > 0 && (filled != all.rows.end || band.end != all.columns.end))
            field.fail(
                fmt::format("do not cover the tensor: they end at row {} of columns {}",
                            filled, range_text(band)));
    }

    std::map<std::string, std::size_t> number_;  // of each file
    shard_index index_;
};

}  // namespace

tensor_slice whole_slice(std::span<const std::int64_t> shape) {
    if (shape.empty()) return {{0, 1}, {0, 1}};
    if (shape.front() == 0) return {};
    std::uint64_t columns = 1;  // may wrap before it meets a zero
    for (const auto extent : shape.subspan(1))
        columns *= static_cast<std::uint64_t>(extent);
    return {{0, shape.front()}, {0, static_cast<std::int64_t>(columns)}};
}

std::string shard_file_name(std::int64_t number, std::int64_t count) {
    return fmt::format("shard-{:05}-of-{:05}.safetensors", number, count);
}

std::string to_json_text(const shard_index& index) {
    using app::ordered_json;
    const auto pair = [](const index_range& range) {
        return ordered_json::array({range.begin, range.end});
    };
    ordered_json files = ordered_json::object();
    for (const auto& file : index.files)
        files[file.name] = file.checksum;
    // Not operator[]: ordered_json would search all names for each new one.
    ordered_json::object_t tensors;
    for (const auto& [name, tensor] : index.tensors) {
        ordered_json pieces = ordered_json::array();
        for (const auto& piece : tensor.pieces) {
            pieces.push_back({{"file", index.files[piece.file].name},
                              {"rows", pair(piece.part.rows)},
                              {"columns", pair(piece.part.columns)}});
        }
        tensors.emplace_back(name, ordered_json{{"dtype", tensor.dtype},
                                                {"shape", tensor.shape},
                                                {"pieces", std::move(pieces)}});
    }
    const ordered_json document = {{"format", format_name},
                                   {"version", format_version},
                                   {"files", std::move(files)},
                                   {"tensors", std::move(tensors)}};
    return document.dump() + "\n";
}

shard_index parse_shard_index(std::string_view text, const std::string& place) {
    const app::document_node document = app::parse_json_document(text, place);
    return index_reader().read(app::document_field(document, place));
}

shard_index read_shard_index(const std::string& path) {
    return parse_shard_index(app::read_file(path), path);
}

}  // namespace packkit::train
