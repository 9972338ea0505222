// SPDX-License-Identifier: Apache-2.0
/// @file
/// Saved on one mesh, loaded on another, all pairs of six meshes and both forms: the same
/// weights and moments to the bit, and losses that go on as if nothing had happened.
/// Ranks as threads.

#include "bounds.hpp"
#include "counted_memory.hpp"
#include "small_training.hpp"

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/weight_files.hpp"
#include "run_process.hpp"

#include <packkit/torch/memory/memory_counter.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(mesh_checkpoints_test,
                      *boost::unit_test::fixture<packkit::test::counted_memory>())

using namespace packkit;
using namespace packkit::train;
using test::mesh_rank;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t steps_before = 2;
constexpr std::int64_t steps_after = 3;
constexpr std::int64_t rows_a_step = 8;

/// Four ranks have 3, 3, 3 and 0 of nine features' rows, two of tp five and four.
model_shape uneven_llama() {
    auto shape = test::small_llama();
    shape.intermediate_size = 9;
    return shape;
}

mesh_shape mesh(std::int64_t dp_replicate, std::int64_t dp_shard, std::int64_t cp,
                std::int64_t tp) {
    mesh_shape shape;
    shape.dp_replicate = dp_replicate;
    shape.dp_shard = dp_shard;
    shape.cp = cp;
    shape.tp = tp;
    return shape;
}

const std::vector<mesh_shape> meshes{mesh(1, 1, 1, 1), mesh(2, 1, 1, 1),
                                     mesh(1, 4, 1, 1), mesh(2, 2, 1, 1),
                                     mesh(1, 2, 1, 2), mesh(2, 1, 2, 2)};

constexpr std::array forms{checkpoint_form::full, checkpoint_form::sharded};

const app::ordered_json model_config{{"architectures", {"LlamaForCausalLM"}},
                                     {"model_type", "llama"}};
const run_identity identity{.fixed = {{"seed", "3"}}, .changeable = {}, .data = {}};

/// A model in training on one rank.
struct trained {
    model state;
    lt::adamw optimizer;

    trained(const mesh_rank& rank, at::ScalarType dtype)
        : state(uneven_llama(), rank.groups, options_of(dtype)),
          optimizer(state.units(), {0.9, 0.98, 1e-8, 0.1}) {}

    static model_options options_of(at::ScalarType dtype) {
        model_options options;
        options.master_dtype = options.compute_dtype = dtype;
        return options;
    }

    /// Steps [from, from + count). Returns their losses.
    std::vector<double> run(const mesh_rank& rank, std::int64_t from,
                            std::int64_t count) {
        std::vector<double> losses;
        for (auto step = from; step < from + count; ++step) {
            losses.push_back(test::train_step(state, optimizer, rank, step, rows_a_step));
        }
        return losses;
    }

    /// All weights and moments as whole tensors. Collective.
    std::map<std::string, at::Tensor> gathered() {
        std::map<std::string, at::Tensor> all;
        const auto add = [&](const std::string& prefix, std::size_t u,
                             const at::Tensor& flat) {
            const auto& parameters = state.units()[u].parameters();
            const auto full = parameters.gather_full(flat);
            for (std::size_t i = 0; i < full.size(); ++i)
                all[prefix + parameters.info(i).name] = full[i].clone();
        };
        for (std::size_t u = 0; u < state.units().size(); ++u) {
            add("", u, state.units()[u].parameters().flat_shards());
            add("first moment ", u, optimizer.exp_avg(u));
            add("second moment ", u, optimizer.exp_avg_sq(u));
        }
        return all;
    }

    std::string save(const mesh_rank& rank, const std::string& output_dir,
                     checkpoint_form form, std::int64_t step = steps_before) {
        return save_checkpoint({output_dir, form, 0}, step, state, optimizer,
                               model_config, identity, *rank.groups.world);
    }
};

/// What rank 0 saw of a run.
struct outcome {
    std::map<std::string, at::Tensor> at_save;  // whole tensors
    std::vector<double> losses;                 // of the steps after
};

/// Below `root`, of that form.
std::string output_dir(const test::temporary_folder& root, checkpoint_form form) {
    const auto path = root.path() / std::string(to_string(form));
    fs::create_directories(path);
    return path.string();
}

/// Trains on `mesh`, saves in both forms, and goes on.
outcome train_and_save(const mesh_shape& mesh, at::ScalarType dtype,
                       const test::temporary_folder& root) {
    outcome seen;
    test::run_mesh(mesh, [&](const mesh_rank& rank) {
        trained subject(rank, dtype);
        subject.state.initialize(3);
        subject.run(rank, 0, steps_before);
        auto whole = subject.gathered();
        for (const auto form : forms)
            subject.save(rank, output_dir(root, form), form);
        auto losses = subject.run(rank, steps_before, steps_after);
        if (rank.groups.world->rank() == 0) seen = {std::move(whole), std::move(losses)};
    });
    return seen;
}

