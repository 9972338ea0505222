// SPDX-License-Identifier: Apache-2.0
#include <packkit/estimate/communication.hpp>
#include <packkit/estimate/communication_formulas.hpp>

#include <packkit/mesh/shard.hpp>
#include <packkit/model/document_cost.hpp>
#include <packkit/model/presets.hpp>

#include <cstdint>
#include <string>

#include <boost/test/unit_test.hpp>

#include <vector>

BOOST_AUTO_TEST_SUITE(communication_test)

using namespace packkit;

namespace {

/// Every size a multiple of 64, so that no part is padded.
constexpr model_shape even_model{.vocab_size = 512,
                                 .hidden_size = 64,
                                 .intermediate_size = 192,
                                 .num_hidden_layers = 3,
                                 .num_attention_heads = 4,
                                 .num_key_value_heads = 4,
                                 .head_dim = 16};

/// The model of the trainer's tests: rows that do not divide.
constexpr model_shape odd_model{.vocab_size = 259,
                                .hidden_size = 32,
                                .intermediate_size = 52,
                                .num_hidden_layers = 2,
                                .num_attention_heads = 4,
                                .num_key_value_heads = 2,
                                .head_dim = 8};

training_setup setup_of(mesh_shape mesh, sharding_kind sharding,
                        precision_kind precision = precision_kind::fp32) {
    training_setup setup;
    setup.mesh = mesh;
    setup.sequence_len = 128;
    setup.sharding = sharding;
    setup.precision = precision;
    return setup;
}

communication_estimate estimate(const model_shape& shape, const training_setup& setup) {
    return estimate_communication(model_layout(shape), setup,
                                  full_rows(setup.sequence_len));
}

/// A step as the trainer takes it, collective by collective: what `shard` and `replicate`
/// groups of these sizes send.
struct walked_step {
    std::int64_t all_reduce = 0, all_gather = 0, reduce_scatter = 0, collectives = 0;

    walked_step(const model_shape& shape, std::int64_t shards, std::int64_t replicas,
                std::int64_t micro_batches, bool reshard, std::int64_t compute,
                std::int64_t master) {
        const auto units = unit_shapes(shape);
        for (std::int64_t micro = 0; micro < micro_batches; ++micro) {
            for (std::size_t u = 0; u < units.size(); ++u) {
                std::int64_t flat = 0;
                for (const auto& parameter : units[u].parameters) {
                    flat += rows_per_shard(parameter.shape[0], shards) *
                            (parameter.elements() / parameter.shape[0]);
                }
                const int applications = u == 0 && shape.tie_word_embeddings ? 2 : 1;
                const int gathers = reshard ? 2 * applications : 1;
                for (int i = 0; i < gathers && shards > 1; ++i) {
                    all_gather += (shards - 1) * flat * compute;
                    ++collectives;
                }
                if (shards > 1) {
                    reduce_scatter += (shards - 1) * flat * master;
                    ++collectives;
                }
                if (micro + 1 == micro_batches && replicas > 1) {
                    all_reduce +=
                        2 * (replicas - 1) * ((flat + replicas - 1) / replicas) * master;
                    ++collectives;
                }
            }
        }
    }
};

}  // namespace

BOOST_AUTO_TEST_CASE(the_figures_of_the_textbooks) {
    constexpr std::int64_t psi = 14'000;
    static_assert(textbook::ddp_bytes(psi) == 2 * psi);
    static_assert(textbook::fsdp_bytes(psi, 1) == 3 * psi);
    static_assert(textbook::fsdp_bytes(psi, 4) == 12 * psi);
    static_assert(textbook::fsdp_bytes_without_reshard(psi, 4) == 8 * psi);
    static_assert(textbook::fsdp_bytes_with_whole_gradients(psi, 4) == 9 * psi);
    static_assert(textbook::hsdp_replica_bytes(psi, 4) == psi / 2);
    // FSDP sends half as much again as DDP for one micro-batch, and the gap grows with G.
    static_assert(2 * textbook::fsdp_bytes(psi, 1) == 3 * textbook::ddp_bytes(psi));

    static_assert(all_reduce_bytes(1000, 4, 1) == 0);
    static_assert(all_reduce_bytes(1000, 4, 4) == 2 * 3 * 250 * 4);
    static_assert(all_reduce_bytes(1001, 4, 4) == 2 * 3 * 251 * 4);
    static_assert(gather_bytes(250, 2, 4) == 3 * 250 * 2);
}

