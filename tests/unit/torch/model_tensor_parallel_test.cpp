// SPDX-License-Identifier: Apache-2.0
/// @file
/// Whole models under tensor parallelism, ranks as threads: the loss, every gradient and
/// the initial weights of one process.

#include "thread_ranks.hpp"

#include "config/model_config.hpp"
#include "step/train_step.hpp"

#include <packkit/torch/optim/gradient_norm.hpp>
#include <packkit/utility/random.hpp>

#include <ATen/ATen.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <mutex>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(model_tensor_parallel_test)

using namespace packkit;
using namespace packkit::train;

namespace {

std::mutex checking;

/// Sizes that 2, 3 and 4 do not divide, key-value heads fewer than ranks.
model_shape awkward_llama(std::int64_t heads, std::int64_t key_value_heads) {
    model_shape shape;
    shape.vocab_size = 43;
    shape.hidden_size = 24;
    shape.intermediate_size = 10;
    shape.num_hidden_layers = 2;
    shape.num_attention_heads = heads;
    shape.num_key_value_heads = key_value_heads;
    shape.head_dim = 6;
    shape.max_position_embeddings = 64;
    return shape;
}

/// Documents of several lengths; row 1 has a length that no number of ranks divides.
packed_row row_of(std::int64_t index, std::int64_t vocabulary) {
    packed_row row;
    row.cu_seqlens.push_back(0);
    std::uint64_t drawn = 0;
    for (const std::int64_t length : {5, 1, 9, index == 0 ? 1 : 8}) {
        for (std::int64_t i = 0; i < length; ++i) {
            const auto id = random_below(static_cast<std::uint64_t>(vocabulary),
                                         static_cast<std::uint64_t>(index), drawn++);
            row.input_ids.push_back(static_cast<std::int64_t>(id));
            row.targets.push_back(
                i + 1 < length
                    ? static_cast<std::int64_t>((id * 7 + 1) %
                                                static_cast<std::uint64_t>(vocabulary))
                    : -100);
            row.position_ids.push_back(i);
        }
        row.cu_seqlens.push_back(static_cast<std::int32_t>(row.input_ids.size()));
    }
    return row;
}

/// Runs body(shard, tp) on shards × tp threads, tp changing fastest.
template <class Body>
void on_mesh(int shards, int tp, Body body) {
    std::vector<std::shared_ptr<lt::in_process_group>> shard_groups, tp_groups;
    for (int i = 0; i < tp; ++i)
        shard_groups.push_back(std::make_shared<lt::in_process_group>(shards));
    for (int i = 0; i < shards; ++i)
        tp_groups.push_back(std::make_shared<lt::in_process_group>(tp));
    test::run_ranks(shards * tp, [&](lt::communicator& world) {
        const int s = world.rank() / tp, t = world.rank() % tp;
        lt::in_process_communicator shard("shard", s,
                                          shard_groups[static_cast<std::size_t>(t)]);
        lt::in_process_communicator tensor("tp", t,
                                           tp_groups[static_cast<std::size_t>(s)]);
        body(shard, tensor);
    });
}

double difference(const at::Tensor& a, const at::Tensor& b) {
    return a.numel() == 0 ? 0.0 : (a - b).abs().max().item<double>();
}

/// What lies here of a full tensor.
at::Tensor slice_here(const lt::sharded_parameters& parameters, std::size_t i,
                      const at::Tensor& full) {
    const auto here = parameters.slice(i);
    const auto rows = full.slice(0, here.rows.begin, here.rows.end);
    return full.dim() == 1 ? rows : rows.slice(1, here.columns.begin, here.columns.end);
}

/// Gradients of every `stride`-th of the two rows from `first` on. Returns their loss.
double train_rows(model& subject, const lt::mesh_view& groups, std::int64_t first,
                  std::int64_t stride) {
    std::vector<packed_row> rows;
    for (auto row = first; row < 2; row += stride)
        rows.push_back(row_of(row, subject.shape().vocab_size));
    return accumulate_gradients(subject, groups, rows, 50).item<double>();
}

void compare_with_one_process(const model_shape& shape, int shards, int tp) {
    lt::single_communicator alone("alone");
    model_options options;
    options.master_dtype = options.compute_dtype = at::kDouble;
    const auto whole_groups = lt::mesh_view::alone(alone);
    model whole(shape, whole_groups, options);
    whole.initialize(3);
    const double expected = train_rows(whole, whole_groups, 0, 1);
    const double expected_norm = lt::gradient_norm(whole.units(), alone).item<double>();

    for (const bool sequence_parallel : {false, true}) {
        BOOST_TEST_CONTEXT("shards " << shards << ", tp " << tp << ", sequence parallel "
                                     << sequence_parallel) {
            on_mesh(shards, tp, [&](lt::communicator& shard, lt::communicator& tensor) {
                lt::single_communicator single("replicate");
                auto chosen = options;
                chosen.sequence_parallel = sequence_parallel;
                const lt::mesh_view groups{
                    .shard = &shard, .replicate = &single, .tp = &tensor};
                model part(shape, groups, chosen);
                part.initialize(3);
                const double loss = train_rows(part, groups, shard.rank(), shards);
                const double norm =
                    lt::gradient_norm(part.units(), shard, &tensor).item<double>();
                auto sum = at::full({1}, loss, at::kDouble);
                shard.all_reduce(sum).wait();
                std::vector<std::vector<at::Tensor>> gathered;
                for (auto& unit : part.units()) {
                    gathered.push_back(
                        unit.parameters().gather_full(unit.parameters().flat_shards()));
                }

                const std::lock_guard lock(checking);
                BOOST_TEST(std::abs(sum.item<double>() - expected) <=
                           1e-12 * std::abs(expected));
                BOOST_TEST(std::abs(norm - expected_norm) <= 1e-12 * expected_norm);
                for (std::size_t u = 0; u < part.units().size(); ++u) {
                    const auto& mine = part.units()[u].parameters();
                    const auto& full = whole.units()[u].parameters();
                    for (std::size_t i = 0; i < mine.size(); ++i) {
                        const auto& name = mine.info(i).name;
                        BOOST_TEST(at::equal(gathered[u][i], full.shard(i)), name);
                        BOOST_TEST(
                            at::equal(mine.shard(i), slice_here(mine, i, full.shard(i))),
                            name);
                        BOOST_TEST(
                            difference(mine.gradient(i),
                                       slice_here(mine, i, full.gradient(i))) <= 1e-12,
                            name);
                    }
                }
            });
        }
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(sizes_that_do_not_divide) {
    compare_with_one_process(awkward_llama(4, 2), 1, 2);
    compare_with_one_process(awkward_llama(4, 2), 2, 2);
}

BOOST_AUTO_TEST_CASE(fewer_key_value_heads_than_ranks) {
    compare_with_one_process(awkward_llama(4, 2), 1, 4);
    compare_with_one_process(awkward_llama(4, 1), 2, 4);
}

BOOST_AUTO_TEST_CASE(key_value_heads_that_ranks_share_unequally) {
    // Rank 0 has query heads 0 to 5 of 12: keys 0 whole, of keys 1 half.
    compare_with_one_process(awkward_llama(12, 3), 1, 2);
}

BOOST_AUTO_TEST_CASE(ranks_without_rows_of_a_matrix) {
    auto shape = awkward_llama(8, 2);
    shape.vocab_size = 5;
    shape.intermediate_size = 3;
    compare_with_one_process(shape, 1, 8);
    shape.tie_word_embeddings = true;
    compare_with_one_process(shape, 1, 8);
}

BOOST_DATA_TEST_CASE(families,
                     boost::unit_test::data::make(std::vector<std::string>{
                         "llama_tied", "families/gemma2", "families/gemma3",
                         "families/mixtral", "families/qwen2_window", "families/qwen3",
                         "families/qwen3_moe"}),
                     name) {
    const auto shape = read_model_config(std::string(PACKKIT_GOLDEN "/") + name);
    compare_with_one_process(shape, 2, 2);
    compare_with_one_process(shape, 1, 4);
}

BOOST_AUTO_TEST_SUITE_END()
