// SPDX-License-Identifier: Apache-2.0
/// @file
/// The timeline of a step's memory: what one rank holds in each phase, and the largest of
/// them. Two schedules share it: program order, where what is alive is known at every
/// moment, and overlap, where weights and gradients travel beside computation and the
/// phases are upper bounds.
#pragma once

#include <packkit/estimate/activation_memory.hpp>
#include <packkit/estimate/memory_result.hpp>
#include <packkit/estimate/training_setup.hpp>
#include <packkit/model/layout.hpp>

#include <algorithm>
#include <cstdint>

namespace packkit::detail {

/// Elements of one unit as it is gathered and reduced.
struct memory_unit {
    std::int64_t full = 0, shard = 0, largest_parameter = 0;
};

/// What both schedules are made of: bytes of states, units and activations, and the
/// largest phase so far. Refers to its arguments.
struct memory_timeline {
    const activation_sums& activations;
    const training_setup& setup;
    in_flight_buffers travel;
    bool tied;  ///< the head's matrix is the embedding
    memory_unit embedding, block, head;
    std::int64_t elements, layers, tokens;
    std::int64_t row, saved, working, boundary;  ///< bytes of activations
    std::int64_t ring;      ///< bytes of context parallelism's buffers
    std::int64_t pool = 0;  ///< bytes of communication that are never given back
    memory_estimate best;   ///< the largest phase so far; at first the optimizer's
    memory_bytes states;    ///< what stays between steps

    constexpr memory_timeline(const sharded_elements& held, const activation_sums& sums,
                              const training_setup& how)
        : activations(sums),
          setup(how),
          travel(how, sums.weights),
          tied(held.head.copies == 0),
          embedding(unit_of(held.embedding)),
          block{held.blocks.largest, held.blocks.largest_shard,
                sums.largest_matrix / how.mesh.tp},
          head(unit_of(tied ? held.embedding : held.head)),
          elements(held.whole()),
          layers(sums.layers()),
          tokens(how.micro_tokens()),
          row(sums.row.bytes(how, tokens)),
          saved(sums.kept.at(static_cast<std::size_t>(how.checkpointing))
                    .bytes(how, tokens)),
          working(sums.working_bytes(how, tokens)),
          boundary(sums.boundary.bytes(how, tokens)),
          ring(how.mesh.cp > 1 ? sums.ring.bytes(how, tokens) : 0),
          best(state_memory(held, how)),
          states(best.bytes) {}

    /// Makes a phase the peak if it holds more than any before.
    constexpr void consider(peak_moment at, memory_bytes held) {
        held.communication += pool;
        if (held.total() > best.bytes.total()) {
            best.bytes = held;
            best.at = at;
        }
    }

private:
    [[nodiscard]] static constexpr memory_unit unit_of(
        const sharded_elements::of_units& units) {
        return {units.largest, units.largest_shard, units.largest};
    }
};

/// A step in program order, unit after unit: loss, head, the two blocks that backward
/// begins with (the second has another unit's gradients on their way), the last one, and
/// the embedding.
///
/// A unit's gradients travel beside the backward of the unit after it, and have arrived
/// when that unit's own set out. Its weights travel beside the unit before it where they
/// are prefetched.
struct program_order : memory_timeline {
    bool stays;              ///< weights stay gathered between forward and backward
    std::int64_t gathered;   ///< elements of weights that stay, of all units
    std::int64_t matrix;     ///< elements of the head's matrix on this rank
    memory_bytes waiting{};  ///< what is held between two units' backward

    constexpr program_order(const sharded_elements& held, const activation_sums& sums,
                            const training_setup& how)
        : memory_timeline(held, sums, how),
          stays(!how.reshard_after_forward),
          gathered(stays ? elements : 0),
          matrix((sums.head_matrix + how.mesh.tp - 1) / how.mesh.tp) {}

