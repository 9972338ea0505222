// SPDX-License-Identifier: Apache-2.0
/// @file
/// Steps of a small Llama on a GPU against the same steps on the CPU, bfloat16 over
/// float32 masters on both; parameters on the device and in host memory.

#include "gpu.hpp"

#include "step/train_step.hpp"

#include <packkit/torch/optim/adamw.hpp>
#include <packkit/utility/random.hpp>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

BOOST_AUTO_TEST_SUITE(training_test)

using namespace packkit;
using namespace packkit::train;
using boost::unit_test::precondition;
using test::has_gpu;

namespace {

model_shape small_llama() {
    model_shape shape;
    shape.vocab_size = 211;
    shape.hidden_size = 128;
    shape.intermediate_size = 160;
    shape.num_hidden_layers = 2;
    shape.num_attention_heads = 4;
    shape.num_key_value_heads = 2;
    shape.head_dim = 32;
    shape.max_position_embeddings = 128;
    return shape;
}

/// Documents of 1 to 60 tokens whose next token follows from the token.
packed_row row_of(std::uint64_t number) {
    packed_row row;
    row.cu_seqlens.push_back(0);
    std::uint64_t drawn = 0;
    for (int document = 0; document < 8; ++document) {
        const auto length = 1 + random_below(60, number, drawn++);
        auto id = random_below(211, number, drawn++);
        for (std::uint64_t i = 0; i < length; ++i) {
            row.input_ids.push_back(static_cast<std::int64_t>(id));
            id = (id * 5 + 3) % 211;
            row.targets.push_back(i + 1 < length ? static_cast<std::int64_t>(id) : -100);
            row.position_ids.push_back(static_cast<std::int64_t>(i));
        }
        row.cu_seqlens.push_back(static_cast<std::int32_t>(row.input_ids.size()));
    }
    return row;
}

struct outcome {
    std::vector<double> losses;
    std::vector<at::Tensor> gradients;  // of the first step
};

outcome ten_steps(model_options options) {
    options.compute_dtype = at::kBFloat16;
    lt::single_communicator alone("alone");
    const auto groups = lt::mesh_view::alone(alone);
    model subject(small_llama(), groups, options);
    subject.initialize(3);
    lt::adamw optimizer(subject.units(), {0.9, 0.98, 1e-8, 0.1});
    outcome seen;
    for (std::int64_t step = 0; step < 10; ++step) {
        const auto row = row_of(static_cast<std::uint64_t>(step));
        const auto targets =
            std::count_if(row.targets.begin(), row.targets.end(),
                          [](std::int64_t target) { return target >= 0; });
        if (step == 0) {  // before they are clipped
            accumulate_gradients(subject, groups, std::span(&row, 1), targets);
            for (auto& unit : subject.units()) {
                for (std::size_t i = 0; i < unit.parameters().size(); ++i)
                    seen.gradients.push_back(unit.parameters().gradient(i).clone());
            }
        }
        const auto result = train_step(subject, optimizer, groups, std::span(&row, 1),
                                       {.step = step,
                                        .targets = targets,
                                        .learning_rate = 3e-3,
                                        .max_grad_norm = 1.0});
        seen.losses.push_back(result.loss);
    }
    return seen;
}

void compare(const outcome& found, const outcome& expected) {
    for (std::size_t i = 0; i < expected.losses.size(); ++i)
        BOOST_TEST(std::abs(found.losses[i] / expected.losses[i] - 1.0) <= 0.01);
    for (std::size_t i = 0; i < expected.gradients.size(); ++i) {
        const auto error =
            test::relative_difference(found.gradients[i], expected.gradients[i]);
        BOOST_TEST(error <= 0.05, "gradient " << i);
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(as_on_the_cpu, *precondition(has_gpu)) {
    const auto expected = ten_steps({});
    BOOST_TEST_REQUIRE(expected.losses.back() < 0.9 * expected.losses.front());
    model_options options;
    options.device = at::Device(at::kCUDA, 0);
    for (const auto states :
         {memory_place::device, memory_place::pinned_host, memory_place::pageable_host}) {
        for (const auto kept : {checkpointing_kind::none, checkpointing_kind::full}) {
            options.states = states;
            options.checkpointing = kept;
            BOOST_TEST_CONTEXT("states " << static_cast<int>(states) << ", checkpointing "
                                         << to_string(kept)) {
                compare(ten_steps(options), expected);
            }
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
