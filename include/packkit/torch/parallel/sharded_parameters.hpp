// SPDX-License-Identifier: Apache-2.0
/// @file
/// The parameters of one unit (a block, an embedding, a head) on the ranks that hold
/// them: gathered by one all-gather, their gradients reduced by one reduce-scatter.
/// `unit_layout.hpp` says which element lies where.
///
/// DDP, ZeRO-2, FSDP and HSDP are this with different groups: `shard` splits the
/// parameters, `replicate` repeats them. A shard group of one is DDP; a replicate group
/// of one is FSDP. Under tensor parallelism a unit holds this rank's slices, and what is
/// said of full parameters here holds for those.
#pragma once

#include <packkit/torch/communication/communicator.hpp>
#include <packkit/torch/communication/mesh_view.hpp>
#include <packkit/torch/communication/reproducible_sum.hpp>
#include <packkit/torch/memory/detail/storage.hpp>
#include <packkit/torch/memory/memory_counter.hpp>
#include <packkit/torch/parallel/unit_layout.hpp>

#include <ATen/Functions.h>
#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace packkit::lt {

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

/// How gradients are summed over micro-batches and ranks.
struct gradient_reduction {
    /// Canonical sums hold the full gradients of log2(micro-batches) + 1 of them, and
    /// send once a step, at its end.
    summation sums = summation::fast;
    /// The queue that units share, which outlives them; null: each has its own.
    reduction_queue* queue = nullptr;
};

/// This rank's shards of a unit's parameters and the gradients accumulated for them.
class sharded_parameters {
public:
    /// All shards start as zeros of `master` dtype (float32 or float64), on its device:
    /// that of the computation, or the CPU while `device` computes and communicates. Then
    /// shards travel to it when they are gathered, and gradients back when they are
    /// reduced. `groups` needs shard and replicate; tp may be null.
    sharded_parameters(std::vector<parameter_info> parameters, const mesh_view& groups,
                       at::TensorOptions master,
                       std::optional<at::Device> device = std::nullopt,
                       gradient_reduction reduction = {});

    [[nodiscard]] const mesh_view& groups() const { return groups_; }

    /// Where parameters are gathered to and collectives take place.
    [[nodiscard]] at::Device device() const { return device_; }

    // What lies where: of the layout.
    [[nodiscard]] const unit_layout& layout() const { return layout_; }
    [[nodiscard]] std::size_t size() const { return layout_.size(); }
    [[nodiscard]] const parameter_info& info(std::size_t i) const {
        return layout_.info(i);
    }
    [[nodiscard]] tensor_slice slice(std::size_t i) const { return layout_.slice(i); }
    [[nodiscard]] index_range rows(std::size_t i) const { return layout_.rows(i); }
    [[nodiscard]] at::Tensor part(const at::Tensor& flat, std::size_t i) const {
        return layout_.part(flat, i);
    }
    void load_full(at::Tensor& flat, std::size_t i, const at::Tensor& value) const {
        layout_.load_full(flat, i, value);
    }

    /// Parameter `i`'s shard, a view. May be empty.
    [[nodiscard]] at::Tensor shard(std::size_t i) const { return part(shards_, i); }

    /// Its accumulated gradient, same shape; zeros before the first backward of a step.
    /// Precondition: it is not frozen.
    [[nodiscard]] at::Tensor gradient(std::size_t i) const {
        return state_part(gradients_, i);
    }

    /// Parameter `i`'s part of what `make_state` made, a view. Precondition: it is not
    /// frozen.
    [[nodiscard]] at::Tensor state_part(const at::Tensor& state, std::size_t i) const {
        return trained_.part(state, place_in_trained_[i]);
    }

    /// Parameters that are not frozen, in their order.
    [[nodiscard]] const unit_layout& trained() const { return trained_; }

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

    /// Multiplies all accumulated gradients by `factor`.
    void scale_gradients(double factor) { gradients_.mul_(factor); }

    /// Full-size tensors of `flat`, which is laid out as the shards are; the same on
    /// every rank of the shard and tensor groups. Views of `flat` where these have one
    /// rank.
    [[nodiscard]] std::vector<at::Tensor> gather_full(const at::Tensor& flat) const {
        return gather_full(flat, layout_);
    }
    /// Full-size tensors of `state`, which make_state() has made: one for each parameter
    /// of `trained()`, equal on every rank of the shard and tensor groups.
    [[nodiscard]] std::vector<at::Tensor> gather_state(const at::Tensor& state) const {
        return gather_full(state, trained_);
    }

    /// Zeros for each element of this rank's shards of `trained()`, padding included.
    [[nodiscard]] at::Tensor make_state() const {
        const memory_scope scope(memory_use::optimizer);
        return at::zeros({trained_.elements()}, shards_.options());
    }

    [[nodiscard]] at::Tensor& flat_shards() { return shards_; }
    [[nodiscard]] const at::Tensor& flat_shards() const { return shards_; }

    /// Bytes that the shards occupy here, padding included.
    [[nodiscard]] std::int64_t shard_bytes() const {
        return shards_.numel() * shards_.element_size();
    }

private:
    [[nodiscard]] reduction_queue& reductions() {
        return reduction_.queue != nullptr ? *reduction_.queue : own_reductions_;
    }
    [[nodiscard]] gathering send(const at::Tensor& flat) const;
    /// The parameters in what has arrived, whose memory it frees.
    [[nodiscard]] std::vector<at::Tensor> unpack(const at::Tensor& received,
                                                 const unit_layout& layout) const;
    [[nodiscard]] std::vector<at::Tensor> gather_full(const at::Tensor& flat,
                                                      const unit_layout& layout) const;
    /// The full parameter `i` of `layout` of this rank's slice of it.
    [[nodiscard]] at::Tensor gather_cuts(const unit_layout& layout, std::size_t i,
                                         const at::Tensor& mine) const;
    /// Those of parameters that are not frozen.
    [[nodiscard]] std::vector<at::Tensor> trained_of(
        std::vector<at::Tensor> gradients) const;
    /// Gradients of `trained()`: (ranks, shard), on the device.
    [[nodiscard]] at::Tensor pack(const std::vector<at::Tensor>& gradients) const;
    void reduce_by_tree(const std::vector<at::Tensor>& gradients, bool last_micro_step);
    [[nodiscard]] pending sum_over_replicas();

