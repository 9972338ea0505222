// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/tensors.hpp"

#include "checkpoint/safetensors.hpp"
#include "common/errors.hpp"
#include "data/checksum.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>
#include <span>
#include <utility>

namespace packkit::train {
namespace {

std::string dtype_name(at::ScalarType dtype) {
    return dtype == at::kDouble ? "F64" : "F32";
}

at::ScalarType scalar_type(const std::string& place, const std::string& dtype) {
    if (dtype == "F64") return at::kDouble;
    if (dtype == "F32") return at::kFloat;
    if (dtype == "BF16") return at::kBFloat16;
    if (dtype == "F16") return at::kHalf;
    throw app::input_error(
        place, "dtype " + dtype + " holds no weights; expected F64, F32, BF16 or F16");
}

/// Calls visit(buffer, unit, i) for each parameter i of each buffer, in one order on
/// every rank.
template <class Visit>
void for_each_tensor(model& state, const std::vector<named_buffer>& buffers,
                     Visit visit) {
    for (const auto& buffer : buffers) {
        for (std::size_t u = 0; u < state.units().size(); ++u) {
            for (std::size_t i = 0; i < state.units()[u].parameters().size(); ++i)
                visit(buffer, u, i);
        }
    }
}

/// Bytes of a tensor on the CPU, contiguous.
std::span<const std::byte> bytes_of(const at::Tensor& tensor) {
    return {static_cast<const std::byte*>(tensor.data_ptr()),
            static_cast<std::size_t>(tensor.nbytes())};
}

/// The ranks of a model's mesh as its files count them: tp innermost.
struct file_grid {
    int shards;
    int tensors;

    explicit file_grid(const lt::mesh_view& groups)
        : shards(groups.shard->size()),
          tensors(groups.tp == nullptr ? 1 : groups.tp->size()) {}

