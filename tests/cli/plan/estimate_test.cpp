// SPDX-License-Identifier: Apache-2.0
// packkit-plan estimate: the JSON that scripts read, and figures that can be worked out.
#include "plan_program.hpp"

#include <boost/test/tools/floating_point_comparison.hpp>

#include <algorithm>

BOOST_AUTO_TEST_SUITE(estimate_test)

using namespace plan_test;

namespace {

using names = std::vector<std::string>;

const std::string llama_on_8 =
    "estimate llama-3-8b --gpus 8 --gpu h100-80gb --sequence-len 8192";

}  // namespace

BOOST_AUTO_TEST_CASE(json_has_the_stable_keys) {
    const auto result = run_plan(llama_on_8 + " --format json");
    const auto plan = nlohmann::ordered_json::parse(result.out);
    BOOST_TEST((keys_of(plan) == names{"model",
                                       "gpu",
                                       "mesh",
                                       "setup",
                                       "batch",
                                       "memory_bytes",
                                       "peak_moment",
                                       "system",
                                       "fits",
                                       "flops_per_token",
                                       "flop_convention",
                                       "attention_length",
                                       "communication_bytes",
                                       "seconds",
                                       "tokens_per_second_per_gpu",
                                       "mfu",
                                       "hfu",
                                       "dp_imbalance",
                                       "cp_imbalance",
                                       "warnings",
                                       "advice",
                                       "notes"}));
    BOOST_TEST(
        (keys_of(plan["model"]) ==
         names{"name", "parameters", "embedding_parameters", "active_parameters"}));
    BOOST_TEST((keys_of(plan["mesh"]) ==
                names{"dp_replicate", "dp_shard", "cp", "tp", "world"}));
    BOOST_TEST(
        (keys_of(plan["batch"]) ==
         names{"global_samples", "global_tokens", "real_tokens", "micro_batch_size",
               "gradient_accumulation_steps", "data_parallel_size"}));
    BOOST_TEST(
        (keys_of(plan["memory_bytes"]) ==
         names{"parameters", "gradients", "optimizer", "activations", "logits",
               "gathered_parameters", "communication", "total", "capacity", "host"}));
    BOOST_TEST((keys_of(plan["communication_bytes"]) ==
                names{"all_reduce", "all_gather", "reduce_scatter", "all_to_all",
                      "send_recv", "total", "by_dimension"}));
    BOOST_TEST((keys_of(plan["communication_bytes"]["by_dimension"]) ==
                names{"dp_replicate", "dp_shard", "cp", "tp", "world"}));
    BOOST_TEST((keys_of(plan["seconds"]) == names{"forward", "backward", "optimizer",
                                                  "compute", "communication",
                                                  "exposed_communication", "step"}));
    for (const auto& [key, value] : plan["memory_bytes"].items())
        BOOST_TEST(value.is_number_integer(), key);
    BOOST_TEST(plan["fits"].is_boolean());
    BOOST_TEST(plan["warnings"].is_array());
}

