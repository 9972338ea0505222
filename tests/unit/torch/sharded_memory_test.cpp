// SPDX-License-Identifier: Apache-2.0
/// @file
/// What a rank holds when parameters are shared out, counted by the allocator: its part
/// of the states and, of the rest, never more than the largest unit.

#include "counted_memory.hpp"
#include "step/train_step.hpp"

#include <packkit/mesh/shard.hpp>
#include <packkit/torch/memory/memory_counter.hpp>
#include <packkit/torch/optim/adamw.hpp>
#include <packkit/utility/random.hpp>

#include <ATen/ATen.h>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(sharded_memory_test,
                      *boost::unit_test::fixture<packkit::test::counted_memory>())

using namespace packkit;
using namespace packkit::train;
using enum lt::memory_use;

namespace {

/// Units whose gathered weights are there at the same time.
constexpr std::int64_t units_at_once = 1;

/// Bytes of the step's number, which the fused update takes as a tensor.
constexpr std::int64_t step_number = 4;

/// One rank of a group whose others would do the same on the same numbers: what a rank
/// holds can be counted in a process of its own.
class one_of_many final : public lt::communicator {
public:
    using communicator::communicator;

protected:
    lt::pending do_all_reduce(at::Tensor tensor) override {
        tensor.mul_(size());
        return {};
    }
    lt::pending do_all_gather(at::Tensor output, at::Tensor input) override {
        output.view({size(), input.numel()}).copy_(input.view({1, input.numel()}));
        return {};
    }
    lt::pending do_reduce_scatter(at::Tensor output, at::Tensor input) override {
        output.view({-1}).copy_(input.view({size(), -1})[rank()]);
        return {};
    }
    lt::pending do_all_to_all(at::Tensor output, at::Tensor) override {
        output.zero_();
        return {};
    }
    lt::pending do_all_to_all(at::Tensor output, std::vector<std::int64_t>, at::Tensor,
                              std::vector<std::int64_t>) override {
        output.zero_();
        return {};
    }
    lt::pending do_send_recv(at::Tensor, int, at::Tensor receive, int) override {
        receive.zero_();
        return {};
    }
    void do_barrier() override {}
};

/// No dimension is a multiple of the ranks.
model_shape odd_llama() {
    model_shape shape;
    shape.vocab_size = 101;
    shape.hidden_size = 54;
    shape.intermediate_size = 77;
    shape.num_hidden_layers = 3;
    shape.num_attention_heads = 3;
    shape.num_key_value_heads = 1;
    shape.head_dim = 18;
    shape.max_position_embeddings = 64;
    return shape;
}

struct matrix {
    std::int64_t rows, columns;
};

/// By hand: the embedding; three blocks; the last norm and the head.
const std::vector<std::vector<matrix>>& units() {
    static const auto list = [] {
        const std::vector<matrix> block{{54, 1}, {54, 54}, {18, 54}, {18, 54}, {54, 54},
                                        {54, 1}, {77, 54}, {77, 54}, {54, 77}};
        return std::vector<std::vector<matrix>>{
            {{101, 54}}, block, block, block, {{54, 1}, {101, 54}}};
    }();
    return list;
}

/// Elements that one of `ranks` holds of all units: rows rounded up.
std::int64_t shard_elements(std::int64_t ranks) {
    std::int64_t sum = 0;
    for (const auto& unit : units()) {
        for (const auto& of : unit)
            sum += (of.rows + ranks - 1) / ranks * of.columns;
    }
    return sum;
}

std::int64_t largest_unit() {
    std::int64_t largest = 0;
    for (const auto& unit : units()) {
        std::int64_t sum = 0;
        for (const auto& of : unit)
            sum += of.rows * of.columns;
        largest = std::max(largest, sum);
    }
    return largest;
}

packed_row row_of(std::uint64_t number) {
    packed_row row;
    row.cu_seqlens = {0, 7, 24};
    for (std::int64_t i = 0; i < 24; ++i) {
        const auto counter = static_cast<std::uint64_t>(i);
        row.input_ids.push_back(
            static_cast<std::int64_t>(random_below(101, number, counter)));
        row.position_ids.push_back(i < 7 ? i : i - 7);
        row.targets.push_back(i == 6 || i == 23 ? -100 : (3 * i + 1) % 101);
    }
    return row;
}

/// A step of two micro-batches, without what all ranks tell each other.
void step_of_two(model& subject, const lt::mesh_view& groups, lt::adamw& optimizer) {
    const std::vector rows{row_of(1), row_of(2)};
    accumulate_gradients(subject, groups, rows, 1);
    optimizer.update(1e-3, 0);
}

struct held {
    lt::memory_usage after;    ///< two steps
    lt::memory_usage largest;  ///< of each use, in the second step
};

held measure(int shards, int replicas, int cp, const model_options& options) {
    one_of_many shard("shard", shards - 1, shards);
    one_of_many replicate("replicate", 0, replicas);
    one_of_many context("cp", cp - 1, cp);
    const auto before = lt::memory_now();
    const lt::mesh_view groups{.shard = &shard, .replicate = &replicate, .cp = &context};
    model subject(odd_llama(), groups, options);
    subject.initialize(3);
    lt::adamw optimizer(subject.units(), {0.9, 0.98, 1e-8, 0.1});
    step_of_two(subject, groups, optimizer);
    lt::reset_memory_peak();
    step_of_two(subject, groups, optimizer);
    held found{lt::memory_now(), lt::memory_largest()};
    for (std::size_t i = 0; i < before.bytes.size(); ++i) {
        found.after.bytes[i] -= before.bytes[i];
        found.largest.bytes[i] -= before.bytes[i];
    }
    return found;
}

model_options options_of(at::ScalarType master, at::ScalarType compute) {
    model_options options;
    options.master_dtype = master;
    options.compute_dtype = compute;
    return options;
}

}  // namespace

