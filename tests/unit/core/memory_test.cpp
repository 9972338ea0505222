// SPDX-License-Identifier: Apache-2.0
#include <packkit/estimate/memory.hpp>
#include <packkit/estimate/profile/megatron_pytorch.hpp>
#include <packkit/model/presets.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(memory_test)

namespace {

using namespace packkit;

// Vocabulary 100, hidden 8, intermediate 20, 3 layers, 4 heads of 2, 2 key/value heads.
// Elements: embedding 100 x 8; a block 2 norms of 8, q 8 x 8, k and v 4 x 8, o 8 x 8,
// gate and up 20 x 8, down 8 x 20 = 688; head: norm 8 and 100 x 8.
constexpr model_shape small = {.vocab_size = 100,
                               .hidden_size = 8,
                               .intermediate_size = 20,
                               .num_hidden_layers = 3,
                               .num_attention_heads = 4,
                               .num_key_value_heads = 2,
                               .head_dim = 2};
constexpr std::int64_t block_elements = 2 * 8 + 64 + 2 * 32 + 64 + 3 * 160;
constexpr std::int64_t head_elements = 808;
constexpr std::int64_t parameters = 800 + 3 * block_elements + head_elements;

// A list short enough to do sums with: a block keeps its input and one tensor more.
constexpr activation_tensor block_list[] = {
    {"input", activation_width::hidden, activation_element::compute,
     activation_cut::never, checkpointing_kind::full},
    {"inner", activation_width::intermediate},
};
constexpr activation_tensor working_list[] = {
    {"gradient", activation_width::intermediate}};
constexpr activation_tensor loss_list[] = {
    {"logits", activation_width::vocabulary, activation_element::accumulation}};
constexpr activation_profile plain = {.name = "plain",
                                      .block = block_list,
                                      .block_backward = working_list,
                                      .loss = loss_list};

training_setup setup_of(mesh_shape mesh, std::int64_t tokens) {
    training_setup setup;
    setup.mesh = mesh;
    setup.sequence_len = tokens;
    return setup;
}

memory_estimate estimate(const training_setup& setup,
                         const activation_profile& profile = plain) {
    return estimate_memory(model_layout(small), setup, profile);
}

}  // namespace

BOOST_AUTO_TEST_CASE(states_of_every_sharding_kind_by_hand) {
    BOOST_TEST(model_layout(small).parameters() == parameters);
    auto setup = setup_of({.dp_replicate = 2, .dp_shard = 4}, 1);
    const auto states = [&](sharding_kind sharding) {
        setup.sharding = sharding;
        const sharded_elements elements =
            elements_per_rank(model_layout(small), 1, setup.sharding_ranks());
        return state_memory(elements, setup).bytes;
    };
    // Rows 8, 4, 20 and 100 are multiples of 4: a shard is a quarter.
    const std::int64_t p = parameters;
    BOOST_TEST((states(sharding_kind::ddp) == memory_bytes{4 * p, 4 * p, 8 * p}));
    BOOST_TEST((states(sharding_kind::zero1) == memory_bytes{2 * p, 2 * p, 12 * p / 4}));
    BOOST_TEST(
        (states(sharding_kind::zero2) == memory_bytes{2 * p, 2 * p / 4, 12 * p / 4}));
    BOOST_TEST((states(sharding_kind::fsdp) == memory_bytes{p, p, 2 * p}));
    setup.precision = precision_kind::fp64;
    BOOST_TEST((states(sharding_kind::fsdp) == memory_bytes{2 * p, 2 * p, 4 * p}));
    setup.precision = precision_kind::bf16;
    setup.optimizer = optimizer_kind::sgd;
    BOOST_TEST((states(sharding_kind::fsdp) == memory_bytes{p / 2, p / 2, 0}));
}