BOOST_AUTO_TEST_CASE(figures_agree_with_each_other) {
    const json plan = plan_json(llama_on_8 + " --gradient-accumulation-steps 4");
    BOOST_TEST(plan["model"]["parameters"] == 8030261248);
    BOOST_TEST(plan["model"]["embedding_parameters"] == 128256 * 4096);
    BOOST_TEST(plan["mesh"]["dp_shard"] == 8);
    BOOST_TEST(plan["mesh"]["world"] == 8);
    BOOST_TEST(plan["batch"]["global_samples"] == 32);
    BOOST_TEST(plan["batch"]["global_tokens"] == 32 * 8192);

    const json& memory = plan["memory_bytes"];
    std::int64_t sum = 0;
    for (const char* part : {"parameters", "gradients", "optimizer", "activations",
                             "logits", "gathered_parameters", "communication"}) {
        sum += memory[part].get<std::int64_t>();
    }
    BOOST_TEST(memory["total"] == sum);
    BOOST_TEST(plan["fits"] == (sum <= memory["capacity"].get<std::int64_t>()));
    // fp32 masters, and two moments, in eighths: all rows of this model divide by 8.
    BOOST_TEST(memory["parameters"] == 8030261248 / 8 * 4);
    BOOST_TEST(memory["optimizer"] == 8030261248 / 8 * 8);

    const json& bytes = plan["communication_bytes"];
    for (const char* collective :
         {"all_reduce", "all_gather", "reduce_scatter", "all_to_all", "send_recv"}) {
        std::int64_t over_dimensions = 0;
        for (const auto& [name, dimension] : bytes["by_dimension"].items())
            over_dimensions += dimension[collective].get<std::int64_t>();
        BOOST_TEST(bytes[collective] == over_dimensions);
    }
    const auto close = boost::test_tools::tolerance(1e-9);
    BOOST_TEST(plan["seconds"]["compute"].get<double>() +
                       plan["seconds"]["exposed_communication"].get<double>() ==
                   plan["seconds"]["step"].get<double>(),
               close);
    BOOST_TEST(plan["tokens_per_second_per_gpu"].get<double>() ==
                   32 * 8192 / 8 / plan["seconds"]["step"].get<double>(),
               close);
    BOOST_TEST(plan["mfu"].get<double>() ==
                   plan["flops_per_token"].get<double>() *
                       plan["tokens_per_second_per_gpu"].get<double>() / 989.5e12,
               close);
    BOOST_TEST(plan["flop_convention"] == "A");
}

BOOST_AUTO_TEST_CASE(sharding_kinds_share_what_zero_says) {
    // Rajbhandari et al. 2020: which of the states a rank holds whole.
    const auto memory = [](const std::string& more) {
        return plan_json(
            "estimate llama-2-7b --gpus 8 --gpu a100-80gb --sequence-len 512 " +
            more)["memory_bytes"];
    };
    const std::int64_t n = 6738415616;
    const json ddp = memory("--sharding ddp");
    BOOST_TEST(ddp["parameters"] == 4 * n);
    BOOST_TEST(ddp["optimizer"] == 8 * n);
    const json zero1 = memory("--sharding zero1");
    BOOST_TEST(zero1["optimizer"] < ddp["optimizer"]);
    const json zero2 = memory("--sharding zero2");
    BOOST_TEST(zero2["optimizer"] == zero1["optimizer"]);
    BOOST_TEST(zero2["gradients"] < zero1["gradients"]);
    const json fsdp = memory("--sharding fsdp");
    BOOST_TEST(fsdp["parameters"] == 4 * n / 8);
    BOOST_TEST(fsdp["optimizer"] == n);
    const json offloaded = memory("--sharding fsdp --offload-optimizer");
    BOOST_TEST(offloaded["optimizer"] == 0);
    BOOST_TEST(offloaded["host"].get<std::int64_t>() > 0);
}

BOOST_AUTO_TEST_CASE(meshes_are_completed) {
    const json hybrid = plan_json(
        "estimate llama-3-8b --gpus 128 --gpu h100-80gb --dp-replicate-size 4 "
        "--tensor-parallel-size 8");
    BOOST_TEST(hybrid["mesh"]["dp_shard"] == 4);
    BOOST_TEST(hybrid["mesh"]["world"] == 128);
    BOOST_TEST(says(hybrid["notes"], "FSDP shards over the 4 ranks left"));
    const json one = plan_json("estimate llama-3.2-1b --gpus 1 --gpu h100-80gb");
    BOOST_TEST(one["setup"]["sharding"] == "ddp");
    const json replicas =
        plan_json("estimate llama-3.2-1b --gpus 8 --gpu h100-80gb --sharding ddp");
    BOOST_TEST(replicas["mesh"]["dp_replicate"] == 8);
}

BOOST_AUTO_TEST_CASE(the_accumulation_follows_from_a_wanted_batch) {
    const json plan = plan_json(llama_on_8 + " --global-batch-size 64");
    BOOST_TEST(plan["batch"]["gradient_accumulation_steps"] == 8);
    BOOST_TEST(plan["batch"]["global_samples"] == 64);
}