BOOST_AUTO_TEST_CASE(states_are_the_share_of_the_ranks_that_shard) {
    struct mesh {
        int shards, replicas, cp;
    };
    const auto options = options_of(at::kDouble, at::kDouble);
    const std::int64_t whole = 8 * shard_elements(1);
    for (const auto& [shards, replicas, cp] :
         {mesh{1, 1, 1}, mesh{1, 2, 1}, mesh{1, 4, 1}, mesh{2, 1, 1}, mesh{4, 1, 1},
          mesh{2, 2, 1}, mesh{4, 1, 2}, mesh{8, 1, 2}}) {
        BOOST_TEST_CONTEXT("shards " << shards << ", replicas " << replicas << ", cp "
                                     << cp) {
            const auto found = measure(shards, replicas, cp, options);
            const std::int64_t mine = 8 * shard_elements(shards);
            BOOST_TEST(found.after[parameters] == mine);
            BOOST_TEST(found.after[gradients] == mine);
            BOOST_TEST(found.after[optimizer] == 2 * mine);
            // Parameters and moments never were more, at any time of a step.
            BOOST_TEST(found.largest[parameters] == mine);
            BOOST_TEST(found.largest[optimizer] == 2 * mine + step_number);
            // Rounding up aside, a share of the whole.
            BOOST_TEST(mine * shards >= whole);
            BOOST_TEST(static_cast<double>(mine * shards) <
                       1.1 * static_cast<double>(whole));
        }
    }
}

BOOST_AUTO_TEST_CASE(beyond_its_share_a_rank_holds_the_largest_unit) {
    for (const auto compute : {at::kDouble, at::kFloat, at::kBFloat16}) {
        const auto master = compute == at::kDouble ? at::kDouble : at::kFloat;
        const auto bytes = static_cast<std::int64_t>(c10::elementSize(master));
        const auto gathered_bytes = static_cast<std::int64_t>(c10::elementSize(compute));
        for (const int shards : {2, 4}) {
            for (const auto checkpointing :
                 {checkpointing_kind::none, checkpointing_kind::full}) {
                BOOST_TEST_CONTEXT(c10::toString(compute)
                                   << ", shards " << shards << ", checkpointing "
                                   << to_string(checkpointing)) {
                    auto options = options_of(master, compute);
                    options.checkpointing = checkpointing;
                    const auto found = measure(shards, 1, 1, options);
                    BOOST_TEST(found.after[gathered_parameters] == 0);
                    BOOST_TEST(found.largest[gathered_parameters] <=
                               units_at_once * gathered_bytes * largest_unit());
                    BOOST_TEST(found.largest[gathered_parameters] >=
                               gathered_bytes * largest_unit());
                    // Gradients: this rank's, and those of the unit being
                    // differentiated.
                    BOOST_TEST(found.largest[gradients] ==
                               bytes * shard_elements(shards) +
                                   gathered_bytes * largest_unit());
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(kept_units_are_all_gathered) {
    // The other side of the bound above: without freeing after forward it is exceeded.
    auto options = options_of(at::kDouble, at::kDouble);
    options.reshard_after_forward = false;
    const auto found = measure(2, 1, 1, options);
    BOOST_TEST(found.largest[gathered_parameters] == 8 * shard_elements(1));
    BOOST_TEST(found.after[gathered_parameters] == 0);
}

BOOST_AUTO_TEST_CASE(replicas_gather_nothing) {
    const auto found = measure(1, 2, 1, options_of(at::kDouble, at::kDouble));
    BOOST_TEST(found.largest[gathered_parameters] == 0);
}

BOOST_AUTO_TEST_SUITE_END()
