// SPDX-License-Identifier: Apache-2.0
/// @file
/// Activation checkpointing: the same bits as without, less memory, no more bytes sent.

#include "config/model_config.hpp"
#include "counted_memory.hpp"
#include "step/train_step.hpp"
#include "thread_ranks.hpp"

#include <packkit/estimate/activation_memory.hpp>
#include <packkit/estimate/profile/packkit_train.hpp>
#include <packkit/model/model_traits.hpp>
#include <packkit/utility/random.hpp>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

BOOST_AUTO_TEST_SUITE(activation_checkpoint_test,
                      *boost::unit_test::fixture<packkit::test::counted_memory>())

using namespace packkit;
using enum checkpointing_kind;

namespace {

constexpr std::array kinds{none, selective, full};

/// Documents of different length, one of a single token.
train::packed_row ragged_row(std::int64_t vocabulary, std::uint64_t seed) {
    train::packed_row row;
    row.cu_seqlens.push_back(0);
    for (const std::int64_t length : {19, 1, 30, 14}) {
        for (std::int64_t i = 0; i < length; ++i) {
            const auto id = random_below(static_cast<std::uint64_t>(vocabulary), seed,
                                         row.input_ids.size());
            row.input_ids.push_back(static_cast<std::int64_t>(id));
            row.targets.push_back(i + 1 < length ? static_cast<std::int64_t>(id / 2)
                                                 : -100);
            row.position_ids.push_back(i);
        }
        row.cu_seqlens.push_back(static_cast<std::int32_t>(row.input_ids.size()));
    }
    return row;
}

/// What two micro-batches leave.
struct outcome {
    double loss_sum = 0;
    std::vector<at::Tensor> gradients;  // this rank's, a unit each
    std::int64_t bytes = 0;
    std::int64_t collectives = 0;

    friend bool operator==(const outcome& a, const outcome& b) {
        if (a.loss_sum != b.loss_sum || a.bytes != b.bytes ||
            a.collectives != b.collectives)
            return false;
        for (std::size_t i = 0; i < a.gradients.size(); ++i) {
            if (!at::equal(a.gradients[i], b.gradients[i])) return false;
        }
        return a.gradients.size() == b.gradients.size();
    }
};

/// The two rows of a rank.
std::vector<train::packed_row> rows_of(const model_shape& shape, std::uint64_t rank) {
    return {ragged_row(shape.vocab_size, 9 * rank),
            ragged_row(shape.vocab_size, 9 * rank + 1)};
}

outcome train_two_rows(const model_shape& shape, const lt::mesh_view& groups,
                       train::model_options options, std::uint64_t rank) {
    train::model model(shape, groups, options);
    model.initialize(7);
    groups.reset_traffic();
    outcome result;
    result.loss_sum = train::accumulate_gradients(model, groups, rows_of(shape, rank), 1)
                          .item<double>();
    for (auto& unit : model.units()) {
        for (std::size_t i = 0; i < unit.parameters().size(); ++i)
            result.gradients.push_back(unit.parameters().gradient(i).clone());
    }
    const auto sent = groups.sent();
    for (const auto bytes : sent.bytes)
        result.bytes += bytes;
    result.collectives = sent.collectives;
    return result;
}

/// dp_replicate × dp_shard ranks as threads; the outcome of each.
std::vector<outcome> train_on_mesh(const model_shape& shape, int replicas, int shards,
                                   train::model_options options) {
    std::vector<std::shared_ptr<lt::in_process_group>> rows, columns;
    for (int i = 0; i < replicas; ++i)
        rows.push_back(std::make_shared<lt::in_process_group>(shards));
    for (int i = 0; i < shards; ++i)
        columns.push_back(std::make_shared<lt::in_process_group>(replicas));
    std::vector<outcome> all(static_cast<std::size_t>(replicas * shards));
    test::run_ranks(replicas * shards, [&](lt::communicator& world) {
        const int row = world.rank() / shards;
        const int column = world.rank() % shards;
        lt::in_process_communicator shard("dp_shard", column,
                                          rows[static_cast<std::size_t>(row)]);
        lt::in_process_communicator replicate("dp_replicate", row,
                                              columns[static_cast<std::size_t>(column)]);
        const auto rank = static_cast<std::size_t>(world.rank());
        all[rank] = train_two_rows(shape, {.shard = &shard, .replicate = &replicate},
                                   options, rank);
    });
    return all;
}

model_shape family(const std::string& name) {
    return train::read_model_config(PACKKIT_GOLDEN "/" + name);
}

struct mesh_case {
    std::string name;
    int replicas, shards;
    bool reshard;
};
std::ostream& operator<<(std::ostream& out, const mesh_case& mesh) {
    return out << mesh.name;
}
const std::vector<mesh_case> meshes{{"alone", 1, 1, true},
                                    {"DDP", 2, 1, true},
                                    {"FSDP", 1, 2, true},
                                    {"FSDP, kept", 1, 2, false},
                                    {"HSDP", 2, 2, true}};

const std::vector<std::string> families{
    "llama_untied",    "llama_tied",       "families/qwen2",    "families/qwen3",
    "families/gemma2", "families/mixtral", "families/qwen3_moe"};

/// Llama blocks without embedding and head, by hand.
struct tower {
    lt::single_communicator alone{"alone"};
    train::model model;
    train::row_context row;