    mesh_view groups_;
    gradient_reduction reduction_;
    unit_layout layout_;
    unit_layout trained_;
    std::vector<std::size_t> place_in_trained_;
    at::Device device_;
    at::Tensor shards_;
    at::Tensor gradients_;
    reduction_queue own_reductions_;
    tree_sum sums_;
};

// --- implementation --------------------------------------------------------------------

namespace detail {

inline unit_place place_in(const mesh_view& groups) {
    unit_place place{groups.shard->size(), groups.shard->rank()};
    if (groups.tp != nullptr) {
        place.tensors = groups.tp->size();
        place.tensor = groups.tp->rank();
    }
    return place;
}

inline std::vector<parameter_info> not_frozen(const unit_layout& layout) {
    std::vector<parameter_info> infos;
    for (std::size_t i = 0; i < layout.size(); ++i) {
        if (!layout.info(i).frozen) infos.push_back(layout.info(i));
    }
    return infos;
}

}  // namespace detail

inline sharded_parameters::sharded_parameters(std::vector<parameter_info> parameters,
                                              const mesh_view& groups,
                                              at::TensorOptions master,
                                              std::optional<at::Device> device,
                                              gradient_reduction reduction)
    : groups_(groups),
      reduction_(reduction),
      layout_(std::move(parameters), detail::place_in(groups)),
      trained_(detail::not_frozen(layout_), detail::place_in(groups)),
      device_(device.value_or(master.device())) {
    std::size_t place = 0;
    for (std::size_t i = 0; i < layout_.size(); ++i)
        place_in_trained_.push_back(layout_.info(i).frozen ? 0 : place++);
    const auto zeros = [&](memory_use use, const unit_layout& layout) {
        const memory_scope scope(use);
        return at::zeros({layout.elements()}, master);
    };
    shards_ = zeros(memory_use::parameters, layout_);
    gradients_ = zeros(memory_use::gradients, trained_);
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
        return unpack(begun.received, layout_);
    }
    const memory_scope scope(memory_use::gathered_parameters);
    std::vector<at::Tensor> full;
    for (std::size_t i = 0; i < size(); ++i)
        full.push_back(part(shards_, i).to(device_, begun.dtype, /*non_blocking=*/true));
    return full;
}

inline std::vector<at::Tensor> sharded_parameters::unpack(
    const at::Tensor& received, const unit_layout& layout) const {
    const memory_scope scope(memory_use::gathered_parameters);
    auto full = layout.unpack(received);
    detail::take_storage(received);
    return full;
}

inline std::vector<at::Tensor> sharded_parameters::gather_full(
    const at::Tensor& flat, const unit_layout& layout) const {
    std::vector<at::Tensor> full;
    if (layout.size() == 0) return full;
    if (groups_.shard->size() > 1) {
        auto begun = send(flat.to(device_));
        begun.arriving.wait();
        full = unpack(begun.received, layout);
    } else {
        for (std::size_t i = 0; i < layout.size(); ++i)
            full.push_back(layout.part(flat, i).to(device_));
    }
    if (groups_.tp == nullptr || groups_.tp->size() == 1) return full;
    for (std::size_t i = 0; i < layout.size(); ++i) {
        if (layout.info(i).cut != tensor_cut::replicated)
            full[i] = gather_cuts(layout, i, full[i]);
    }
    return full;
}

inline at::Tensor sharded_parameters::gather_cuts(const unit_layout& layout,
                                                  std::size_t i,
                                                  const at::Tensor& mine) const {
    const memory_scope scope(memory_use::communication);
    const auto largest = layout.cut(i, 0).elements();
    auto padded = at::zeros({largest}, mine.options());
    padded.narrow(0, 0, mine.numel()).copy_(mine.reshape({mine.numel()}));
    auto all = at::empty({groups_.tp->size(), largest}, mine.options());
    groups_.tp->all_gather(all, padded).wait();
    return layout.join_cuts(i, all);
}

inline std::vector<at::Tensor> sharded_parameters::trained_of(
    std::vector<at::Tensor> gradients) const {
    if (trained_.size() == size()) return gradients;
    std::vector<at::Tensor> trained;
    for (std::size_t i = 0; i < size(); ++i) {
        if (!info(i).frozen) trained.push_back(std::move(gradients[i]));
    }
    return trained;
}

inline at::Tensor sharded_parameters::pack(
    const std::vector<at::Tensor>& gradients) const {
    const memory_scope scope(memory_use::communication);
    return trained_.pack(gradients, shards_.options().device(device_));
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
    if (trained_.size() == 0) return;
    gradients = trained_of(std::move(gradients));
    if (reduction_.sums == summation::canonical) {
        reduce_by_tree(gradients, last_micro_step);
        return;
    }
    const bool sums_replicas = last_micro_step && groups_.replicate->size() > 1;
    if (groups_.shard->size() == 1) {
        const memory_scope scope(memory_use::gradients);
        for (std::size_t i = 0; i < trained_.size(); ++i) {
            if (gradients[i].defined())
                trained_.part(gradients_, i).add_(gradients[i].to(gradients_.device()));
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