/// Goes on from `point` on `mesh`.
outcome load_and_go_on(const mesh_shape& mesh, at::ScalarType dtype,
                       const resume_point& point) {
    outcome seen;
    test::run_mesh(mesh, [&](const mesh_rank& rank) {
        trained subject(rank, dtype);
        load_checkpoint(point, subject.state, subject.optimizer);
        auto whole = subject.gathered();
        auto losses = subject.run(rank, point.step, steps_after);
        if (rank.groups.world->rank() == 0) seen = {std::move(whole), std::move(losses)};
    });
    return seen;
}

void check_equal(const std::map<std::string, at::Tensor>& expected,
                 const std::map<std::string, at::Tensor>& found) {
    BOOST_TEST_REQUIRE(found.size() == expected.size());
    for (const auto& [name, tensor] : expected) {
        BOOST_TEST_REQUIRE(found.contains(name), name);
        BOOST_TEST(at::equal(found.at(name), tensor), name);
    }
}

void compare_all_pairs(at::ScalarType dtype, double tolerance) {
    double worst = 0;
    std::size_t pairs = 0;
    for (const auto& from : meshes) {
        const test::temporary_folder root;
        const auto straight = train_and_save(from, dtype, root);
        // Nine parameters in each of two blocks, embedding, norm and head.
        BOOST_TEST(straight.at_save.size() == 3 * 21u);
        for (const auto form : forms) {
            std::vector<std::string> warnings;
            const auto point = find_newest_checkpoint(output_dir(root, form), warnings);
            BOOST_TEST_REQUIRE(point.has_value());
            BOOST_TEST(point->step == steps_before);
            for (const auto& to : meshes) {
                BOOST_TEST_CONTEXT(to_string(from) << " to " << to_string(to) << ", "
                                                   << to_string(form)) {
                    const auto resumed = load_and_go_on(to, dtype, *point);
                    check_equal(straight.at_save, resumed.at_save);
                    const bool same_mesh = &from == &to;
                    for (std::size_t i = 0; i < straight.losses.size(); ++i) {
                        const double apart =
                            std::abs(resumed.losses[i] / straight.losses[i] - 1);
                        worst = std::max(worst, apart);
                        BOOST_TEST(apart <= (same_mesh ? 0.0 : tolerance));
                    }
                    ++pairs;
                }
            }
        }
    }
    BOOST_TEST(pairs == 2 * 36u);
    BOOST_TEST_MESSAGE(pairs << " resumed runs, losses of " << steps_after
                             << " steps apart at most " << worst);
}

std::vector<std::string> names_in(const fs::path& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder))
        names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace

BOOST_AUTO_TEST_CASE(all_pairs_float64) {
    compare_all_pairs(at::kDouble, test::bounds::checkpoint_float64);
}

BOOST_AUTO_TEST_CASE(all_pairs_float32) {
    compare_all_pairs(at::kFloat, test::bounds::checkpoint_float32);
}

BOOST_AUTO_TEST_CASE(new_rows_are_the_mean_of_the_old_ones_on_every_mesh) {
    const test::temporary_folder root;
    // Five rows more: two ranks of tp have 24 each, four ranks 12, the last ones new ones
    // alone.
    constexpr std::int64_t stored = 43, rows = 48;
    auto wide = uneven_llama();
    wide.vocab_size = rows;
    std::map<std::string, at::Tensor> old;
    test::run_mesh(meshes.front(), [&](const mesh_rank& rank) {
        trained subject(rank, at::kDouble);
        subject.state.initialize(3);
        old = subject.gathered();
        subject.save(rank, output_dir(root, checkpoint_form::full),
                     checkpoint_form::full);
    });
    const auto folder =
        checkpoint_path(output_dir(root, checkpoint_form::full), steps_before);
    const auto mean_of = [](const at::Tensor& matrix) {
        auto sum = at::zeros({matrix.size(1)}, at::kDouble);
        for (std::int64_t row = 0; row < matrix.size(0); ++row)
            sum += matrix[row];
        return sum / static_cast<double>(matrix.size(0));
    };
    for (const auto& to : meshes) {
        test::run_mesh(to, [&](const mesh_rank& rank) {
            model state(wide, rank.groups, trained::options_of(at::kFloat));
            load_weights(folder.string(), state, stored);
            for (std::size_t u = 0; u < state.units().size(); ++u) {
                const auto& parameters = state.units()[u].parameters();
                const auto full = parameters.gather_full(parameters.flat_shards());
                if (rank.groups.world->rank() > 0) continue;
                for (std::size_t i = 0; i < full.size(); ++i) {
                    const auto& name = parameters.info(i).name;
                    auto expected = old.at(name);
                    if (full[i].size(0) == rows) {
                        const auto mean = mean_of(expected).expand({rows - stored, -1});
                        expected = at::cat({expected, mean});
                    }
                    BOOST_TEST(at::equal(full[i], expected.to(at::kFloat)),
                               to_string(to) << ": " << name);
                }
            }
        });
    }
}

