// SPDX-License-Identifier: Apache-2.0
#include "commands/export.hpp"

#include "checkpoint/folder.hpp"
#include "checkpoint/weight_files.hpp"
#include "common/atomic_file.hpp"
#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "common/numbers.hpp"
#include "config/model_config.hpp"

#include <packkit/model/parameters.hpp>

#include <ATen/Functions.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

namespace packkit::train {
namespace fs = std::filesystem;
namespace {

struct weight_type {
    std::string_view name;         // of --dtype and config.json
    std::string_view safetensors;  // of the file
    at::ScalarType type;
};

constexpr std::array<weight_type, 4> weight_types = {{{"float32", "F32", at::kFloat},
                                                      {"float64", "F64", at::kDouble},
                                                      {"bfloat16", "BF16", at::kBFloat16},
                                                      {"float16", "F16", at::kHalf}}};

const weight_type& type_in_file(const weight_files& files, const std::string& tensor) {
    for (const auto& known : weight_types) {
        if (known.safetensors == files.info(tensor).dtype) return known;
    }
    throw app::input_error(files.place_of(tensor), "tensor " + tensor + " has dtype " +
                                                       files.info(tensor).dtype +
                                                       ", which holds no weights");
}

const weight_type& type_named(const std::string& name) {
    std::vector<std::string_view> names;
    for (const auto& known : weight_types) {
        if (known.name == name) return known;
        names.push_back(known.name);
    }
    throw app::usage_error("--dtype", app::in_quotes(name) + " is none of " +
                                          app::name_list(names) +
                                          app::did_you_mean(name, names));
}

/// The checkpoint itself, or the newest whole one below it.
std::string find_checkpoint(const std::string& path) {
    if (!fs::is_directory(path)) throw app::input_error(path, "is no folder");
    if (fs::exists(path + "/config.json")) return open_checkpoint(path).folder;
    std::vector<std::string> warnings;
    const auto newest = find_newest_checkpoint(path, warnings);
    if (!newest) {
        throw app::input_error(
            path, "holds no whole checkpoint" +
                      (warnings.empty() ? std::string() : ": " + warnings.front()));
    }
    return newest->folder;
}

/// Elements of a tensor that are held at once.
constexpr std::int64_t elements_at_once = std::int64_t{1} << 22U;

/// Copies a tensor row by row, so that no more than a part of it is ever in memory.
void copy_tensor(const weight_files& files, const tensor_spec& tensor,
                 at::ScalarType from, at::ScalarType to, safetensors_writer& writer) {
    const auto whole = whole_slice(tensor.shape);
    const auto width = std::max<std::int64_t>(1, whole.columns.size());
    const auto rows_at_once = std::max<std::int64_t>(1, elements_at_once / width);
    const auto bytes_of = [](const at::Tensor& held) {
        return std::span(static_cast<std::byte*>(held.data_ptr()),
                         static_cast<std::size_t>(held.nbytes()));
    };
    for (std::int64_t row = 0; row < whole.rows.end; row += rows_at_once) {
        const tensor_slice part{{row, std::min(row + rows_at_once, whole.rows.end)},
                                whole.columns};
        const auto held = at::empty({part.elements()}, from);
        files.read(tensor.name, part, bytes_of(held));
        writer.write(bytes_of(held.to(to)));
    }
}

/// Removes an unfinished folder unless it was kept.
class partial_folder {
public:
    explicit partial_folder(fs::path path) : path_(std::move(path)) {
        fs::remove_all(path_);
        fs::create_directories(path_);
    }
    partial_folder(const partial_folder&) = delete;
    partial_folder& operator=(const partial_folder&) = delete;
    ~partial_folder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }

    [[nodiscard]] std::string file(const char* name) const {
        return (path_ / name).string();
    }
    [[nodiscard]] const fs::path& path() const { return path_; }
    void keep_as(const fs::path& target) const { fs::rename(path_, target); }

private:
    fs::path path_;
};

}  // namespace

std::string export_checkpoint(const std::string& checkpoint, const std::string& folder,
                              const std::string& dtype) {
    std::error_code ignored;
    if (fs::exists(folder) && !fs::is_empty(folder, ignored)) {
        throw app::usage_error(folder, "exists and is not empty; name a new folder");
    }
    const std::optional<weight_type> wanted =
        dtype.empty() ? std::nullopt : std::optional(type_named(dtype));
    const auto source = find_checkpoint(checkpoint);
    const auto model = read_model_config(source);
    const auto files = weight_files::open_folder(source);

    std::vector<tensor_spec> list;
    std::string_view name_of_type;
    for (const auto& unit : unit_shapes(model)) {
        for (const auto& parameter : unit.parameters) {
            const auto& type = wanted ? *wanted : type_in_file(files, parameter.name);
            list.push_back({parameter.name, std::string(type.safetensors),
                            files.info(parameter.name).shape});
            name_of_type = type.name;
        }
    }
    const partial_folder partial(folder + ".partial-" + std::to_string(getpid()));
    safetensors_writer writer(partial.file("model.safetensors"), list);
    for (const auto& tensor : list) {
        const auto from = type_in_file(files, tensor.name).type;
        copy_tensor(files, tensor, from, wanted ? wanted->type : from, writer);
    }
    writer.finish();
    app::write_file_atomically(
        partial.file("config.json"),
        saved_model_config(read_model_document(source), name_of_type));
    write_companions(partial.path(), read_companions(source));
    fs::remove(folder, ignored);  // an empty one
    partial.keep_as(folder);
    return folder + ": " + std::to_string(list.size()) + " tensors, " +
           app::grouped(parameter_count(model)) + " parameters in " +
           std::string(name_of_type) + ", " + app::bytes_text(writer.file_bytes()) +
           ", from " + source + "\n";
}

}  // namespace packkit::train
