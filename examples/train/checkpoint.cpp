// SPDX-License-Identifier: Apache-2.0
#include "checkpoint.hpp"

#include "common/atomic_file.hpp"
#include "common/errors.hpp"
#include "common/json.hpp"
#include "model_config.hpp"
#include "safetensors.hpp"
#include "weight_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <utility>

namespace packkit::train {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view prefix = "checkpoint-";
constexpr std::string_view unfinished = ".partial-";
constexpr const char* state_name = "trainer_state.json";
constexpr const char* weights_name = "model.safetensors";
constexpr const char* moments_name = "optimizer.safetensors";

/// The step in "checkpoint-20", if `name` is such a name.
std::optional<std::int64_t> step_in(std::string_view name) {
    if (!name.starts_with(prefix)) return std::nullopt;
    name.remove_prefix(prefix.size());
    std::int64_t step = 0;
    const auto [end, fault] =
        std::from_chars(name.data(), name.data() + name.size(), step);
    if (fault != std::errc() || end != name.data() + name.size()) return std::nullopt;
    return step;
}

/// Checkpoint folders below `output_dir`, newest first.
std::vector<resume_point> list_checkpoints(const std::string& output_dir) {
    std::vector<resume_point> found;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(output_dir, ignored)) {
        const auto step = step_in(entry.path().filename().string());
        if (step && entry.is_directory()) found.push_back({entry.path().string(), *step});
    }
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return a.step > b.step; });
    return found;
}

void make_durable(const fs::path& folder) {
    const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool done = descriptor >= 0 && fsync(descriptor) == 0;
    const int reason = errno;
    if (descriptor >= 0) close(descriptor);
    if (!done) throw std::runtime_error(folder.string() + ": " + std::strerror(reason));
}

std::string dtype_name(at::ScalarType dtype) {
    return dtype == at::kDouble ? "F64" : "F32";
}

/// Units, their parameters, and the flat buffers that a file holds for each of them.
struct named_buffer {
    std::string prefix;                                   // before the parameter's name
    std::function<at::Tensor&(std::size_t unit)> buffer;  // laid out as the unit's shards
};

std::vector<named_buffer> weight_buffers(model& state) {
    return {{"", [&](std::size_t u) -> at::Tensor& {
                 return state.units()[u].parameters().flat_shards();
             }}};
}

std::vector<named_buffer> moment_buffers(lt::adamw& optimizer) {
    return {
        {"exp_avg.", [&](std::size_t u) -> at::Tensor& { return optimizer.exp_avg(u); }},
        {"exp_avg_sq.",
         [&](std::size_t u) -> at::Tensor& { return optimizer.exp_avg_sq(u); }}};
}

/// Gathers the buffers parameter by parameter and writes them; only the writer has a
/// file. Returns the file's checksum (empty on the others).
std::string write_tensors(const fs::path& path, model& state,
                          const std::vector<named_buffer>& buffers, bool is_writer) {
    std::vector<tensor_spec> list;
    for (const auto& buffer : buffers) {
        for (auto& unit : state.units()) {
            for (std::size_t i = 0; i < unit.parameters().size(); ++i) {
                const auto& info = unit.parameters().info(i);
                list.push_back({buffer.prefix + info.name,
                                dtype_name(state.options().master_dtype), info.shape});
            }
        }
    }
    std::optional<safetensors_writer> file;
    if (is_writer) { file.emplace(path.string(), std::move(list)); }
    for (const auto& buffer : buffers) {
        for (std::size_t u = 0; u < state.units().size(); ++u) {
            for (const auto& full :
                 state.units()[u].parameters().gather_full(buffer.buffer(u))) {
                if (!file) continue;
                const auto held = full.cpu().contiguous();
                file->write({static_cast<const std::byte*>(held.data_ptr()),
                             static_cast<std::size_t>(held.nbytes())});
            }
        }
    }
    if (!file) return "";
    file->finish();
    return file->checksum();
}

