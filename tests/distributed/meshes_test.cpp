// SPDX-License-Identifier: Apache-2.0
/// @file
/// Twenty steps of the same global batch on every mesh: the losses of one process.

#include "bounds.hpp"
#include "training_run.hpp"

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <iterator>

BOOST_AUTO_TEST_SUITE(meshes_test)

using namespace packkit;

namespace {

struct mesh_case {
    int processes;
    int accumulation;  // times the ranks that see rows of their own: the global batch
    std::vector<std::string> settings;
};

const std::vector<mesh_case> data_meshes{
    {2, 2, {}},                                                             // DDP
    {4, 1, {}},                                                             // DDP
    {2, 2, {"fsdp_version=2"}},                                             // FSDP
    {4, 1, {"fsdp_version=2"}},                                             // FSDP
    {2, 2, {"fsdp_version=2", "fsdp_config.reshard_after_forward=false"}},  // ZeRO-2
    {4, 1, {"fsdp_version=2", "dp_shard_size=2", "dp_replicate_size=2"}},   // HSDP
    {2, 4, {"tensor_parallel_size=2"}},                                     // TP
    // Two key-value heads, 259 tokens of vocabulary over 4 ranks.
    {4, 4, {"tensor_parallel_size=4", "sequence_parallel=true"}},
    {4, 2, {"tensor_parallel_size=2"}},  // DDP x TP
    {4,
     2,
     {"tensor_parallel_size=2", "sequence_parallel=true", "fsdp_version=2"}},  // FSDP x
                                                                               // TP
};

// A row lies on cp ranks.
const std::vector<mesh_case> row_meshes{
    {2, 4, {"context_parallel_size=2"}},
    {4, 4, {"context_parallel_size=4", "ring_attn_func=ring"}},
    {4, 2, {"fsdp_version=2", "dp_shard_size=2", "context_parallel_size=2"}},
    {4, 2, {"context_parallel_size=2", "ring_attn_func=ring"}},  // DDP of 2
    {4,
     4,
     {"context_parallel_size=2", "tensor_parallel_size=2", "sequence_parallel=true"}},
};

std::vector<std::string> arguments_for(const mesh_case& mesh, const std::string& output,
                                       const std::vector<std::string>& more) {
    std::vector<std::string> arguments{
        "run.yaml", "output_dir=" + output,
        "gradient_accumulation_steps=" + std::to_string(mesh.accumulation)};
    arguments.insert(arguments.end(), mesh.settings.begin(), mesh.settings.end());
    arguments.insert(arguments.end(), more.begin(), more.end());
    if (mesh.processes > 1) {
        arguments.insert(arguments.end(),
                         {"--processes", std::to_string(mesh.processes)});
    }
    return arguments;
}

void compare_meshes(const std::vector<mesh_case>& meshes,
                    const std::vector<std::string>& settings, double tolerance) {
    const test::training_folder folder;
    const auto alone = folder.run(arguments_for({1, 4, {}}, "alone", settings));
    BOOST_TEST_REQUIRE(alone.exit_code == 0, alone.err);
    const auto expected = folder.metrics("alone");
    BOOST_TEST_REQUIRE(expected.size() == 20);
    BOOST_TEST(expected.back()["loss"].get<double>() <
               expected.front()["loss"].get<double>());
    for (std::size_t i = 0; i < meshes.size(); ++i) {
        const auto output = "mesh" + std::to_string(i);
        const auto result = folder.run(arguments_for(meshes[i], output, settings));
        BOOST_TEST_REQUIRE(result.exit_code == 0, result.err);
        const auto found = folder.metrics(output);
        BOOST_TEST(test::loss_difference(expected, found) <= tolerance);
        for (std::size_t step = 0; step < found.size(); ++step) {
            BOOST_TEST(found[step]["tokens"] == expected[step]["tokens"]);
        }
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(float64) {
    compare_meshes(data_meshes, {"torch_dtype=float64"},
                   test::bounds::mesh_processes_float64);
}

// All of them, in this precision too, are compared as threads (mesh_products_test.cpp).
BOOST_AUTO_TEST_CASE(float32) {
    compare_meshes({{4, 1, {"fsdp_version=2", "dp_shard_size=2", "dp_replicate_size=2"}},
                    {4, 2, {"fsdp_version=2", "tensor_parallel_size=2"}}},
                   {"torch_dtype=float32"}, test::bounds::mesh_processes_float32);
}

BOOST_AUTO_TEST_CASE(canonical_sums_have_the_same_bits_on_every_split) {
    const std::string fsdp = "fsdp_version=2";
    const std::vector<mesh_case> splits{
        {1, 8, {}},
        {2, 4, {}},
        {4, 2, {}},
        {8, 1, {}},
        {2, 4, {fsdp}},
        {4, 2, {fsdp}},
        {4, 2, {fsdp, "fsdp_config.reshard_after_forward=false"}},
        {4, 2, {fsdp, "dp_shard_size=2", "dp_replicate_size=2"}},
        {8, 1, {fsdp, "dp_shard_size=4", "dp_replicate_size=2"}}};
    const test::training_folder folder;
    test::process_options one_thread;
    one_thread.environment = {{"OMP_NUM_THREADS", "1"}};
    std::vector<app::json> expected;
    for (std::size_t i = 0; i < splits.size(); ++i) {
        const auto output = "split" + std::to_string(i);
        // A matrix product's bits may depend on its number of threads.
        const auto result = folder.run(
            arguments_for(splits[i], output, {"reduction=canonical", "max_steps=5"}),
            one_thread);
        BOOST_TEST_REQUIRE(result.exit_code == 0, result.err);
        const auto found = folder.metrics(output);
        BOOST_TEST_REQUIRE(found.size() == 5);
        if (expected.empty()) expected = found;
        for (std::size_t step = 0; step < found.size(); ++step) {
            for (const char* same : {"loss_bits", "grad_norm", "tokens"})
                BOOST_TEST(found[step][same] == expected[step][same],
                           output << ", step " << step << ": " << same);
        }
    }
}

BOOST_AUTO_TEST_CASE(rows_on_several_ranks_in_float64) {
    compare_meshes(row_meshes, {"torch_dtype=float64"},
                   test::bounds::mesh_processes_float64);
}

BOOST_AUTO_TEST_CASE(rows_on_several_ranks_in_float32) {
    compare_meshes({row_meshes[1], row_meshes.back()}, {"torch_dtype=float32"},
                   test::bounds::mesh_processes_shared_rows_float32);
}

BOOST_AUTO_TEST_CASE(dropout_is_the_same_on_every_mesh) {
    const std::vector<std::string> settings{"torch_dtype=float64",
                                            "residual_dropout=0.2"};
    compare_meshes({{4, 1, {"fsdp_version=2", "dp_shard_size=2"}},
                    {2, 4, {"tensor_parallel_size=2", "sequence_parallel=true"}},
                    {2, 4, {"context_parallel_size=2"}},
                    {1, 4, {"gradient_checkpointing=true"}}},
                   settings, test::bounds::mesh_processes_float64);
    // It does something, and something else with another seed or at another step.
    const test::training_folder folder;
    const auto losses = [&](const std::string& name, std::vector<std::string> more) {
        more.insert(more.end(), {"torch_dtype=float64", "learning_rate=1e-300"});
        const auto result = folder.run(arguments_for({1, 1, {}}, name, more));
        BOOST_TEST_REQUIRE(result.exit_code == 0, result.err);
        return folder.metrics(name);
    };
    const auto without = losses("without", {"max_steps=2"});
    const auto with = losses("with", {"max_steps=2", settings[1]});
    BOOST_TEST(test::loss_difference(without, with) > 1e-5);
    const std::string p = "residual_dropout=1";
    const auto refused = folder.run({"run.yaml", p});
    BOOST_TEST(refused.exit_code == 2);
    BOOST_TEST(refused.err.find("residual_dropout") != std::string::npos, refused.err);
}

BOOST_AUTO_TEST_CASE(without_packing_and_with_rows_that_do_not_fill_a_step) {
    // 7 samples on 4 ranks: some ranks have nothing to do, and take part all the same.
    const test::training_folder folder;
    folder.write(
        "data.jsonl",
        "{\"text\":\"a\"}\n{\"text\":\"bc\"}\n{\"text\":\"def\"}\n{\"text\":\"g h\"}\n"
        "{\"text\":\"ijklmn\"}\n{\"text\":\"op\"}\n{\"text\":\"qrs\"}\n");
    const std::vector<std::string> settings{"sample_packing=false", "torch_dtype=float64",
                                            "max_steps=6"};
    const auto alone = folder.run(arguments_for({1, 4, {}}, "alone", settings));
    BOOST_TEST_REQUIRE(alone.exit_code == 0, alone.err);
    for (const mesh_case& mesh :
         {mesh_case{4, 1, {}}, mesh_case{4, 1, {"fsdp_version=2"}},
          mesh_case{4, 2, {"context_parallel_size=2"}}}) {
        const auto name = "mesh" + std::to_string(mesh.accumulation) +
                          (mesh.settings.empty() ? "" : mesh.settings[0]);
        const auto result = folder.run(arguments_for(mesh, name, settings));
        BOOST_TEST_REQUIRE(result.exit_code == 0, result.err);
        BOOST_TEST(test::loss_difference(folder.metrics("alone"), folder.metrics(name)) <=
                   1e-12);
    }
}

BOOST_AUTO_TEST_CASE(tied_embeddings) {
    const test::training_folder folder;
    auto config = app::read_json_file(folder.path("model/config.json"));
    config["tie_word_embeddings"] = true;
    folder.write("model/config.json", config.dump());
    const std::vector<std::string> settings{"torch_dtype=float64", "max_steps=5"};
    const auto alone = folder.run(arguments_for({1, 4, {}}, "alone", settings));
    BOOST_TEST_REQUIRE(alone.exit_code == 0, alone.err);
    const auto sharded =
        folder.run(arguments_for({4, 1, {"fsdp_version=2"}}, "fsdp", settings));
    BOOST_TEST_REQUIRE(sharded.exit_code == 0, sharded.err);
    BOOST_TEST(test::loss_difference(folder.metrics("alone"), folder.metrics("fsdp")) <=
               1e-12);
}

BOOST_AUTO_TEST_CASE(checkpointing_has_the_same_bits_and_sends_as_much) {
    const test::training_folder folder;
    const std::vector<std::pair<mesh_case, std::vector<std::string>>> cases{
        {{1, 2, {}}, {}},
        {{2, 2, {"fsdp_version=2"}}, {"bf16=true"}},
        {{4, 1, {"fsdp_version=2", "dp_shard_size=2", "dp_replicate_size=2"}}, {}}};
    for (const auto& [mesh, more] : cases) {
        const auto steps_with = [&, &mesh = mesh, &more = more](const std::string& kind) {
            auto settings = more;
            settings.insert(settings.end(),
                            {"max_steps=3", "gradient_checkpointing=" + kind});
            const auto result = folder.run(arguments_for(mesh, kind, settings));
            BOOST_TEST_REQUIRE(result.exit_code == 0, result.err);
            const std::string name = kind == "true"    ? "full"
                                     : kind == "false" ? "none"
                                                       : kind;
            BOOST_TEST(result.err.find("activation checkpointing: " + name) !=
                       std::string::npos);
            auto steps = folder.metrics(kind);
            std::filesystem::remove_all(folder.path(kind));
            return steps;
        };
        const auto none = steps_with("false");
        BOOST_TEST_REQUIRE(none.size() == 3);
        for (const std::string kind : {"selective", "true"}) {
            const auto found = steps_with(kind);
            BOOST_TEST_REQUIRE(found.size() == 3);
            for (std::size_t i = 0; i < found.size(); ++i) {
                for (const char* same :
                     {"loss_bits", "grad_norm", "bytes", "collectives"})
                    BOOST_TEST(found[i][same] == none[i][same], kind << ", " << same);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(initial_weights_are_the_same_bits) {
    // With a learning rate of zero the checkpoint holds what training started from.
    const test::training_folder folder;
    const auto weights_of = [&](const mesh_case& mesh, const std::string& output) {
        const auto result = folder.run(arguments_for(
            mesh, output,
            {"max_steps=1", "learning_rate=0", "weight_decay=0", "warmup_steps=0"}));
        BOOST_TEST_REQUIRE(result.exit_code == 0, result.err);
        std::ifstream file(folder.path(output + "/checkpoint-1/model.safetensors"),
                           std::ios::binary);
        return std::string(std::istreambuf_iterator<char>(file), {});
    };
    const auto alone = weights_of({1, 4, {}}, "alone");
    BOOST_TEST(alone.size() > 4u * 259 * 32);
    BOOST_TEST((weights_of(data_meshes[4], "zero2") == alone));
    BOOST_TEST((weights_of(data_meshes[7], "tp4") == alone));
    BOOST_TEST((weights_of(data_meshes[9], "fsdp_tp") == alone));
}

BOOST_AUTO_TEST_CASE(bytes_sent_are_those_of_the_formulas) {
    // Ψ bytes of parameters over n ranks: DDP 2Ψ, FSDP 3Ψ a micro-batch, times (n − 1)/n;
    // beside that the gradient norm and the ranks' reports.
    const test::training_folder folder;
    const auto ddp = folder.run(arguments_for({2, 2, {}}, "ddp", {"max_steps=1"}));
    const auto fsdp =
        folder.run(arguments_for({2, 2, {"fsdp_version=2"}}, "fsdp", {"max_steps=1"}));
    BOOST_TEST_REQUIRE(ddp.exit_code == 0, ddp.err);
    BOOST_TEST_REQUIRE(fsdp.exit_code == 0, fsdp.err);
    const std::int64_t block = 2 * 32 + 32 * 32 * 2 + 2 * 16 * 32 +
                               3 * 52 * 32;    // norms, q and o, k and v, feed-forward
    const std::int64_t even = 2 * block + 32;  // all but the vocabulary, rows divide
    const std::int64_t psi_half =
        4 * (2 * 130 * 32 + even / 2);  // 259 rows: 130 on each rank
    const std::int64_t reports = 3 * 8;
    const auto sent = [&](const std::string& run, const char* kind) {
        return folder.metrics(run)[0]["bytes"][kind].get<std::int64_t>();
    };
    const std::int64_t psi = 4 * (2 * 259 * 32 + even);
    BOOST_TEST(sent("ddp", "all_reduce") == psi);
    BOOST_TEST(sent("ddp", "all_gather") == reports);
    BOOST_TEST(sent("ddp", "reduce_scatter") == 0);
    BOOST_TEST(sent("fsdp", "all_gather") == 2 * 2 * psi_half + reports);
    BOOST_TEST(sent("fsdp", "reduce_scatter") == 2 * psi_half);
    BOOST_TEST(sent("fsdp", "all_reduce") == 2 * 8);
}

BOOST_AUTO_TEST_SUITE_END()