BOOST_AUTO_TEST_CASE(shards_are_padded_as_they_are_allocated) {
    // 3 ranks: norms of 8 and weights of 8 rows pad to 3 rows a rank, 4 rows to 2, 20 to
    // 7, 100 to 34.
    const std::int64_t block = 2 * 3 + 3 * 8 + 2 * 2 * 8 + 3 * 8 + 2 * 7 * 8 + 3 * 20;
    const std::int64_t shard = 34 * 8 + 3 * block + 3 + 34 * 8;
    auto setup = setup_of({.dp_shard = 3}, 1);
    const auto elements = elements_per_rank(model_layout(small), 1, 3);
    BOOST_TEST((state_memory(elements, setup).bytes ==
                memory_bytes{4 * shard, 4 * shard, 8 * shard}));
    BOOST_TEST(3 * shard > parameters);
    // Context parallel ranks share states too, replicas do not.
    setup.mesh = {.dp_replicate = 5, .dp_shard = 1, .cp = 3};
    BOOST_TEST(setup.sharding_ranks() == 3);
    BOOST_TEST((estimate(setup).bytes.optimizer == 8 * shard));
}

BOOST_AUTO_TEST_CASE(offloaded_states_are_in_host_memory) {
    auto setup = setup_of({.dp_shard = 4}, 1);
    setup.offload_optimizer = true;
    const auto elements = elements_per_rank(model_layout(small), 1, 4);
    const std::int64_t p = parameters / 4;
    // bf16 parameters and float32 gradients stay; master and moments go.
    BOOST_TEST((state_memory(elements, setup).bytes == memory_bytes{2 * p, 4 * p, 0}));
    BOOST_TEST(state_memory(elements, setup).host_bytes == 12 * p);
    BOOST_TEST(estimate(setup).host_bytes == 12 * p);
    setup.precision = precision_kind::fp32;
    BOOST_TEST((state_memory(elements, setup).bytes == memory_bytes{4 * p, 4 * p, 0}));
    BOOST_TEST(state_memory(elements, setup).host_bytes == 8 * p);
    setup.offload_optimizer = false;
    BOOST_TEST(estimate(setup).host_bytes == 0);
}

// Many tokens: the loss is the peak. float32 on one rank: nothing is gathered or cast.
BOOST_AUTO_TEST_CASE(peak_at_the_loss_by_hand) {
    auto setup = setup_of({}, 1000);
    setup.precision = precision_kind::fp32;
    const auto at_loss = estimate(setup);
    BOOST_TEST((at_loss.at == peak_moment::loss));
    BOOST_TEST((at_loss.bytes == memory_bytes{.parameters = 4 * parameters,
                                              .gradients = 4 * parameters,
                                              .optimizer = 8 * parameters,
                                              .activations = 3 * 1000 * 4 * (8 + 20),
                                              .logits = 1000 * 100 * 4}));
    // Full checkpointing keeps inputs only.
    setup.checkpointing = checkpointing_kind::full;
    BOOST_TEST(estimate(setup).bytes.activations == 3 * 1000 * 4 * 8);
    // A row is cut over cp, and rounded up.
    setup.mesh.cp = 3;
    BOOST_TEST(estimate(setup).bytes.logits == 334 * 100 * 4);
    // In bf16 the head's weights are cast copies.
    setup.mesh.cp = 1;
    setup.precision = precision_kind::bf16_mixed;
    BOOST_TEST(estimate(setup).bytes.gathered_parameters == 2 * head_elements);
    setup.reshard_after_forward = false;
    BOOST_TEST(estimate(setup).bytes.gathered_parameters == 2 * parameters);
    // vocabulary 100 and intermediate 20 are cut in 2.
    setup.reshard_after_forward = true;
    setup.mesh.tp = 2;
    setup.checkpointing = checkpointing_kind::none;
    BOOST_TEST(estimate(setup).bytes.logits == 1000 * 50 * 4);
    BOOST_TEST(estimate(setup).bytes.activations == 3 * 1000 * 2 * (8 + 10));
}