    [[nodiscard]] constexpr memory_estimate peak() {
        head_backward(forward_and_loss());
        // The first block in backward finds the head's gradients on their way, the second
        // the first one's. Beside the last one the embedding's weights arrive.
        block_backward(0);
        if (layers > 1) block_backward(1);
        if (layers > 2) block_backward(layers - 1);
        embedding_backward();
        return best;
    }

private:
    /// Bytes that an all-reduce over the replicas holds beside the sum.
    [[nodiscard]] constexpr std::int64_t replica_buffers(std::int64_t held) const {
        const std::int64_t n = setup.mesh.dp_replicate;
        if (n == 1) return 0;
        const std::int64_t part = (held + n - 1) / n;
        // What does not divide is padded in a copy.
        const std::int64_t copies =
            activations.weights.reduction_copies - 1 + (held % n != 0 ? 1 : 0);
        return (copies * part * n + part) * travel.reduced_element;
    }
    /// Bytes of a unit's gradients on their way.
    [[nodiscard]] constexpr std::int64_t reduction(const memory_unit& unit) const {
        if (!travel.reduces) return replica_buffers(unit.full);
        return (activations.weights.reduction_copies * travel.ranks + 1) * unit.shard *
               travel.reduced_element;
    }
    /// A unit's gradients set out: first packed, or added where all are here.
    constexpr void consider_reduction(peak_moment at, memory_bytes held,
                                      const memory_unit& unit) {
        memory_bytes packed = held;
        packed.gradients += travel.gradients(unit.full);
        if (travel.reduces) {
            packed.communication += travel.ranks * unit.shard * travel.reduced_element;
        } else if (travel.gradient_element != travel.reduced_element) {
            packed.gradients += unit.largest_parameter * travel.reduced_element;
        }
        consider(at, packed);
        held.communication += reduction(unit);
        consider(at, held);
    }
    /// Bytes of a unit's weights that arrive while another unit is at work: parts of all
    /// ranks, and a converted copy of the one that this rank sends.
    [[nodiscard]] constexpr std::int64_t prefetched(const memory_unit& unit) const {
        if (!setup.prefetch_gathers || stays) return 0;
        const bool converts =
            travel.gathers && travel.gathered_element != travel.reduced_element;
        return travel.gather_buffer(unit.shard) +
               (converts ? unit.shard * travel.gathered_element : 0);
    }
    /// A unit is gathered beside what is held: weights are made of what has arrived.
    constexpr void consider_gather(peak_moment at, memory_bytes held,
                                   const memory_unit& unit) {
        held.communication += travel.gather_buffer(unit.shard);
        if (travel.gathers) held.gathered_parameters += travel.gathered(unit.full);
        consider(at, held);
    }
    /// Bytes of weights that stay gathered and that the backward of head and `done`
    /// blocks leaves.
    [[nodiscard]] constexpr std::int64_t left_gathered(std::int64_t done) const {
        const auto left = gathered - (tied ? 0 : head.full) - done * block.full;
        return travel.gathered(stays ? std::max<std::int64_t>(left, 0) : 0);
    }

    /// Forward has come to the head: its weights, then a chunk of its logits and the
    /// gradients that chunks leave. Returns what is held at the loss.
    [[nodiscard]] constexpr memory_bytes forward_and_loss() {
        memory_bytes held = states;
        held.activations = row + saved + boundary;
        held.gathered_parameters = travel.gathered(stays ? gathered - head.full : 0);
        if (!tied || !stays) consider_gather(peak_moment::loss, held, head);
        const std::int64_t chunk = activations.loss_chunk_tokens;
        held.activations = row + saved + activations.head.bytes(setup, tokens);
        held.logits =
            activations.loss_bytes(setup, chunk > 0 ? std::min(chunk, tokens) : tokens);
        held.gathered_parameters = travel.gathered(stays ? gathered : head.full);
        if (chunk > 0) held.gradients += matrix * travel.summed_element;
        consider(peak_moment::loss, held);
        return held;
    }

