// SPDX-License-Identifier: Apache-2.0
/// @file
/// SGD against its formulas, groups of learning rates, frozen parameters on every mesh,
/// and the scale of the loss.

#include "small_training.hpp"

#include "step/loss_scaling.hpp"

#include <packkit/model/parameters.hpp>
#include <packkit/torch/optim/gradient_norm.hpp>
#include <packkit/torch/optim/sgd.hpp>

#include <ATen/ATen.h>

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <map>
#include <mutex>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(optimizer_test)

using namespace packkit;
using namespace packkit::train;

namespace {

std::mutex checking;
const std::vector<lt::parameter_info> infos{
    {"w", {5, 3}, true}, {"norm", {5}, false}, {"head", {4, 3}, true}};

at::Tensor gradient_of(std::size_t i, int step) {
    const auto& shape = infos[i].shape;
    return at::cos(
               at::arange(0, shape.size() == 1 ? 5 : shape[0] * shape[1], at::kDouble) +
               0.3 * step)
        .view(shape);
}

/// The algorithm in the documentation of torch.optim.SGD.
std::vector<at::Tensor> documented_sgd(int steps, double rate, const lt::sgd_options& o) {
    std::vector<at::Tensor> result;
    for (std::size_t i = 0; i < infos.size(); ++i) {
        auto w = at::ones(infos[i].shape, at::kDouble);
        at::Tensor buffer;
        for (int t = 0; t < steps; ++t) {
            auto g = gradient_of(i, t) + (infos[i].weight_decay ? o.weight_decay : 0) * w;
            if (o.momentum != 0) {
                buffer = t == 0 ? g : o.momentum * buffer + (1 - o.dampening) * g;
                g = o.nesterov ? g + o.momentum * buffer : buffer;
            }
            w = w - rate * g;
        }
        result.push_back(w);
    }
    return result;
}

/// Rules of a small Llama: queries, norms and the head are trained, the head with the
/// rate of group 1.
parameter_rules few_trained() {
    parameter_rules rules;
    for (const auto& unit : unit_shapes(test::small_llama())) {
        auto& of_unit = rules.of_units.emplace_back();
        for (const auto& parameter : unit.parameters) {
            const auto has = [&](const char* text) {
                return parameter.name.find(text) != std::string::npos;
            };
            of_unit.push_back({parameter.weight_decay, has("lm_head") ? 1u : 0u,
                               !has("q_proj") && !has("norm") && !has("lm_head")});
        }
    }
    return rules;
}

model_options in_float64(const parameter_rules& rules = {}) {
    model_options options;
    options.master_dtype = options.compute_dtype = at::kDouble;
    options.rules = rules.of_units;
    return options;
}

using tensors_by_name = std::map<std::string, at::Tensor>;

tensors_by_name weights_of(model& network) {
    tensors_by_name weights;
    for (auto& unit : network.units()) {
        const auto& parameters = unit.parameters();
        const auto full = parameters.gather_full(parameters.flat_shards());
        for (std::size_t i = 0; i < full.size(); ++i)
            weights[parameters.info(i).name] = full[i].clone();
    }
    return weights;
}

double difference(const at::Tensor& a, const at::Tensor& b) {
    return (a - b).abs().max().item<double>();
}

struct trained_run {
    std::vector<double> losses, norms;
    tensors_by_name before, after;
};

/// Five steps of eight rows on a mesh, as its first rank sees them.
trained_run run_on(const mesh_shape& mesh, bool reproducible = false) {
    trained_run seen;
    test::run_mesh(mesh, [&](const test::mesh_rank& rank) {
        auto options = in_float64(few_trained());
        if (reproducible) options.gradient_sums = lt::summation::canonical;
        model network(test::small_llama(), rank.groups, options);
        network.initialize(3);
        lt::sgd optimizer(network.units(), {0.9, 0.1, false, 0.1});
        trained_run mine;
        mine.before = weights_of(network);
        const std::vector<double> group_rates{0.05};
        for (std::int64_t step = 0; step < 5; ++step) {
            const auto result = train_step(network, optimizer, rank.groups,
                                           test::rows_of_step(rank, step, 8),
                                           {.step = step,
                                            .targets = test::targets_of_step(step, 8),
                                            .learning_rate = 0.5,
                                            .max_grad_norm = 0.2,
                                            .group_rates = group_rates,
                                            .loss_scale = 1024});
            mine.losses.push_back(result.loss);
            mine.norms.push_back(result.grad_norm);
        }
        mine.after = weights_of(network);
        const std::lock_guard lock(checking);
        if (rank.groups.world->rank() == 0) seen = std::move(mine);
    });
    return seen;
}

}  // namespace

BOOST_AUTO_TEST_CASE(sgd_is_the_documented_one_on_any_number_of_ranks) {
    const std::vector<lt::sgd_options> variants{{0.0, 0.0, false, 0.1},
                                                {0.9, 0.0, false, 0.1},
                                                {0.9, 0.3, false, 0.0},
                                                {0.8, 0.0, true, 0.1}};
    for (const auto& options : variants) {
        const auto expected = documented_sgd(100, 0.01, options);
        for (const int ranks : {1, 2, 3, 8}) {
            test::run_ranks(ranks, [&](lt::communicator& shard) {
                lt::single_communicator alone("replicate");
                lt::sharded_parameters parameters(
                    infos, {.shard = &shard, .replicate = &alone}, at::kDouble);
                parameters.flat_shards().fill_(1.0);
                std::vector<lt::fully_sharded_unit> units;
                units.emplace_back(std::move(parameters),
                                   lt::fully_sharded_unit::options{at::kDouble, true});
                auto& mine = units[0].parameters();
                lt::sgd optimizer(units, options);
                for (int step = 0; step < 100; ++step) {
                    for (std::size_t i = 0; i < infos.size(); ++i)
                        mine.gradient(i).copy_(gradient_of(i, step).slice(
                            0, mine.rows(i).begin, mine.rows(i).end));
                    optimizer.update(0.01, step);
                }
                const std::lock_guard lock(checking);
                BOOST_TEST(optimizer.states().size() == (options.momentum > 0 ? 1u : 0u));
                for (std::size_t i = 0; i < infos.size(); ++i) {
                    const auto rows = mine.rows(i);
                    if (rows.empty()) continue;
                    BOOST_TEST(difference(mine.shard(i),
                                          expected[i].slice(0, rows.begin, rows.end)) <=
                               1e-12);
                }
            });
        }
    }
}

