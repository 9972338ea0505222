// SPDX-License-Identifier: Apache-2.0
/// @file
/// The parameters of one unit (a block, an embedding, a head): cut by tensor parallelism,
/// and what is left sharded by dimension 0.
///
/// One flat buffer holds this rank's shards of all parameters, each padded to the same
/// number of rows on every rank, so a unit is gathered by one all-gather and its
/// gradients are reduced by one reduce-scatter:
///
///     flat shard of a rank:   [ q_proj rows | pad ][ k_proj rows | pad ] ... [ norm |
///     pad ]
///
/// DDP, ZeRO-2, FSDP and HSDP are this with different groups: `shard` splits the
/// parameters, `replicate` repeats them. A shard group of one is DDP; a replicate group
/// of one is FSDP. The layout is that of PyTorch's FSDP2 (arXiv 2304.11277 describes its
/// predecessor).
///
/// Under tensor parallelism a unit holds this rank's slices (`tensor_slice.hpp`), and all
/// that is said of full parameters above holds for those. Each element of a shard has its
/// place in the full tensor, whatever the mesh: `slice`.
#pragma once

#include <packkit/shard.hpp>
#include <packkit/tensor_slice.hpp>
#include <packkit/torch/canonical_sum.hpp>
#include <packkit/torch/communicator.hpp>
#include <packkit/torch/memory_counter.hpp>

#include <ATen/Functions.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

namespace packkit::lt {

/// A parameter as the model names it.
struct parameter_info {
    std::string name;                 ///< global name, for instance "model.norm.weight"
    std::vector<std::int64_t> shape;  ///< global shape
    bool weight_decay = true;
    tensor_cut cut = tensor_cut::replicated;
    /// Not cut, and the gradients of the ranks of `tensor` are parts of a sum:
    /// `sum_partial_gradients` adds them. Otherwise they are equal.
    bool partial_gradient = false;
};

/// A unit's parameters on their way from the ranks that hold them.
struct gathering {
    at::ScalarType dtype;
    pending arriving{};
    at::Tensor sent{};      ///< this rank's shards; nothing where one rank holds all
    at::Tensor received{};  ///< (ranks, shard)
};

/// Gradients on their way to other ranks. Units that share a queue have one reduction
/// under way at a time: it runs beside the next unit's backward, and no more than one
/// unit's buffers are held.
class reduction_queue {
public:
    /// Completes the reduction under way, if any.
    void finish() { std::exchange(under_way_, {}).wait(); }

    /// Takes a reduction that has been started. Precondition: none is under way.
    void hold(pending started) { under_way_ = std::move(started); }

private:
    pending under_way_;
};

/// The groups that a unit's parameters live on, and the queue that its units share,
/// if any. All outlive the unit.
struct shard_groups {
    communicator* shard;      ///< ranks that each hold one part of every parameter
    communicator* replicate;  ///< ranks that hold the same part
    reduction_queue* reductions = nullptr;  ///< null: one of the unit's own
    communicator* tensor = nullptr;  ///< ranks that cut the parameters; null: none do
    /// Canonical sums hold the full gradients of log2(micro-batches) + 1 of them, and
    /// send once a step, at its end.
    summation gradient_sums = summation::fast;
};

/// This rank's shards of a unit's parameters and the gradients accumulated for them.
class sharded_parameters {
public:
    /// All shards start as zeros of `master` dtype (float32 or float64), on its device:
    /// that of the computation, or the CPU while `device` computes and communicates. Then
    /// shards travel to it when they are gathered, and gradients back when they are
    /// reduced.
    sharded_parameters(std::vector<parameter_info> parameters, shard_groups groups,
                       at::TensorOptions master,
                       std::optional<at::Device> device = std::nullopt);

    [[nodiscard]] std::size_t size() const { return infos_.size(); }
    [[nodiscard]] const parameter_info& info(std::size_t i) const { return infos_[i]; }
    [[nodiscard]] const shard_groups& groups() const { return groups_; }