BOOST_AUTO_TEST_CASE(files_of_a_sharded_checkpoint) {
    const test::temporary_folder root;
    train_and_save(mesh(2, 1, 2, 2), at::kFloat, root);
    const auto sharded = fs::path(output_dir(root, checkpoint_form::sharded));
    const std::vector<std::string> expected{"config.json",
                                            "shard-00001-of-00004.safetensors",
                                            "shard-00002-of-00004.safetensors",
                                            "shard-00003-of-00004.safetensors",
                                            "shard-00004-of-00004.safetensors",
                                            "shards.index.json",
                                            "trainer_state.json"};
    BOOST_TEST(names_in(sharded / "checkpoint-2") == expected,
               boost::test_tools::per_element());
    BOOST_TEST(names_in(sharded) == std::vector<std::string>{"checkpoint-2"},
               boost::test_tools::per_element());
    // Every element once: what ranks repeat is written by one of them.
    const auto index =
        read_shard_index((sharded / "checkpoint-2/shards.index.json").string());
    std::uint64_t in_shards = 0, in_tensors = 0;
    for (const auto& file : index.files) {
        const safetensors_file opened((sharded / "checkpoint-2" / file.name).string());
        for (const auto& [name, info] : opened.tensors())
            in_shards += info.end - info.begin;
    }
    for (const auto& [name, tensor] : index.tensors)
        in_tensors += *safetensors_bytes(tensor.dtype, tensor.shape);
    BOOST_TEST(in_shards == in_tensors);
}

BOOST_AUTO_TEST_CASE(a_sharded_save_gathers_nothing) {
    const test::temporary_folder root;
    std::map<checkpoint_form, std::int64_t> taken, sent;
    test::run_mesh(mesh(1, 2, 1, 2), [&](const mesh_rank& rank) {
        auto& world = *rank.groups.world;
        trained subject(rank, at::kDouble);
        for (const auto form : forms) {
            world.barrier();
            rank.groups.shard->reset_traffic();
            rank.groups.tp->reset_traffic();
            const auto before = lt::memory_now().total();
            world.barrier();
            if (world.rank() == 0) lt::reset_memory_peak();
            world.barrier();
            subject.save(rank, output_dir(root, form), form);
            world.barrier();
            if (world.rank() != 0) continue;
            taken[form] = lt::memory_peak().total() - before;
            sent[form] = rank.groups.shard->sent()[lt::collective::all_gather] +
                         rank.groups.tp->sent()[lt::collective::all_gather];
        }
    });
    constexpr std::int64_t embedding_bytes = 43 * 32 * 8;
    BOOST_TEST(taken[checkpoint_form::full] > embedding_bytes);
    BOOST_TEST(sent[checkpoint_form::full] > embedding_bytes / 2);
    // Of all four ranks together: what they tell each other. A copy of one rank's part of
    // the embedding would take 2816.
    BOOST_TEST(taken[checkpoint_form::sharded] < 1024);
    BOOST_TEST_MESSAGE("bytes taken by a save: full " << taken[checkpoint_form::full]
                                                      << ", sharded "
                                                      << taken[checkpoint_form::sharded]);
    BOOST_TEST(sent[checkpoint_form::sharded] == 0);
}

BOOST_AUTO_TEST_CASE(a_rank_that_cannot_write_leaves_nothing) {
    const test::temporary_folder root;
    const auto output = output_dir(root, checkpoint_form::sharded);
    std::vector<std::string> messages(4);
    test::run_mesh(mesh(1, 2, 1, 2), [&](const mesh_rank& rank) {
        const auto number = static_cast<std::size_t>(rank.groups.world->rank());
        trained subject(rank, at::kFloat);
        subject.save(rank, output, checkpoint_form::sharded, 1);
        try {
            subject.save(rank, number == 2 ? output + "/elsewhere" : output,
                         checkpoint_form::sharded, 2);
        } catch (const lt::communication_error& fault) {
            messages[number] = std::string("echo: ") + fault.what();
        } catch (const std::runtime_error& fault) { messages[number] = fault.what(); }
    });
    const std::string echo =
        "echo: rank 2 could not write its part of the checkpoint: " + messages[2];
    BOOST_TEST(messages[0] == echo);
    BOOST_TEST(messages[1] == echo);
    BOOST_TEST(messages[3] == echo);
    BOOST_TEST(
        messages[2].find("needs an output_dir that all ranks share") != std::string::npos,
        messages[2]);
    BOOST_TEST(names_in(output) == std::vector<std::string>{"checkpoint-1"},
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
