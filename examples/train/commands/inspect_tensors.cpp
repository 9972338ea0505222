// SPDX-License-Identifier: Apache-2.0
#include "commands/inspect_tensors.hpp"

#include "checkpoint/element_sum.hpp"
#include "checkpoint/folder.hpp"
#include "checkpoint/safetensors.hpp"
#include "checkpoint/shard_index.hpp"
#include "checkpoint/weight_files.hpp"
#include "common/document_field.hpp"
#include "common/errors.hpp"
#include "common/input_file.hpp"
#include "common/lengths/npy_header.hpp"
#include "common/model_config.hpp"
#include "config/model_config.hpp"

#include <packkit/model/parameters.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace packkit::train {
namespace fs = std::filesystem;
namespace {

using app::input_error;
using app::ordered_json;

/// Bytes of a tensor that are in memory at a time; a multiple of every element's size.
constexpr std::size_t bytes_at_once = std::size_t{1} << 24U;

/// A tensor, whole, by what its files hold of it.
struct tensor_summary {
    std::string dtype;
    std::vector<std::int64_t> shape;
    element_sum sum;
};
using tensor_list = std::map<std::string, tensor_summary>;

bool is_integer(std::string_view dtype) {
    return dtype == "BOOL" || dtype.starts_with('I') || dtype.starts_with('U');
}

void write_sum(ordered_json& to, const std::string& dtype, const element_sum& sum) {
    to["sum"] = has_element_sum(dtype) ? ordered_json(sum.value()) : ordered_json();
    if (is_integer(dtype)) return;
    to["nan"] = sum.nan();
    to["inf"] = sum.infinite();
}

/// Adds what a file holds of a tensor.
void add_tensor(const safetensors_file& file, const std::string& name,
                tensor_summary& to) {
    auto rest = file.data(name);
    while (!rest.empty()) {
        const auto piece = rest.first(std::min(rest.size(), bytes_at_once));
        add_elements(to.dtype, piece, to.sum);
        file.release(piece);
        rest = rest.subspan(piece.size());
    }
}

std::int64_t elements_of(const std::vector<std::int64_t>& shape) {
    std::int64_t count = 1;
    for (const std::int64_t extent : shape)
        count *= extent;
    return count;
}

ordered_json tensors_json(const tensor_list& list) {
    auto tensors = ordered_json::object();
    for (const auto& [name, tensor] : list) {
        auto& one = tensors[name];
        one = {{"dtype", tensor.dtype}, {"shape", tensor.shape}};
        write_sum(one, tensor.dtype, tensor.sum);
    }
    return tensors;
}

/// Takes the optimizer's moments out of the tensors of a sharded checkpoint.
tensor_list take_moments(tensor_list& tensors) {
    constexpr std::array states = {"exp_avg.", "exp_avg_sq.", "momentum_buffer."};
    tensor_list moments;
    for (auto at = tensors.begin(); at != tensors.end();) {
        const std::string& name = at->first;
        const bool moment = std::ranges::any_of(
            states, [&](const char* prefix) { return name.starts_with(prefix); });
        if (moment)
            moments.insert(tensors.extract(at++));
        else
            ++at;
    }
    return moments;
}

void write_tensors(ordered_json& result, const tensor_list& list) {
    std::int64_t elements = 0;
    std::uint64_t bytes = 0;
    std::int64_t not_finite = 0;
    for (const auto& [name, tensor] : list) {
        elements += elements_of(tensor.shape);
        bytes += safetensors_bytes(tensor.dtype, tensor.shape).value_or(0);
        not_finite += tensor.sum.nan() + tensor.sum.infinite();
    }
    result["tensor_count"] = list.size();
    result["elements"] = elements;
    result["tensor_bytes"] = bytes;
    result["not_finite"] = not_finite;
    result["tensors"] = tensors_json(list);
}

tensor_list read_file(const std::string& path, safetensors_metadata* metadata = nullptr) {
    const safetensors_file file(path);
    if (metadata != nullptr) *metadata = file.metadata();
    tensor_list list;
    for (const auto& [name, info] : file.tensors()) {
        auto& tensor = list[name];
        tensor.dtype = info.dtype;
        tensor.shape = info.shape;
        add_tensor(file, name, tensor);
    }
    return list;
}

/// The tensors that the index of a folder lists, each from its file.
tensor_list read_indexed(const std::string& folder, const std::string& index,
                         std::set<std::string>& files) {
    // Opening checks that every tensor lies where the index says.
    static_cast<void>(weight_files::open_folder(folder));
    const app::document_node document = app::read_json_document(index);
    const auto map = app::document_field(document, index).member("weight_map");
    tensor_list list;
    std::map<std::string, std::vector<std::string>> names_of_file;
    for (const auto& member : map.members())
        names_of_file[map.at(member).text()].push_back(member.key);
    for (const auto& [name, tensors] : names_of_file) {
        const safetensors_file file(folder + "/" + name);
        files.insert(name);
        for (const auto& tensor : tensors) {
            auto& summary = list[tensor];
            summary.dtype = file.info(tensor).dtype;
            summary.shape = file.info(tensor).shape;
            add_tensor(file, tensor, summary);
        }
    }
    return list;
}

/// The tensors of a sharded checkpoint, put together from their pieces.
tensor_list read_pieces(const std::string& folder, std::set<std::string>& files) {
    static_cast<void>(weight_files::open_folder(folder));
    const shard_index index = read_shard_index(folder + "/" + shard_index_name);
    tensor_list list;
    for (const auto& [name, tensor] : index.tensors)
        list[name] = {tensor.dtype, tensor.shape, {}};
    for (std::size_t i = 0; i < index.files.size(); ++i) {
        const safetensors_file file(folder + "/" + index.files[i].name);
        files.insert(index.files[i].name);
        for (const auto& [name, tensor] : index.tensors) {
            const bool here =
                std::any_of(tensor.pieces.begin(), tensor.pieces.end(),
                            [&](const tensor_piece& piece) { return piece.file == i; });
            if (here) add_tensor(file, name, list[name]);
        }
    }
    return list;
}

constexpr const char* weights_file = "model.safetensors";
constexpr const char* index_file = "model.safetensors.index.json";

/// All weights of a folder, and the files that hold them.
tensor_list read_weights(const std::string& folder, std::set<std::string>& files) {
    if (fs::exists(folder + "/" + weights_file)) {
        files.insert(weights_file);
        return read_file(folder + "/" + weights_file);
    }
    if (fs::exists(folder + "/" + index_file))
        return read_indexed(folder, folder + "/" + index_file, files);
    return read_pieces(folder, files);
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
    return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// Every parameter of the model must be there in its shape. Returns the tensors that the
/// model has no use for.
std::vector<std::string> check_against(const model_shape& model, const std::string& place,
                                       const tensor_list& tensors) {
    std::set<std::string> used;
    for (const auto& unit : unit_shapes(model)) {
        for (const auto& wanted : unit.parameters) {
            const auto found = tensors.find(wanted.name);
            if (found == tensors.end()) {
                throw input_error(place, "tensor " + app::in_quotes(wanted.name) +
                                             " is missing, which config.json asks for");
            }
            if (found->second.shape != wanted.shape) {
                throw input_error(
                    place, fmt::format("tensor {} has shape {}, config.json asks for {}",
                                       app::in_quotes(wanted.name),
                                       shape_text(found->second.shape),
                                       shape_text(wanted.shape)));
            }
            used.insert(wanted.name);
        }
    }
    std::vector<std::string> others;
    for (const auto& [name, tensor] : tensors) {
        if (!used.contains(name)) others.push_back(name);
    }
    return others;
}

/// Adds weights, and holds them to the model as far as its tensors are known.
void add_weights(ordered_json& result, const std::string& folder,
                 const model_shape& model) {
    std::set<std::string> files;
    auto tensors = read_weights(folder, files);
    if (const auto moments = take_moments(tensors); !moments.empty())
        result["optimizer"] = tensors_json(moments);
    if (!result.contains("not_trained")) {
        const auto others = check_against(model, folder, tensors);
        if (!others.empty()) result["tensors_not_of_the_model"] = others;
    }
    result["files"] = files;
    write_tensors(result, tensors);
}

/// What a .npy file's `descr` is called in a safetensors file, and bytes of an element.
struct npy_type {
    std::string dtype;
    std::size_t bytes = 0;
    bool swapped = false;
};

npy_type npy_type_of(const std::string& descr, const std::string& path) {
    const auto refuse = [&](const std::string& what) {
        throw input_error(path, "holds " + what + " (dtype " + app::in_quotes(descr) +
                                    "); expected numbers, as float32");
    };
    if (descr.size() < 3) refuse("an unknown type");
    const char kind = descr[1];
    npy_type type;
    const auto [end, fault] =
        std::from_chars(descr.data() + 2, descr.data() + descr.size(), type.bytes);
    if (fault != std::errc() || end != descr.data() + descr.size())
        refuse("an unknown type");
    if (kind == 'O') refuse("pickled objects");
    constexpr std::pair<std::string_view, std::string_view> known[] = {
        {"b1", "BOOL"}, {"i1", "I8"},  {"u1", "U8"},  {"i2", "I16"}, {"u2", "U16"},
        {"i4", "I32"},  {"u4", "U32"}, {"i8", "I64"}, {"u8", "U64"}, {"f2", "F16"},
        {"f4", "F32"},  {"f8", "F64"}, {"c8", "C64"}};
    for (const auto& [numpy, safetensors] : known) {
        if (descr.substr(1) == numpy) type.dtype = safetensors;
    }
    if (type.dtype.empty()) refuse("elements that are not read");
    if (std::string_view("<>=|").find(descr[0]) == std::string_view::npos)
        refuse("an unknown type");
    type.swapped = descr[0] == '>' && type.bytes > 1;
    return type;
}

}  // namespace

bool has_weights(const std::string& folder) {
    return fs::exists(folder + "/" + weights_file) ||
           fs::exists(folder + "/" + index_file) ||
           fs::exists(folder + "/" + shard_index_name);
}

ordered_json inspect_safetensors(const std::string& path) {
    safetensors_metadata metadata;
    const auto tensors = read_file(path, &metadata);
    ordered_json result = {{"metadata", metadata}};
    write_tensors(result, tensors);
    return result;
}

ordered_json inspect_weights(const std::string& folder) {
    std::set<std::string> files;
    const auto tensors = read_weights(folder, files);
    ordered_json result = {{"files", files}};
    write_tensors(result, tensors);
    return result;
}

ordered_json inspect_index(const std::string& path) {
    const auto parent = fs::path(path).parent_path();
    const std::string folder = parent.empty() ? "." : parent.string();
    std::set<std::string> files;
    const auto tensors = path.ends_with(shard_index_name)
                             ? read_pieces(folder, files)
                             : read_indexed(folder, path, files);
    ordered_json result = {{"files", files}};
    write_tensors(result, tensors);
    return result;
}

ordered_json inspect_config(const std::string& path) {
    const model_shape model = app::read_model_config(path);
    ordered_json result = {{"model_type", to_string(model.family)},
                           {"parameters", parameter_count(model)},
                           {"active_parameters", active_parameter_count(model)},
                           {"hidden_size", model.hidden_size},
                           {"intermediate_size", model.intermediate_size},
                           {"num_hidden_layers", model.num_hidden_layers},
                           {"num_attention_heads", model.num_attention_heads},
                           {"num_key_value_heads", model.num_key_value_heads},
                           {"head_dim", model.head_dim},
                           {"vocab_size", model.vocab_size},
                           {"max_position_embeddings", model.max_position_embeddings},
                           {"tie_word_embeddings", model.tie_word_embeddings}};
    try {
        static_cast<void>(read_model_config(path));
    } catch (const input_error& error) { result["not_trained"] = error.what(); }
    return result;
}

ordered_json inspect_model(const std::string& folder) {
    auto result = inspect_config(folder);
    if (has_weights(folder)) {
        add_weights(result, folder, app::read_model_config(folder));
    } else {
        result["files"] = ordered_json::array();
    }
    return result;
}

ordered_json inspect_checkpoint(const std::string& folder) {
    const auto found = open_checkpoint(folder);
    ordered_json result = {{"step", found.step}};
    result.update(inspect_config(folder));
    add_weights(result, folder, app::read_model_config(folder));
    const std::string moments = folder + "/optimizer.safetensors";
    if (fs::exists(moments)) {
        auto optimizer = inspect_safetensors(moments);
        result["files"].push_back("optimizer.safetensors");
        result["optimizer"] = std::move(optimizer["tensors"]);
    }
    return result;
}

ordered_json inspect_npy(const std::string& path) {
    app::input_file file(path);
    const auto header = app::read_npy_header(file);
    const auto type = npy_type_of(header.descr, path);
    std::uint64_t count = 1;
    for (const auto extent : header.shape) {
        if (extent != 0 && count > (std::uint64_t{1} << 60U) / extent)
            throw input_error(path,
                              "its header announces more elements than a file holds");
        count *= extent;
    }
    const std::uint64_t announced = count * type.bytes;
    element_sum sum;
    std::vector<std::byte> buffer(
        static_cast<std::size_t>(std::min<std::uint64_t>(announced + 1, bytes_at_once)));
    std::uint64_t taken = 0;
    while (true) {
        const std::size_t got =
            file.read(std::span(reinterpret_cast<char*>(buffer.data()), buffer.size()));
        taken += got;
        if (got == 0 || taken > announced) break;
        const std::size_t whole = got / type.bytes * type.bytes;
        if (type.swapped) {
            for (std::size_t i = 0; i < whole; i += type.bytes) {
                const std::size_t width = type.dtype == "C64" ? 4 : type.bytes;
                for (std::size_t part = i; part < i + type.bytes; part += width)
                    std::reverse(
                        buffer.begin() + static_cast<std::ptrdiff_t>(part),
                        buffer.begin() + static_cast<std::ptrdiff_t>(part + width));
            }
        }
        add_elements(type.dtype, std::span(buffer).first(whole), sum);
    }
    if (taken != announced) {
        throw input_error(
            path,
            fmt::format("its header announces {} elements of {} bytes, {}", count,
                        type.bytes,
                        taken < announced ? fmt::format("but {} bytes follow it", taken)
                                          : std::string("but more bytes follow it")));
    }
    ordered_json result = {{"dtype", type.dtype},
                           {"shape", header.shape},
                           {"fortran_order", header.fortran_order}};
    if (header.shape.size() == 1) result["rows"] = header.shape.front();
    write_sum(result, type.dtype, sum);
    return result;
}

}  // namespace packkit::train