    /// Where parameters are gathered to and collectives take place.
    [[nodiscard]] at::Device device() const { return device_; }

    /// Rows and columns of the full parameter `i`, seen as a matrix, that lie here.
    [[nodiscard]] tensor_slice slice(std::size_t i) const {
        return shard_of_slice(slices_[i], groups_.shard->size(), groups_.shard->rank());
    }
    /// The same on the rank of these numbers in the shard and the tensor group.
    [[nodiscard]] tensor_slice slice_on(std::size_t i, int shard, int tensor) const {
        return shard_of_slice(slice_at(i, tensor), groups_.shard->size(), shard);
    }
    [[nodiscard]] index_range rows(std::size_t i) const { return slice(i).rows; }

    /// Shape of parameter `i` as tensor parallelism leaves it: all of it without.
    [[nodiscard]] std::vector<std::int64_t> local_shape(std::size_t i) const {
        auto shape = infos_[i].shape;
        shape[0] = slices_[i].rows.size();
        if (infos_[i].cut == tensor_cut::columns) shape[1] = slices_[i].columns.size();
        return shape;
    }

    /// Parameter `i`'s shard, a view. May be empty.
    [[nodiscard]] at::Tensor shard(std::size_t i) const { return part(shards_, i); }

    /// Its accumulated gradient, same shape; zeros before the first backward of a step.
    [[nodiscard]] at::Tensor gradient(std::size_t i) const { return part(gradients_, i); }

    /// True when gathering moves and converts nothing: one rank, on its device, and
    /// `dtype` is the master dtype.
    [[nodiscard]] bool is_whole(at::ScalarType dtype) const {
        return groups_.shard->size() == 1 && dtype == shards_.scalar_type() &&
               device_ == shards_.device();
    }

    /// Parameters as tensor parallelism leaves them, in `dtype`, each contiguous in
    /// storage of its own (views of the shards when `is_whole`). One all-gather of the
    /// unit in `dtype`.
    [[nodiscard]] std::vector<at::Tensor> gather(at::ScalarType dtype) const {
        return finish_gather(begin_gather(dtype));
    }

    /// The same in two halves, for the time between them: first shards set out, which
    /// must not change before the second, which makes parameters of what has arrived.
    [[nodiscard]] gathering begin_gather(at::ScalarType dtype) const;
    [[nodiscard]] std::vector<at::Tensor> finish_gather(gathering begun) const;

    /// Adds the full-size `gradients` (one per parameter, undefined = zero) of one
    /// micro-batch: summed over the shard group in the master dtype, this rank's rows
    /// accumulated. With `last_micro_step`, also summed over the replicate group.
    /// Completes the reduction before it in the queue, and is asynchronous until the next
    /// one or `finish_reduce`.
    void reduce(std::vector<at::Tensor> gradients, bool last_micro_step);

    /// Completes the reduction under way in the queue.
    void finish_reduce() { reductions().finish(); }

    /// Sets all accumulated gradients to zero.
    void zero_gradients() { gradients_.zero_(); }

    /// Full-size tensors of `flat`, which is laid out as the shards are (the shards
    /// themselves or an optimizer state made by `make_state`); the same on every rank of
    /// the shard and tensor groups. Views of `flat` where these have one rank.
    [[nodiscard]] std::vector<at::Tensor> gather_full(const at::Tensor& flat) const;

    /// Writes this rank's slice of the full tensor `value` into `flat` at parameter `i`.
    void load_full(at::Tensor& flat, std::size_t i, const at::Tensor& value) const {
        const auto here = slice(i);
        if (here.elements() == 0) return;
        const auto rows = value.slice(0, here.rows.begin, here.rows.end);
        const bool cut = infos_[i].cut == tensor_cut::columns;
        part(flat, i).copy_(cut ? rows.slice(1, here.columns.begin, here.columns.end)
                                : rows);
    }

    /// Zeros laid out as the shards are.
    [[nodiscard]] at::Tensor make_state() const {
        const memory_scope scope(memory_use::optimizer);
        return at::zeros_like(shards_);
    }