// Wide blocks and few classes: a block's backward is the peak.
BOOST_AUTO_TEST_CASE(peak_in_a_block_by_hand) {
    model_shape wide = small;
    wide.vocab_size = 2;
    auto setup = setup_of({.dp_shard = 2}, 1000);
    const auto peak = estimate_memory(model_layout(wide), setup, plain);
    BOOST_TEST((peak.at == peak_moment::block_backward));
    BOOST_TEST(peak.bytes.activations == 2 * 1000 * (3 * (8 + 20) + 20));
    BOOST_TEST(peak.bytes.logits == 0);
    BOOST_TEST(peak.bytes.gathered_parameters == 2 * block_elements);
    const std::int64_t shard = 8 + 3 * block_elements / 2 + 4 + 8;
    BOOST_TEST(peak.bytes.gradients == 4 * shard + 2 * block_elements);
    // Recomputed tensors are part of what a block works with.
    setup.checkpointing = checkpointing_kind::full;
    BOOST_TEST(estimate_memory(model_layout(wide), setup, plain).bytes.activations ==
               2 * 1000 * (3 * 8 + 20 + 20));
}

// No tokens to speak of: buffers decide. Head and embedding are the largest units.
BOOST_AUTO_TEST_CASE(peak_in_buffers_by_hand) {
    auto setup = setup_of({.dp_shard = 4}, 1);
    const auto peak = estimate(setup);
    BOOST_TEST((peak.at == peak_moment::head_backward));
    BOOST_TEST(peak.bytes.gathered_parameters == 2 * head_elements);
    BOOST_TEST(peak.bytes.gradients == parameters + 2 * head_elements);
    // All shards to send and the sum of one's own, in float32.
    BOOST_TEST(peak.bytes.communication == 4 * (head_elements / 4) * 5);
    BOOST_TEST(peak.bytes.logits == 0);
    // Reductions that wait until the end: everything is on its way at the embedding.
    activation_profile waiting = plain;
    waiting.weights.reductions_in_flight = 0;
    const auto late = estimate(setup, waiting);
    BOOST_TEST((late.at == peak_moment::embedding_backward));
    BOOST_TEST(late.bytes.communication == 4 * (parameters / 4) * 5);
    // One rank on its own sends nothing.
    setup.mesh.dp_shard = 1;
    BOOST_TEST(estimate(setup).bytes.communication == 0);
}

// Blocks are all there is (vocabulary 2): the moments within their backward.
BOOST_AUTO_TEST_CASE(moments_of_a_block_by_hand) {
    model_shape wide = small;
    wide.vocab_size = 2;
    auto setup = setup_of({.dp_shard = 4}, 10);
    activation_profile profile = plain;
    const auto peak = [&] {
        const auto found = estimate_memory(model_layout(wide), setup, profile);
        BOOST_TEST((found.at == peak_moment::block_backward));
        return found.bytes;
    };
    const std::int64_t b = block_elements, kept = 2 * 10 * (8 + 20);
    // Rows 8, 4 and 20 are multiples of 4; of the head's and embedding's 2 rows a rank
    // pads to one.
    const std::int64_t shards = 8 + 3 * b / 4 + 2 + 8;
    BOOST_TEST(peak().activations == 2 * kept);  // its own are freed
    BOOST_TEST(peak().communication == 4 * (b / 4) * 5);
    BOOST_TEST(peak().gradients == 4 * shards + 2 * b);
    BOOST_TEST(peak().gathered_parameters == 2 * b);
    // With larger buffers, gathering: no gradients yet, nothing freed.
    profile.weights.gather_buffers = 9;
    BOOST_TEST(peak().activations == 3 * kept);
    BOOST_TEST(peak().communication == 9 * 2 * b);
    BOOST_TEST(peak().gradients == 4 * shards);
    // Two reductions beside the one to come: the last block works, the others are done.
    profile = plain;
    profile.weights.reductions_in_flight = 3;
    BOOST_TEST(peak().activations == kept + 2 * 10 * 20);
    BOOST_TEST(peak().communication == 2 * 4 * (b / 4) * 5);
    // More are not there than units: three blocks and the head, the last block's to come.
    profile.weights.reductions_in_flight = 7;
    BOOST_TEST(peak().communication == 4 * 5 * (2 * (b / 4) + 2 + 8));
}

