// SPDX-License-Identifier: Apache-2.0
/// @file
/// Memory of a step that runs in program order, unit after unit: what is alive is known
/// at every moment, and so is the largest of them.
#pragma once

#include <packkit/activation_memory.hpp>
#include <packkit/memory_estimate.hpp>
#include <packkit/model_layout.hpp>
#include <packkit/training_setup.hpp>

#include <algorithm>
#include <cstdint>

namespace packkit::detail {

/// Walks through loss, head, the two blocks that backward begins with (the second has
/// another unit's gradients on their way), the last one, and the embedding.
///
/// A unit's gradients travel beside the backward of the unit after it, and have arrived
/// when that unit's own set out. Its weights travel beside the unit before it where they
/// are prefetched.
struct in_order_walk {
    const sharded_elements& elements;
    const activation_sums& activations;
    const training_setup& setup;
    traveling_weights travel;
    memory_estimate best;

    constexpr in_order_walk(const sharded_elements& held, const activation_sums& sums,
                            const training_setup& how)
        : elements(held),
          activations(sums),
          setup(how),
          travel(how, sums.weights),
          best(state_memory(held, how)) {}

    constexpr void consider(peak_moment at, const memory_bytes& held) {
        if (held.total() > best.bytes.total()) {
            best.bytes = held;
            best.at = at;
        }
    }

    /// One unit as it is gathered and reduced.
    struct unit {
        std::int64_t whole = 0, shard = 0, largest_parameter = 0;
    };

    /// What an all-reduce over the replicas holds beside the sum.
    [[nodiscard]] constexpr std::int64_t replica_buffers(std::int64_t held) const {
        const std::int64_t n = setup.mesh.dp_replicate;
        if (n == 1) return 0;
        const std::int64_t part = (held + n - 1) / n;
        // What does not divide is padded in a copy.
        const std::int64_t copies =
            activations.weights.reduction_copies - 1 + (held % n != 0 ? 1 : 0);
        return (copies * part * n + part) * travel.reduced_element;
    }
    /// Gradients of a unit on their way.
    [[nodiscard]] constexpr std::int64_t reduction(const unit& of) const {
        if (!travel.reduces) return replica_buffers(of.whole);
        return (activations.weights.reduction_copies * travel.ranks + 1) * of.shard *
               travel.reduced_element;
    }
    /// A unit's gradients set out: first packed, or added where all are here.
    constexpr void consider_reduction(peak_moment at, memory_bytes held, const unit& of) {
        memory_bytes packed = held;
        packed.gradients += travel.gradients(of.whole);
        if (travel.reduces) {
            packed.communication += travel.ranks * of.shard * travel.reduced_element;
        } else if (travel.gradient_element != travel.reduced_element) {
            packed.gradients += of.largest_parameter * travel.reduced_element;
        }
        consider(at, packed);
        held.communication += reduction(of);
        consider(at, held);
    }
    /// A unit's weights on their way: parts of all ranks, and a converted copy of the
    /// one that this rank sends.
    [[nodiscard]] constexpr std::int64_t traveling(const unit& of) const {
        const bool converts =
            travel.gathers && travel.gathered_element != travel.reduced_element;
        return travel.gather_buffer(of.shard) +
               (converts ? of.shard * travel.gathered_element : 0);
    }
    /// The same while those of another unit are at work.
    [[nodiscard]] constexpr std::int64_t ahead(const unit& of) const {
        const bool again = setup.reshard_after_forward;  // otherwise all are here
        return setup.prefetch_gathers && again ? traveling(of) : 0;
    }
    /// A unit is gathered beside what is held: weights are made of what has arrived.
    constexpr void consider_gather(peak_moment at, memory_bytes held, const unit& of) {
        held.communication += travel.gather_buffer(of.shard);
        if (travel.gathers) held.gathered_parameters += travel.gathered(of.whole);
        consider(at, held);
    }

