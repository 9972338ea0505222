// SPDX-License-Identifier: Apache-2.0
#include <packkit/estimate/memory.hpp>
#include <packkit/estimate/profile/megatron_pytorch.hpp>
#include <packkit/estimate/profile/packkit_train.hpp>
#include <packkit/mesh/shard.hpp>
#include <packkit/model/model_traits.hpp>
#include <packkit/utility/rational.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

#include <rapidcheck/boost_test.h>

BOOST_AUTO_TEST_SUITE(memory_properties)

namespace {

using namespace packkit;

std::int64_t any(std::int64_t first, std::int64_t last) {
    return *rc::gen::inRange<std::int64_t>(first, last + 1);
}

model_shape any_model() {
    model_shape model;
    const std::int64_t groups = any(1, 4);
    model.vocab_size = any(1, 3000);
    model.hidden_size = any(1, 100);
    model.intermediate_size = any(1, 300);
    model.num_hidden_layers = any(1, 6);
    model.num_key_value_heads = any(1, 4);
    model.num_attention_heads = model.num_key_value_heads * groups;
    model.head_dim = 2 * any(1, 16);
    model.tie_word_embeddings = any(0, 1) != 0;
    if (any(0, 2) == 0) {
        model.family = model_family::qwen3_moe;
        model.num_experts = any(1, 8);
        model.num_experts_per_tok = any(1, model.num_experts);
        model.moe_intermediate_size = any(1, 100);
        model.decoder_sparse_step = any(1, 3);
    }
    return model;
}

training_setup any_setup() {
    training_setup setup;
    setup.mesh = {any(1, 3), any(1, 9), any(1, 3), any(1, 3)};
    setup.sequence_len = any(1, 500);
    setup.micro_batch_size = any(1, 4);
    setup.gradient_accumulation_steps = any(1, 3);
    setup.sharding = static_cast<sharding_kind>(any(0, 3));
    setup.reshard_after_forward = any(0, 1) != 0;
    setup.precision = static_cast<precision_kind>(any(0, 3));
    setup.optimizer = static_cast<optimizer_kind>(any(0, 2));
    setup.checkpointing = static_cast<checkpointing_kind>(any(0, 2));
    setup.sequence_parallel = any(0, 1) != 0;
    setup.offload_optimizer = any(0, 1) != 0;
    return setup;
}

activation_profile any_profile() {
    if (any(0, 2) == 0) return packkit_train_activations;
    activation_profile profile =
        any(0, 1) != 0 ? pytorch_activations : megatron_activations;
    profile.weights = {.gathered_blocks = any(1, 3),
                       .unfreed_blocks = any(0, 1),
                       .embedding_with_head = any(0, 1) != 0,
                       .gathered_element_bytes = any(0, 1) * 4,
                       .gather_buffers = any(0, 2),
                       .gather_pool = any(0, 1) != 0,
                       .reductions_in_flight = any(0, 3),
                       .gradients_freed = any(0, 1) != 0};
    profile.loss_chunk_tokens = any(0, 1) * any(1, 600);
    return profile;
}

std::int64_t total(const model_shape& model, const training_setup& setup,
                   const activation_profile& profile) {
    return estimate_memory(model_layout(model), setup, profile).bytes.total();
}

/// States of one rank, parameter by parameter and rank by rank, without counting units.
memory_bytes obvious_states(const model_shape& model, const training_setup& setup,
                            std::int64_t rank) {
    memory_bytes sum;
    const auto bytes = state_bytes_of(setup.precision, setup.optimizer, setup.sharding);
    for (const unit_shape& unit : unit_shapes(model)) {
        for (const parameter_shape& parameter : unit.parameters) {
            std::vector<std::int64_t> extents = parameter.shape;
            const std::int64_t tp = setup.mesh.tp;
            if (parameter.cut == tensor_cut::rows) {
                extents.front() = rows_per_shard(extents.front(), tp);
            } else if (parameter.cut == tensor_cut::columns) {
                extents.back() = rows_per_shard(extents.back(), tp);
            }
            std::int64_t row = 1;
            for (std::size_t i = 1; i < extents.size(); ++i)
                row *= extents[i];
            const std::int64_t whole = extents.front() * row;
            const std::int64_t mine =
                shard_of(extents.front(), setup.sharding_ranks(), rank).size() * row;
            const bool fsdp = setup.sharding == sharding_kind::fsdp;
            const bool zero2 = setup.sharding == sharding_kind::zero2;
            const bool ddp = setup.sharding == sharding_kind::ddp;
            sum.parameters += bytes.parameter * (fsdp ? mine : whole);
            sum.gradients += bytes.gradient * (fsdp || zero2 ? mine : whole);
            sum.optimizer += bytes.optimizer * (ddp ? whole : mine);
        }
    }
    return sum;
}

}  // namespace