// The head's reduction is under way while the first block works.
BOOST_AUTO_TEST_CASE(a_reduction_in_flight_overlaps_the_next_block) {
    auto setup = setup_of({.dp_shard = 4}, 1000);
    activation_profile profile = plain;
    profile.loss = {};
    const auto one = estimate(setup, profile);
    profile.weights.reductions_in_flight = 2;
    const auto two = estimate(setup, profile);
    BOOST_TEST((one.at == peak_moment::block_backward && two.at == one.at));
    BOOST_TEST(one.bytes.communication == 0);
    BOOST_TEST(two.bytes.communication == 4 * (head_elements / 4) * 5);
    BOOST_TEST(two.bytes.activations == 2 * 1000 * (3 * (8 + 20) + 20));
    // Context parallelism adds its ring.
    static constexpr activation_tensor ring[] = {
        {"keys and values", activation_width::key_value, activation_element::compute,
         activation_cut::tensor, checkpointing_kind::full, 2}};
    profile.ring = ring;
    setup.mesh = {.dp_shard = 2, .cp = 2};
    BOOST_TEST(estimate(setup, profile).bytes.communication ==
               4 * (head_elements / 4) * 5 + 2 * 500 * 2 * 4);
}

BOOST_AUTO_TEST_CASE(how_weights_travel_is_a_value) {
    auto setup = setup_of({.dp_shard = 4}, 1000);
    activation_profile profile = plain;
    const auto bytes = [&] { return estimate(setup, profile).bytes; };
    const auto before = bytes();
    BOOST_TEST(before.gathered_parameters == 2 * head_elements);
    profile.weights.embedding_with_head = true;
    BOOST_TEST(bytes().gathered_parameters == 2 * (800 + head_elements));
    profile.weights.unfreed_blocks = 1;
    BOOST_TEST(bytes().gathered_parameters == 2 * (800 + head_elements + block_elements));
    BOOST_TEST(bytes().communication == 0);
    profile.weights.gather_pool = true;
    BOOST_TEST(bytes().communication == 2 * (800 + head_elements));
    profile.weights.gathered_element_bytes = 4;
    BOOST_TEST(bytes().gathered_parameters == 4 * (800 + head_elements + block_elements));
    BOOST_TEST(bytes().gradients == before.gradients);
    profile.weights.gradients_freed = true;
    BOOST_TEST(bytes().gradients == 0);
    // With accumulation the first micro-batch's are there at the second's loss.
    setup.gradient_accumulation_steps = 2;
    BOOST_TEST(bytes().gradients == before.gradients);
}

BOOST_AUTO_TEST_CASE(logits_in_chunks) {
    auto setup = setup_of({}, 1000);
    activation_profile chunked = plain;
    chunked.loss_chunk_tokens = 100;
    const auto peak = estimate(setup, chunked);
    BOOST_TEST((peak.at == peak_moment::loss));
    BOOST_TEST(peak.bytes.logits == 100 * 100 * 4);
    BOOST_TEST(peak.bytes.gradients == 4 * parameters + 2 * head_elements);
    // A chunk that holds everything is no chunk.
    chunked.loss_chunk_tokens = 1000;
    BOOST_TEST((estimate(setup, chunked).bytes == estimate(setup).bytes));
}

