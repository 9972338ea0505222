// SPDX-License-Identifier: Apache-2.0
/// @file
/// The parameters of one unit (a block, an embedding, a head), sharded by dimension 0.
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
#pragma once

#include <packkit/shard.hpp>
#include <packkit/torch/communicator.hpp>
#include <packkit/torch/memory_counter.hpp>

#include <ATen/Functions.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

namespace packkit::lt {

/// A parameter as the model names it.
struct parameter_info {
    std::string name;                 ///< global name, for instance "model.norm.weight"
    std::vector<std::int64_t> shape;  ///< global shape
    bool weight_decay = true;
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

/// The two groups that a unit's parameters live on, and the queue that its units share,
/// if any. All outlive the unit.
struct shard_groups {
    communicator* shard;      ///< ranks that each hold one part of every parameter
    communicator* replicate;  ///< ranks that hold the same part
    reduction_queue* reductions = nullptr;  ///< null: one of the unit's own
};

/// This rank's shards of a unit's parameters and the gradients accumulated for them.
class sharded_parameters {
public:
    /// All shards start as zeros of `master` dtype (float32 or float64).
    sharded_parameters(std::vector<parameter_info> parameters, shard_groups groups,
                       at::TensorOptions master);

    [[nodiscard]] std::size_t size() const { return infos_.size(); }
    [[nodiscard]] const parameter_info& info(std::size_t i) const { return infos_[i]; }
    [[nodiscard]] const shard_groups& groups() const { return groups_; }

    /// Rows of parameter `i` that lie here.
    [[nodiscard]] index_range rows(std::size_t i) const {
        return shard_of(infos_[i].shape[0], groups_.shard->size(), groups_.shard->rank());
    }

    /// Parameter `i`'s shard: (rows(i), …), a view. May be empty.
    [[nodiscard]] at::Tensor shard(std::size_t i) const { return part(shards_, i); }

    /// Its accumulated gradient, same shape; zeros before the first backward of a step.
    [[nodiscard]] at::Tensor gradient(std::size_t i) const { return part(gradients_, i); }

    /// True when gathering moves and converts nothing: one rank, and `dtype` is the
    /// master dtype.
    [[nodiscard]] bool is_whole(at::ScalarType dtype) const {
        return groups_.shard->size() == 1 && dtype == shards_.scalar_type();
    }

    /// Full parameters in `dtype`, each contiguous in storage of its own (views of the
    /// shards when `is_whole`). One all-gather of the unit in `dtype`.
    [[nodiscard]] std::vector<at::Tensor> gather(at::ScalarType dtype) const;

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
    /// the shard group. Views of `flat` when the group has one rank.
    [[nodiscard]] std::vector<at::Tensor> gather_full(const at::Tensor& flat) const {
        return unpack(flat);
    }

