// SPDX-License-Identifier: Apache-2.0
#include "thread_ranks.hpp"

#include <packkit/torch/ops/cross_entropy.hpp>
#include <packkit/torch/optim/adamw.hpp>
#include <packkit/torch/optim/gradient_norm.hpp>

#include <ATen/ATen.h>

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <mutex>
#include <vector>

BOOST_AUTO_TEST_SUITE(adamw_test)

using namespace packkit;

namespace {

std::mutex checking;
const std::vector<lt::parameter_info> infos{{"w", {5, 3}, true}, {"norm", {5}, false}};

/// Gradient of update `step`.
at::Tensor gradient_of(std::size_t i, int step) {
    return at::cos(at::arange(0, i == 0 ? 15 : 5, at::kDouble) + step)
        .view(infos[i].shape);
}

/// Algorithm 2 of the paper, element by element.
std::vector<at::Tensor> textbook(int steps, double rate, const lt::adamw_options& o) {
    std::vector<at::Tensor> result;
    for (std::size_t i = 0; i < infos.size(); ++i) {
        auto w = at::ones(infos[i].shape, at::kDouble);
        auto m = at::zeros_like(w), v = at::zeros_like(w);
        for (int t = 1; t <= steps; ++t) {
            const auto g = gradient_of(i, t);
            w = w * (1.0 - rate * (infos[i].weight_decay ? o.weight_decay : 0.0));
            m = o.beta1 * m + (1.0 - o.beta1) * g;
            v = o.beta2 * v + (1.0 - o.beta2) * g * g;
            const auto m_hat = m / (1.0 - std::pow(o.beta1, t));
            const auto v_hat = v / (1.0 - std::pow(o.beta2, t));
            w = w - rate * m_hat / (v_hat.sqrt() + o.eps);
        }
        result.push_back(w);
    }
    return result;
}

std::vector<lt::fully_sharded_unit> make_units(lt::communicator& shard,
                                               lt::communicator& replicate) {
    std::vector<lt::fully_sharded_unit> units;
    lt::sharded_parameters parameters(infos, {.shard = &shard, .replicate = &replicate},
                                      at::kDouble);
    for (std::size_t i = 0; i < infos.size(); ++i)
        parameters.shard(i).fill_(1.0);
    units.emplace_back(std::move(parameters),
                       lt::fully_sharded_unit::options{at::kDouble, true});
    return units;
}

void set_gradients(lt::sharded_parameters& parameters, int step) {
    for (std::size_t i = 0; i < infos.size(); ++i) {
        const auto rows = parameters.rows(i);
        parameters.gradient(i).copy_(gradient_of(i, step).slice(0, rows.begin, rows.end));
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(equals_the_paper_on_any_number_of_ranks) {
    const lt::adamw_options options{0.9, 0.98, 1e-8, 0.1};
    const auto expected = textbook(4, 0.01, options);
    for (const int ranks : {1, 2, 3, 8}) {
        test::run_ranks(ranks, [&](lt::communicator& shard) {
            lt::single_communicator alone("replicate");
            auto units = make_units(shard, alone);
            lt::adamw optimizer(units, options);
            for (int step = 0; step < 4; ++step) {
                set_gradients(units[0].parameters(), step + 1);
                optimizer.update(0.01, step);
            }
            const std::lock_guard lock(checking);
            for (std::size_t i = 0; i < infos.size(); ++i) {
                const auto rows = units[0].parameters().rows(i);
                if (rows.empty()) continue;
                const auto error = units[0].parameters().shard(i) -
                                   expected[i].slice(0, rows.begin, rows.end);
                BOOST_TEST(error.abs().max().item<double>() <= 1e-14);
            }
        });
    }
}

BOOST_AUTO_TEST_CASE(an_update_that_is_skipped_changes_nothing) {
    lt::single_communicator alone("alone");
    auto units = make_units(alone, alone);
    auto& parameters = units[0].parameters();
    lt::adamw optimizer(units, {0.9, 0.98, 1e-8, 0.1});
    set_gradients(parameters, 1);
    optimizer.update(0.01, 0);
    const std::vector<at::Tensor> before{parameters.flat_shards().clone(),
                                         optimizer.exp_avg(0).clone(),
                                         optimizer.exp_avg_sq(0).clone()};
    set_gradients(parameters, 2);
    optimizer.update(0.01, 1, at::ones({}, at::kFloat));
    BOOST_TEST(parameters.flat_shards().equal(before[0]));
    BOOST_TEST(optimizer.exp_avg(0).equal(before[1]));
    BOOST_TEST(optimizer.exp_avg_sq(0).equal(before[2]));
    optimizer.update(0.01, 1, at::zeros({}, at::kFloat));
    BOOST_TEST(!parameters.flat_shards().equal(before[0]));
}

BOOST_AUTO_TEST_CASE(norm_counts_each_parameter_once_and_clipping_scales_to_it) {
    const double expected =
        std::sqrt((gradient_of(0, 1).square().sum() + gradient_of(1, 1).square().sum())
                      .item<double>());
    for (const int ranks : {1, 2, 3, 8}) {
        test::run_ranks(ranks, [&](lt::communicator& shard) {
            lt::single_communicator alone("replicate");
            auto units = make_units(shard, alone);
            set_gradients(units[0].parameters(), 1);
            const auto norm_now = [&] { return lt::gradient_norm(units, shard); };
            const double norm = norm_now().item<double>();
            lt::clip_gradients(units, norm_now(), 0.5);
            const double clipped = norm_now().item<double>();
            lt::clip_gradients(units, norm_now(), 0.5);
            const double again = norm_now().item<double>();
            const std::lock_guard lock(checking);
            BOOST_TEST(norm == expected, boost::test_tools::tolerance(1e-14));
            BOOST_TEST(clipped == 0.5, boost::test_tools::tolerance(1e-5));
            BOOST_TEST(again == clipped, boost::test_tools::tolerance(1e-5));
        });
    }
}

BOOST_AUTO_TEST_CASE(cross_entropy_is_a_sum_over_valid_targets) {
    const auto logits = at::sin(at::arange(0, 12, at::kDouble)).view({4, 3});
    const auto targets = at::tensor({2, -100, 0, 1}, at::kLong);
    double expected = 0;
    for (const int row : {0, 2, 3}) {
        const auto r = logits[row];
        expected +=
            (r.exp().sum().log() - r[targets[row].item<std::int64_t>()]).item<double>();
    }
    BOOST_TEST(lt::cross_entropy_sum(logits, targets).item<double>() == expected,
               boost::test_tools::tolerance(1e-14));
    const auto none = lt::cross_entropy_sum(logits, at::full({4}, -100, at::kLong));
    BOOST_TEST(none.item<double>() == 0.0);
    const auto narrow = lt::cross_entropy_sum(logits.to(at::kBFloat16), targets);
    BOOST_TEST(narrow.scalar_type() == at::kDouble);
    BOOST_TEST(narrow.item<double>() == expected, boost::test_tools::tolerance(1e-2));
}

BOOST_AUTO_TEST_SUITE_END()