BOOST_AUTO_TEST_CASE(tied_table_is_embedding_and_head) {
    model_shape tied = small;
    tied.tie_word_embeddings = true;
    auto setup = setup_of({.dp_shard = 4}, 1000);
    const auto at_loss = estimate_memory(model_layout(tied), setup, plain);
    BOOST_TEST(at_loss.bytes.gathered_parameters == 2 * 808);
    BOOST_TEST(at_loss.bytes.optimizer == 8 * (808 + 3 * block_elements) / 4);
    // Its gradient as head waits for that as embedding, all through backward.
    setup.sequence_len = 1;
    const auto late = estimate_memory(model_layout(tied), setup, plain);
    BOOST_TEST((late.at == peak_moment::embedding_backward));
    BOOST_TEST(late.bytes.gradients == 808 + 3 * block_elements + 2 * 2 * 808);
}

BOOST_AUTO_TEST_CASE(components_add_up_and_names_are_there) {
    const memory_bytes bytes{1, 20, 300, 4000, 50000, 600000, 7000000};
    BOOST_TEST(bytes.total() == 7654321);
    BOOST_TEST(to_string(peak_moment::loss) == "loss");
    BOOST_TEST(to_string(peak_moment::block_backward) == "block backward");
    BOOST_TEST(to_string(peak_moment::optimizer) == "optimizer");
}

// The two ways to ask give the same.
BOOST_AUTO_TEST_CASE(precomputed_elements_and_sums) {
    for (const std::string_view name :
         {"llama-3-8b", "mixtral-8x7b", "gemma-2-2b", "mpt-7b"}) {
        BOOST_REQUIRE_MESSAGE(find_model(name) != nullptr, name);
        const model_layout layout(find_model(name)->shape);
        auto setup = setup_of({.dp_replicate = 2, .dp_shard = 4, .cp = 2, .tp = 2}, 4096);
        setup.checkpointing = checkpointing_kind::selective;
        const auto whole = estimate_memory(layout, setup, pytorch_activations);
        const auto parts =
            estimate_memory(elements_per_rank(layout, 2, 8),
                            activation_sums(layout.shape(), pytorch_activations), setup);
        BOOST_TEST((whole.bytes == parts.bytes && whole.at == parts.at));
        BOOST_TEST(whole.bytes.total() > 0);
    }
}

BOOST_AUTO_TEST_CASE(bad_setups_are_refused) {
    const auto refused = [](auto change, std::string_view first,
                            std::string_view second) {
        auto setup = setup_of({}, 16);
        change(setup);
        expect::message_of<invalid_argument>([&] { return estimate(setup); }, first,
                                             second);
    };
    refused([](auto& s) { s.sequence_len = 0; }, "sequence_len", "0");
    refused([](auto& s) { s.micro_batch_size = -3; }, "micro_batch_size", "-3");
    refused([](auto& s) { s.gradient_accumulation_steps = 0; },
            "gradient_accumulation_steps", "0");
    refused([](auto& s) { s.mesh.dp_replicate = 0; }, "dp_replicate", "0");
    refused([](auto& s) { s.mesh.dp_shard = -1; }, "dp_shard", "-1");
    refused([](auto& s) { s.mesh.cp = 0; }, "cp", "0");
    refused([](auto& s) { s.mesh.tp = 0; }, "tp", "0");
    refused(
        [](auto& s) {
            s.sequence_len = std::int64_t{1} << 62;
            s.micro_batch_size = 8;
        },
        "micro_batch_size", "4611686018427387904");
    refused([](auto& s) { s.checkpointing = static_cast<checkpointing_kind>(9); },
            "checkpointing_kind", "9");
    refused(
        [](auto& s) {
            s.mesh.dp_shard = std::int64_t{1} << 62;
            s.mesh.cp = 4;
        },
        "dp_shard 4611686018427387904", "cp 4");
    refused([](auto& s) { s.precision = static_cast<precision_kind>(9); },
            "precision_kind", "9");
    refused([](auto& s) { s.sharding = static_cast<sharding_kind>(9); }, "sharding_kind",
            "9");
}

BOOST_AUTO_TEST_SUITE_END()