BOOST_AUTO_TEST_CASE(even_models_send_the_textbook_times_the_rings_share) {
    const std::int64_t psi = 4 * parameter_count(even_model);
    for (const std::int64_t n : {2, 4, 8, 16}) {
        for (const std::int64_t g : {1, 3}) {
            auto ddp = setup_of({n, 1, 1, 1}, sharding_kind::ddp);
            auto fsdp = setup_of({1, n, 1, 1}, sharding_kind::fsdp);
            ddp.gradient_accumulation_steps = g;
            fsdp.gradient_accumulation_steps = g;
            const auto share = [n](std::int64_t bytes) { return bytes * (n - 1) / n; };
            const auto whole = estimate(even_model, ddp);
            BOOST_TEST(whole.dp_replicate.total() == share(textbook::ddp_bytes(psi)));
            BOOST_TEST(whole.dp_shard.total() == 0);
            auto sharded = estimate(even_model, fsdp);
            BOOST_TEST(sharded.dp_shard.total() == share(textbook::fsdp_bytes(psi, g)));
            BOOST_TEST(sharded.dp_replicate.total() == 0);
            fsdp.reshard_after_forward = false;
            sharded = estimate(even_model, fsdp);
            BOOST_TEST(sharded.dp_shard.total() ==
                       share(textbook::fsdp_bytes_without_reshard(psi, g)));
        }
    }
    const auto hsdp = estimate(even_model, setup_of({2, 4, 1, 1}, sharding_kind::fsdp));
    BOOST_TEST(hsdp.dp_replicate.total() == textbook::hsdp_replica_bytes(psi, 4) / 2);
    BOOST_TEST(hsdp.dp_shard.total() == textbook::fsdp_bytes(psi, 1) * 3 / 4);
}

