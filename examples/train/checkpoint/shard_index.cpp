// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/shard_index.hpp"

#include "checkpoint/safetensors.hpp"
#include "common/errors.hpp"
#include "common/json.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <utility>

namespace packkit::train {
namespace fs = std::filesystem;
namespace {

using app::in_quotes;
using app::json;

constexpr const char* format_name = "packkit shards";
constexpr int format_version = 1;
/// Elements of half a byte can still be counted.
constexpr std::uint64_t max_tensor_bytes = std::uint64_t{1} << 62U;

std::string range_text(const index_range& range) {
    return "[" + std::to_string(range.begin) + ", " + std::to_string(range.end) + "]";
}

std::string part_text(const tensor_slice& part) {
    return "rows " + range_text(part.rows) + ", columns " + range_text(part.columns);
}

/// An index as JSON, checked piece by piece.
class index_reader {
public:
    explicit index_reader(const std::string& place) : place_(place) {}

    shard_index read(const json& document) {
        if (!document.is_object() || document.value("format", json()) != format_name) {
            refuse("expected an index of format " + in_quotes(format_name));
        }
        if (document.value("version", json()) != format_version) {
            refuse("version " + document.value("version", json()).dump() +
                   " is not known; expected " + std::to_string(format_version));
        }
        for (const auto& [name, checksum] : object(document, "files", "").items())
            read_file(name, checksum);
        for (const auto& [name, tensor] : object(document, "tensors", "").items())
            read_tensor(name, tensor);
        return std::move(index_);
    }

private:
    [[noreturn]] void refuse(const std::string& what) const {
        throw app::input_error(place_, what);
    }

    [[nodiscard]] const json& member(const json& from, const char* key,
                                     const std::string& place) const {
        if (!from.is_object() || !from.contains(key))
            refuse(place + in_quotes(key) + " is missing");
        return from[key];
    }

    [[nodiscard]] const json& object(const json& from, const char* key,
                                     const std::string& place) const {
        const json& value = member(from, key, place);
        if (!value.is_object()) {
            refuse(place + in_quotes(key) + ": expected an object, found " +
                   std::string(app::json_kind(value)));
        }
        return value;
    }

    void read_file(const std::string& name, const json& checksum) {
        if (name.empty() || fs::path(name).filename() != name || name == "..")
            refuse("files: " + in_quotes(name) +
                   " is no name of a file beside the index");
        if (!checksum.is_string())
            refuse("files: " + name + ": expected its checksum, found " +
                   std::string(app::json_kind(checksum)));
        number_.emplace(name, index_.files.size());
        index_.files.push_back({name, checksum.get<std::string>()});
    }

    [[nodiscard]] std::int64_t whole(const json& value, const std::string& place) const {
        if (!value.is_number_unsigned() ||
            value.get<std::uint64_t>() >
                static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
            refuse(place + ": expected a whole number >= 0, found " + value.dump());
        }
        return value.get<std::int64_t>();
    }

    [[nodiscard]] index_range range(const json& piece, const char* key, std::int64_t end,
                                    const std::string& place) const {
        const json& value = member(piece, key, place);
        if (!value.is_array() || value.size() != 2)
            refuse(place + key + ": expected [begin, end], found " + value.dump());
        const index_range found{whole(value[0], place + key),
                                whole(value[1], place + key)};
        if (found.begin >= found.end || found.end > end) {
            refuse(place + key + " " + range_text(found) + " are no part of [0, " +
                   std::to_string(end) + "]");
        }
        return found;
    }

    void read_tensor(const std::string& name, const json& value) {
        const std::string place = "tensor " + name + ": ";
        stored_tensor tensor;
        const json& dtype = member(value, "dtype", place);
        if (!dtype.is_string()) refuse(place + "dtype: expected a string");
        tensor.dtype = dtype.get<std::string>();
        const json& shape = member(value, "shape", place);
        if (!shape.is_array()) refuse(place + "shape: expected an array");
        for (const json& extent : shape)
            tensor.shape.push_back(whole(extent, place + "shape"));
        const auto bytes = safetensors_bytes(tensor.dtype, tensor.shape);
        if (!bytes || *bytes > max_tensor_bytes) {
            refuse(place + "dtype " + in_quotes(tensor.dtype) + " and shape " +
                   shape.dump() + " take no possible number of bytes");
        }
        const auto all = whole_slice(tensor.shape);
        const json& pieces = member(value, "pieces", place);
        if (!pieces.is_array()) refuse(place + "pieces: expected an array");
        for (const json& piece : pieces) {
            const json& file = member(piece, "file", place);
            const auto found =
                number_.find(file.is_string() ? file.get<std::string>() : "");
            if (found == number_.end())
                refuse(place + "file " + file.dump() + " is not in the list of files");
            tensor.pieces.push_back({found->second,
                                     {range(piece, "rows", all.rows.end, place),
                                      range(piece, "columns", all.columns.end, place)}});
        }
        check_cover(place, all, tensor.pieces);
        index_.tensors.emplace(name, std::move(tensor));
    }

    /// Pieces lie in bands of the same columns, one beside the other, and in each band
    /// one below the other: what meshes make.
    void check_cover(const std::string& place, const tensor_slice& all,
                     const std::vector<tensor_piece>& pieces) const {
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
                refuse(place + "pieces overlap or leave a hole before " +
                       part_text(part));
            filled = part.rows.end;
        }
        if (all.elements() > 0 && (filled != all.rows.end || band.end != all.columns.end))
            refuse(place + "pieces do not cover it: they end at row " +
                   std::to_string(filled) + " of columns " + range_text(band));
    }

    const std::string& place_;
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
    char name[64];
    std::snprintf(name, sizeof name, "shard-%05lld-of-%05lld.safetensors",
                  static_cast<long long>(number), static_cast<long long>(count));
    return name;
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

shard_index parse_shard_index(const app::json& document, const std::string& place) {
    return index_reader(place).read(document);
}

shard_index read_shard_index(const std::string& path) {
    return parse_shard_index(app::read_json_file(path), path);
}

}  // namespace packkit::train
