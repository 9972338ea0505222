// SPDX-License-Identifier: Apache-2.0
/// @file
/// Bytes that one rank sends for an optimizer step, by dimension of the mesh and by
/// collective.
///
/// Ring algorithms: an all-gather or reduce-scatter of n parts sends n − 1 parts, an
/// all-reduce is one of each (Patarasuk & Yuan 2009, doi 10.1016/j.jpdc.2008.09.002). The
/// factor (n − 1)/n of the textbook is in the figures; parts are padded to whole rows
/// (sharded parameters) or whole elements (all-reduce), and the padding is sent.
///
/// For dp_replicate, dp_shard, tp and the whole mesh the figures are those that
/// packkit-train's communicators count, byte for byte, for sharding ddp and fsdp.
/// packkit-train does not run zero1 and zero2; what is assumed of them stands at the
/// function that adds them. What cp sends depends on the rows: `context_traffic.hpp` has
/// it exactly for a row whose split is known, here it is estimated from how long
/// documents are.
#pragma once

#include <packkit/estimate/communication_formulas.hpp>
#include <packkit/estimate/profile/loss_chunks.hpp>
#include <packkit/estimate/training_setup.hpp>
#include <packkit/estimate/workload.hpp>
#include <packkit/model/layout.hpp>

#include <cmath>
#include <cstdint>
#include <span>

namespace packkit {

/// Bytes sent by one rank, by collective, and how many collectives there were among more
/// than one rank: each of them also costs a latency.
struct collective_bytes {
    std::int64_t all_reduce = 0;
    std::int64_t all_gather = 0;
    std::int64_t reduce_scatter = 0;
    std::int64_t all_to_all = 0;
    std::int64_t send_recv = 0;
    std::int64_t collectives = 0;

    [[nodiscard]] constexpr std::int64_t total() const {
        return all_reduce + all_gather + reduce_scatter + all_to_all + send_recv;
    }
    constexpr collective_bytes& operator+=(const collective_bytes& other) {
        all_reduce += other.all_reduce;
        all_gather += other.all_gather;
        reduce_scatter += other.reduce_scatter;
        all_to_all += other.all_to_all;
        send_recv += other.send_recv;
        collectives += other.collectives;
        return *this;
    }
    friend constexpr collective_bytes operator+(collective_bytes a,
                                                const collective_bytes& b) {
        return a += b;
    }
    friend constexpr bool operator==(const collective_bytes&,
                                     const collective_bytes&) = default;
};

/// What one rank sends for an optimizer step, by the groups it belongs to.
struct communication_estimate {
    collective_bytes dp_replicate;  ///< gradients between replicas
    collective_bytes dp_shard;      ///< parameters and gradients, over dp_shard x cp
    collective_bytes cp;            ///< keys and values, and their gradients
    collective_bytes tp;            ///< activations
    collective_bytes world;         ///< gradient norm and the ranks' reports