    [[nodiscard]] std::int64_t files() const {
        return static_cast<std::int64_t>(shards) * tensors;
    }
    /// From 1.
    [[nodiscard]] std::int64_t number(int shard, int tensor) const {
        return static_cast<std::int64_t>(shard) * tensors + tensor + 1;
    }
};

const lt::mesh_view& groups_of(model& state) {
    return state.units().front().parameters().groups();
}

/// What the file of these ranks holds of parameter `i`: nothing of what tp repeats,
/// except on its rank 0.
tensor_slice slice_in_file(const lt::sharded_parameters& parameters, std::size_t i,
                           int shard, int tensor) {
    if (tensor > 0 && parameters.info(i).cut == tensor_cut::replicated) return {};
    return parameters.layout().slice_on(i, shard, tensor);
}

int tensor_rank(const lt::mesh_view& groups) {
    return groups.tp == nullptr ? 0 : groups.tp->rank();
}

}  // namespace

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

std::vector<named_buffer> training_buffers(model& state, lt::adamw& optimizer) {
    auto buffers = weight_buffers(state);
    for (auto& moments : moment_buffers(optimizer))
        buffers.push_back(std::move(moments));
    return buffers;
}

std::string write_full_tensors(const std::filesystem::path& path, model& state,
                               const std::vector<named_buffer>& buffers, bool is_writer) {
    std::optional<safetensors_writer> file;
    if (is_writer) {
        std::vector<tensor_spec> list;
        for_each_tensor(state, buffers, [&](const auto& buffer, auto u, auto i) {
            const auto& info = state.units()[u].parameters().info(i);
            list.push_back({buffer.prefix + info.name,
                            dtype_name(state.options().master_dtype), info.shape});
        });
        file.emplace(path.string(), std::move(list));
    }
    for (const auto& buffer : buffers) {
        for (std::size_t u = 0; u < state.units().size(); ++u) {
            const auto& parameters = state.units()[u].parameters();
            for (const auto& full : parameters.gather_full(buffer.of_unit(u))) {
                if (file) file->write(bytes_of(full.cpu().contiguous()));
            }
        }
    }
    if (!file) return "";
    file->finish();
    return file->checksum();
}

std::int64_t shard_file_count(model& state) {
    return file_grid(groups_of(state)).files();
}

std::int64_t own_shard_file(model& state) {
    const auto& groups = groups_of(state);
    if (groups.replicate->rank() > 0) return 0;
    return file_grid(groups).number(groups.shard->rank(), tensor_rank(groups));
}

std::uint64_t write_shard_file(const std::filesystem::path& folder, model& state,
                               const std::vector<named_buffer>& buffers) {
    const auto& groups = groups_of(state);
    const auto is_written = [&](std::size_t u, std::size_t i) {
        return slice_in_file(state.units()[u].parameters(), i, groups.shard->rank(),
                             tensor_rank(groups))
                   .elements() > 0;
    };
    std::vector<tensor_spec> list;
    for_each_tensor(state, buffers, [&](const auto& buffer, auto u, auto i) {
        if (!is_written(u, i)) return;
        const auto& parameters = state.units()[u].parameters();
        list.push_back({buffer.prefix + parameters.info(i).name,
                        dtype_name(state.options().master_dtype),
                        parameters.part(buffer.of_unit(u), i).sizes().vec()});
    });
    safetensors_writer file(
        (folder / shard_file_name(own_shard_file(state), shard_file_count(state)))
            .string(),
        std::move(list));
    for_each_tensor(state, buffers, [&](const auto& buffer, auto u, auto i) {
        if (!is_written(u, i)) return;
        const auto part = state.units()[u].parameters().part(buffer.of_unit(u), i);
        file.write(bytes_of(part.cpu().contiguous()));
    });
    file.finish();
    return file.checksum_value();
}

shard_index index_of_shards(model& state, const std::vector<named_buffer>& buffers,
                            const std::vector<std::uint64_t>& checksums) {
    const file_grid grid(groups_of(state));
    shard_index index;
    for (std::int64_t number = 1; number <= grid.files(); ++number) {
        index.files.push_back(
            {shard_file_name(number, grid.files()),
             checksum_text(checksums[static_cast<std::size_t>(number - 1)])});
    }
    for_each_tensor(state, buffers, [&](const auto& buffer, auto u, auto i) {
        const auto& parameters = state.units()[u].parameters();
        stored_tensor tensor{
            dtype_name(state.options().master_dtype), parameters.info(i).shape, {}};
        for (int shard = 0; shard < grid.shards; ++shard) {
            for (int rank = 0; rank < grid.tensors; ++rank) {
                const auto part = slice_in_file(parameters, i, shard, rank);
                const auto file = static_cast<std::size_t>(grid.number(shard, rank) - 1);
                if (part.elements() > 0) tensor.pieces.push_back({file, part});
            }
        }
        index.tensors.emplace(buffer.prefix + parameters.info(i).name, std::move(tensor));
    });
    return index;
}

at::ScalarType stored_type(const weight_files& files, const std::string& name,
                           const std::vector<std::int64_t>& shape) {
    const auto& stored = files.info(name);
    if (stored.shape != shape) {
        throw app::input_error(
            files.place_of(name),
            fmt::format("tensor {} has shape [{}], the model expects [{}]", name,
                        fmt::join(stored.shape, ", "), fmt::join(shape, ", ")));
    }
    return scalar_type(files.place_of(name) + ": " + name, stored.dtype);
}

void read_tensors(const weight_files& files, model& state,
                  const std::vector<named_buffer>& buffers) {
    for_each_tensor(state, buffers, [&](const auto& buffer, auto u, auto i) {
        const auto& parameters = state.units()[u].parameters();
        const auto name = buffer.prefix + parameters.info(i).name;
        const auto type = stored_type(files, name, parameters.info(i).shape);
        const auto part = parameters.part(buffer.of_unit(u), i);
        if (part.numel() == 0) return;
        const bool in_place = part.is_cpu() && part.scalar_type() == type;
        const auto read = in_place ? part : at::empty(part.sizes(), type);
        files.read(name, parameters.slice(i),
                   {static_cast<std::byte*>(read.data_ptr()),
                    static_cast<std::size_t>(read.nbytes())});
        if (!in_place) part.copy_(read);
    });
}

}  // namespace packkit::train
