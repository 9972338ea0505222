// SPDX-License-Identifier: Apache-2.0
/// @file
/// The walk through a step against what packkit-train's allocator counted, written down
/// here; tests/distributed/prediction_test.cpp runs the trainer itself.
#include <packkit/estimate/memory.hpp>
#include <packkit/estimate/profile/packkit_train.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(memory_timeline_test)

using namespace packkit;

namespace {

model_shape checked_model() {
    model_shape shape;
    shape.vocab_size = 2048;
    shape.hidden_size = 256;
    shape.intermediate_size = 688;
    shape.num_hidden_layers = 4;
    shape.num_attention_heads = 8;
    shape.num_key_value_heads = 4;
    shape.head_dim = 32;
    return shape;
}

training_setup setup_of(mesh_shape mesh, std::int64_t tokens,
                        precision_kind precision = precision_kind::fp32) {
    training_setup setup;
    setup.mesh = mesh;
    setup.sequence_len = tokens;
    setup.sharding =
        mesh.effective_shard_size() > 1 ? sharding_kind::fsdp : sharding_kind::ddp;
    setup.precision = precision;
    return setup;
}

memory_estimate estimate(const model_shape& shape, const training_setup& setup) {
    return estimate_memory(model_layout(shape), setup, packkit_train_activations);
}

/// Components as metrics.jsonl had them, and the moment that they are of.
struct counted_run {
    std::string name;
    model_shape shape;
    training_setup setup;
    memory_bytes counted;
    peak_moment at;
    /// Bytes of logits that no list has: see below.
    std::int64_t beside = 0;
};

std::vector<counted_run> counted_runs() {
    const auto model = checked_model();
    auto tied = model;
    tied.tie_word_embeddings = true;
    auto deep = model;
    deep.num_hidden_layers = 8;
    auto wide = model;
    wide.vocab_size = 16384;
    auto wider = model;
    wider.vocab_size = 32768;
    wider.num_hidden_layers = 1;
    auto kept = setup_of({1, 2, 1, 1}, 512, precision_kind::bf16_mixed);
    kept.reshard_after_forward = false;
    auto unhurried = setup_of({1, 4, 1, 1}, 512);
    unhurried.prefetch_gathers = false;
    using enum peak_moment;
    return {
        // Two of its rows have no target, and so no logits.
        {"one rank, short row",
         model,
         setup_of({1, 1, 1, 1}, 96),
         {15'803'392, 17'900'544, 31'606'784, 6'256'136, 2'408'656, 0, 0},
         loss,
         -2 * (4 * (2048 + 256 + 16 * 256) + 3 * 8)},
        {"one rank, tied",
         tied,
         setup_of({1, 1, 1, 1}, 512),
         {13'706'240, 15'803'392, 27'412'480, 33'366'016, 6'559'744, 0, 0},
         loss},
        {"one rank, wide vocabulary",
         wider,
         setup_of({1, 1, 1, 1}, 512),
         {70'011'904, 103'566'336, 140'023'808, 9'625'600, 38'017'024, 0, 0},
         loss},
        {"FSDP 2",
         model,
         setup_of({1, 2, 1, 1}, 512),
         {7'901'696, 8'606'208, 15'803'392, 35'659'808, 0, 2'902'016, 8'147'456},
         block_backward},
        {"FSDP 2, bf16, weights kept",
         model,
         kept,
         {7'901'696, 9'998'848, 15'803'392, 16'719'880, 5'380'096, 7'901'696, 0},
         loss},
        {"FSDP 2, bf16, wide vocabulary",
         wider,
         setup_of({1, 2, 1, 1}, 512, precision_kind::bf16_mixed),
         {35'005'952, 35'358'208, 70'011'904, 5'972'000, 0, 1'451'008, 109'054'464},
         block_backward},
        {"FSDP 4, eight blocks",
         deep,
         setup_of({1, 4, 1, 1}, 512),
         {6'852'864, 7'557'376, 13'705'728, 67'313'696, 0, 2'902'016, 7'622'912},
         block_backward},
        {"FSDP 4, eight blocks, nothing gathered ahead",
         deep,
         unhurried,
         {6'852'864, 8'950'016, 13'705'728, 65'019'912, 6'559'744, 2'098'176, 0},
         loss},
        {"FSDP 4, tied, short row",
         tied,
         setup_of({1, 4, 1, 1}, 96),
         {3'426'560, 8'425'728, 6'853'120, 3'780'128, 0, 2'902'016, 9'431'552},
         block_backward},
        {"FSDP 2, wide vocabulary, short row",
         wide,
         setup_of({1, 2, 1, 1}, 128),
         {22'581'760, 39'358'976, 45'163'520, 8'210'472, 0, 16'778'240, 16'778'240},
         head_backward},
    };
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_peak_is_what_the_allocator_counted) {
    for (const counted_run& run : counted_runs()) {
        BOOST_TEST_CONTEXT(run.name) {
            const auto found = estimate(run.shape, run.setup);
            BOOST_TEST(to_string(found.at) == to_string(run.at));
            const auto& c = run.counted;
            const auto& f = found.bytes;
            BOOST_TEST(f.parameters == c.parameters);
            BOOST_TEST(f.gradients == c.gradients);
            BOOST_TEST(f.optimizer == c.optimizer);
            BOOST_TEST(f.gathered_parameters == c.gathered_parameters);
            BOOST_TEST(f.communication == c.communication);
            // Scalars of loss and norm.
            BOOST_TEST(std::abs(f.activations - c.activations) < 128);
            BOOST_TEST(f.logits + run.beside == c.logits);
        }
    }
}

BOOST_AUTO_TEST_CASE(more_of_anything_never_takes_less) {
    const auto total = [](const model_shape& shape, const training_setup& setup) {
        return estimate(shape, setup).bytes.total();
    };
    for (const mesh_shape mesh :
         {mesh_shape{1, 1, 1, 1}, mesh_shape{2, 1, 1, 1}, mesh_shape{1, 4, 1, 1},
          mesh_shape{2, 2, 1, 1}, mesh_shape{1, 2, 2, 2}}) {
        for (const auto precision :
             {precision_kind::fp64, precision_kind::fp32, precision_kind::bf16_mixed}) {
            const auto setup = setup_of(mesh, 256, precision);
            const auto base = total(checked_model(), setup);
            auto longer = setup;
            longer.sequence_len = 512;
            BOOST_TEST(total(checked_model(), longer) > base);
            auto kept = setup;
            kept.reshard_after_forward = false;
            BOOST_TEST(total(checked_model(), kept) >= base);
            auto unhurried = setup;
            unhurried.prefetch_gathers = false;
            BOOST_TEST(total(checked_model(), unhurried) <= base);
            auto recomputed = setup;
            recomputed.checkpointing = checkpointing_kind::full;
            BOOST_TEST(total(checked_model(), recomputed) <= base);
            auto deeper = checked_model();
            deeper.num_hidden_layers = 5;
            BOOST_TEST(total(deeper, setup) > base);
            auto wider = checked_model();
            wider.vocab_size *= 2;
            BOOST_TEST(total(wider, setup) > base);
            // States are part of every moment.
            const auto states =
                state_memory(elements_per_rank(model_layout(checked_model()), mesh.tp,
                                               setup.sharding_ranks()),
                             setup);
            BOOST_TEST(base > states.bytes.total());
        }
    }
}

BOOST_AUTO_TEST_CASE(the_list_of_a_block_is_that_of_its_tensors) {
    // A token of Llama-2 7B's shape in bf16: 6 x 4096 hidden-sized, of them query and
    // attention's output; 2 x 4096 of key and value; 3 x 11008; 32 float32 log-sum-exps.
    model_shape shape = checked_model();
    shape.hidden_size = 4096;
    shape.intermediate_size = 11008;
    shape.num_attention_heads = shape.num_key_value_heads = 32;
    shape.head_dim = 128;
    shape.num_hidden_layers = 1;
    const activation_sums sums(shape, packkit_train_activations);
    auto setup = setup_of({1, 2, 1, 1}, 1, precision_kind::bf16_mixed);
    BOOST_TEST(sums.kept[0].bytes(setup, 1) ==
               2 * (6 * 4096 + 2 * 4096 + 3 * 11008) + 4 * 32);
    // Selective: two norms' outputs and two of the feed-forward are computed again.
    BOOST_TEST(sums.kept[1].bytes(setup, 1) ==
               2 * (4 * 4096 + 2 * 4096 + 2 * 11008) + 4 * 32);
    // Full checkpointing keeps the block's input.
    BOOST_TEST(sums.kept[2].bytes(setup, 1) == 2 * 4096);
}

BOOST_AUTO_TEST_SUITE_END()