    /// Parameter `i`'s part of a buffer laid out as the shards are.
    [[nodiscard]] at::Tensor part(const at::Tensor& flat, std::size_t i) const;

    [[nodiscard]] at::Tensor& flat_shards() { return shards_; }
    [[nodiscard]] const at::Tensor& flat_shards() const { return shards_; }

    /// Bytes that the shards occupy here, padding included.
    [[nodiscard]] std::int64_t shard_bytes() const {
        return shards_.numel() * shards_.element_size();
    }

private:
    /// Of a row of parameter `i` here.
    [[nodiscard]] std::int64_t row_elements(std::size_t i) const {
        return slices_[i].columns.size();
    }
    /// Elements between the starts of parameter `i` and the next in a flat buffer.
    [[nodiscard]] std::int64_t chunk_elements(std::size_t i) const {
        return rows_per_shard(slices_[i].rows.size(), groups_.shard->size()) *
               row_elements(i);
    }
    /// The part of parameter `i` that rank `rank` of the tensor group holds.
    [[nodiscard]] tensor_slice slice_at(std::size_t i, int rank) const {
        const auto& shape = infos_[i].shape;
        const auto columns = std::accumulate(shape.begin() + 1, shape.end(),
                                             std::int64_t{1}, std::multiplies<>());
        const int ranks = groups_.tensor == nullptr ? 1 : groups_.tensor->size();
        return slice_of(shape[0], columns, infos_[i].cut, ranks, rank);
    }
    /// The full parameter `i` of this rank's slice of it.
    [[nodiscard]] at::Tensor gather_slices(std::size_t i, const at::Tensor& mine) const;
    [[nodiscard]] reduction_queue& reductions() {
        return groups_.reductions != nullptr ? *groups_.reductions : own_reductions_;
    }
    void reduce_by_tree(const std::vector<at::Tensor>& gradients, bool last_micro_step);
    [[nodiscard]] gathering send(const at::Tensor& flat) const;
    [[nodiscard]] std::vector<at::Tensor> unpack(const at::Tensor& received) const;
    [[nodiscard]] pending sum_over_replicas();
    /// visit(part of `whole`, the same in `flat`), both (ranks, rows, columns), for
    /// parameter `i` as (rows, columns) and a flat buffer of all ranks, (ranks, shard):
    /// those ranks whose shard is full, then the one, if any, that has fewer rows.
    template <class Visit>
    void for_parts_of_ranks(std::size_t i, const at::Tensor& whole,
                            const at::Tensor& flat, Visit visit) const {
        if (whole.numel() == 0) return;
        const auto rows = rows_per_shard(whole.size(0), flat.size(0));
        const auto visit_ranks = [&](std::int64_t first, std::int64_t ranks,
                                     std::int64_t rows_each) {
            if (ranks == 0 || rows_each == 0) return;
            visit(whole.narrow(0, first * rows, ranks * rows_each)
                      .unflatten(0, {ranks, rows_each}),
                  flat.narrow(0, first, ranks)
                      .narrow(1, offsets_[i], rows_each * row_elements(i))
                      .unflatten(1, {rows_each, row_elements(i)}));
        };
        const auto full_ranks = whole.size(0) / rows;
        visit_ranks(0, full_ranks, rows);
        if (full_ranks < flat.size(0)) visit_ranks(full_ranks, 1, whole.size(0) % rows);
    }
    [[nodiscard]] at::Tensor pack(const std::vector<at::Tensor>& full) const;

