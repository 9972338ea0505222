// SPDX-License-Identifier: Apache-2.0
/// @file
/// The trainer's optimizer step against its formulas in float64, ranks as threads.

#include "small_training.hpp"

#include <packkit/torch/communication/reproducible_sum.hpp>

#include <ATen/ATen.h>

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>
#include <mutex>
#include <span>
#include <vector>

BOOST_AUTO_TEST_SUITE(train_step_test)

using namespace packkit;
using namespace packkit::train;
using test::mesh_rank;

namespace {

std::mutex checking;

constexpr lt::adamw_options optimizer_options{0.9, 0.98, 1e-8, 0.1};

model_options in_float64() {
    model_options options;
    options.master_dtype = options.compute_dtype = at::kDouble;
    return options;
}

/// A model of one rank.
struct alone {
    lt::single_communicator rank{"alone"};
    lt::mesh_view groups = lt::mesh_view::alone(rank);
    model network{test::small_llama(), groups, in_float64()};
    lt::adamw optimizer{network.units(), optimizer_options};

    alone() { network.initialize(3); }

    at::Tensor accumulate(const std::vector<packed_row>& rows, std::int64_t targets) {
        return accumulate_gradients(network, groups, rows, targets);
    }
    step_result step(const std::vector<packed_row>& rows, const step_settings& settings,
                     phase_timer* timer = nullptr) {
        return train_step(network, optimizer, groups, rows, settings, timer);
    }
};

/// Copies of what `of` returns for every parameter.
template <class Of>
std::vector<at::Tensor> copies(model& network, Of of) {
    std::vector<at::Tensor> list;
    for (auto& unit : network.units()) {
        for (std::size_t i = 0; i < unit.parameters().size(); ++i)
            list.push_back(of(unit.parameters(), i).clone());
    }
    return list;
}

std::vector<at::Tensor> weights_of(model& network) {
    return copies(network, [](auto& p, std::size_t i) { return p.shard(i); });
}

std::vector<at::Tensor> gradients_of(model& network) {
    return copies(network, [](auto& p, std::size_t i) { return p.gradient(i); });
}

std::vector<bool> decayed(model& network) {
    std::vector<bool> list;
    for (auto& unit : network.units()) {
        for (std::size_t i = 0; i < unit.parameters().size(); ++i)
            list.push_back(unit.parameters().info(i).weight_decay);
    }
    return list;
}

double difference(const at::Tensor& a, const at::Tensor& b) {
    return (a - b).abs().max().item<double>();
}

std::vector<packed_row> rows(std::uint64_t first, std::uint64_t count) {
    std::vector<packed_row> list;
    for (std::uint64_t i = 0; i < count; ++i)
        list.push_back(test::row_of(first + i));
    return list;
}

std::int64_t targets_of(const std::vector<packed_row>& list) {
    std::int64_t targets = 0;
    for (const auto& row : list)
        targets += test::targets_of(row);
    return targets;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_step_clips_and_updates_as_the_papers_say) {
    const auto batch = rows(1, 2);
    const auto targets = targets_of(batch);
    for (const double clipped_to : {0.0, 0.01, 1e6}) {
        alone subject;
        const auto before = weights_of(subject.network);
        double loss = 0;
        for (const auto& row : batch) {
            const at::NoGradGuard no_grad;
            loss += subject.network.loss_sum(subject.network.prepare(row)).item<double>();
        }
        subject.accumulate(batch, targets);
        const auto gradients = gradients_of(subject.network);
        double squares = 0;
        for (const auto& gradient : gradients)
            squares += gradient.square().sum().item<double>();
        const double norm = std::sqrt(squares);

        const double rate = 3e-3;
        const auto result = subject.step(
            batch,
            {.targets = targets, .learning_rate = rate, .max_grad_norm = clipped_to});
        BOOST_TEST(result.is_finite());
        BOOST_TEST(result.reports.size() == 1u);
        BOOST_TEST(std::abs(result.loss * static_cast<double>(targets) / loss - 1) <=
                   1e-14);
        BOOST_TEST(std::abs(result.grad_norm / norm - 1) <= 1e-14);
        const double factor =
            clipped_to > 0 ? std::min(1.0, clipped_to / (norm + 1e-6)) : 1.0;
        BOOST_TEST((factor < 1) == (clipped_to == 0.01));
        const auto after = weights_of(subject.network);
        const auto decays = decayed(subject.network);
        for (std::size_t i = 0; i < before.size(); ++i) {
            // In the first step the moments' estimates are g and g².
            const auto g = gradients[i] * factor;
            const auto expected =
                before[i] *
                    (1 - rate * (decays[i] ? optimizer_options.weight_decay : 0)) -
                rate * g / (g.abs() + optimizer_options.eps);
            BOOST_TEST(difference(after[i], expected) <= 1e-14, i);
            BOOST_TEST(difference(after[i], before[i]) > 0, i);
        }
    }
}

BOOST_AUTO_TEST_CASE(gradients_of_micro_batches_add_up_from_zero) {
    alone subject;
    const auto batch = rows(5, 3);
    std::vector<at::Tensor> expected;
    double loss = 0;
    for (const auto& row : batch) {
        loss += subject.accumulate({row}, 7).item<double>();
        const auto gradients = gradients_of(subject.network);
        if (expected.empty()) {
            expected = gradients;
        } else {
            for (std::size_t i = 0; i < expected.size(); ++i)
                expected[i] += gradients[i];
        }
    }
    for (int time = 0; time < 2; ++time) {  // what the first left does not count
        const auto found = subject.accumulate(batch, 7);
        BOOST_TEST(found.scalar_type() == at::kDouble);
        BOOST_TEST(std::abs(found.item<double>() / loss - 1) <= 1e-14);
        const auto gradients = gradients_of(subject.network);
        for (std::size_t i = 0; i < expected.size(); ++i)
            BOOST_TEST(difference(gradients[i], expected[i]) <= 1e-14, i);
    }
    // The divisor is that of the whole step; a step without targets divides by one.
    subject.accumulate(batch, 1);
    const auto undivided = gradients_of(subject.network);
    subject.accumulate(batch, 0);
    const auto without = gradients_of(subject.network);
    for (std::size_t i = 0; i < expected.size(); ++i) {
        BOOST_TEST(difference(undivided[i], expected[i] * 7) <= 1e-13, i);
        BOOST_TEST(at::equal(without[i], undivided[i]), i);
    }
}

BOOST_AUTO_TEST_CASE(every_rank_gets_all_reports_and_one_loss) {
    alone one;
    const auto expected = one.step(rows(0, 4), {.targets = targets_of(rows(0, 4))}).loss;
    for (const mesh_shape& mesh :
         {mesh_shape{.dp_shard = 2, .tp = 2}, mesh_shape{.dp_replicate = 2, .cp = 2},
          mesh_shape{.dp_replicate = 2, .dp_shard = 2}}) {
        std::vector<step_result> results(4);
        test::run_mesh(mesh, [&](const mesh_rank& rank) {
            const auto number = static_cast<std::size_t>(rank.groups.world->rank());
            model network(test::small_llama(), rank.groups, in_float64());
            network.initialize(3);
            lt::adamw optimizer(network.units(), optimizer_options);
            results[number] = train_step(
                network, optimizer, rank.groups, test::rows_of_step(rank, 0, 4),
                {.targets = test::targets_of_step(0, 4),
                 .busy_seconds = static_cast<double>(number),
                 .stop_signal = number == 2 ? +[] { return 15; } : nullptr});
        });
        BOOST_TEST_CONTEXT(to_string(mesh)) {
            for (const auto& result : results) {
                BOOST_TEST(result.loss == results[0].loss);
                BOOST_TEST(result.grad_norm == results[0].grad_norm);
                BOOST_TEST(std::abs(result.loss / expected - 1) <= 1e-12);
                BOOST_TEST_REQUIRE(result.reports.size() == 4u);
                for (std::size_t rank = 0; rank < 4; ++rank) {
                    BOOST_TEST(result.reports[rank].busy_seconds ==
                               static_cast<double>(rank));
                    BOOST_TEST(result.reports[rank].stop_signal ==
                               (rank == 2 ? 15.0 : 0.0));
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(canonical_sums_have_the_same_bits_on_every_mesh) {
    constexpr std::int64_t rows_a_step = 8;
    std::vector<step_result> results;
    for (const mesh_shape& mesh :
         {mesh_shape{}, mesh_shape{.dp_shard = 2}, mesh_shape{.dp_replicate = 4},
          mesh_shape{.dp_replicate = 2, .dp_shard = 2}}) {
        const auto ranks = mesh.data_parallel_size();
        std::vector<step_result> of_ranks(static_cast<std::size_t>(ranks));
        test::run_mesh(mesh, [&](const mesh_rank& rank) {
            auto options = in_float64();
            options.gradient_sums = lt::summation::canonical;
            model network(test::small_llama(), rank.groups, options);
            network.initialize(3);
            lt::adamw optimizer(network.units(), optimizer_options);
            const auto mine = test::rows_of_step(rank, 0, rows_a_step);
            const auto count = static_cast<std::int64_t>(mine.size());
            std::vector<packed_row> ordered;
            for (std::int64_t i = 0; i < count; ++i)
                ordered.push_back(
                    mine[static_cast<std::size_t>(lt::bit_reversed(i, count))]);
            of_ranks[static_cast<std::size_t>(rank.data_rank)] =
                train_step(network, optimizer, rank.groups, ordered,
                           {.targets = test::targets_of_step(0, rows_a_step)});
        });
        results.insert(results.end(), of_ranks.begin(), of_ranks.end());
    }
    BOOST_TEST(results.size() == 11u);
    for (const auto& result : results) {
        BOOST_TEST(result.loss == results[0].loss);
        BOOST_TEST(result.grad_norm == results[0].grad_norm);
    }
}

BOOST_AUTO_TEST_CASE(what_is_not_finite_on_one_rank_updates_none) {
    test::run_mesh({.dp_replicate = 2}, [](const mesh_rank& rank) {
        const bool poisoned = rank.groups.world->rank() == 1;
        model network(test::small_llama(), rank.groups, in_float64());
        network.initialize(3);
        if (poisoned)
            network.units().back().parameters().shard(0).fill_(
                std::numeric_limits<double>::quiet_NaN());
        lt::adamw optimizer(network.units(), optimizer_options);
        const auto before = weights_of(network);
        const auto result =
            train_step(network, optimizer, rank.groups, test::rows_of_step(rank, 0, 2),
                       {.targets = test::targets_of_step(0, 2),
                        .learning_rate = 1e-2,
                        .max_grad_norm = 1.0});
        const auto after = weights_of(network);
        const std::lock_guard lock(checking);
        BOOST_TEST(!result.is_finite());
        BOOST_TEST(std::isfinite(result.reports[0].loss_sum));
        BOOST_TEST(!std::isfinite(result.reports[1].loss_sum));
        for (std::size_t i = 0; i < before.size(); ++i) {
            BOOST_TEST(at::allclose(after[i], before[i], 0.0, 0.0, /*equal_nan=*/true),
                       i);
        }
        for (std::size_t unit = 0; unit < network.units().size(); ++unit)
            BOOST_TEST(optimizer.exp_avg(unit).abs().sum().item<double>() == 0);
    });
}

BOOST_AUTO_TEST_CASE(a_timer_gets_all_phases_of_a_step) {
    alone subject;
    phase_timer timer(at::kCPU);
    subject.step(rows(0, 2), {.targets = targets_of(rows(0, 2))}, &timer);
    for (const double seconds : timer.stop())
        BOOST_TEST(seconds > 0);
}

BOOST_AUTO_TEST_CASE(a_view_knows_the_mesh_of_its_groups) {
    lt::single_communicator rank("alone");
    BOOST_TEST((lt::mesh_view::alone(rank).shape() == mesh_shape{}));
    BOOST_TEST((lt::mesh_view{}.shape() == mesh_shape{}));
    const mesh_shape mesh{.dp_replicate = 2, .dp_shard = 1, .cp = 2, .tp = 2};
    test::run_mesh(mesh, [&](const mesh_rank& of) {
        of.groups.reset_traffic();
        auto number = at::full({1}, 1.0);
        of.groups.tp->all_reduce(number).wait();
        const std::lock_guard lock(checking);
        BOOST_TEST((of.groups.shape() == mesh));
        BOOST_TEST(of.groups.sent().collectives == 1);
        BOOST_TEST(of.groups.sent()[lt::collective::all_reduce] == 8);
    });
}

BOOST_AUTO_TEST_SUITE_END()