    [[nodiscard]] constexpr memory_estimate operator()() {
        const bool tied = elements.head.copies == 0;
        const bool keeps = !setup.reshard_after_forward;
        const auto& last = tied ? elements.embedding : elements.head;
        const std::int64_t tp = setup.mesh.tp;
        const unit head{last.largest, last.largest_shard, last.largest};
        const unit block{elements.blocks.largest, elements.blocks.largest_shard,
                         activations.largest_matrix / tp};
        const unit embedding{elements.embedding.largest, elements.embedding.largest_shard,
                             elements.embedding.largest};
        const std::int64_t layers = activations.layers();
        const std::int64_t tokens = setup.micro_tokens();
        const std::int64_t row = activations.row.bytes(setup, tokens);
        const std::int64_t kept =
            activations.kept.at(static_cast<std::size_t>(setup.checkpointing))
                .bytes(setup, tokens);
        const std::int64_t working = activations.working_bytes(setup, tokens);
        const std::int64_t boundary = activations.boundary.bytes(setup, tokens);
        const memory_bytes states = best.bytes;

        // Forward has come to the head: its weights, then a chunk of its logits and the
        // gradients that chunks leave.
        const std::int64_t all = keeps ? elements.whole() : 0;
        memory_bytes held = states;
        held.activations = row + kept + boundary;
        held.gathered_parameters = travel.gathered(keeps ? all - head.whole : 0);
        if (!tied || !keeps) consider_gather(peak_moment::loss, held, head);
        const std::int64_t chunk = activations.loss_chunk_tokens;
        held.activations = row + kept + activations.head.bytes(setup, tokens);
        held.logits =
            activations.loss_bytes(setup, chunk > 0 ? std::min(chunk, tokens) : tokens);
        held.gathered_parameters = travel.gathered(keeps ? all : head.whole);
        const std::int64_t matrix = (activations.head_matrix + tp - 1) / tp;
        if (chunk > 0) held.gradients += matrix * travel.summed_element;
        consider(peak_moment::loss, held);

        // The head's gradients are there, in the type that they were summed in, when its
        // weights are gathered for backward; then in that of its weights while the norm
        // is differentiated.
        held.logits = 0;
        held.activations = row + kept + 2 * boundary;
        if (!keeps) {
            memory_bytes again = held;
            again.gathered_parameters = 0;
            consider_gather(peak_moment::head_backward, again, head);
            held.communication += ahead(block);
        }
        memory_bytes rounding = held;
        if (travel.summed_element != travel.gradient_element)
            rounding.gradients += travel.gradients(matrix);
        consider(peak_moment::head_backward, rounding);
        held.activations = row + kept + activations.head_end.bytes(setup, tokens);
        held.gradients = states.gradients + travel.gradients(head.whole);
        consider(peak_moment::head_backward, held);
        held = states;
        held.activations = row + kept + 2 * boundary;
        // Of kept weights, those that the backward of `done` blocks leaves.
        const auto stay = [&](std::int64_t done) {
            const auto left = all - (tied ? 0 : head.whole) - done * block.whole;
            return keeps ? std::max<std::int64_t>(left, 0) : 0;
        };
        held.gathered_parameters = travel.gathered(stay(0));
        memory_bytes waiting = held;
        held.communication += ahead(block);
        if (tied) {
            waiting.gradients += travel.gradients(head.whole);
        } else {
            consider_reduction(peak_moment::head_backward, held, head);
            waiting.communication = reduction(head);
        }

        // The first block in backward finds the head's gradients on their way, the second
        // the first one's: gathered, at work in the feed-forward, differentiated,
        // reduced. Beside the last one the embedding's weights arrive.
        const std::int64_t ring =
            setup.mesh.cp > 1 ? activations.ring.bytes(setup, tokens) : 0;
        const std::int64_t each = kept / layers;
        std::int64_t walked = 0;
        for (const std::int64_t done : {std::int64_t{0}, std::int64_t{1}, layers - 1}) {
            if (done < walked || done >= layers) continue;
            walked = done + 1;
            const std::int64_t others = row + kept - each * (done + 1);
            const std::int64_t next = ahead(walked < layers ? block : embedding);
            waiting.activations = others + each + 2 * boundary;
            waiting.gathered_parameters = travel.gathered(stay(done));
            held = waiting;
            if (!keeps) consider_gather(peak_moment::block_backward, held, block);
            held.communication += next;
            held.gathered_parameters = travel.gathered(keeps ? stay(done) : block.whole);
            memory_bytes at_work = held;
            at_work.activations = others + each + working;
            at_work.communication += ring;
            at_work.gradients += travel.gradients(block.largest_parameter);
            consider(peak_moment::block_backward, at_work);
            held.activations = others + activations.block_end.bytes(setup, tokens);
            held.gradients += travel.gradients(block.whole - activations.norm_weight);
            consider(peak_moment::block_backward, held);

            waiting.activations = others + 2 * boundary;
            waiting.gathered_parameters = travel.gathered(stay(walked));
            waiting.communication += next;
            if (travel.reduces && (done > 0 || !tied)) {
                // Sums over replicas are asked for when shards have been summed.
                memory_bytes finishing = waiting;
                finishing.gradients += travel.gradients(block.whole);
                finishing.communication +=
                    replica_buffers(done == 0 ? head.shard : block.shard);
                consider(peak_moment::block_backward, finishing);
            }
            waiting.communication = next;
            consider_reduction(peak_moment::block_backward, waiting, block);
            waiting.communication = reduction(block);
        }

        held = waiting;
        held.activations = row + 2 * boundary;
        held.gathered_parameters = 0;
        if (!keeps) consider_gather(peak_moment::embedding_backward, held, embedding);
        held.gathered_parameters = travel.gathered(embedding.whole);
        // A tied table's gradients as embedding and as head, and their sum.
        held.gradients += travel.gradients((tied ? 2 : 1) * embedding.whole);
        consider(peak_moment::embedding_backward, held);
        held = states;
        held.activations = row;
        consider_reduction(peak_moment::embedding_backward, held, embedding);
        return best;
    }
};

[[nodiscard]] constexpr memory_estimate in_order_memory(
    const sharded_elements& elements, const activation_sums& activations,
    const training_setup& setup) {
    return in_order_walk(elements, activations, setup)();
}

}  // namespace packkit::detail