    [[nodiscard]] constexpr collective_bytes total() const {
        return dp_replicate + dp_shard + cp + tp + world;
    }
    friend constexpr bool operator==(const communication_estimate&,
                                     const communication_estimate&) = default;
};

/// Bytes of an element of a gradient that is reduced: gradients are summed in the type of
/// the masters, whatever forward and backward compute in.
[[nodiscard]] constexpr std::int64_t reduce_bytes(precision_kind precision) {
    return precision == precision_kind::bf16_mixed ? 4 : compute_bytes(precision);
}

/// Doubles in the report that every rank gives to all others once a step.
inline constexpr std::int64_t rank_report_values = 3;

namespace detail {

[[nodiscard]] constexpr std::int64_t unit_count(const sharded_elements& elements) {
    return elements.embedding.copies + elements.blocks.copies + elements.head.copies;
}

/// All-reduce of each unit's gradients over n replicas, one collective a unit: what each
/// rank holds of the unit, in parts rounded up to whole elements.
inline collective_bytes replica_all_reduce(const model_layout& layout, std::int64_t tp,
                                           std::int64_t shards, std::int64_t n,
                                           std::int64_t element_bytes) {
    collective_bytes sent;
    if (n == 1) return sent;
    for (const repeated_unit& unit : layout.units()) {
        std::int64_t held = 0;
        for (const parameter_extent& parameter : unit.parameters) {
            const parameter_extent part = parameter.part_of(tp);
            held += rows_per_shard(part.rows, shards) * part.row_elements;
        }
        sent.all_reduce += unit.copies * all_reduce_bytes(held, element_bytes, n);
        sent.collectives += unit.copies;
    }
    return sent;
}

/// What sharding over n ranks sends. A unit is gathered before it is applied and before
/// it is differentiated, or once when it is kept in between; its gradients are scattered
/// once a micro-batch. A tied embedding is applied twice: first and as the head.
///
/// ZeRO-1 and ZeRO-2 as in arXiv 1910.02054, section 7.2: gradients are reduce-scattered
/// once a step (ZeRO-1, which may accumulate whole gradients) or once a micro-batch, and
/// the updated parameters are gathered once, in the compute type.
[[nodiscard]] constexpr collective_bytes shard_traffic(const sharded_elements& elements,
                                                       const training_setup& setup,
                                                       bool tied, std::int64_t n) {
    collective_bytes sent;
    if (n == 1 || setup.sharding == sharding_kind::ddp) return sent;
    const std::int64_t micro_batches = setup.gradient_accumulation_steps;
    std::int64_t gathered = elements.shard();  // of a step, in elements of a part
    std::int64_t gathers = unit_count(elements);
    std::int64_t reductions = micro_batches;
    if (setup.sharding == sharding_kind::fsdp) {
        if (setup.reshard_after_forward) {
            const std::int64_t again = tied ? 1 : 0;
            gathered = 2 * (gathered + again * elements.embedding.shard);
            gathers = 2 * (gathers + again * elements.embedding.copies);
        }
        gathered *= micro_batches;
        gathers *= micro_batches;
    } else if (setup.sharding == sharding_kind::zero1) {
        reductions = 1;
    }
    sent.all_gather = gather_bytes(gathered, compute_bytes(setup.precision), n);
    sent.reduce_scatter =
        gather_bytes(reductions * elements.shard(), reduce_bytes(setup.precision), n);
    sent.collectives = gathers + reductions * unit_count(elements);
    return sent;
}

/// Activations between n tensor-parallel ranks.
///
/// - A block all-reduces tokens x hidden twice forward and twice backward (Shoeybi et al.
///   2019, arXiv 1909.08053, section 3); twice more where whole blocks are computed
///   again.
/// - With sequence parallelism each of these is an all-gather and a reduce-scatter of the
///   same bytes together (Korthikanti et al. 2022, arXiv 2205.05198, section 4.2.2),
///   tokens padded to a multiple of n. Gathered inputs are taken to be kept for backward;
///   keeping slices would gather each a second time.
/// - The embedding's table is cut by vocabulary, its output summed forward; the head's
///   input gradient is summed backward (1909.08053, section 3).
/// - The loss over a cut vocabulary gathers three float64 a token: maximum, sum of
///   exponentials, the target's logit; of `loss_chunk_rows` tokens at a time.
/// - Where n does not divide the key-value heads, the parts of keys and values are
///   gathered, and their gradients summed and scattered.
[[nodiscard]] constexpr collective_bytes tensor_traffic(const model_shape& shape,
                                                        const training_setup& setup,
                                                        std::int64_t tokens,
                                                        std::int64_t n) {
    collective_bytes sent;
    if (n == 1) return sent;
    const std::int64_t element = compute_bytes(setup.precision);
    const std::int64_t a_block = setup.checkpointing == checkpointing_kind::full ? 6 : 4;
    const std::int64_t sums = a_block * shape.num_hidden_layers + 2;
    if (setup.sequence_parallel) {
        const std::int64_t part = (tokens + n - 1) / n * shape.hidden_size;
        sent.all_gather = sums * gather_bytes(part, element, n);
        sent.reduce_scatter = sent.all_gather;
        sent.collectives = 2 * sums;
    } else {
        sent.all_reduce = sums * all_reduce_bytes(tokens * shape.hidden_size, element, n);
        sent.collectives = sums;
    }
    sent.all_gather += gather_bytes(3 * tokens, 8, n);
    sent.collectives += (tokens + loss_chunk_rows - 1) / loss_chunk_rows;
    if (shape.num_key_value_heads % n != 0) {
        const std::int64_t part =
            2 * tokens * rows_per_shard(shape.num_key_value_heads * shape.head_dim, n);
        const std::int64_t forwards =
            setup.checkpointing == checkpointing_kind::full ? 2 : 1;
        const std::int64_t pass =
            shape.num_hidden_layers * gather_bytes(part, element, n);
        sent.all_gather += forwards * pass;
        sent.reduce_scatter += pass;
        sent.collectives += (forwards + 1) * shape.num_hidden_layers;
    }

    const std::int64_t micro_batches = setup.gradient_accumulation_steps;
    sent.all_reduce *= micro_batches;
    sent.all_gather *= micro_batches;
    sent.reduce_scatter *= micro_batches;
    sent.collectives *= micro_batches;
    return sent;
}

/// Gradients of parameters that tp does not cut, where its n ranks have parts of them: of
/// what works on a part of heads or experts, and under sequence parallelism of all. One
/// all-reduce a step, of what one of `shards` ranks holds.
inline collective_bytes partial_gradients(const model_layout& layout,
                                          const training_setup& setup,
                                          std::int64_t shards, std::int64_t n) {
    collective_bytes sent;
    if (n == 1) return sent;
    std::int64_t held = 0;
    for (const repeated_unit& unit : layout.units()) {
        for (const parameter_extent& parameter : unit.parameters) {
            if (parameter.cut != tensor_cut::replicated) continue;
            if (!parameter.shares_work && !setup.sequence_parallel) continue;
            held += unit.copies * rows_per_shard(parameter.rows, shards) *
                    parameter.row_elements;
        }
    }
    if (held == 0) return sent;
    sent.all_reduce = all_reduce_bytes(held, reduce_bytes(setup.precision), n);
    sent.collectives = 1;
    return sent;
}

/// Keys and values around a ring of n context-parallel ranks: assumed, not counted.
///
/// - Forward each rank passes on n − 1 blocks of K and V of its length (Liu et al. 2023,
///   Ring Attention, arXiv 2310.01889, section 3); again where blocks are computed again.
/// - Backward the same blocks come round once more, and their gradients with them, in the
///   compute type: twice the forward.
/// - Documents of a packed row attend to themselves. Where a cut falls into a document of
///   l tokens, the two sides exchange its l tokens of K and V, and a cut falls into a
///   document as often as it is long, so Σl²/Σl tokens cross a cut on average: the full
///   ring for one document of the whole row.
///
/// @param tokens of a micro-batch on one rank
/// @param share of a row that its average token's document takes: 1 is the full ring
[[nodiscard]] inline collective_bytes ring_traffic(const model_shape& shape,
                                                   const training_setup& setup,
                                                   std::int64_t tokens, double share) {
    collective_bytes sent;
    const std::int64_t n = setup.mesh.cp;
    if (n == 1) return sent;
    const std::int64_t parts = setup.mesh.tp;
    const std::int64_t width =
        2 * ((shape.num_key_value_heads + parts - 1) / parts) * shape.head_dim;
    const std::int64_t forwards = setup.checkpointing == checkpointing_kind::full ? 2 : 1;
    const std::int64_t blocks =
        (n - 1) * shape.num_hidden_layers * setup.gradient_accumulation_steps;
    const std::int64_t full_ring =
        (forwards + 2) * blocks * tokens * width * compute_bytes(setup.precision);
    sent.send_recv =
        share < 1.0 ? std::llround(static_cast<double>(full_ring) * share) : full_ring;
    sent.collectives = (forwards + 1) * blocks;
    return sent;
}

}  // namespace detail

/// Bytes that one rank sends to the others of its tp group for an optimizer step whose
/// micro-batches hold these many tokens there: rows of different length, or parts of
/// rows. O(different parameters + micro-batches).
[[nodiscard]] inline collective_bytes tensor_parallel_bytes(
    const model_layout& layout, const training_setup& setup,
    std::span<const std::int64_t> tokens) {
    const std::int64_t shards =
        setup.sharding == sharding_kind::ddp ? 1 : setup.sharding_ranks();
    collective_bytes sent =
        detail::partial_gradients(layout, setup, shards, setup.mesh.tp);
    training_setup one = setup;
    one.gradient_accumulation_steps = 1;
    for (const std::int64_t count : tokens)
        sent += detail::tensor_traffic(layout.shape(), one, count, setup.mesh.tp);
    return sent;
}

/// Bytes sent by rank 0 for an optimizer step. No allocation; O(different parameters) if
/// gradients are summed over replicas or tp, else O(1).
///
/// Sharding ddp takes all of dp_replicate x dp_shard x cp as replicas.
///
/// @param elements `elements_per_rank(layout, setup.mesh.tp, shards)` with shards =
///   setup.sharding_ranks(), or 1 for sharding ddp
/// @param work what rows hold; only cp and tp depend on it
[[nodiscard]] inline communication_estimate estimate_communication(
    const model_layout& layout, const sharded_elements& elements,
    const training_setup& setup, const workload& work) {
    const model_shape& shape = layout.shape();
    const mesh_shape& mesh = setup.mesh;
    const bool replicated = setup.sharding == sharding_kind::ddp;
    const std::int64_t shards = replicated ? 1 : setup.sharding_ranks();
    const std::int64_t replicas =
        replicated ? mesh.dp_replicate * mesh.effective_shard_size() : mesh.dp_replicate;

    communication_estimate estimate;
    estimate.dp_replicate = detail::replica_all_reduce(layout, mesh.tp, shards, replicas,
                                                       reduce_bytes(setup.precision));
    estimate.dp_shard =
        detail::shard_traffic(elements, setup, shape.tie_word_embeddings, shards);

    const double row = work.computed_tokens_per_row;
    const auto tokens =
        static_cast<std::int64_t>(std::ceil(static_cast<double>(setup.micro_batch_size) *
                                            row / static_cast<double>(mesh.cp)));
    estimate.tp = detail::tensor_traffic(shape, setup, tokens, mesh.tp) +
                  detail::partial_gradients(layout, setup, shards, mesh.tp);
    estimate.cp = detail::ring_traffic(
        shape, setup, tokens, row > 0 ? work.computed_attention_length() / row : 1.0);

    // One float64, the squared norm, over shards and over tp; then the reports.
    estimate.world.all_reduce =
        all_reduce_bytes(1, 8, shards) + all_reduce_bytes(1, 8, mesh.tp);
    estimate.world.all_gather = gather_bytes(rank_report_values, 8, mesh.world_size());
    estimate.world.collectives =
        (shards > 1 ? 1 : 0) + (mesh.tp > 1 ? 1 : 0) + (mesh.world_size() > 1 ? 1 : 0);
    return estimate;
}

/// As above, with the elements counted here.
[[nodiscard]] inline communication_estimate estimate_communication(
    const model_layout& layout, const training_setup& setup, const workload& work) {
    const std::int64_t shards =
        setup.sharding == sharding_kind::ddp ? 1 : setup.sharding_ranks();
    return estimate_communication(
        layout, elements_per_rank(layout, setup.mesh.tp, shards), setup, work);
}

}  // namespace packkit