    /// The head's gradients are there, in the type that they were summed in, when its
    /// weights are gathered for backward; then in that of its weights while the norm is
    /// differentiated; then they set out.
    constexpr void head_backward(memory_bytes held) {
        held.logits = 0;
        held.activations = row + saved + 2 * boundary;
        if (!stays) {
            memory_bytes again = held;
            again.gathered_parameters = 0;
            consider_gather(peak_moment::head_backward, again, head);
            held.communication += prefetched(block);
        }
        memory_bytes rounding = held;
        if (travel.summed_element != travel.gradient_element)
            rounding.gradients += travel.gradients(matrix);
        consider(peak_moment::head_backward, rounding);
        held.activations = row + saved + activations.head_end.bytes(setup, tokens);
        held.gradients = states.gradients + travel.gradients(head.full);
        consider(peak_moment::head_backward, held);

        held = states;
        held.activations = row + saved + 2 * boundary;
        held.gathered_parameters = left_gathered(0);
        waiting = held;
        held.communication += prefetched(block);
        if (tied) {
            waiting.gradients += travel.gradients(head.full);
        } else {
            consider_reduction(peak_moment::head_backward, held, head);
            waiting.communication = reduction(head);
        }
    }

    /// The block after `done` others: gathered, at work in the feed-forward,
    /// differentiated, reduced.
    constexpr void block_backward(std::int64_t done) {
        const auto at = peak_moment::block_backward;
        const std::int64_t each = saved / layers;
        const std::int64_t others = row + saved - each * (done + 1);
        const std::int64_t next = prefetched(done + 1 < layers ? block : embedding);
        waiting.activations = others + each + 2 * boundary;
        waiting.gathered_parameters = left_gathered(done);
        memory_bytes held = waiting;
        if (!stays) consider_gather(at, held, block);
        held.communication += next;
        if (!stays) held.gathered_parameters = travel.gathered(block.full);
        memory_bytes at_work = held;
        at_work.activations = others + each + working;
        at_work.communication += ring;
        at_work.gradients += travel.gradients(block.largest_parameter);
        consider(at, at_work);
        held.activations = others + activations.block_end.bytes(setup, tokens);
        held.gradients += travel.gradients(block.full - activations.norm_weight);
        consider(at, held);

        waiting.activations = others + 2 * boundary;
        waiting.gathered_parameters = left_gathered(done + 1);
        waiting.communication += next;
        if (travel.reduces && (done > 0 || !tied)) {
            // Sums over replicas are asked for when shards have been summed.
            memory_bytes finishing = waiting;
            finishing.gradients += travel.gradients(block.full);
            finishing.communication +=
                replica_buffers(done == 0 ? head.shard : block.shard);
            consider(at, finishing);
        }
        waiting.communication = next;
        consider_reduction(at, waiting, block);
        waiting.communication = reduction(block);
    }

    constexpr void embedding_backward() {
        const auto at = peak_moment::embedding_backward;
        memory_bytes held = waiting;
        held.activations = row + 2 * boundary;
        held.gathered_parameters = 0;
        if (!stays) consider_gather(at, held, embedding);
        held.gathered_parameters = travel.gathered(embedding.full);
        // A tied table has gradients as embedding and as head, and their sum.
        held.gradients += travel.gradients((tied ? 2 : 1) * embedding.full);
        consider(at, held);
        held = states;
        held.activations = row;
        consider_reduction(at, held, embedding);
    }
};

/// A step whose weights and gradients travel beside computation. Its phases: the loss,
/// when every block's activations and the logits are alive; the backward of the head, of
/// the first and the last block and of the embedding, when gathered weights, full
/// gradients and a working set join what is still saved.
struct overlapped_order : memory_timeline {
    /// Embedding and head that are one unit stay gathered, and so do their gradients.
    bool joined;
    std::int64_t ends, ends_shard;  ///< elements of embedding and head
    std::int64_t stay;       ///< elements of weights that are gathered all the time
    std::int64_t in_flight;  ///< reductions whose buffers are held at once
    std::int64_t head_reduction, block_reduction;  ///< bytes of their buffers
    memory_bytes before_backward;                  ///< states until gradients are made