// Rank 0 holds most, and no padded shard is smaller than a rank's rows.
RC_BOOST_PROP(states_cover_every_rank_counted_one_by_one, ()) {
    const model_shape model = any_model();
    training_setup setup = any_setup();
    setup.offload_optimizer = false;
    const std::int64_t ranks = setup.sharding_ranks();
    const auto padded =
        state_memory(elements_per_rank(model_layout(model), setup.mesh.tp, ranks), setup)
            .bytes;
    std::int64_t together = 0;
    for (std::int64_t rank = 0; rank < ranks; ++rank) {
        const auto obvious = obvious_states(model, setup, rank);
        if (rank == 0) RC_ASSERT(padded == obvious);
        RC_ASSERT(obvious.total() <= padded.total());
        together += obvious.total();
    }
    // All ranks together hold every state of every parameter at least once.
    const auto bytes = state_bytes_of(setup.precision, setup.optimizer, setup.sharding);
    RC_ASSERT(together * setup.mesh.tp >=
              bytes.total() * model_layout(model).parameters());
    // Never below the exact fraction of the formula.
    const rational exact = state_bytes_per_parameter(bytes, setup.sharding, ranks) *
                           model_layout(model).parameters() / setup.mesh.tp;
    RC_ASSERT(rational(padded.total()) >= exact);
}

RC_BOOST_PROP(components_are_never_negative_and_states_stay, ()) {
    const model_shape model = any_model();
    const training_setup setup = any_setup();
    const activation_profile profile = any_profile();
    const auto estimate = estimate_memory(model_layout(model), setup, profile);
    const memory_bytes& b = estimate.bytes;
    for (const std::int64_t part :
         {b.parameters, b.gradients, b.optimizer, b.activations, b.logits,
          b.gathered_parameters, b.communication, estimate.host_bytes})
        RC_ASSERT(part >= 0);
    const auto states = state_memory(
        elements_per_rank(model_layout(model), setup.mesh.tp, setup.sharding_ranks()),
        setup);
    RC_ASSERT(b.parameters == states.bytes.parameters);
    RC_ASSERT(b.optimizer == states.bytes.optimizer);
    RC_ASSERT(b.total() >= states.bytes.total());
    RC_ASSERT(estimate.host_bytes == states.host_bytes);
    // Logits are alive at the loss, their gradient while the head is differentiated.
    RC_ASSERT(b.logits == 0 || estimate.at == peak_moment::loss ||
              estimate.at == peak_moment::head_backward);
}

RC_BOOST_PROP(more_tokens_never_take_less, ()) {
    const model_shape model = any_model();
    training_setup setup = any_setup();
    const activation_profile profile = any_profile();
    const std::int64_t before = total(model, setup, profile);
    auto more = setup;
    ++more.micro_batch_size;
    // A chunk may begin to save only where the whole did not fit it before; in order,
    // there is one always.
    if (profile.loss_chunk_tokens == 0 || profile.weights.in_order) {
        RC_ASSERT(total(model, more, profile) >= before);
        more = setup;
        more.sequence_len += any(1, 100);
        RC_ASSERT(total(model, more, profile) >= before);
    }
}

