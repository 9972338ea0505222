// SPDX-License-Identifier: Apache-2.0
#include "thread_ranks.hpp"

#include <packkit/torch/optim/adamw.hpp>
#include <packkit/torch/parallel/fully_shard.hpp>

#include <ATen/ATen.h>

#include <boost/test/unit_test.hpp>

#include <mutex>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(fully_shard_test)

using namespace packkit;

namespace {

std::mutex checking;

/// Rows that no rank count here divides, fewer rows than ranks, one row.
const std::vector<lt::parameter_info> infos{
    {"w", {7, 4}}, {"bias", {7}}, {"out", {2, 7}}, {"scale", {1}, false}};

/// The same values for all ranks; drawn once, because LibTorch's generator is shared by
/// threads.
const std::vector<at::Tensor>& full_values() {
    static const std::vector<at::Tensor> values = [] {
        at::manual_seed(5);
        std::vector<at::Tensor> drawn;
        for (const auto& info : infos)
            drawn.push_back(at::randn(info.shape, at::kDouble));
        return drawn;
    }();
    return values;
}

at::Tensor network(const std::vector<at::Tensor>& p, const at::Tensor& x) {
    return at::linear(at::tanh(at::linear(x, p[0], p[1])), p[2]) * p[3];
}

/// Sample s of a batch.
at::Tensor sample(std::int64_t s) {
    at::Tensor x = at::arange(0, 12, at::kDouble).view({3, 4});
    return at::sin(x * static_cast<double>(s + 1));
}

struct expectation {
    std::vector<at::Tensor> gradients;
    at::Tensor input_gradient;  // of sample 0
};

/// Plain autograd over `samples` samples, two applications of the unit each.
expectation plain(std::int64_t samples) {
    std::vector<at::Tensor> values;
    for (const auto& value : full_values()) {
        values.push_back(value.clone().requires_grad_(true));
    }
    expectation result;
    for (std::int64_t s = 0; s < samples; ++s) {
        auto x = sample(s).requires_grad_(true);
        auto y = network(values, x);
        y = network(values, at::cat({y, y}, 1));
        y.square().sum().backward();
        if (s == 0) result.input_gradient = x.grad();
    }
    for (const auto& value : values)
        result.gradients.push_back(value.grad());
    return result;
}

lt::fully_sharded_unit make_unit(lt::communicator& shard, lt::communicator& replicate,
                                 bool reshard) {
    lt::sharded_parameters parameters(infos, {.shard = &shard, .replicate = &replicate},
                                      at::kDouble);
    const auto& values = full_values();
    for (std::size_t i = 0; i < infos.size(); ++i) {
        parameters.load_full(parameters.flat_shards(), i, values[i]);
    }
    return {std::move(parameters),
            {.compute_dtype = at::kDouble, .reshard_after_forward = reshard}};
}

/// Forward and backward of one sample, the unit applied twice.
at::Tensor train_sample(lt::fully_sharded_unit& unit, std::int64_t s) {
    auto x = sample(s).requires_grad_(true);
    auto y = unit.apply(network, x);
    y = unit.apply(network, at::cat({y, y}, 1));
    y.square().sum().backward();
    unit.parameters().finish_reduce();
    return x.grad();
}

double difference(const at::Tensor& a, const at::Tensor& b) {
    return a.numel() == 0 ? 0.0 : (a - b).abs().max().item<double>();
}

void check_gradients(lt::fully_sharded_unit& unit, const expectation& expected) {
    const std::lock_guard lock(checking);
    for (std::size_t i = 0; i < infos.size(); ++i) {
        const auto rows = unit.parameters().rows(i);
        BOOST_TEST(difference(unit.parameters().gradient(i),
                              expected.gradients[i].slice(0, rows.begin, rows.end)) <=
                   1e-12);
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(one_rank_equals_plain_autograd) {
    lt::single_communicator alone("alone");
    const auto expected = plain(1);
    for (const bool reshard : {true, false}) {
        auto unit = make_unit(alone, alone, reshard);
        const auto input_gradient = train_sample(unit, 0);
        check_gradients(unit, expected);
        BOOST_TEST(difference(input_gradient, expected.input_gradient) <= 1e-13);
    }
}

BOOST_AUTO_TEST_CASE(sharded_ranks_add_up_to_plain_autograd) {
    for (const int ranks : {2, 3, 4, 8}) {
        const auto expected = plain(ranks);
        for (const bool reshard : {true, false}) {
            test::run_ranks(ranks, [&](lt::communicator& shard) {
                lt::single_communicator alone("replicate");
                auto unit = make_unit(shard, alone, reshard);
                train_sample(unit, shard.rank());
                check_gradients(unit, expected);
            });
        }
    }
}

BOOST_AUTO_TEST_CASE(replicas_add_up_on_the_last_micro_step_only) {
    constexpr int ranks = 3;
    const auto expected = plain(2 * ranks);
    test::run_ranks(ranks, [&](lt::communicator& replicate) {
        lt::single_communicator alone("shard");
        auto unit = make_unit(alone, replicate, true);
        unit.set_last_micro_step(false);
        train_sample(unit, 2 * replicate.rank());
        const auto silent = replicate.sent()[lt::collective::all_reduce];
        unit.set_last_micro_step(true);
        train_sample(unit, 2 * replicate.rank() + 1);
        check_gradients(unit, expected);
        const std::lock_guard lock(checking);
        BOOST_TEST(silent == 0);
        BOOST_TEST(replicate.sent()[lt::collective::all_reduce] > 0);
    });
}

BOOST_AUTO_TEST_CASE(gradients_accumulate_over_micro_steps) {
    const auto expected = plain(4);
    test::run_ranks(2, [&](lt::communicator& shard) {
        lt::single_communicator alone("replicate");
        auto unit = make_unit(shard, alone, true);
        train_sample(unit, shard.rank());
        train_sample(unit, 2 + shard.rank());
        check_gradients(unit, expected);
    });
}

BOOST_AUTO_TEST_CASE(no_gathered_weight_is_held_between_forward_and_backward) {
    test::run_ranks(2, [&](lt::communicator& shard) {
        lt::single_communicator alone("replicate");
        const auto held = [&](bool reshard) {
            auto unit = make_unit(shard, alone, reshard);
            auto y = unit.apply(network, sample(0).requires_grad_(true));
            const auto bytes = unit.gathered_bytes();
            y.square().sum().backward();
            unit.parameters().finish_reduce();
            const auto after = unit.gathered_bytes();
            return std::pair{bytes, after};
        };
        const auto freed = held(true);
        const auto kept = held(false);
        const std::lock_guard lock(checking);
        BOOST_TEST(freed.first == 0);
        BOOST_TEST(kept.first == (7 * 4 + 7 + 2 * 7 + 1) * 8);
        BOOST_TEST(freed.second == 0);
        BOOST_TEST(kept.second == 0);
    });
}

BOOST_AUTO_TEST_CASE(bytes_sent_follow_the_formulas) {
    // Reshard: two all-gathers and one reduce-scatter a micro-batch; kept: one of each. A
    // unit that is applied twice is gathered for each application.
    constexpr int ranks = 4;
    std::int64_t chunk = 0;
    for (const auto& info : infos) {
        const auto elements = info.shape.size() > 1 ? info.shape[1] : 1;
        chunk += rows_per_shard(info.shape[0], ranks) * elements;
    }
    for (const bool reshard : {true, false}) {
        test::run_ranks(ranks, [&](lt::communicator& shard) {
            lt::single_communicator alone("replicate");
            auto unit = make_unit(shard, alone, reshard);
            auto y = unit.apply(network, sample(0).requires_grad_(true));
            y.square().sum().backward();
            unit.parameters().finish_reduce();
            const std::lock_guard lock(checking);
            BOOST_TEST(shard.sent()[lt::collective::all_gather] ==
                       (reshard ? 2 : 1) * (ranks - 1) * chunk * 8);
            BOOST_TEST(shard.sent()[lt::collective::reduce_scatter] ==
                       (ranks - 1) * chunk * 8);
        });
    }
}

BOOST_AUTO_TEST_CASE(full_tensors_survive_sharding) {
    const auto& values = full_values();
    for (const int ranks : {2, 5, 8}) {
        test::run_ranks(ranks, [&](lt::communicator& shard) {
            lt::single_communicator alone("replicate");
            auto unit = make_unit(shard, alone, true);
            const auto full =
                unit.parameters().gather_full(unit.parameters().flat_shards());
            const std::lock_guard lock(checking);
            for (std::size_t i = 0; i < infos.size(); ++i) {
                BOOST_TEST(at::equal(full[i], values[i]));
            }
        });
    }
}

BOOST_AUTO_TEST_CASE(compute_in_a_narrower_type) {
    // float32 compute over float64 masters: gathered in float32, gradients added in
    // float64.
    const auto expected = plain(2);
    test::run_ranks(2, [&](lt::communicator& shard) {
        lt::single_communicator alone("replicate");
        lt::sharded_parameters parameters(infos, {.shard = &shard, .replicate = &alone},
                                          at::kDouble);
        const auto& values = full_values();
        for (std::size_t i = 0; i < infos.size(); ++i) {
            parameters.load_full(parameters.flat_shards(), i, values[i]);
        }
        lt::fully_sharded_unit unit(std::move(parameters), {.compute_dtype = at::kFloat});
        auto x = sample(shard.rank()).to(at::kFloat);
        auto y = unit.apply(network, x.requires_grad_(true));
        y = unit.apply(network, at::cat({y, y}, 1));
        y.square().sum().backward();
        unit.parameters().finish_reduce();
        const std::lock_guard lock(checking);
        for (std::size_t i = 0; i < infos.size(); ++i) {
            const auto rows = unit.parameters().rows(i);
            const auto want = expected.gradients[i].slice(0, rows.begin, rows.end);
            BOOST_TEST(unit.parameters().gradient(i).scalar_type() == at::kDouble);
            BOOST_TEST(difference(unit.parameters().gradient(i), want) <= 1e-3);
        }
    });
}

BOOST_AUTO_TEST_CASE(shards_and_replicas_have_the_same_bits) {
    // Sums run in rank order, whichever way the parameters lie.
    constexpr int ranks = 3;
    std::vector<at::Tensor> sharded(ranks);
    std::vector<index_range> rows(ranks);
    at::Tensor replicated;
    test::run_ranks(ranks, [&](lt::communicator& shard) {
        lt::single_communicator alone("replicate");
        auto unit = make_unit(shard, alone, true);
        train_sample(unit, shard.rank());
        const auto rank = static_cast<std::size_t>(shard.rank());
        sharded[rank] = unit.parameters().gradient(0).clone();
        rows[rank] = unit.parameters().rows(0);
    });
    test::run_ranks(ranks, [&](lt::communicator& replicate) {
        lt::single_communicator alone("shard");
        auto unit = make_unit(alone, replicate, true);
        train_sample(unit, replicate.rank());
        if (replicate.rank() == 0) replicated = unit.parameters().gradient(0).clone();
    });
    for (std::size_t rank = 0; rank < ranks; ++rank) {
        BOOST_TEST(at::equal(sharded[rank],
                             replicated.slice(0, rows[rank].begin, rows[rank].end)));
    }
}

namespace {

/// Two ranks that hold the same: notes when weights set out and when they are waited for.
class noting_communicator final : public lt::communicator {
public:
    explicit noting_communicator(std::vector<std::string>& notes)
        : communicator("noting", 0, 2), notes_(notes) {}

protected:
    lt::pending do_all_gather(at::Tensor output, at::Tensor input) override {
        const auto unit = std::to_string(input.numel());
        notes_.push_back("send " + unit);
        return lt::pending([this, unit, output, input] {
            output.view({2, -1}).copy_(input.view({1, -1}));
            notes_.push_back("receive " + unit);
        });
    }
    lt::pending do_reduce_scatter(at::Tensor output, at::Tensor input) override {
        const auto unit = std::to_string(output.numel());
        notes_.push_back("reduce " + unit);
        return lt::pending([this, unit, output, input] {
            output.copy_(input.view({2, -1}).sum(0));
            notes_.push_back("reduced " + unit);
        });
    }
    lt::pending do_all_reduce(at::Tensor) override { return {}; }
    lt::pending do_all_to_all(at::Tensor, at::Tensor) override { return {}; }
    lt::pending do_all_to_all(at::Tensor, std::vector<std::int64_t>, at::Tensor,
                              std::vector<std::int64_t>) override {
        return {};
    }
    lt::pending do_send_recv(at::Tensor, int, at::Tensor, int) override { return {}; }
    void do_barrier() override {}

private:
    std::vector<std::string>& notes_;
};

/// What three units in a row send and receive, and when each is at work. Their shards
/// have 1, 2 and 3 elements.
std::vector<std::string> notes_of(bool ahead, bool reshard) {
    std::vector<std::string> notes;
    noting_communicator two(notes);
    lt::single_communicator alone("alone");
    lt::reduction_queue reductions;
    std::vector<lt::fully_sharded_unit> units;
    for (std::int64_t elements = 1; elements <= 3; ++elements) {
        lt::sharded_parameters parameters(
            {{"w", {2 * elements}}}, {.shard = &two, .replicate = &alone}, at::kDouble,
            std::nullopt, {.queue = &reductions});
        parameters.flat_shards().fill_(2.0);
        units.emplace_back(std::move(parameters), lt::fully_sharded_unit::options{
                                                      .compute_dtype = at::kDouble,
                                                      .reshard_after_forward = reshard});
    }
    auto x = at::ones({1}, at::kDouble).requires_grad_(true);
    auto y = x;
    for (std::size_t u = 0; u < 3; ++u) {
        lt::neighbours beside;
        if (ahead && u > 0) beside.before = &units[u - 1];
        if (ahead && u < 2) beside.after = &units[u + 1];
        y = units[u].apply(
            [&notes, u](const std::vector<at::Tensor>& p, const at::Tensor& input) {
                notes.push_back("work " + std::to_string(u + 1));
                return p[0].sum() * input;
            },
            y, beside);
    }
    y.backward();
    reductions.finish();
    BOOST_TEST(y.item<double>() == 4.0 * 8.0 * 12.0);
    BOOST_TEST(x.grad().item<double>() == 4.0 * 8.0 * 12.0);
    // Two ranks' sums of d(p1 + ...)/dp = the other units' product.
    BOOST_TEST(units[0].parameters().gradient(0)[0].item<double>() == 2 * 8.0 * 12.0);
    return notes;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_next_unit_arrives_while_one_is_at_work) {
    const std::vector<std::string> expected{
        "send 1",    "receive 1", "send 2",    "work 1",   "receive 2",
        "send 3",    "work 2",    "receive 3", "work 3",    // forward
        "send 3",    "receive 3", "send 2",    "reduce 3",  // backward
        "receive 2", "send 1",    "reduced 3", "reduce 2", "receive 1",
        "reduced 2", "reduce 1",  "reduced 1"};
    BOOST_TEST(notes_of(true, true) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(or_when_it_is_needed) {
    const std::vector<std::string> expected{
        "send 1",    "receive 1", "work 1",    "send 2",    "receive 2",
        "work 2",    "send 3",    "receive 3", "work 3",                  // forward
        "send 3",    "receive 3", "reduce 3",  "send 2",    "receive 2",  // backward
        "reduced 3", "reduce 2",  "send 1",    "receive 1", "reduced 2",
        "reduce 1",  "reduced 1"};
    BOOST_TEST(notes_of(false, true) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_stays_is_not_sent_again) {
    const std::vector<std::string> expected{
        "send 1",    "receive 1", "send 2",    "work 1",   "receive 2",
        "send 3",    "work 2",    "receive 3", "work 3",   "reduce 3",
        "reduced 3", "reduce 2",  "reduced 2", "reduce 1", "reduced 1"};
    BOOST_TEST(notes_of(true, false) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