BOOST_AUTO_TEST_CASE(a_model_from_a_file) {
    const temporary_folder folder;
    folder.write("config.json", small_llama());
    for (const char* model : {".", "config.json", "./config.json"}) {
        const json plan = plan_json_in(
            folder, std::string("estimate ") + model +
                        " --gpus 2 --gpu cpu --precision fp32 --sequence-len 128");
        // Tables of 259 x 32 for tokens and head; two blocks of q, o: 32 x 32 each, k, v:
        // 16 x 32 each, three matrices 48 x 32, two norms; a last norm.
        BOOST_TEST(plan["model"]["parameters"] ==
                   2 * 259 * 32 + 2 * (2 * 32 * 32 + 2 * 16 * 32 + 3 * 48 * 32 + 2 * 32) +
                       32);
    }
}

BOOST_AUTO_TEST_CASE(packing_is_compared_with_padding) {
    const temporary_folder folder;
    std::string lines;
    for (int i = 0; i < 500; ++i)
        lines += "100\n200\n700\n";
    folder.write("lengths.txt", lines);
    const std::string arguments =
        "estimate llama-3.2-1b --gpus 2 --gpu h100-80gb --sequence-len 1000 --lengths "
        "lengths.txt --price-per-gpu-hour 2 --epochs 2";
    const json plan = plan_json_in(folder, arguments);
    const json& packing = plan["packing"];
    BOOST_TEST(packing["samples"] == 1500);
    const json& packed = packing["arrangements"]["packed"];
    const json& padded = packing["arrangements"]["padded_to_sequence_len"];
    BOOST_TEST(packed["rows_per_epoch"] == 500);
    BOOST_TEST(packed["efficiency"] == 1.0);
    BOOST_TEST(padded["rows_per_epoch"] == 1500);
    BOOST_TEST(padded["efficiency"].get<double>() == 1.0 / 3,
               boost::test_tools::tolerance(1e-12));
    BOOST_TEST(packed["steps"] == 500);  // 250 an epoch
    const auto close = boost::test_tools::tolerance(1e-12);
    BOOST_TEST(packed["cost"].get<double>() == packed["gpu_hours"].get<double>() * 2,
               close);
    BOOST_TEST(padded["hours"].get<double>() > 2.5 * packed["hours"].get<double>());
    BOOST_TEST(plan["attention_length"].get<double>() == 540, close);  // 54 / 0.1
    BOOST_TEST(plan["schedule"]["steps"] == packed["steps"]);
    BOOST_TEST(says(plan["advice"], "packing saves"));
    // Planned without packing, the figures are those of the padded rows.
    const json unpacked = plan_json_in(folder, arguments + " --no-packing");
    BOOST_TEST(unpacked["schedule"]["steps"] == padded["steps"]);
    BOOST_TEST(unpacked["tokens_per_second_per_gpu"] ==
               padded["tokens_per_second_per_gpu"]);
}

BOOST_AUTO_TEST_CASE(lengths_are_read_as_packkit_pack_reads_them) {
    const temporary_folder folder;
    folder.write("rows.jsonl",
                 "{\"n\": 400, \"t\": \"abc\"}\n{\"n\": 600, \"t\": \"de\"}\n");
    const std::string base =
        "estimate llama-3.2-1b --gpus 1 --gpu h100-80gb --sequence-len 500 --lengths "
        "rows.jsonl ";
    BOOST_TEST(plan_json_in(
                   folder, base + "--length-field n")["packing"]["dropped_samples"] == 1);
    BOOST_TEST(plan_json_in(folder, base + "--length-field n --excess-length-strategy "
                                           "truncate")["packing"]["cut_tokens"] == 100);
    BOOST_TEST(plan_json_in(folder, base + "--length-field n --excess-length-strategy "
                                           "split")["packing"]["samples"] == 3);
    // Bytes, one for begin and one for end.
    BOOST_TEST(
        plan_json_in(
            folder, base + "--text-field t --tokenizer bytes")["packing"]["tokens"] == 9);
}