RC_BOOST_PROP(more_shards_never_hold_more_states, ()) {
    const model_shape model = any_model();
    training_setup setup = any_setup();
    const auto states = [&](std::int64_t shards) {
        setup.mesh.dp_shard = shards;
        return state_memory(elements_per_rank(model_layout(model), setup.mesh.tp,
                                              setup.sharding_ranks()),
                            setup)
            .bytes.total();
    };
    const std::int64_t shards = any(1, 40);
    RC_ASSERT(states(shards + 1) <= states(shards));
}

RC_BOOST_PROP(each_step_of_sharding_saves, ()) {
    const model_shape model = any_model();
    training_setup setup = any_setup();
    setup.precision = any(0, 1) != 0 ? precision_kind::fp32 : precision_kind::bf16;
    setup.offload_optimizer = false;
    std::int64_t before = -1;
    for (const auto sharding : {sharding_kind::fsdp, sharding_kind::zero2,
                                sharding_kind::zero1, sharding_kind::ddp}) {
        setup.sharding = sharding;
        const std::int64_t now =
            state_memory(elements_per_rank(model_layout(model), setup.mesh.tp,
                                           setup.sharding_ranks()),
                         setup)
                .bytes.total();
        RC_ASSERT(now >= before);
        before = now;
    }
}

RC_BOOST_PROP(checkpointing_keeps_less, ()) {
    const model_shape model = any_model();
    const training_setup setup = any_setup();
    const activation_sums sums(model, any_profile());
    const std::int64_t tokens = setup.micro_tokens();
    const std::int64_t none = sums.kept[0].bytes(setup, tokens);
    const std::int64_t selective = sums.kept[1].bytes(setup, tokens);
    const std::int64_t full = sums.kept[2].bytes(setup, tokens);
    RC_ASSERT(full <= selective);
    RC_ASSERT(selective <= none);
    // What is not kept is worked with, in one block.
    if (sums.sparse_layers == 0) {
        const auto working = [&](std::size_t kind) {
            return sums.working[kind].bytes(setup, tokens);
        };
        const std::int64_t rounding = sums.layers() + 2;
        RC_ASSERT(std::abs((none - full) - sums.layers() * (working(2) - working(0))) <=
                  rounding);
    }
}

RC_BOOST_PROP(replicas_change_no_states, ()) {
    const model_shape model = any_model();
    training_setup setup = any_setup();
    const activation_profile profile = any_profile();
    const auto one = estimate_memory(model_layout(model), setup, profile);
    setup.mesh.dp_replicate += any(1, 9);
    const auto many = estimate_memory(model_layout(model), setup, profile);
    RC_ASSERT(one.bytes.parameters == many.bytes.parameters);
    RC_ASSERT(one.bytes.optimizer == many.bytes.optimizer);
    // In order, the buffers of the sum over replicas are counted.
    if (profile.weights.in_order) return;
    RC_ASSERT(one.bytes == many.bytes);
    RC_ASSERT(one.at == many.at);
}

RC_BOOST_PROP(sequence_parallelism_cuts_activations, ()) {
    const model_shape model = any_model();
    training_setup setup = any_setup();
    const activation_sums sums(model, any_profile());
    const std::int64_t tokens = setup.micro_tokens();
    for (const auto& sum : sums.kept) {
        setup.sequence_parallel = false;
        const std::int64_t without = sum.bytes(setup, tokens);
        setup.sequence_parallel = true;
        RC_ASSERT(sum.bytes(setup, tokens) <= without);
    }
}

RC_BOOST_PROP(fractions_keep_the_laws, ()) {
    const auto any_fraction = [] { return rational(any(-99, 99), any(1, 99)); };
    const rational a = any_fraction(), b = any_fraction(), c = any_fraction();
    RC_ASSERT(a + b == b + a);
    RC_ASSERT((a + b) + c == a + (b + c));
    RC_ASSERT(a * (b + c) == a * b + a * c);
    RC_ASSERT(a - a == 0);
    if (a != 0) RC_ASSERT(b / a * a == b);
    RC_ASSERT((a < b) == (a.value() < b.value()));
    RC_ASSERT(rational(a.floor()) <= a && a < rational(a.floor() + 1));
    RC_ASSERT(rational(a.ceil()) >= a && a > rational(a.ceil() - 1));
}

BOOST_AUTO_TEST_SUITE_END()