    std::vector<parameter_info> infos_;
    shard_groups groups_;
    std::vector<tensor_slice> slices_;  // of each parameter, by tensor parallelism
    std::vector<std::int64_t>
        offsets_;  // of each parameter in a flat buffer, and the end
    at::Device device_;
    at::Tensor shards_;
    at::Tensor gradients_;
    reduction_queue own_reductions_;
    tree_sum sums_;
};

// --- implementation
// -----------------------------------------------------------------------------

inline sharded_parameters::sharded_parameters(std::vector<parameter_info> parameters,
                                              shard_groups groups,
                                              at::TensorOptions master,
                                              std::optional<at::Device> device)
    : infos_(std::move(parameters)),
      groups_(groups),
      device_(device.value_or(master.device())) {
    offsets_.push_back(0);
    for (std::size_t i = 0; i < infos_.size(); ++i) {
        if (infos_[i].shape.empty()) {
            throw invalid_argument("parameter " + infos_[i].name +
                                   " has no dimension to shard");
        }
        if (infos_[i].cut == tensor_cut::columns && infos_[i].shape.size() != 2) {
            throw invalid_argument("parameter " + infos_[i].name + " of " +
                                   std::to_string(infos_[i].shape.size()) +
                                   " dimensions cannot be cut by columns, only a matrix");
        }
        slices_.push_back(
            slice_at(i, groups_.tensor == nullptr ? 0 : groups_.tensor->rank()));
        offsets_.push_back(offsets_.back() + chunk_elements(i));
    }
    const auto zeros = [&](memory_use use) {
        const memory_scope scope(use);
        return at::zeros({offsets_.back()}, master);
    };
    shards_ = zeros(memory_use::parameters);
    gradients_ = zeros(memory_use::gradients);
}

inline at::Tensor sharded_parameters::part(const at::Tensor& flat, std::size_t i) const {
    auto shape = local_shape(i);
    shape[0] = rows(i).size();
    return flat.narrow(0, offsets_[i], shape[0] * row_elements(i)).view(shape);
}

inline gathering sharded_parameters::begin_gather(at::ScalarType dtype) const {
    if (groups_.shard->size() == 1) return {dtype};
    const memory_scope scope(memory_use::communication);
    return send(shards_.to(device_, dtype, /*non_blocking=*/true));
}

inline gathering sharded_parameters::send(const at::Tensor& flat) const {
    const memory_scope scope(memory_use::communication);
    auto received = at::empty({groups_.shard->size(), flat.numel()}, flat.options());
    auto arriving = groups_.shard->all_gather(received, flat);
    return {flat.scalar_type(), std::move(arriving), flat, received};
}

inline std::vector<at::Tensor> sharded_parameters::finish_gather(gathering begun) const {
    begun.arriving.wait();
    if (begun.received.defined()) {
        if (!begun.sent.is_same(shards_)) detail::take_storage(begun.sent);
        return unpack(begun.received);
    }
    const memory_scope scope(memory_use::gathered_parameters);
    std::vector<at::Tensor> full;
    for (std::size_t i = 0; i < size(); ++i)
        full.push_back(part(shards_, i).to(device_, begun.dtype, /*non_blocking=*/true));
    return full;
}

inline std::vector<at::Tensor> sharded_parameters::unpack(
    const at::Tensor& received) const {
    std::vector<at::Tensor> full;
    full.reserve(size());
    for (std::size_t i = 0; i < size(); ++i) {
        const auto rows = slices_[i].rows.size();
        const memory_scope scope(memory_use::gathered_parameters);
        full.push_back(at::empty(local_shape(i), received.options()));
        for_parts_of_ranks(
            i, full.back().view({rows, row_elements(i)}), received,
            [](const at::Tensor& whole, const at::Tensor& parts) { whole.copy_(parts); });
    }
    detail::take_storage(received);
    return full;
}

inline std::vector<at::Tensor> sharded_parameters::gather_full(
    const at::Tensor& flat) const {
    std::vector<at::Tensor> full;
    if (groups_.shard->size() > 1) {
        auto begun = send(flat.to(device_));
        begun.arriving.wait();
        full = unpack(begun.received);
    } else {
        for (std::size_t i = 0; i < size(); ++i)
            full.push_back(part(flat, i).to(device_));
    }
    if (groups_.tensor == nullptr || groups_.tensor->size() == 1) return full;
    for (std::size_t i = 0; i < size(); ++i) {
        if (infos_[i].cut != tensor_cut::replicated) full[i] = gather_slices(i, full[i]);
    }
    return full;
}

inline at::Tensor sharded_parameters::gather_slices(std::size_t i,
                                                    const at::Tensor& mine) const {
    const memory_scope scope(memory_use::communication);
    const auto largest = slice_at(i, 0).elements();
    auto padded = at::zeros({largest}, mine.options());
    padded.narrow(0, 0, mine.numel()).copy_(mine.reshape({mine.numel()}));
    auto all = at::empty({groups_.tensor->size(), largest}, mine.options());
    groups_.tensor->all_gather(all, padded).wait();
    auto full = at::empty(infos_[i].shape, mine.options());
    const auto matrix = full.view({full.size(0), full.numel() / full.size(0)});
    for (int rank = 0; rank < groups_.tensor->size(); ++rank) {
        const auto there = slice_at(i, rank);
        matrix.slice(0, there.rows.begin, there.rows.end)
            .slice(1, there.columns.begin, there.columns.end)
            .copy_(all[rank]
                       .narrow(0, 0, there.elements())
                       .view({there.rows.size(), there.columns.size()}));
    }
    return full;
}

inline at::Tensor sharded_parameters::pack(const std::vector<at::Tensor>& full) const {
    const std::int64_t ranks = groups_.shard->size();
    const memory_scope scope(memory_use::communication);
    auto flat = at::zeros({ranks, offsets_.back()}, shards_.options().device(device_));
    for (std::size_t i = 0; i < size(); ++i) {
        if (!full[i].defined()) { continue; }
        const auto rows = slices_[i].rows.size();
        for_parts_of_ranks(
            i, full[i].reshape({rows, row_elements(i)}), flat,
            [](const at::Tensor& whole, const at::Tensor& parts) { parts.copy_(whole); });
    }
    return flat;
}

inline void sharded_parameters::reduce_by_tree(const std::vector<at::Tensor>& gradients,
                                               bool last_micro_step) {
    const memory_scope scope(memory_use::communication);
    sums_.add(pack(gradients));
    if (!last_micro_step) return;
    const auto sum = sums_.take();
    canonical_all_reduce(*groups_.replicate, sum);
    canonical_reduce_scatter(*groups_.shard, gradients_, sum);
}

inline pending sharded_parameters::sum_over_replicas() {
    if (gradients_.device() == device_) return groups_.replicate->all_reduce(gradients_);
    auto there = gradients_.to(device_);
    auto sum = groups_.replicate->all_reduce(there);
    return pending([this, there, sum = std::move(sum)]() mutable {
        sum.wait();
        gradients_.copy_(there);
    });
}

inline void sharded_parameters::reduce(std::vector<at::Tensor> gradients,
                                       bool last_micro_step) {
    reductions().finish();
    if (groups_.gradient_sums == summation::canonical) {
        reduce_by_tree(gradients, last_micro_step);
        return;
    }
    const bool sums_replicas = last_micro_step && groups_.replicate->size() > 1;
    if (groups_.shard->size() == 1) {
        const memory_scope scope(memory_use::gradients);
        for (std::size_t i = 0; i < size(); ++i) {
            if (gradients[i].defined())
                gradient(i).add_(gradients[i].to(gradients_.device()));
        }
        gradients.clear();
        if (sums_replicas) reductions().hold(sum_over_replicas());
        return;
    }
    const memory_scope scope(memory_use::communication);
    auto sent = pack(gradients);
    gradients.clear();
    auto mine = at::empty(gradients_.sizes(), sent.options());
    auto scatter = groups_.shard->reduce_scatter(mine, sent);
    reductions().hold(pending(
        [this, scatter = std::move(scatter), sent, mine, sums_replicas]() mutable {
            scatter.wait();
            detail::take_storage(sent);
            gradients_.add_(mine.to(gradients_.device()));
            if (sums_replicas) sum_over_replicas().wait();
        }));
}

}  // namespace packkit::lt