BOOST_AUTO_TEST_CASE(questionable_values_are_warned_of) {
    const auto warned = [](const std::string& arguments, const std::string& text) {
        const json plan = plan_json("estimate " + arguments);
        BOOST_TEST(says(plan["warnings"], text),
                   arguments << ": " << plan["warnings"].dump());
    };
    warned("llama-3-8b --gpus 8 --gpu h100-80gb --sequence-len 16384",
           "longer than the context of 8,192");
    warned(
        "llama-3-8b --gpus 16 --gpu h100-80gb --gpus-per-node 4 "
        "--tensor-parallel-size 8",
        "tp 8 crosses 2 nodes");
    warned(
        "llama-3-8b --gpus 8 --gpu h100-80gb --context-parallel-size 4 --sequence-len "
        "8190",
        "no multiple of 8");
    warned("gpt2 --gpus 4 --gpu h100-80gb --tensor-parallel-size 4",
           "vocabulary 50257 over tp 4 is uneven");
    warned("llama-3-8b --gpus 12 --gpu h100-80gb", "do not fill nodes of 8");
    warned("llama-3-70b --gpus 8 --gpu h100-80gb", "does not fit");
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_gets_advice) {
    const json plan = plan_json(
        "estimate llama-3-8b --gpus 8 --gpu h100-80gb --micro-batch-size 4 "
        "--global-batch-size 32");
    BOOST_TEST(plan["fits"] == false);
    BOOST_TEST(says(plan["advice"], "It would fit with "));
    BOOST_TEST(says(plan["advice"], "Fits with this batch: "));
}

BOOST_AUTO_TEST_CASE(the_table_draws_memory_against_the_capacity) {
    const auto result = run_plan(llama_on_8);
    BOOST_TEST(result.exit_code == 0);
    for (const char* text :
         {"llama-3-8b, 8,030,261,248 parameters, on 8 x h100-80gb", "Memory of a GPU",
          "█", "activations", "fits", "Communication: bytes that a GPU sends a step",
          "dp_shard", "Time of a step", "MFU", "convention A"}) {
        BOOST_TEST((result.out.find(text) != std::string::npos), text);
    }
    const auto markdown = run_plan(llama_on_8 + " --format markdown");
    BOOST_TEST(markdown.out.starts_with("# llama-3-8b"));
    BOOST_TEST((markdown.out.find("| activations |") != std::string::npos));
}

BOOST_AUTO_TEST_CASE(memory_of_another_system) {
    // Megatron keeps the 5as/h of unfused attention; the trainer's list does not.
    const json own = plan_json(llama_on_8);
    const json other = plan_json(llama_on_8 + " --system megatron");
    BOOST_TEST(own["system"] == "packkit-train");
    BOOST_TEST(other["system"] == "megatron");
    BOOST_TEST(own["memory_bytes"]["activations"] !=
               other["memory_bytes"]["activations"]);
    BOOST_TEST(run_plan(llama_on_8 + " --system megatron --yaml run.yaml").exit_code ==
               2);
}

BOOST_AUTO_TEST_CASE(a_device_of_ones_own) {
    const json plan = plan_json(
        "estimate llama-2-7b --gpus 16 --gpu-memory-gb 64 --peak-tflops 280 --link-gbps "
        "200 --sequence-len 2048");
    BOOST_TEST(plan["gpu"]["name"] == "custom");
    BOOST_TEST(plan["gpu"]["memory_bytes"] == 64000000000);
    BOOST_TEST(plan["memory_bytes"]["capacity"] == 60800000000);  // 95 %
    BOOST_TEST(plan["gpu"]["peak_tflops"] == 280.0);
    BOOST_TEST(plan["gpu"]["link_bytes_per_second"] == 200e9);
    // A number beside a name takes the place of the table's.
    const json changed = plan_json(
        "estimate llama-2-7b --gpus 8 --gpu a100-80gb --gpu-memory-gb 60 --efficiency "
        "0.35");
    BOOST_TEST(changed["gpu"]["memory_bytes"] == 60000000000);
    BOOST_TEST(changed["memory_bytes"]["capacity"] == 57000000000);
    const json usual = plan_json("estimate llama-2-7b --gpus 8 --gpu a100-80gb");
    BOOST_TEST(changed["seconds"]["compute"].get<double>() >
               usual["seconds"]["compute"].get<double>());
}

BOOST_AUTO_TEST_SUITE_END()