at::ScalarType scalar_type(const std::string& place, const std::string& dtype) {
    if (dtype == "F64") return at::kDouble;
    if (dtype == "F32") return at::kFloat;
    if (dtype == "BF16") return at::kBFloat16;
    if (dtype == "F16") return at::kHalf;
    throw app::input_error(place, "dtype " + dtype +
                                      " holds no weights; expected F64, F32, "
                                      "BF16 or F16");
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
    std::string text = "[";
    for (const auto extent : shape)
        text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
    return text + "]";
}

/// A slice of a tensor of the files, checked against the shape that the model has.
at::Tensor read_slice(const weight_files& files, const std::string& name,
                      const std::vector<std::int64_t>& expected,
                      const tensor_slice& slice) {
    const auto range = slice.rows;
    const auto& info = files.info(name);
    if (info.shape != expected) {
        throw app::input_error(files.file_of(name),
                               "tensor " + name + " has shape " + shape_text(info.shape) +
                                   ", the model expects " + shape_text(expected));
    }
    auto shape = info.shape;
    shape[0] = range.size();
    auto rows =
        at::empty(shape, scalar_type(files.file_of(name) + ": " + name, info.dtype));
    const auto bytes = files.data(name);
    const auto row_bytes = bytes.size() / static_cast<std::size_t>(info.shape[0]);
    std::memcpy(rows.data_ptr(),
                bytes.data() + static_cast<std::size_t>(range.begin) * row_bytes,
                static_cast<std::size_t>(range.size()) * row_bytes);
    if (rows.numel() == range.size() * slice.columns.size()) return rows;
    return rows.slice(1, slice.columns.begin, slice.columns.end);
}

/// Fills the buffers' own slices from files of full tensors.
void read_tensors(const weight_files& files, model& state,
                  const std::vector<named_buffer>& buffers) {
    for (const auto& buffer : buffers) {
        for (std::size_t u = 0; u < state.units().size(); ++u) {
            const auto& parameters = state.units()[u].parameters();
            for (std::size_t i = 0; i < parameters.size(); ++i) {
                const auto read =
                    read_slice(files, buffer.prefix + parameters.info(i).name,
                               parameters.info(i).shape, parameters.slice(i));
                if (read.numel() > 0) parameters.part(buffer.buffer(u), i).copy_(read);
            }
        }
    }
}

app::json read_state(const std::string& folder) {
    const auto path = folder + "/" + state_name;
    const auto state = app::read_json_file(path);
    for (const char* key : {"step", "identity", "checksums"}) {
        if (!state.is_object() || !state.contains(key)) {
            throw app::input_error(path, std::string("key '") + key + "' is missing");
        }
    }
    if (!state["step"].is_number_integer() || !state["identity"].is_object() ||
        !state["checksums"].is_object()) {
        throw app::input_error(path, "step, identity or checksums is of the wrong type");
    }
    return state;
}

void check_files(const std::string& folder, const app::json& state) {
    for (const char* name : {"config.json", weights_name, moments_name}) {
        const auto path = folder + "/" + name;
        if (!fs::exists(path)) throw app::input_error(path, "is missing");
        const auto& wanted = state["checksums"];
        if (!wanted.contains(name) || !wanted[name].is_string()) {
            throw app::input_error(folder + "/" + state_name,
                                   std::string("has no checksum of ") + name);
        }
        const auto found = file_checksum(path);
        if (found != wanted[name].get<std::string>()) {
            throw app::input_error(path, "is damaged: its checksum is " + found +
                                             ", expected " +
                                             wanted[name].get<std::string>());
        }
    }
}

void remove_leftovers(const std::string& output_dir) {
    for (const auto& entry : fs::directory_iterator(output_dir)) {
        const auto name = entry.path().filename().string();
        if (name.starts_with(prefix) && name.find(unfinished) != std::string::npos) {
            fs::remove_all(entry.path());
        }
    }
}

