// SPDX-License-Identifier: Apache-2.0
/// @file
/// Every mesh of 1, 2, 4 and 8 ranks against one process: ranks as threads, twenty steps
/// of two micro-batches a rank, a Llama with grouped queries on packed ragged rows. The
/// one process takes the rows of all ranks, one after the other.

#include "thread_ranks.hpp"

#include "model.hpp"

#include <packkit/mesh_factorizations.hpp>
#include <packkit/random.hpp>
#include <packkit/torch/adamw.hpp>
#include <packkit/torch/gradient_norm.hpp>
#include <packkit/torch/rendezvous.hpp>

#include <ATen/ATen.h>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

using namespace packkit;
using namespace packkit::train;

namespace {

constexpr std::int64_t steps = 20;
constexpr std::int64_t rows_a_rank = 2;  // of a step: as many micro-batches

model_shape small_llama() {
    model_shape shape;
    shape.vocab_size = 43;
    shape.hidden_size = 32;
    shape.intermediate_size = 20;
    shape.num_hidden_layers = 2;
    shape.num_attention_heads = 8;
    shape.num_key_value_heads = 2;
    shape.head_dim = 4;
    shape.max_position_embeddings = 64;
    return shape;
}

/// Row `number` of all rows: documents of 1 to 12 tokens whose next token follows from
/// the token, so that there is something to learn.
packed_row row_of(std::uint64_t number) {
    packed_row row;
    row.cu_seqlens.push_back(0);
    std::uint64_t drawn = 0;
    for (int document = 0; document < 4; ++document) {
        const auto length = 1 + random_below(12, number, drawn++);
        auto id = random_below(43, number, drawn++);
        for (std::uint64_t i = 0; i < length; ++i) {
            row.input_ids.push_back(static_cast<std::int64_t>(id));
            id = (id * 5 + 3) % 43;
            row.targets.push_back(i + 1 < length ? static_cast<std::int64_t>(id) : -100);
            row.position_ids.push_back(static_cast<std::int64_t>(i));
        }
        row.cu_seqlens.push_back(static_cast<std::int32_t>(row.input_ids.size()));
    }
    return row;
}

std::int64_t targets_of(const packed_row& row) {
    return static_cast<std::int64_t>(
        std::count_if(row.targets.begin(), row.targets.end(),
                      [](std::int64_t target) { return target >= 0; }));
}

/// What a run shows: losses, and full gradients of the first step and weights before it.
struct outcome {
    std::vector<double> losses;
    std::vector<std::pair<std::string, at::Tensor>> gradients, weights;
};

/// Twenty steps of one rank. `place`: its data-parallel rank among `ranks`, who share
/// `rows_a_step`.
outcome train_rank(const lt::mesh_groups& groups, const model_options& options,
                   std::int64_t place, std::int64_t ranks, std::int64_t rows_a_step) {
    model subject(
        small_llama(),
        {groups.shard.get(), groups.replicate.get(), groups.cp.get(), groups.tp.get()},
        options);
    subject.initialize(3);
    lt::adamw optimizer(subject.units(), {0.9, 0.98, 1e-8, 0.1});
    outcome seen;
    const auto full_tensors = [&](auto of_parameter) {
        std::vector<std::pair<std::string, at::Tensor>> list;
        for (auto& unit : subject.units()) {
            auto& parameters = unit.parameters();
            auto flat = parameters.make_state();
            for (std::size_t i = 0; i < parameters.size(); ++i)
                parameters.part(flat, i).copy_(of_parameter(parameters, i));
            const auto full = parameters.gather_full(flat);
            for (std::size_t i = 0; i < parameters.size(); ++i)
                list.emplace_back(parameters.info(i).name, full[i].clone());
        }
        return list;
    };
    seen.weights = full_tensors([](auto& p, std::size_t i) { return p.shard(i); });
    for (std::int64_t step = 0; step < steps; ++step) {
        std::int64_t valid = 0;
        for (std::int64_t i = 0; i < rows_a_step; ++i)
            valid +=
                targets_of(row_of(static_cast<std::uint64_t>(step * rows_a_step + i)));
        double loss = 0;
        for (auto& unit : subject.units())
            unit.parameters().zero_gradients();
        for (std::int64_t i = place; i < rows_a_step; i += ranks) {
            const auto row = subject.prepare(
                row_of(static_cast<std::uint64_t>(step * rows_a_step + i)));
            for (auto& unit : subject.units())
                unit.set_last_micro_step(i + ranks >= rows_a_step);
            const auto sum = subject.loss_sum(row);
            loss += sum.item<double>();
            (sum / static_cast<double>(valid)).backward();
            for (auto& unit : subject.units())
                unit.parameters().finish_reduce();
        }
        subject.sum_partial_gradients();
        if (step == 0)
            seen.gradients =
                full_tensors([](auto& p, std::size_t i) { return p.gradient(i); });
        const auto norm =
            lt::gradient_norm(subject.units(), *groups.shard, groups.tp.get());
        lt::clip_gradients(subject.units(), norm, 1.0);
        optimizer.update(3e-3, step);
        // The ranks of tp have the loss of the same rows.
        auto all = at::full({1}, groups.tp->rank() == 0 ? loss : 0.0, at::kDouble);
        groups.world->all_reduce(all).wait();
        seen.losses.push_back(all.item<double>() / static_cast<double>(valid));
    }
    return seen;
}

/// Runs every rank of `mesh` as a thread and returns what rank 0 saw.
outcome train_mesh(const mesh_shape& mesh, const model_options& options,
                   std::int64_t rows_a_step) {
    std::map<std::pair<std::string, std::int64_t>, std::shared_ptr<lt::in_process_group>>
        made;
    std::mutex making;
    outcome first;
    test::run_ranks(static_cast<int>(mesh.world_size()), [&](lt::communicator& world) {
        const auto groups = lt::make_mesh_groups(
            mesh, world.rank(),
            [&](const std::string& name, const std::vector<std::int64_t>& members)
                -> std::unique_ptr<lt::communicator> {
                const auto size = static_cast<int>(members.size());
                const auto place =
                    std::find(members.begin(), members.end(), world.rank());
                const std::lock_guard lock(making);
                auto& group = made[{name, members.front()}];
                if (!group) group = std::make_shared<lt::in_process_group>(size);
                return std::make_unique<lt::in_process_communicator>(
                    name, static_cast<int>(place - members.begin()), group);
            });
        const auto at = coordinates_of(mesh, world.rank());
        auto seen =
            train_rank(groups, options, at.dp_replicate * mesh.dp_shard + at.dp_shard,
                       mesh.data_parallel_size(), rows_a_step);
        if (world.rank() == 0) first = std::move(seen);
    });
    return first;
}

model_options options_of(at::ScalarType dtype) {
    model_options options;
    options.master_dtype = options.compute_dtype = dtype;
    return options;
}

/// Largest relative difference of two runs' losses.
double loss_difference(const outcome& a, const outcome& b) {
    double largest = 0;
    for (std::size_t i = 0; i < a.losses.size(); ++i)
        largest = std::max(largest, std::abs(b.losses[i] / a.losses[i] - 1.0));
    return largest;
}

/// Largest difference of a gradient over the largest element of its tensor.
double gradient_difference(const outcome& a, const outcome& b) {
    double largest = 0;
    for (std::size_t i = 0; i < a.gradients.size(); ++i) {
        const auto& expected = a.gradients[i].second;
        const auto scale = expected.abs().max().item<double>();
        const auto error = (b.gradients[i].second - expected).abs().max().item<double>();
        largest = std::max(largest, error / scale);
    }
    return largest;
}

/// One way to train on a mesh.
struct variant {
    bool reshard;
    checkpointing_kind checkpointing;
};

/// Trains on every mesh, in each of `variants` or, `in_turns`, in one of them. What has
/// two forms besides (tokens of tp, exchange of cp, gathers ahead or when they are
/// needed) takes turns.
void compare_every_mesh(at::ScalarType dtype, double tolerance,
                        const std::vector<variant>& variants, bool in_turns) {
    auto options = options_of(dtype);
    std::map<std::int64_t, outcome> of_one;  // process, by the rows of a step
    for (const std::int64_t ranks : {1, 2, 4, 8})
        of_one[ranks * rows_a_rank] = train_mesh({}, options, ranks * rows_a_rank);
    const auto& largest = of_one.rbegin()->second;
    BOOST_TEST_REQUIRE(largest.losses.back() < 0.9 * largest.losses.front());
    double worst_loss = 0, worst_gradient = 0;
    std::size_t runs = 0, meshes = 0;
    const auto compare = [&](const mesh_shape& mesh, const variant& chosen) {
        options.reshard_after_forward = chosen.reshard;
        options.checkpointing = chosen.checkpointing;
        options.sequence_parallel = runs % 2 == 0;
        options.context = runs % 4 < 2 ? context_variant::gather : context_variant::ring;
        options.prefetch_gathers = runs % 3 != 0;
        const auto rows = mesh.data_parallel_size() * rows_a_rank;
        const auto& alone = of_one.at(rows);
        const auto found = train_mesh(mesh, options, rows);
        const double loss = loss_difference(alone, found);
        const double gradient = gradient_difference(alone, found);
        BOOST_TEST_CONTEXT(to_string(mesh)
                           << ", reshard " << chosen.reshard << ", checkpointing "
                           << to_string(chosen.checkpointing) << ", run " << runs) {
            BOOST_TEST(loss <= tolerance);
            BOOST_TEST(gradient <= tolerance);
            for (std::size_t i = 0; i < alone.weights.size(); ++i) {
                BOOST_TEST(at::equal(alone.weights[i].second, found.weights[i].second),
                           alone.weights[i].first);
            }
        }
        worst_loss = std::max(worst_loss, loss);
        worst_gradient = std::max(worst_gradient, gradient);
        ++runs;
    };
    for (const std::int64_t world : {1, 2, 4, 8}) {
        for (const mesh_shape& mesh : factorizations(world)) {
            if (in_turns) {
                compare(mesh, variants[meshes % variants.size()]);
            } else {
                for (const auto& each : variants) {
                    if (each.reshard || mesh.effective_shard_size() > 1)
                        compare(mesh, each);
                }
            }
            ++meshes;
        }
    }
    BOOST_TEST_MESSAGE(runs << " runs on " << meshes
                            << " meshes, relative to one process: losses of " << steps
                            << " steps " << worst_loss << ", gradients of the first "
                            << worst_gradient);
    BOOST_TEST(meshes == 35u);
}

const std::vector<variant> variants{{true, checkpointing_kind::none},
                                    {true, checkpointing_kind::full},
                                    {false, checkpointing_kind::none},
                                    {false, checkpointing_kind::full},
                                    {true, checkpointing_kind::selective}};

}  // namespace

BOOST_AUTO_TEST_CASE(float64) {
    compare_every_mesh(at::kDouble, 1e-12, {variants.begin(), variants.begin() + 4},
                       false);
}

BOOST_AUTO_TEST_CASE(float32) {
    compare_every_mesh(at::kFloat, 2e-6, variants, true);
}