BOOST_AUTO_TEST_CASE(frozen_parameters_have_no_gradient_and_no_state) {
    lt::single_communicator rank("alone");
    const auto groups = lt::mesh_view::alone(rank);
    const auto rules = few_trained();
    model all(test::small_llama(), groups, in_float64());
    model few(test::small_llama(), groups, in_float64(rules));
    all.initialize(3);
    few.initialize(3);
    const std::vector<packed_row> rows{test::row_of(1), test::row_of(2)};
    accumulate_gradients(all, groups, rows, 20);
    accumulate_gradients(few, groups, rows, 20);
    double squares = 0;
    std::int64_t trained = 0;
    for (std::size_t u = 0; u < all.units().size(); ++u) {
        const auto& wide = all.units()[u].parameters();
        const auto& narrow = few.units()[u].parameters();
        for (std::size_t i = 0; i < wide.size(); ++i) {
            if (narrow.info(i).frozen) continue;
            BOOST_TEST(difference(wide.gradient(i), narrow.gradient(i)) <= 1e-15);
            squares += wide.gradient(i).square().sum().item<double>();
            trained += wide.gradient(i).numel();
        }
    }
    BOOST_TEST(lt::gradient_norm(few.units(), rank).item<double>() == std::sqrt(squares),
               boost::test_tools::tolerance(1e-14));
    BOOST_TEST(lt::canonical_gradient_norm(few.units(), rank).item<double>() ==
                   std::sqrt(squares),
               boost::test_tools::tolerance(1e-14));
    lt::adamw optimizer(few.units(), {});
    BOOST_TEST(optimizer.state_bytes() == 2 * 8 * trained);
}

BOOST_AUTO_TEST_CASE(frozen_parameters_and_rate_groups_are_the_same_on_every_mesh) {
    const auto one = run_on({});
    for (const auto& [name, weight] : one.before) {
        const bool is_trained = name.find("q_proj") != std::string::npos ||
                                name.find("norm") != std::string::npos ||
                                name.find("lm_head") != std::string::npos;
        BOOST_TEST(one.after.at(name).equal(weight) != is_trained, name);
    }
    std::vector<mesh_shape> meshes(5);
    meshes[0].dp_replicate = 2;
    meshes[1].dp_shard = 4;
    meshes[2].dp_replicate = meshes[2].dp_shard = 2;
    meshes[3].dp_shard = meshes[3].tp = 2;
    meshes[4].cp = meshes[4].tp = 2;
    const auto compare = [&](const trained_run& other) {
        for (std::size_t step = 0; step < one.losses.size(); ++step) {
            BOOST_TEST(std::abs(other.losses[step] / one.losses[step] - 1) <= 1e-12);
            BOOST_TEST(std::abs(other.norms[step] / one.norms[step] - 1) <= 1e-11);
        }
        for (const auto& [name, weight] : one.after)
            BOOST_TEST(difference(other.after.at(name), weight) <= 1e-12, name);
    };
    for (const auto& mesh : meshes) {
        BOOST_TEST_CONTEXT(to_string(mesh)) {
            compare(run_on(mesh));
        }
    }
    compare(run_on(meshes[2], /*reproducible=*/true));
}

BOOST_AUTO_TEST_CASE(a_loss_scale_of_two_to_the_n_changes_no_bit) {
    const auto run = [](double scale) {
        lt::single_communicator rank("alone");
        const auto groups = lt::mesh_view::alone(rank);
        model network(test::small_llama(), groups, in_float64());
        network.initialize(3);
        lt::adamw optimizer(network.units(), {});
        const std::vector<packed_row> rows{test::row_of(1)};
        train_step(network, optimizer, groups, rows,
                   {.targets = test::targets_of(rows[0]),
                    .learning_rate = 0.01,
                    .loss_scale = scale});
        return weights_of(network);
    };
    const auto expected = run(1);
    for (const auto& [name, weight] : run(65536))
        BOOST_TEST(weight.equal(expected.at(name)), name);
}

BOOST_AUTO_TEST_CASE(the_loss_scale_follows_overflows_as_a_grad_scaler) {
    loss_scaling scaling;
    BOOST_TEST(scaling.scale == 65536.0);
    for (int i = 0; i < 1999; ++i)
        scaling.update(false);
    BOOST_TEST(scaling.scale == 65536.0);
    scaling.update(false);
    BOOST_TEST(scaling.scale == 131072.0);
    scaling.update(false);
    scaling.update(true);
    BOOST_TEST(scaling.scale == 65536.0);
    BOOST_TEST(scaling.skipped_steps == 1);
    for (int i = 0; i < 1999; ++i)
        scaling.update(false);
    BOOST_TEST(scaling.scale == 65536.0);
    scaling.update(false);
    BOOST_TEST(scaling.scale == 131072.0);
}

BOOST_AUTO_TEST_SUITE_END()