    /// Writes this rank's rows of the full tensor `value` into `flat` at parameter `i`.
    void load_full(at::Tensor& flat, std::size_t i, const at::Tensor& value) const {
        const auto range = rows(i);
        if (!range.empty()) {
            part(flat, i).copy_(value.slice(0, range.begin, range.end));
        }
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
    [[nodiscard]] std::int64_t row_elements(std::size_t i) const {
        const auto& shape = infos_[i].shape;
        return std::accumulate(shape.begin() + 1, shape.end(), std::int64_t{1},
                               std::multiplies<>());
    }
    /// Elements between the starts of parameter `i` and the next in a flat buffer.
    [[nodiscard]] std::int64_t chunk_elements(std::size_t i) const {
        return rows_per_shard(infos_[i].shape[0], groups_.shard->size()) *
               row_elements(i);
    }
    [[nodiscard]] reduction_queue& reductions() {
        return groups_.reductions != nullptr ? *groups_.reductions : own_reductions_;
    }
    [[nodiscard]] std::vector<at::Tensor> unpack(const at::Tensor& flat) const;
    [[nodiscard]] at::Tensor pack(const std::vector<at::Tensor>& full) const;

    std::vector<parameter_info> infos_;
    shard_groups groups_;
    std::vector<std::int64_t>
        offsets_;  // of each parameter in a flat buffer, and the end
    at::Tensor shards_;
    at::Tensor gradients_;
    reduction_queue own_reductions_;
};

// --- implementation
// -----------------------------------------------------------------------------

inline sharded_parameters::sharded_parameters(std::vector<parameter_info> parameters,
                                              shard_groups groups,
                                              at::TensorOptions master)
    : infos_(std::move(parameters)), groups_(groups) {
    offsets_.push_back(0);
    for (std::size_t i = 0; i < infos_.size(); ++i) {
        if (infos_[i].shape.empty()) {
            throw invalid_argument("parameter " + infos_[i].name +
                                   " has no dimension to shard");
        }
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
    std::vector<std::int64_t> shape = infos_[i].shape;
    shape[0] = rows(i).size();
    return flat.narrow(0, offsets_[i], shape[0] * row_elements(i)).view(shape);
}

inline std::vector<at::Tensor> sharded_parameters::gather(at::ScalarType dtype) const {
    if (groups_.shard->size() > 1) {
        const memory_scope scope(memory_use::communication);
        const auto flat = shards_.to(dtype);
        auto full = unpack(flat);
        if (!flat.is_same(shards_)) detail::take_storage(flat);
        return full;
    }
    const memory_scope scope(memory_use::gathered_parameters);
    std::vector<at::Tensor> full;
    for (std::size_t i = 0; i < size(); ++i) {
        full.push_back(part(shards_, i).to(dtype));
    }
    return full;
}

inline std::vector<at::Tensor> sharded_parameters::unpack(const at::Tensor& flat) const {
    const std::int64_t ranks = groups_.shard->size();
    std::vector<at::Tensor> full;
    full.reserve(size());
    if (ranks == 1) {
        for (std::size_t i = 0; i < size(); ++i) {
            full.push_back(part(flat, i));
        }
        return full;
    }
    const auto empty = [&](memory_use use, at::IntArrayRef shape) {
        const memory_scope scope(use);
        return at::empty(shape, flat.options());
    };
    const auto gathered = empty(memory_use::communication, {ranks, flat.numel()});
    groups_.shard->all_gather(gathered, flat).wait();
    for (std::size_t i = 0; i < size(); ++i) {
        full.push_back(empty(memory_use::gathered_parameters, infos_[i].shape));
        auto target = full.back().view({infos_[i].shape[0], -1});
        for (std::int64_t rank = 0; rank < ranks; ++rank) {
            const auto range = shard_of(infos_[i].shape[0], ranks, rank);
            if (range.empty()) { break; }
            const auto count = range.size() * row_elements(i);
            target.slice(0, range.begin, range.end)
                .copy_(gathered[rank]
                           .narrow(0, offsets_[i], count)
                           .view({range.size(), -1}));
        }
    }
    detail::take_storage(gathered);
    return full;
}

inline at::Tensor sharded_parameters::pack(const std::vector<at::Tensor>& full) const {
    const std::int64_t ranks = groups_.shard->size();
    const memory_scope scope(memory_use::communication);
    auto flat = at::zeros({ranks, offsets_.back()}, shards_.options());
    for (std::size_t i = 0; i < size(); ++i) {
        if (!full[i].defined()) { continue; }
        const auto source = full[i].reshape({infos_[i].shape[0], -1});
        for (std::int64_t rank = 0; rank < ranks; ++rank) {
            const auto range = shard_of(infos_[i].shape[0], ranks, rank);
            if (range.empty()) { break; }
            const auto count = range.size() * row_elements(i);
            flat[rank]
                .narrow(0, offsets_[i], count)
                .view({range.size(), -1})
                .copy_(source.slice(0, range.begin, range.end));
        }
    }
    return flat;
}

inline void sharded_parameters::reduce(std::vector<at::Tensor> gradients,
                                       bool last_micro_step) {
    reductions().finish();
    if (groups_.shard->size() == 1) {
        const memory_scope scope(memory_use::gradients);
        for (std::size_t i = 0; i < size(); ++i) {
            if (gradients[i].defined()) { gradient(i).add_(gradients[i]); }
        }
        gradients.clear();
        if (last_micro_step && groups_.replicate->size() > 1) {
            reductions().hold(groups_.replicate->all_reduce(gradients_));
        }
        return;
    }
    const memory_scope scope(memory_use::communication);
    auto send = pack(gradients);
    gradients.clear();
    auto mine = at::empty_like(gradients_);
    auto scatter = groups_.shard->reduce_scatter(mine, send);
    reductions().hold(pending(
        [this, scatter = std::move(scatter), send, mine, last_micro_step]() mutable {
            scatter.wait();
            detail::take_storage(send);
            gradients_.add_(mine);
            if (last_micro_step && groups_.replicate->size() > 1) {
                groups_.replicate->all_reduce(gradients_).wait();
            }
        }));
}

}  // namespace packkit::lt
