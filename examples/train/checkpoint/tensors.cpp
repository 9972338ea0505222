// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/tensors.hpp"

#include "checkpoint/safetensors.hpp"
#include "common/errors.hpp"
#include "data/checksum.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

namespace packkit::train {
namespace {

std::string stored_dtype(at::ScalarType dtype) {
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
/// every rank. State of the optimizer is there of parameters that are not frozen.
template <class Visit>
void for_each_tensor(model& state, const std::vector<named_buffer>& buffers,
                     Visit visit) {
    for (const auto& buffer : buffers) {
        for (std::size_t u = 0; u < state.units().size(); ++u) {
            const auto& parameters = state.units()[u].parameters();
            for (std::size_t i = 0; i < parameters.size(); ++i) {
                if (!buffer.is_state || !parameters.info(i).frozen) visit(buffer, u, i);
            }
        }
    }
}

/// This rank's part of parameter `i` of unit `u` in a buffer, a view.
at::Tensor part_in(const named_buffer& buffer, const lt::sharded_parameters& parameters,
                   std::size_t u, std::size_t i) {
    const auto& flat = buffer.of_unit(u);
    return buffer.is_state ? parameters.state_part(flat, i) : parameters.part(flat, i);
}

/// Bytes of a tensor on the CPU, contiguous.
std::span<const std::byte> bytes_of(const at::Tensor& tensor) {
    return {static_cast<const std::byte*>(tensor.data_ptr()),
            static_cast<std::size_t>(tensor.nbytes())};
}

std::span<std::byte> writable_bytes(const at::Tensor& tensor) {
    return {static_cast<std::byte*>(tensor.data_ptr()),
            static_cast<std::size_t>(tensor.nbytes())};
}

/// Calls visit(slice) for the rows [0, rows) of these columns, some MiB at a time.
template <class Visit>
void for_each_block(std::int64_t rows, const index_range& columns, Visit visit) {
    constexpr std::int64_t elements = std::int64_t{1} << 20U;
    const auto at_once =
        std::max<std::int64_t>(1, elements / std::max<std::int64_t>(1, columns.size()));
    for (std::int64_t row = 0; row < rows; row += at_once)
        visit(tensor_slice{{row, std::min(row + at_once, rows)}, columns});
}

/// The mean of all rows of a stored matrix, of these columns: float64. Every column is
/// summed from the first row to the last, so that its bits do not depend on the others.
std::vector<double> mean_of_rows(const weight_files& files, const std::string& name,
                                 at::ScalarType type, const index_range& columns) {
    const auto rows = files.info(name).shape.front();
    std::vector<double> mean(static_cast<std::size_t>(columns.size()), 0.0);
    for_each_block(rows, columns, [&](const tensor_slice& block) {
        const auto stored = at::empty({block.rows.size(), columns.size()}, type);
        files.read(name, block, writable_bytes(stored));
        const auto wide = stored.to(at::kDouble);
        const double* value = wide.const_data_ptr<double>();
        for (std::int64_t row = 0; row < block.rows.size(); ++row) {
            for (double& sum : mean)
                sum += *value++;
        }
    });
    for (double& sum : mean)
        sum /= static_cast<double>(rows);
    return mean;
}

/// A slice that ends behind the stored rows: in the dtype of `like`, on the CPU.
at::Tensor read_with_new_rows(const weight_files& files, const std::string& name,
                              const tensor_slice& slice, at::ScalarType type,
                              const at::Tensor& like) {
    const auto stored = files.info(name).shape.front();
    const tensor_slice old{{slice.rows.begin, std::max(slice.rows.begin, stored)},
                           slice.columns};
    auto result = at::empty({slice.rows.size(), slice.columns.size()},
                            at::TensorOptions().dtype(like.scalar_type()));
    if (!old.rows.empty()) {
        const auto read = at::empty({old.rows.size(), old.columns.size()}, type);
        files.read(name, old, writable_bytes(read));
        result.slice(0, 0, old.rows.size()).copy_(read);
    }
    auto mean = mean_of_rows(files, name, type, slice.columns);
    result.slice(0, old.rows.size())
        .copy_(at::from_blob(mean.data(), {static_cast<std::int64_t>(mean.size())},
                             at::kDouble));
    return result.view(like.sizes());
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
    return {{"",
             [&](std::size_t u) -> at::Tensor& {
                 return state.units()[u].parameters().flat_shards();
             },
             false}};
}

std::vector<named_buffer> moment_buffers(lt::optimizer& optimizer) {
    std::vector<named_buffer> buffers;
    for (auto& state : optimizer.states()) {
        buffers.push_back(
            {state.name + ".",
             [&state](std::size_t u) -> at::Tensor& { return state.of_units[u]; }, true});
    }
    return buffers;
}

std::vector<named_buffer> training_buffers(model& state, lt::optimizer& optimizer) {
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
                            stored_dtype(state.options().master_dtype), info.shape});
        });
        file.emplace(path.string(), std::move(list));
    }
    for (const auto& buffer : buffers) {
        for (std::size_t u = 0; u < state.units().size(); ++u) {
            const auto& parameters = state.units()[u].parameters();
            const auto& flat = buffer.of_unit(u);
            for (const auto& full : buffer.is_state ? parameters.gather_state(flat)
                                                    : parameters.gather_full(flat)) {
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
                        stored_dtype(state.options().master_dtype),
                        part_in(buffer, parameters, u, i).sizes().vec()});
    });
    safetensors_writer file(
        (folder / shard_file_name(own_shard_file(state), shard_file_count(state)))
            .string(),
        std::move(list));
    for_each_tensor(state, buffers, [&](const auto& buffer, auto u, auto i) {
        if (!is_written(u, i)) return;
        const auto part = part_in(buffer, state.units()[u].parameters(), u, i);
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
            stored_dtype(state.options().master_dtype), parameters.info(i).shape, {}};
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

std::vector<std::int64_t> stored_shape(model& state, std::size_t unit, std::size_t i,
                                       std::int64_t stored_vocabulary) {
    auto shape = state.units()[unit].parameters().info(i).shape;
    const bool embedding = unit == 0 && i == 0;
    const bool head =
        !state.shape().tie_word_embeddings && unit + 1 == state.units().size() && i == 1;
    if (stored_vocabulary > 0 && (embedding || head)) shape.front() = stored_vocabulary;
    return shape;
}

void read_tensors(const weight_files& files, model& state,
                  const std::vector<named_buffer>& buffers,
                  std::int64_t stored_vocabulary) {
    for_each_tensor(state, buffers, [&](const auto& buffer, auto u, auto i) {
        const auto& parameters = state.units()[u].parameters();
        const auto name = buffer.prefix + parameters.info(i).name;
        const auto shape = stored_shape(state, u, i, stored_vocabulary);
        const auto type = stored_type(files, name, shape);
        const auto part = part_in(buffer, parameters, u, i);
        if (part.numel() == 0) return;
        const auto slice = parameters.slice(i);
        if (slice.rows.end > shape.front()) {
            part.copy_(read_with_new_rows(files, name, slice, type, part));
            return;
        }
        const bool in_place = part.is_cpu() && part.scalar_type() == type;
        const auto read = in_place ? part : at::empty(part.sizes(), type);
        files.read(name, slice, writable_bytes(read));
        if (!in_place) part.copy_(read);
    });
}

bool same_tensor(const weight_files& files, const std::string& one,
                 const std::string& other) {
    const auto& info = files.info(one);
    if (info.dtype != files.info(other).dtype || info.shape != files.info(other).shape)
        return false;
    const auto type = scalar_type(files.place_of(one), info.dtype);
    const auto whole = whole_slice(info.shape);
    bool same = true;
    for_each_block(whole.rows.end, whole.columns, [&](const tensor_slice& block) {
        if (!same) return;
        const auto first = at::empty({block.elements()}, type);
        const auto second = at::empty_like(first);
        files.read(one, block, writable_bytes(first));
        files.read(other, block, writable_bytes(second));
        same = std::memcmp(first.data_ptr(), second.data_ptr(), first.nbytes()) == 0;
    });
    return same;
}

}  // namespace packkit::train