    constexpr overlapped_order(const sharded_elements& held, const activation_sums& sums,
                               const training_setup& how)
        : memory_timeline(held, sums, how),
          joined(tied || sums.weights.embedding_with_head),
          ends(held.embedding.whole + held.head.whole),
          ends_shard(held.embedding.shard + held.head.shard),
          stay(!how.reshard_after_forward         ? elements
               : sums.weights.embedding_with_head ? ends
                                                  : 0),
          in_flight(sums.weights.reductions_in_flight == 0
                        ? layers + 2
                        : sums.weights.reductions_in_flight),
          head_reduction(joined ? 0 : travel.reduce_buffer(head.shard)),
          block_reduction(travel.reduce_buffer(block.shard)),
          before_backward(states) {
        if (sums.weights.gather_pool) {
            pool = travel.gather_buffer(std::max(
                sums.weights.embedding_with_head ? ends_shard : head.shard, block.shard));
        }
        best.bytes.communication = pool;
        if (sums.weights.gradients_freed && how.gradient_accumulation_steps == 1)
            before_backward.gradients = 0;
    }

    [[nodiscard]] constexpr memory_estimate peak() {
        loss_and_head();
        block_backward();
        embedding_backward();
        return best;
    }

private:
    constexpr void loss_and_head() {
        const std::int64_t chunk = activations.loss_chunk_tokens;
        const bool chunked = chunk > 0 && chunk < tokens;
        const std::int64_t unfreed = setup.reshard_after_forward
                                         ? activations.weights.unfreed_blocks * block.full
                                         : 0;
        memory_bytes loss = before_backward;
        loss.activations = row + saved + activations.head.bytes(setup, tokens);
        loss.logits = activations.loss_bytes(setup, chunked ? chunk : tokens);
        loss.gathered_parameters =
            travel.gathered((stay != 0 ? stay : head.full) + unfreed);
        // The chunks before have left their part of the head's gradient.
        if (chunked) loss.gradients += travel.gradients(head.full);
        consider(peak_moment::loss, loss);

        memory_bytes done = loss;
        done.logits = 0;
        done.gradients = before_backward.gradients + travel.gradients(head.full);
        done.communication = head_reduction;
        consider(peak_moment::head_backward, done);
    }

    /// The first block in backward, when the others still wait; the last, when most
    /// reductions are on their way.
    constexpr void block_backward() {
        const auto at = peak_moment::block_backward;
        memory_bytes first = before_backward;
        first.gathered_parameters = travel.gathered(
            stay +
            (setup.reshard_after_forward
                 ? std::min(activations.weights.gathered_blocks, layers) * block.full
                 : 0));
        if (joined) first.gradients += travel.gradients(head.full);
        memory_bytes gathering = first;
        first.gradients += travel.gradients(block.full);
        memory_bytes reducing = first;
        memory_bytes last = first;
        last.gradients += states.gradients - before_backward.gradients;
        first.activations = row + saved + working;
        last.activations = row + saved / layers + working;
        first.communication = last.communication = ring;
        if (in_flight > 1) first.communication += head_reduction;
        last.communication +=
            std::min(in_flight, layers) * block_reduction - block_reduction;
        if (in_flight > layers) last.communication += head_reduction;
        consider(at, first);
        consider(at, last);

        reducing.activations = row + saved - saved / layers;
        reducing.communication = block_reduction;
        consider(at, reducing);
        if (!activations.weights.gather_pool) {
            gathering.activations = row + saved;
            gathering.communication = travel.gather_buffer(block.shard);
            consider(at, gathering);
        }
    }

    constexpr void embedding_backward() {
        memory_bytes held = states;
        held.activations = row;
        held.gathered_parameters = travel.gathered(joined ? ends : 0);
        held.gradients += travel.gradients(joined ? ends : embedding.full);
        // A tied table has a gradient as embedding and one as head.
        if (tied) held.gradients += embedding.full * travel.gradient_element;
        held.communication = travel.reduce_buffer(joined ? ends_shard : embedding.shard) +
                             std::min(in_flight - 1, layers) * block_reduction +
                             (in_flight > layers + 1 ? head_reduction : 0);
        consider(peak_moment::embedding_backward, held);
    }
};

}  // namespace packkit::detail