void write_folder_files(const fs::path& folder, std::int64_t step, const model& state,
                        const app::ordered_json& model_config,
                        const run_identity& identity,
                        std::map<std::string, std::string> checksums) {
    const auto config = saved_model_config(
        model_config,
        state.options().master_dtype == at::kDouble ? "float64" : "float32");
    app::write_file_atomically((folder / "config.json").string(), config);
    checksums["config.json"] = file_checksum((folder / "config.json").string());
    const app::ordered_json text = {
        {"step", step}, {"identity", identity}, {"checksums", checksums}};
    app::write_file_atomically((folder / state_name).string(), text.dump(2) + "\n");
}

}  // namespace

std::string save_checkpoint(const std::string& output_dir, std::int64_t step,
                            model& state, lt::adamw& optimizer,
                            const app::ordered_json& model_config,
                            const run_identity& identity, std::int64_t keep,
                            bool is_writer) {
    const fs::path target =
        fs::path(output_dir) / (std::string(prefix) + std::to_string(step));
    const fs::path partial =
        target.string() + std::string(unfinished) + std::to_string(getpid());
    try {
        if (is_writer) {
            remove_leftovers(output_dir);
            fs::create_directories(partial);
        }
        std::map<std::string, std::string> checksums;
        checksums[weights_name] = write_tensors(partial / weights_name, state,
                                                weight_buffers(state), is_writer);
        checksums[moments_name] = write_tensors(partial / moments_name, state,
                                                moment_buffers(optimizer), is_writer);
        if (!is_writer) return target.string();
        write_folder_files(partial, step, state, model_config, identity,
                           std::move(checksums));
        make_durable(partial);
        fs::remove_all(target);  // a damaged one of the same step
        fs::rename(partial, target);
        make_durable(output_dir);
    } catch (...) {
        std::error_code ignored;
        if (is_writer) fs::remove_all(partial, ignored);
        throw;
    }
    if (keep > 0) {
        const auto all = list_checkpoints(output_dir);
        for (std::size_t i = static_cast<std::size_t>(keep); i < all.size(); ++i) {
            fs::remove_all(all[i].folder);
        }
    }
    return target.string();
}

resume_point open_checkpoint(const std::string& folder) {
    if (!fs::is_directory(folder))
        throw app::input_error(folder, "is no checkpoint folder");
    const auto state = read_state(folder);
    check_files(folder, state);
    return {folder, state["step"].get<std::int64_t>()};
}

std::optional<resume_point> find_newest_checkpoint(const std::string& output_dir,
                                                   std::vector<std::string>& warnings) {
    for (const auto& candidate : list_checkpoints(output_dir)) {
        try {
            return open_checkpoint(candidate.folder);
        } catch (const std::exception& fault) {
            warnings.push_back(std::string(fault.what()) +
                               "; this checkpoint is passed over");
        }
    }
    return std::nullopt;
}

void check_identity(const resume_point& from, const run_identity& identity) {
    const auto saved = read_state(from.folder)["identity"];
    for (const auto& [name, value] : identity) {
        const std::string before = saved.contains(name) && saved[name].is_string()
                                       ? saved[name].get<std::string>()
                                       : "not recorded";
        if (before != value) {
            throw app::input_error(from.folder, name + " was " + before + " when this " +
                                                    "checkpoint was written and is " +
                                                    value + " now; it cannot be resumed");
        }
    }
}

void load_checkpoint(const resume_point& from, model& state, lt::adamw& optimizer) {
    read_tensors(weight_files(from.folder + "/" + weights_name), state,
                 weight_buffers(state));
    read_tensors(weight_files(from.folder + "/" + moments_name), state,
                 moment_buffers(optimizer));
}

void load_weights(const std::string& folder, model& state) {
    read_tensors(weight_files::open_folder(folder), state, weight_buffers(state));
}

bool holds_a_run(const std::string& output_dir) {
    return fs::exists(fs::path(output_dir) / "metrics.jsonl") ||
           !list_checkpoints(output_dir).empty();
}

void remove_run(const std::string& output_dir) {
    for (const auto& checkpoint : list_checkpoints(output_dir))
        fs::remove_all(checkpoint.folder);
    if (fs::is_directory(output_dir)) remove_leftovers(output_dir);
    fs::remove(fs::path(output_dir) / "metrics.jsonl");
}

}  // namespace packkit::train