    explicit tower(model_shape shape)
        : model((shape.num_hidden_layers = 4, shape), lt::mesh_view::alone(alone), {}),
          row(model.prepare(ragged_row(shape.vocab_size, 3))) {
        model.initialize(5);
    }
    at::Tensor forward(at::Tensor x, checkpointing_kind kind) {
        for (std::int64_t layer = 0; layer < model.shape().num_hidden_layers; ++layer) {
            x = model.units()[static_cast<std::size_t>(layer) + 1].apply(
                [this, layer](const auto& p, const auto& input, auto& again) {
                    return train::block(model.shape(), layer, p, input, row, again);
                },
                x, kind);
        }
        return x;
    }
};

std::int64_t activation_bytes() {
    return lt::memory_now()[lt::memory_use::activations];
}

}  // namespace

BOOST_DATA_TEST_CASE(families_have_the_same_bits, boost::unit_test::data::make(families),
                     name) {
    const auto shape = family(name);
    for (const auto compute : {at::kFloat, at::kBFloat16}) {
        std::vector<outcome> plain;
        for (const auto kind : kinds) {
            train::model_options options;
            options.compute_dtype = compute;
            options.checkpointing = kind;
            const auto found = train_on_mesh(shape, 1, 2, options);
            if (kind == none) plain = found;
            BOOST_TEST(found[0].loss_sum > 0);
            BOOST_TEST(found[0].bytes > 0);
            BOOST_CHECK_MESSAGE(found == plain, to_string(kind));
        }
    }
}

BOOST_DATA_TEST_CASE(meshes_have_the_same_bits_and_send_as_much,
                     boost::unit_test::data::make(meshes), mesh) {
    const auto shape = family("llama_tied");
    std::vector<outcome> plain;
    for (const auto kind : kinds) {
        train::model_options options;
        options.reshard_after_forward = mesh.reshard;
        options.checkpointing = kind;
        const auto found = train_on_mesh(shape, mesh.replicas, mesh.shards, options);
        if (kind == none) plain = found;
        BOOST_CHECK_MESSAGE(found == plain, to_string(kind));
    }
    // Gradients are there, and rows differ: equality says something.
    BOOST_TEST(plain[0].gradients[0].abs().sum().item<double>() > 0);
    const auto rows = rows_of(shape, 0);
    BOOST_TEST((rows[0].input_ids != rows[1].input_ids));
    for (std::size_t rank = 1; rank < plain.size(); ++rank)
        BOOST_TEST(plain[rank].loss_sum != plain[0].loss_sum);
}

BOOST_AUTO_TEST_CASE(what_stays_for_backward_by_hand) {
    tower blocks(family("llama_untied"));
    const auto& shape = blocks.model.shape();
    const std::int64_t tokens = blocks.row.layout.total();
    const std::int64_t hidden = shape.hidden_size;
    const std::int64_t query = shape.num_attention_heads * shape.head_dim;
    const std::int64_t keys = shape.num_key_value_heads * shape.head_dim;
    // The block's input; q, k, v, attention's output and log-sum-exp, the residual, gate
    // and up; norms and gated product.
    const std::int64_t products = 2 * query + 2 * keys + shape.num_attention_heads +
                                  hidden + 2 * shape.intermediate_size;
    const std::int64_t cheap = 2 * hidden + shape.intermediate_size;
    const std::array expected{hidden + products + cheap, hidden + products, hidden};
    std::array<std::int64_t, 3> peaks{};
    for (const auto kind : kinds) {
        const auto k = static_cast<std::size_t>(kind);
        const auto x = at::ones({tokens, hidden}).requires_grad_(true);
        const auto before = activation_bytes();
        auto y = blocks.forward(x, kind);
        BOOST_TEST(activation_bytes() - before ==
                   shape.num_hidden_layers * tokens * 4 * expected.at(k));
        auto sum = y.sum();
        y.reset();
        lt::reset_memory_peak();
        sum.backward();
        peaks.at(k) = lt::memory_peak()[lt::memory_use::activations] - before;
        sum.reset();
        // All but the gradient of x.
        BOOST_TEST(activation_bytes() - before == 4 * tokens * hidden);
    }
    // The last block is there in full, the others as they are kept.
    const std::int64_t others = (shape.num_hidden_layers - 1) * tokens * 4;
    BOOST_TEST(peaks[0] - peaks[1] == others * cheap);
    BOOST_TEST(peaks[0] - peaks[2] == others * (cheap + products));
}

