// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Parameters and moments between ranks and files: whole tensors, gathered by all and
/// written by one, or each rank's own slices in a file of its own; and back from either
/// onto any mesh.

#include "checkpoint/shard_index.hpp"
#include "checkpoint/weight_files.hpp"
#include "model/model.hpp"

#include <packkit/torch/optim/optimizer.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace packkit::train {

/// Buffers laid out as the units' shards are, one a unit, under names that begin with
/// `prefix`.
struct named_buffer {
    std::string prefix;
    std::function<at::Tensor&(std::size_t unit)> of_unit;
    /// It is state of the optimizer: laid out as that of parameters that are not frozen.
    bool is_state = false;
};

/// The parameters, under their own names.
std::vector<named_buffer> weight_buffers(model& state);
/// The optimizer's state, for instance the moments as exp_avg.<name> and
/// exp_avg_sq.<name>.
std::vector<named_buffer> moment_buffers(lt::optimizer& optimizer);
/// Both.
std::vector<named_buffer> training_buffers(model& state, lt::optimizer& optimizer);

/// Gathers the buffers, a unit at a time, and writes them as whole tensors. Collective;
/// only where `is_writer` there is a file. Returns its checksum ("" on the others).
/// Throws std::runtime_error with path and reason.
std::string write_full_tensors(const std::filesystem::path& path, model& state,
                               const std::vector<named_buffer>& buffers, bool is_writer);

/// Files of a sharded checkpoint of this mesh: one of each rank of the first replica.
std::int64_t shard_file_count(model& state);

/// The number of this rank's file, from 1; 0 on ranks that hold what others write, too.
std::int64_t own_shard_file(model& state);

/// Writes this rank's slices to its file in `folder`: what tp repeats is its rank 0's.
/// No collective, and on the CPU no copy. Returns the checksum. Throws std::runtime_error
/// with path and reason. Precondition: the rank has a file.
std::uint64_t write_shard_file(const std::filesystem::path& folder, model& state,
                               const std::vector<named_buffer>& buffers);

/// The index of what all ranks' `write_shard_file` wrote: by arithmetic, no collective.
/// `checksums`: of the files, in the order of their numbers.
shard_index index_of_shards(model& state, const std::vector<named_buffer>& buffers,
                            const std::vector<std::uint64_t>& checksums);

/// Rows of parameter `i` of unit `unit` in files whose embedding and head have
/// `stored_vocabulary` rows (0: as many as the model's).
std::vector<std::int64_t> stored_shape(model& state, std::size_t unit, std::size_t i,
                                       std::int64_t stored_vocabulary);

/// The type of a stored tensor. Throws app::input_error naming file and tensor when it is
/// missing, has another shape or a type that is not read.
at::ScalarType stored_type(const weight_files& files, const std::string& name,
                           const std::vector<std::int64_t>& shape);

/// Fills the buffers' own slices, and reads no more than these. Throws app::input_error
/// naming file and tensor when one is missing or has another shape. Where embedding and
/// head have more rows than `stored_vocabulary` (0: as many as the model's), the new ones
/// are the mean of the stored ones: each column is summed in float64 from the first row
/// to the last.
void read_tensors(const weight_files& files, model& state,
                  const std::vector<named_buffer>& buffers,
                  std::int64_t stored_vocabulary = 0);

/// Whether two stored tensors are equal in dtype, shape and bytes.
bool same_tensor(const weight_files& files, const std::string& one,
                 const std::string& other);

}  // namespace packkit::train
