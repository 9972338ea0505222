// SPDX-License-Identifier: Apache-2.0
// packkit-plan search: every mesh is ranked or refused.
#include "plan_program.hpp"

#include <chrono>
#include <set>

BOOST_AUTO_TEST_SUITE(search_test)

using namespace plan_test;

namespace {

using names = std::vector<std::string>;

using mesh_sizes = std::array<std::int64_t, 4>;

mesh_sizes sizes_of(const json& mesh) {
    return {mesh["dp_replicate"], mesh["dp_shard"], mesh["cp"], mesh["tp"]};
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_mesh_is_in_one_of_the_lists) {
    const json found =
        plan_json("search llama-3-70b --gpus 64 --gpu h100-80gb --global-batch-size 128");
    std::set<mesh_sizes> meshes;
    for (const char* list : {"plans", "rejected"}) {
        for (const json& one : found[list]) {
            const auto sizes = sizes_of(one["mesh"]);
            BOOST_TEST(sizes[0] * sizes[1] * sizes[2] * sizes[3] == 64);
            BOOST_TEST(meshes.insert(sizes).second);
        }
    }
    BOOST_TEST(meshes.size() == 84u);  // 2^6 over four dimensions: 9 over 3
    BOOST_TEST(!found["plans"].empty());
    BOOST_TEST(!found["rejected"].empty());
    for (const json& one : found["rejected"])
        BOOST_TEST(one["reason"].get<std::string>().size() > 10u);
    double before = 1e300;
    for (const json& plan : found["plans"]) {
        BOOST_TEST(plan["fits"] == true);
        BOOST_TEST(plan["batch"]["global_samples"] == 128);
        // The rest is left to the driver and to fragmentation.
        BOOST_TEST(
            plan["memory_bytes"]["capacity"] ==
            static_cast<std::int64_t>(0.95 * plan["gpu"]["memory_bytes"].get<double>()));
        const double speed = plan["tokens_per_second_per_gpu"];
        BOOST_TEST(speed <= before);
        before = speed;
    }
    BOOST_TEST(!found["advice"].empty());
}

BOOST_AUTO_TEST_CASE(a_plan_has_the_keys_of_an_estimate) {
    const auto result =
        run_plan("search llama-3-8b --gpus 8 --gpu h100-80gb --top 1 --format json");
    const auto found = nlohmann::ordered_json::parse(result.out);
    BOOST_TEST((keys_of(found) == names{"plans", "rejected", "fitting_meshes", "variants",
                                        "warnings", "advice", "suggestions", "notes"}));
    BOOST_TEST(found["plans"].size() == 1u);
    const auto& plan = found["plans"][0];
    for (const char* key : {"model", "mesh", "batch", "memory_bytes", "fits",
                            "flops_per_token", "communication_bytes", "seconds",
                            "tokens_per_second_per_gpu", "mfu", "warnings"}) {
        BOOST_TEST(plan.contains(key), key);
    }
    // The same setup by hand is the same estimate.
    const auto& setup = plan["setup"];
    const auto text = [](const nlohmann::ordered_json& value) {
        return value.is_string() ? value.get<std::string>() : value.dump();
    };
    std::string arguments = "estimate llama-3-8b --gpus 8 --gpu h100-80gb";
    for (const auto& [option, value] :
         {std::pair{"--dp-replicate-size", plan["mesh"]["dp_replicate"]},
          std::pair{"--dp-shard-size", plan["mesh"]["dp_shard"]},
          std::pair{"--context-parallel-size", plan["mesh"]["cp"]},
          std::pair{"--tensor-parallel-size", plan["mesh"]["tp"]},
          std::pair{"--micro-batch-size", plan["batch"]["micro_batch_size"]},
          std::pair{"--gradient-accumulation-steps",
                    plan["batch"]["gradient_accumulation_steps"]},
          std::pair{"--sequence-len", setup["sequence_len"]},
          std::pair{"--sharding", setup["sharding"]},
          std::pair{"--activation-checkpointing", setup["activation_checkpointing"]}}) {
        arguments += std::string(" ") + option + " " + text(value);
    }
    if (setup["sequence_parallel"]) arguments += " --sequence-parallel";
    if (!setup["reshard_after_forward"]) arguments += " --no-reshard";
    const json estimate = plan_json(arguments);
    BOOST_TEST(estimate["memory_bytes"]["total"] ==
               plan["memory_bytes"]["total"].get<std::int64_t>());
    BOOST_TEST(estimate["tokens_per_second_per_gpu"] ==
               plan["tokens_per_second_per_gpu"].get<double>());
}

/// One way to train, asked of both commands.
struct both_answers {
    json estimate, search;
};

both_answers answers_of(const std::string& arguments) {
    const std::string one_way =
        " --dp-replicate-size 1 --context-parallel-size 1 --micro-batch-size 1 "
        "--gradient-accumulation-steps 1 --sharding fsdp --activation-checkpointing full "
        "--sequence-len 4096 " +
        arguments;
    return {plan_json("estimate" + one_way), plan_json("search" + one_way)};
}

const json* plan_with_mesh_of(const both_answers& answers) {
    for (const json& plan : answers.search["plans"]) {
        if (plan["mesh"] == answers.estimate["mesh"]) return &plan;
    }
    return nullptr;
}

BOOST_AUTO_TEST_CASE(search_and_estimate_have_one_limit_of_memory) {
    const auto with_gb = [](double gb, const std::string& more = "") {
        return answers_of(
            "llama-3-8b --gpus 8 --tensor-parallel-size 1 --no-reshard "
            "--gpu h100-80gb --gpu-memory-gb " +
            std::to_string(gb) + more);
    };
    const double needed =
        with_gb(80).estimate["memory_bytes"]["total"].get<double>() / 1e9;
    for (const auto& [share, fits] :
         {std::pair{0.90, true}, {0.9499, true}, {0.9501, false}, {0.97, false}}) {
        const both_answers answers = with_gb(needed / share);
        BOOST_TEST(answers.estimate["fits"] == fits, share);
        BOOST_TEST(!answers.search["plans"].empty() == fits, share);
        if (!fits) continue;
        BOOST_REQUIRE(plan_with_mesh_of(answers) != nullptr);
        BOOST_TEST(plan_with_mesh_of(answers)->at("memory_bytes") ==
                   answers.estimate["memory_bytes"]);
    }
    const both_answers all = with_gb(needed / 0.97, " --memory-share 1");
    BOOST_TEST(all.estimate["fits"] == true);
    BOOST_TEST(!all.search["plans"].empty());
}

BOOST_AUTO_TEST_CASE(ranks_may_share_key_value_heads) {
    // 32 attention heads, 8 of keys and values: 16 and 32 ranks share the latter.
    for (const char* tp : {"8", "16", "32"}) {
        const both_answers answers =
            answers_of(std::string("llama-3-8b --gpus 64 --gpu h100-80gb "
                                   "--sequence-parallel --no-reshard "
                                   "--tensor-parallel-size ") +
                       tp);
        BOOST_REQUIRE(plan_with_mesh_of(answers) != nullptr);
        const json& found = *plan_with_mesh_of(answers);
        BOOST_TEST(found["memory_bytes"] == answers.estimate["memory_bytes"]);
        BOOST_TEST(found["seconds"] == answers.estimate["seconds"]);
        BOOST_TEST(says(answers.estimate["warnings"], "ranks share them") ==
                   (std::string(tp) != "8"));
    }
    const json none = plan_json(
        "search llama-3-8b --gpus 64 --gpu h100-80gb "
        "--tensor-parallel-size 64");
    BOOST_TEST(none["plans"].empty());
    json reasons = json::array();
    for (const json& one : none["rejected"])
        reasons.push_back(one["reason"]);
    BOOST_TEST(says(reasons, "tp 64 does not divide 32 attention heads"));
}

BOOST_AUTO_TEST_CASE(what_is_given_is_kept_to) {
    const json found = plan_json(
        "search llama-3-8b --gpus 16 --gpu a100-80gb --tensor-parallel-size 2 "
        "--micro-batch-size 1 --activation-checkpointing full --sharding fsdp");
    BOOST_TEST(!found["plans"].empty());
    for (const json& plan : found["plans"]) {
        BOOST_TEST(plan["mesh"]["tp"] == 2);
        BOOST_TEST(plan["batch"]["micro_batch_size"] == 1);
        BOOST_TEST(plan["setup"]["activation_checkpointing"] == "full");
        BOOST_TEST(plan["setup"]["sharding"] == "fsdp");
    }
}

BOOST_AUTO_TEST_CASE(nothing_fits_and_what_would) {
    const std::string arguments = "search llama-3-70b --gpus 2 --gpu a100-40gb";
    const json found = plan_json(arguments);
    BOOST_TEST(found["plans"].empty());
    BOOST_TEST(found["rejected"].size() == 4u);
    BOOST_TEST(says(found["suggestions"], "GPUs"));
    const auto table = run_plan(arguments);
    BOOST_TEST(table.exit_code == 0);
    BOOST_TEST(table.out.find("Nothing fits; what would") != std::string::npos);
    const auto csv = run_plan(arguments + " --format csv");
    BOOST_TEST(csv.exit_code == 0);
    BOOST_TEST(csv.out == "");
}

BOOST_AUTO_TEST_CASE(four_thousand_gpus_take_no_time) {
    const auto start = std::chrono::steady_clock::now();
    const json found =
        plan_json("search llama-3-70b --gpus 4096 --gpu h100-80gb --sequence-len 8192");
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    BOOST_TEST(found["plans"].size() + found["rejected"].size() == 455u);
    BOOST_TEST(took.count() < 5.0);  // with sanitizers and others on the machine
}

BOOST_AUTO_TEST_CASE(the_histogram_is_taken_into_account) {
    const temporary_folder folder;
    std::string lines;
    for (int i = 0; i < 4000; ++i)
        lines += "512\n1024\n2560\n";
    folder.write("lengths.txt", lines);
    const json found = plan_json_in(
        folder,
        "search llama-3-8b --gpus 8 --gpu h100-80gb --sequence-len 4096 --lengths "
        "lengths.txt --price-per-gpu-hour 2 --top 3");
    BOOST_TEST(found["plans"].size() == 3u);
    BOOST_TEST(found["plans"][0]["schedule"]["rows_per_epoch"] == 4000);
    BOOST_TEST(found["packing"]["arrangements"]["packed"]["efficiency"] == 1.0);
    BOOST_TEST(says(found["advice"], "packing saves"));
}

BOOST_AUTO_TEST_CASE(tables_list_ten_and_group_refusals) {
    const auto table = run_plan("search llama-3-70b --gpus 64 --gpu h100-80gb");
    BOOST_TEST(table.out.find("10 of ") != std::string::npos);
    BOOST_TEST(table.out.find("Refused: ") != std::string::npos);
    BOOST_TEST(table.out.find(" meshes, as dp_replicate ") != std::string::npos);
    BOOST_TEST(table.out.find("Advice") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
