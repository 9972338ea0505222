// SPDX-License-Identifier: Apache-2.0
/// @file
/// Every mesh of 1, 2, 4 and 8 ranks against one process: ranks as threads, twenty steps
/// of two micro-batches a rank, a Llama with grouped queries on packed ragged rows. The
/// one process takes the rows of all ranks, one after the other.

#include "bounds.hpp"
#include "small_training.hpp"

#include <packkit/mesh/factorizations.hpp>

#include <ATen/ATen.h>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

BOOST_AUTO_TEST_SUITE(mesh_products_test)

using namespace packkit;
using namespace packkit::train;

namespace {

constexpr std::int64_t steps = 20;
constexpr std::int64_t rows_a_rank = 2;  // of a step: as many micro-batches

using test::mesh_rank;

/// What a run shows: losses, and full gradients of the first step and weights before it.
struct outcome {
    std::vector<double> losses;
    std::vector<std::pair<std::string, at::Tensor>> gradients, weights;
};

/// Twenty steps of one rank.
outcome train_rank(const mesh_rank& rank, const model_options& options,
                   std::int64_t rows_a_step) {
    model subject(test::small_llama(), rank.groups, options);
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
        if (step == 0) {  // before they are clipped
            accumulate_gradients(subject, rank.groups,
                                 test::rows_of_step(rank, step, rows_a_step),
                                 test::targets_of_step(step, rows_a_step));
            seen.gradients =
                full_tensors([](auto& p, std::size_t i) { return p.gradient(i); });
        }
        seen.losses.push_back(
            test::train_step(subject, optimizer, rank, step, rows_a_step));
    }
    return seen;
}

/// Runs every rank of `mesh` as a thread and returns what rank 0 saw.
outcome train_mesh(const mesh_shape& mesh, const model_options& options,
                   std::int64_t rows_a_step) {
    outcome first;
    test::run_mesh(mesh, [&](const mesh_rank& rank) {
        auto seen = train_rank(rank, options, rows_a_step);
        if (rank.groups.world->rank() == 0) first = std::move(seen);
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

/// Trains on every mesh, resharding and not, checkpointing and not. What has two forms
/// besides (tokens of tp, exchange of cp, gathers ahead or when they are needed, full or
/// selective checkpointing) takes turns.
void compare_every_mesh(at::ScalarType dtype, double tolerance) {
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
        const auto turn = runs + meshes;
        options.sequence_parallel = turn % 2 == 0;
        options.context = turn % 4 < 2 ? context_variant::gather : context_variant::ring;
        options.prefetch_gathers = turn % 3 != 0;
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
            using enum checkpointing_kind;
            const auto some = meshes % 2 == 0 ? full : selective;
            for (const variant& each : {variant{true, none}, variant{true, full},
                                        variant{false, none}, variant{false, some}}) {
                if (each.reshard || mesh.effective_shard_size() > 1) compare(mesh, each);
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

}  // namespace

BOOST_AUTO_TEST_CASE(float64) {
    compare_every_mesh(at::kDouble, test::bounds::mesh_threads_float64);
}

BOOST_AUTO_TEST_CASE(float32) {
    compare_every_mesh(at::kFloat, test::bounds::mesh_threads_float32);
}

BOOST_AUTO_TEST_SUITE_END()