BOOST_AUTO_TEST_CASE(by_hand_two_ranks_and_rows_that_do_not_divide) {
    // A block: norms, q and o, k and v, three matrices of the feed-forward.
    const std::int64_t block = 2 * 32 + 2 * 32 * 32 + 2 * 16 * 32 + 3 * 52 * 32;
    BOOST_TEST(block == 8'128);
    auto setup = setup_of({2, 1, 1, 1}, sharding_kind::ddp);
    setup.gradient_accumulation_steps = 2;
    const auto ddp = estimate(odd_model, setup);
    // 8,288 of the embedding, 8,320 of norm and head, each halved and sent twice.
    BOOST_TEST(ddp.dp_replicate.all_reduce == 4 * (8'288 + 2 * 8'128 + 8'320));
    BOOST_TEST(ddp.dp_replicate.collectives == 4);
    BOOST_TEST(ddp.world.all_gather == 24);
    BOOST_TEST(ddp.world.all_reduce == 0);

    setup.mesh = {1, 2, 1, 1};
    setup.sharding = sharding_kind::fsdp;
    const auto fsdp = estimate(odd_model, setup);
    // 259 rows: 130 of each rank. Twice a micro-batch, two micro-batches.
    const std::int64_t part = 130 * 32 + 2 * 4'064 + 16 + 130 * 32;
    BOOST_TEST(fsdp.dp_shard.all_gather == 4 * 4 * part);
    BOOST_TEST(fsdp.dp_shard.reduce_scatter == 2 * 4 * part);
    BOOST_TEST(fsdp.dp_shard.collectives == 3 * 2 * 4);
    BOOST_TEST(fsdp.world.all_reduce == 16);
    BOOST_TEST(fsdp.world.collectives == 2);

    // The gradients of what a rank holds, between two replicas of four shards:
    // 65 rows of the vocabulary; q, k, v, o 8 + 4 + 4 + 8 rows of 32, norms of 8, gate
    // and up 13 rows of 32, down 8 rows of 52.
    setup.mesh = {2, 4, 1, 1};
    const std::int64_t quarter_block =
        2 * 8 + (8 + 4 + 4 + 8) * 32 + 2 * 13 * 32 + 8 * 52;
    BOOST_TEST(estimate(odd_model, setup).dp_replicate.all_reduce ==
               4 * (65 * 32 + 2 * quarter_block + 65 * 32 + 8));
}

BOOST_AUTO_TEST_CASE(the_sums_are_those_of_a_walk_through_the_step) {
    auto tied = odd_model;
    tied.tie_word_embeddings = true;
    auto deep = odd_model;
    deep.num_hidden_layers = 7;
    for (const model_shape& shape : {odd_model, tied, deep, even_model}) {
        for (const mesh_shape mesh :
             {mesh_shape{1, 1, 1, 1}, mesh_shape{3, 1, 1, 1}, mesh_shape{1, 5, 1, 1},
              mesh_shape{2, 3, 1, 1}, mesh_shape{7, 16, 1, 1},
              mesh_shape{1, 300, 1, 1}}) {
            for (const auto precision : {precision_kind::fp64, precision_kind::fp32,
                                         precision_kind::bf16_mixed}) {
                for (const bool reshard : {true, false}) {
                    auto setup = setup_of(mesh, sharding_kind::fsdp, precision);
                    setup.reshard_after_forward = reshard;
                    setup.gradient_accumulation_steps = 3;
                    const auto found = estimate(shape, setup);
                    const walked_step walked(shape, mesh.dp_shard, mesh.dp_replicate, 3,
                                             reshard, compute_bytes(precision),
                                             precision == precision_kind::fp64 ? 8 : 4);
                    BOOST_TEST(found.dp_shard.all_gather == walked.all_gather);
                    BOOST_TEST(found.dp_shard.reduce_scatter == walked.reduce_scatter);
                    BOOST_TEST(found.dp_replicate.all_reduce == walked.all_reduce);
                    BOOST_TEST(found.dp_shard.collectives +
                                   found.dp_replicate.collectives ==
                               walked.collectives);
                    BOOST_TEST(found.tp.total() + found.cp.total() == 0);
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(zero_one_and_two_send_as_much_as_ddp_and_more_with_micro_batches) {
    // arXiv 1910.02054, 7.2.1: stages 1 and 2 send 2Ψ, as data parallelism does.
    const std::int64_t psi = 4 * parameter_count(even_model);
    auto setup = setup_of({1, 4, 1, 1}, sharding_kind::zero1);
    BOOST_TEST(estimate(even_model, setup).dp_shard.total() == 2 * psi * 3 / 4);
    setup.sharding = sharding_kind::zero2;
    BOOST_TEST(estimate(even_model, setup).dp_shard.total() == 2 * psi * 3 / 4);
    setup.gradient_accumulation_steps = 5;
    BOOST_TEST(estimate(even_model, setup).dp_shard.total() == 6 * psi * 3 / 4);
    setup.sharding = sharding_kind::zero1;
    BOOST_TEST(estimate(even_model, setup).dp_shard.total() == 2 * psi * 3 / 4);
    // In bf16 with float32 masters parameters travel at half the bytes of gradients.
    setup.precision = precision_kind::bf16_mixed;
    const auto mixed = estimate(even_model, setup).dp_shard;
    BOOST_TEST(2 * mixed.all_gather == mixed.reduce_scatter);
}

BOOST_AUTO_TEST_CASE(tensor_parallel_ranks_sum_activations) {
    // Llama-2 7B, one row of 4096 tokens in bf16 over 8: 4096 x 4096 elements, 4 sums a
    // block and 2 at the ends, 7/8 of them twice; the loss gathers 3 float64 a token.
    auto setup = setup_of({1, 1, 1, 8}, sharding_kind::fsdp, precision_kind::bf16_mixed);
    setup.sequence_len = 4096;
    const std::int64_t activation = 4096LL * 4096 * 2;
    const std::int64_t sums = 4 * 32 + 2;
    const auto tp = estimate(llama_2_7b, setup).tp;
    const std::int64_t loss = 7 * 3 * 4096 * 8;
    BOOST_TEST(tp.all_reduce == sums * 2 * activation * 7 / 8);
    BOOST_TEST(tp.all_gather == loss);
    BOOST_TEST(tp.collectives == sums + 16);

    // Sequence parallelism sends the same bytes by other collectives, and sums the
    // gradients of 65 norms.
    setup.sequence_parallel = true;
    const auto sequence = estimate(llama_2_7b, setup).tp;
    const std::int64_t norms_sum = 2LL * 7 * 65 * 4096 / 8 * 4;
    BOOST_TEST(sequence.total() == tp.total() + norms_sum);
    BOOST_TEST(sequence.all_gather == sequence.reduce_scatter + loss);
    BOOST_TEST(sequence.all_reduce == norms_sum);
    BOOST_TEST(sequence.collectives == 2 * sums + 16 + 1);

    setup.sequence_parallel = false;
    setup.checkpointing = checkpointing_kind::full;
    BOOST_TEST(estimate(llama_2_7b, setup).tp.all_reduce ==
               (6 * 32 + 2) * 2 * activation * 7 / 8);
    setup.checkpointing = checkpointing_kind::none;
    setup.gradient_accumulation_steps = 3;
    BOOST_TEST(estimate(llama_2_7b, setup).tp.total() == 3 * tp.total());

    // More ranks than key-value heads, in float32: of 4096 features each has 64; keys and
    // values are gathered, their gradients scattered.
    setup = setup_of({1, 1, 1, 64}, sharding_kind::fsdp);
    setup.sequence_len = 4096;
    const auto shared = estimate(llama_2_7b, setup).tp;
    const std::int64_t parts = 63LL * 2 * 4096 * 64 * 4 * 32;
    BOOST_TEST(shared.reduce_scatter == parts);
    BOOST_TEST(shared.all_gather == parts + 63 * 3 * 4096 * 8);
    BOOST_TEST(shared.collectives == sums + 16 + 2 * 32);

    // Micro-batches of different length: the sum of what each sends; gradients of norms
    // once a step.
    setup = setup_of({1, 2, 1, 4}, sharding_kind::fsdp);
    setup.sequence_parallel = true;
    const model_layout layout(llama_2_7b);
    const auto of_rows = [&](std::vector<std::int64_t> tokens) {
        return tensor_parallel_bytes(layout, setup, tokens);
    };
    setup.sequence_len = 1000;
    setup.gradient_accumulation_steps = 2;
    BOOST_TEST((of_rows({1000, 1000}) == estimate(llama_2_7b, setup).tp));
    const auto once = of_rows({});
    BOOST_TEST(once.all_reduce == 2LL * 3 * 65 * 2048 / 4 * 4);
    BOOST_TEST((of_rows({700, 3}) + once == of_rows({700}) + of_rows({3})));

    // Sharded parameters are those of one tp rank.
    setup = setup_of({1, 4, 1, 2}, sharding_kind::fsdp);
    const auto cut = estimate(even_model, setup).dp_shard.reduce_scatter;
    setup.mesh.tp = 1;
    const auto whole = estimate(even_model, setup).dp_shard.reduce_scatter;
    const std::int64_t norms = 4LL * (2 * 3 + 1) * 64 * 3 / 4;
    BOOST_TEST(2 * (cut - norms) == whole - norms);
}

BOOST_AUTO_TEST_CASE(context_parallel_ranks_pass_keys_and_values_round) {
    auto setup = setup_of({1, 1, 4, 1}, sharding_kind::fsdp, precision_kind::bf16_mixed);
    setup.sequence_len = 8192;
    const model_layout layout(llama_2_7b);
    // 2048 tokens a rank, K and V of 4096 features in bf16, 32 blocks: 3 passes forward,
    // 3 backward, 3 of the gradients.
    const std::int64_t pass = 2048LL * 2 * 4096 * 2 * 32;
    const auto full = estimate_communication(layout, setup, full_rows(8192)).cp;
    BOOST_TEST(full.send_recv == 9 * pass);
    BOOST_TEST(full.collectives == 2 * 3 * 32);
    // Documents of a sixteenth of the row need a sixteenth of the ring.
    auto packed = full_rows(8192);
    packed.computed_squared_per_row /= 16;
    BOOST_TEST(estimate_communication(layout, setup, packed).cp.send_recv ==
               9 * pass / 16);
    // Parameters shard over dp_shard x cp.
    const auto shards = estimate_communication(layout, setup, full_rows(8192)).dp_shard;
    setup.mesh = {1, 4, 1, 1};
    const auto same = estimate_communication(layout, setup, full_rows(8192)).dp_shard;
    BOOST_TEST((shards == same));
}

BOOST_AUTO_TEST_CASE(one_rank_sends_nothing) {
    for (const auto sharding : {sharding_kind::ddp, sharding_kind::zero1,
                                sharding_kind::zero2, sharding_kind::fsdp}) {
        const auto alone = estimate(odd_model, setup_of({1, 1, 1, 1}, sharding));
        BOOST_TEST((alone == communication_estimate{}));
    }
}

BOOST_AUTO_TEST_SUITE_END()