BOOST_AUTO_TEST_CASE(the_profile_says_what_stays) {
    for (const auto* name :
         {"llama_untied", "families/qwen3", "families/gemma2", "families/mixtral"}) {
        tower blocks(family(name));
        const auto& shape = blocks.model.shape();
        training_setup setup;
        setup.precision = precision_kind::fp32;
        const std::int64_t tokens = blocks.row.layout.total();
        const activation_sums sums(shape, packkit_train_activations);
        for (const auto kind : kinds) {
            const auto x = at::ones({tokens, shape.hidden_size}).requires_grad_(true);
            const auto before = activation_bytes();
            const auto y = blocks.forward(x, kind);
            const auto found = activation_bytes() - before;
            const auto said =
                sums.kept.at(static_cast<std::size_t>(kind)).bytes(setup, tokens);
            // A router keeps, for each choice of a token, two indices and its place in
            // int64 and the weight twice, and their sum: left out, they are narrow.
            const auto choices = shape.num_experts_per_tok;
            const auto routing = kind != full ? sparse_layers(shape) * tokens *
                                                    (choices > 0 ? 32 * choices + 4 : 0)
                                              : 0;
            BOOST_TEST(found == said + routing, name << ", " << to_string(kind) << ": "
                                                     << found << " counted, " << said
                                                     << " + " << routing);
            y.sum().backward();
        }
    }
}

BOOST_AUTO_TEST_CASE(a_unit_runs_twice_and_what_is_cheap_twice) {
    for (const auto kind : kinds) {
        lt::single_communicator alone("alone");
        lt::sharded_parameters parameters({{"w", {3, 3}}}, lt::mesh_view::alone(alone),
                                          at::kDouble);
        parameters.flat_shards().copy_(at::arange(9, at::kDouble) / 9);
        lt::fully_sharded_unit unit(std::move(parameters),
                                    {.compute_dtype = at::kDouble});
        int runs = 0, products = 0, cheap = 0;
        const auto network = [&](const auto& p, const auto& x, auto& again) {
            ++runs;
            const auto wave = again(
                [&cheap](const at::Tensor& in) {
                    ++cheap;
                    return at::tanh(in) * 2;
                },
                x);
            ++products;
            return at::linear(wave, p[0]);
        };
        const auto x = at::ones({2, 3}, at::kDouble).requires_grad_(true);
        unit.apply(network, x, kind).sum().backward();
        BOOST_TEST(runs == (kind == full ? 2 : 1));
        BOOST_TEST(products == (kind == full ? 2 : 1));
        BOOST_TEST(cheap == (kind == none ? 1 : 2));
        // d/dx Σ (2 tanh(x) wᵀ) = 2 (1 − tanh²(x)) Σ_rows w
        const auto slope = 1 - std::tanh(1.0) * std::tanh(1.0);
        const auto columns = at::arange(9, at::kDouble).view({3, 3}).sum(0) / 9;
        BOOST_TEST((x.grad() - 2 * slope * columns).abs().max().item<double>() <= 1e-15);
        // Without gradients nothing is kept and nothing computed again.
        const at::NoGradGuard inference;
        runs = cheap = 0;
        static_cast<void>(unit.apply(network, x, kind));
        BOOST_TEST(runs == 1);
        BOOST_TEST(cheap == 1);
    }
}

BOOST_AUTO_TEST_CASE(what_recomputation_throws_reaches_the_caller) {
    for (const auto kind : {selective, full}) {
        lt::single_communicator alone("alone");
        lt::sharded_parameters parameters({{"w", {2, 2}}}, lt::mesh_view::alone(alone),
                                          at::kDouble);
        lt::fully_sharded_unit unit(std::move(parameters),
                                    {.compute_dtype = at::kDouble});
        int calls = 0;
        const auto x = at::ones({1, 2}, at::kDouble).requires_grad_(true);
        const auto y = unit.apply(
            [&](const auto& p, const auto& input, auto& again) {
                return at::linear(again(
                                      [&calls](const at::Tensor& in) {
                                          if (++calls == 2)
                                              throw std::domain_error("second time");
                                          return in * 3;
                                      },
                                      input),
                                  p[0]);
            },
            x, kind);
        BOOST_CHECK_EXCEPTION(y.sum().backward(), std::domain_error,
                              [](const std::domain_error& error) {
                                  return std::string(error.what()) == "second time";
                              });
    }
}

BOOST_AUTO_TEST_SUITE_END()
