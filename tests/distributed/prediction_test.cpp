// SPDX-License-Identifier: Apache-2.0
/// @file
/// The trainer against the planner: what `packkit-train plan` says is what the
/// run's communicators and its allocator count.

#include "bounds.hpp"
#include "training_run.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(prediction_test)

using namespace packkit;

namespace {

struct checked_run {
    std::string name;
    int processes;
    std::vector<std::string> settings;
    app::json model = app::json::object();  // keys of config.json that differ
    bool exact = false;                     // every component is predicted to the byte
};

const std::string fsdp = "fsdp_version=2";
const std::string kept = "fsdp_config.reshard_after_forward=false";
const std::string bf16 = "bf16=true";
const std::string fp64 = "torch_dtype=float64";
const std::string full = "gradient_checkpointing=true";
const std::string selective = "gradient_checkpointing=selective";
const std::string tp = "tensor_parallel_size=2";
const std::string sequence = "sequence_parallel=true";
const std::string canonical = "reduction=canonical";
const std::string whole_data = "gradient_accumulation_steps=1";

const std::vector<checked_run> runs{
    {"alone", 1, {}},
    {"alone, float64, two rows in one", 1, {fp64, "micro_batch_size=2"}},
    {"alone, bf16, deep", 1, {bf16}, {{"num_hidden_layers", 9}}},
    {"alone, tied", 1, {}, {{"tie_word_embeddings", true}}},
    {"alone, one block", 1, {}, {{"num_hidden_layers", 1}}},
    {"DDP 2", 2, {}},
    {"DDP 4", 4, {whole_data}},
    {"DDP 2, bf16, every head its keys", 2, {bf16}, {{"num_key_value_heads", 4}}},
    {"FSDP 2", 2, {fsdp}},
    {"FSDP 4, deep", 4, {fsdp, whole_data}, {{"num_hidden_layers", 8}}},
    {"FSDP 2, bf16", 2, {fsdp, bf16}},
    {"FSDP 2, float64", 2, {fsdp, fp64}},
    {"FSDP 2, three micro-batches, short rows",
     2,
     {fsdp, "gradient_accumulation_steps=3", "sequence_len=128"}},
    {"FSDP 2, kept", 2, {fsdp, kept}},
    {"FSDP 2, kept, bf16, odd vocabulary", 2, {fsdp, kept, bf16}, {{"vocab_size", 1999}}},
    {"FSDP 2, wide vocabulary", 2, {fsdp}, {{"vocab_size", 12288}}},
    {"alone, wide vocabulary, bf16", 1, {bf16}, {{"vocab_size", 12288}}, true},
    {"FSDP 2, tied", 2, {fsdp}, {{"tie_word_embeddings", true}}},
    {"HSDP 2 x 2", 4, {fsdp, "dp_shard_size=2", "dp_replicate_size=2", whole_data}},
    {"HSDP 2 x 2, bf16, tied",
     4,
     {fsdp, bf16, "dp_shard_size=2", "dp_replicate_size=2"},
     {{"tie_word_embeddings", true}}},
    {"FSDP 2, rows of different length",
     2,
     {fsdp, "pad_to_sequence_len=false", "multipack_real_batches=true",
      "micro_batch_size=2"}},
    {"DDP 2, canonical", 2, {canonical}},
    {"FSDP 2, canonical, four micro-batches",
     2,
     {fsdp, canonical, "gradient_accumulation_steps=4"}},
    {"HSDP 2 x 2, canonical, odd vocabulary",
     4,
     {fsdp, canonical, "dp_shard_size=2", "dp_replicate_size=2"},
     {{"vocab_size", 1023}}},
    {"TP 2", 2, {tp}},
    {"TP 2, tied, bf16, sequence parallel",
     2,
     {tp, sequence, bf16},
     {{"tie_word_embeddings", true}}},
    {"TP 4, float64, odd vocabulary, more ranks than keys",
     4,
     {"tensor_parallel_size=4", fp64},
     {{"vocab_size", 1999}}},
    {"DDP 2 x TP 2, sequence parallel", 4, {tp, sequence}},
    {"FSDP 2 x TP 2, tied", 4, {tp, fsdp}, {{"tie_word_embeddings", true}}},
    {"FSDP 2 x TP 2, sequence parallel, odd rows",
     4,
     {tp, sequence, fsdp, "sequence_len=383"}},
    {"rows on 2", 2, {"context_parallel_size=2"}},
    {"rows on 2, ring, DDP 2, bf16",
     4,
     {bf16, "context_parallel_size=2", "ring_attn_func=ring"}},
    {"rows on 2, FSDP 2, ring, float64",
     4,
     {fsdp, fp64, "dp_shard_size=2", "context_parallel_size=2", "ring_attn_func=ring"}},
    {"rows on 2 x TP 2, sequence parallel, one key head for two ranks",
     4,
     {"context_parallel_size=2", tp, sequence},
     {{"num_key_value_heads", 1}}},
    {"alone, a sample a row", 1, {"sample_packing=false", "micro_batch_size=3"}},
    {"alone, answers only",
     1,
     {"datasets.0.path=answers.jsonl", "datasets.0.type=tokens"},
     {{"vocab_size", 12288}}},
    {"FSDP 2, answers only, bf16",
     2,
     {fsdp, bf16, "datasets.0.path=answers.jsonl", "datasets.0.type=tokens"},
     {{"vocab_size", 12288}}},
    {"alone, full, deep", 1, {full}, {{"num_hidden_layers", 9}, {"vocab_size", 259}}},
    {"alone, selective, deep",
     1,
     {selective},
     {{"num_hidden_layers", 9}, {"vocab_size", 259}}},
    {"DDP 2, selective, bf16", 2, {selective, bf16}, {{"num_hidden_layers", 6}}},
    {"FSDP 2, full", 2, {fsdp, full}, {{"num_hidden_layers", 6}, {"vocab_size", 259}}},
    {"FSDP 2, selective, bf16",
     2,
     {fsdp, bf16, selective},
     {{"num_hidden_layers", 6}, {"vocab_size", 259}}},
    {"FSDP 2, kept, full, tied",
     2,
     {fsdp, kept, full},
     {{"num_hidden_layers", 6}, {"tie_word_embeddings", true}}},
    {"HSDP 2 x 2, full, bf16",
     4,
     {fsdp, bf16, full, "dp_shard_size=2", "dp_replicate_size=2"},
     {{"vocab_size", 259}}},
};

/// A folder whose model is large enough for tensors to count, small enough for a second.
class small_model_folder : public test::training_folder {
public:
    explicit small_model_folder(const app::json& changes) {
        auto config = app::read_json_file(path("model/config.json"));
        config.update({{"vocab_size", 1024},
                       {"hidden_size", 128},
                       {"intermediate_size", 344},
                       {"num_hidden_layers", 3},
                       {"max_position_embeddings", 512}});
        config.update(changes);
        write("model/config.json", config.dump());
        write("answers.jsonl", questions_with_short_answers());
    }

private:
    /// A tenth of the tokens are targets.
    static std::string questions_with_short_answers() {
        std::string rows;
        for (int row = 0; row < 60; ++row) {
            app::json ids = app::json::array(), labels = app::json::array();
            for (int token = 0; token < 40 + row; ++token) {
                ids.push_back((token * 7 + row) % 250);
                const bool answers = token >= (40 + row) * 9 / 10;
                labels.push_back(answers ? ids.back() : app::json(-100));
            }
            rows += app::json{{"input_ids", ids}, {"labels", labels}}.dump() + "\n";
        }
        return rows;
    }
};

std::vector<std::string> arguments_of(const checked_run& run) {
    std::vector<std::string> arguments{"run.yaml", "sequence_len=384", "max_steps=2",
                                       "gradient_accumulation_steps=2"};
    arguments.insert(arguments.end(), run.settings.begin(), run.settings.end());
    arguments.insert(arguments.end(), {"--processes", std::to_string(run.processes)});
    return arguments;
}

double deviation(double found, double expected) {
    return std::abs(found - expected) / expected;
}

}  // namespace

namespace {

bool computes_in_bf16(const checked_run& run) {
    return std::find(run.settings.begin(), run.settings.end(), bf16) !=
           run.settings.end();
}

/// Trains as the run says and compares what was counted with what `plan` predicts.
/// Returns how many components of memory were large enough to compare.
int compare_with_plan(const checked_run& run) {
    int compared = 0;
    {
        BOOST_TEST_CONTEXT(run.name) {
            const small_model_folder folder(run.model);
            auto arguments = arguments_of(run);
            const auto trained = folder.run(arguments);
            arguments.insert(arguments.begin(), "plan");
            arguments.insert(arguments.end(), {"--format", "json"});
            const auto planned = folder.run(arguments);
            BOOST_TEST_REQUIRE(planned.exit_code == 0, planned.err);
            BOOST_TEST_REQUIRE(trained.exit_code == 0, trained.err);
            const auto plan = app::json::parse(planned.out);
            const auto steps = folder.metrics("out");
            BOOST_TEST_REQUIRE(steps.size() == 2);

            for (const auto& step : steps) {
                // What ranks that share rows send depends on the rows: the plan's figure
                // is the first step's.
                if (step["step"] != 1 && plan["mesh"]["cp"] != 1) continue;
                for (const auto& [kind, bytes] : plan["communication_bytes"].items()) {
                    BOOST_TEST(step["bytes"][kind] == bytes, kind);
                }
                BOOST_TEST(step["collectives"] == plan["collectives"]);
            }
            const std::string keys = plan["mesh"]["cp"] == 1 ? "none"
                                     : run.name.find("ring") == std::string::npos
                                         ? "all_to_all"
                                         : "send_recv";
            if (keys != "none") BOOST_TEST(plan["communication_bytes"][keys] > 0, keys);
            const auto sent = plan["communication_bytes"]["all_gather"];
            BOOST_TEST((sent.get<std::int64_t>() > 0) == (run.processes > 1));

            const auto& first = steps[0]["allocated_bytes"];
            const auto& second = steps[1]["allocated_bytes"];
            const auto& held = first["total"] > second["total"] ? first : second;
            const auto& expected = plan["memory_bytes"];
            const auto total = held["total"].get<double>();
            BOOST_TEST(deviation(expected["total"].get<double>(), total) <=
                       test::bounds::memory_total);
            BOOST_TEST(held["other"] == 0);
            for (const auto& [component, bytes] : held.items()) {
                const auto found = bytes.get<double>();
                if (component == "total" || found < 0.1 * total) continue;
                BOOST_TEST(deviation(expected[component].get<double>(), found) <=
                               test::bounds::memory_component,
                           component << ": " << found << " counted, "
                                     << expected[component] << " predicted");
                ++compared;
            }
            // Kernels of libraries take their own, within the bound of this machine.
            for (const auto& step : steps) {
                const auto taken = step["library_workspace_bytes"].get<std::int64_t>();
                BOOST_TEST(taken <= plan["library_workspace_bytes"].get<std::int64_t>());
                if (!computes_in_bf16(run)) BOOST_TEST(taken == 0);
            }
            if (run.exact) {
                for (const auto& [component, bytes] : held.items()) {
                    if (component != "other")
                        BOOST_TEST(expected[component] == bytes,
                                   component << ": " << bytes << " counted, "
                                             << expected[component] << " predicted");
                }
            }
            // Both ends of the run say so.
            BOOST_TEST(trained.err.find("predicted: ") != std::string::npos);
            BOOST_TEST(trained.out.find("bytes of rank 0") != std::string::npos);
        }
    }
    return compared;
}

/// Three to four components of a run are large.
template <class Chosen>
void compare_all(Chosen chosen) {
    int compared = 0;
    int count = 0;
    for (const checked_run& run : runs) {
        if (!chosen(run)) continue;
        compared += compare_with_plan(run);
        ++count;
    }
    BOOST_TEST(count > 0);
    BOOST_TEST(compared >= 3 * count);
}

}  // namespace

BOOST_AUTO_TEST_CASE(bytes_sent_are_equal_and_memory_is_close) {
    compare_all([](const checked_run& run) { return !computes_in_bf16(run); });
}

// How much memory kernels of libraries take depends on the machine, what packkit holds
// does not: these two run with other instruction sets, too (tests/instruction_sets).
BOOST_AUTO_TEST_CASE(memory_is_close_in_bf16_alone) {
    compare_all([](const checked_run& run) {
        return computes_in_bf16(run) && run.processes == 1;
    });
}

BOOST_AUTO_TEST_CASE(bytes_sent_are_equal_and_memory_is_close_in_bf16) {
    compare_all([](const checked_run& run) {
        return computes_in_bf16(run) && run.processes > 1;
    });
}

BOOST_AUTO_TEST_CASE(memory_and_bytes_by_hand) {
    // One rank, float32, one block of hidden 128 (4 heads of 32, 2 of keys and values),
    // feed-forward 344, 1024 tokens of vocabulary, a row of 384.
    const small_model_folder folder(app::json{{"num_hidden_layers", 1}});
    const auto result = folder.run(
        {"run.yaml", "sequence_len=384", "max_steps=1", "gradient_accumulation_steps=1"});
    BOOST_TEST_REQUIRE(result.exit_code == 0, result.err);
    const auto step = folder.metrics("out")[0];
    const auto& held = step["allocated_bytes"];
    const std::int64_t block = 2 * 128 + 2 * 128 * 128 + 2 * 64 * 128 + 3 * 344 * 128;
    const std::int64_t parameters = 2 * 1024 * 128 + 128 + block;
    BOOST_TEST(held["parameters"] == 4 * parameters);
    // At the loss the head's is there beside the accumulated ones.
    BOOST_TEST(held["gradients"] == 4 * (parameters + 1024 * 128));
    BOOST_TEST(held["optimizer"] == 8 * parameters);
    // Of 256 tokens, not of 384: logits, the head's input, and its gradient from each of
    // 16 slices of the vocabulary; three float64 of the softmax.
    const std::int64_t chunk = 256LL * (4 * (1024 + 128 + 16 * 128) + 3 * 8);
    BOOST_TEST(held["logits"] == chunk);
    // Kept a token: block input, two norms' outputs, second norm's input, q, attention's
    // output; k and v; three of the feed-forward; log-sum-exp; the final norm's input,
    // the head's and its gradient; tables; ids.
    const std::int64_t token = 4 * (6 * 128 + 2 * 64 + 3 * 344 + 4 + 3 * 128 + 2 * 32);
    BOOST_TEST(held["activations"] == 384 * (token + 16));
    BOOST_TEST(held["gathered_parameters"] == 0);
    BOOST_TEST(held["communication"] == 0);
    BOOST_TEST(step["collectives"] == 0);
}

BOOST_AUTO_TEST_CASE(states_of_a_rank_are_its_share_of_the_whole) {
    // Units whose gathered weights are there at the same time.
    constexpr std::int64_t units_at_once = 1;
    struct shared_run {
        std::string name;
        int processes;
        std::int64_t shards;  // ranks that share states out
        std::vector<std::string> settings;
    };
    const std::vector<shared_run> shared{
        {"alone", 1, 1, {}},
        {"DDP 2", 2, 1, {}},
        {"FSDP 2", 2, 2, {fsdp}},
        {"FSDP 4", 4, 4, {fsdp}},
        {"HSDP 2 x 2", 4, 2, {fsdp, "dp_shard_size=2", "dp_replicate_size=2"}},
        {"FSDP 2, rows on 2", 4, 4, {fsdp, "dp_shard_size=2", "context_parallel_size=2"}},
    };
    // No dimension but the hidden size is a multiple of the ranks.
    const small_model_folder folder(
        app::json{{"vocab_size", 1021}, {"intermediate_size", 341}});
    struct matrix {
        std::int64_t rows, columns;
    };
    const std::vector<matrix> block{{128, 1},   {128, 128}, {64, 128},
                                    {64, 128},  {128, 128}, {128, 1},
                                    {341, 128}, {341, 128}, {128, 341}};
    const std::vector<matrix> head{{128, 1}, {1021, 128}};
    const auto elements = [](const std::vector<matrix>& unit, std::int64_t ranks) {
        std::int64_t sum = 0;
        for (const auto& of : unit)
            sum += (of.rows + ranks - 1) / ranks * of.columns;
        return sum;
    };
    const auto share = [&](std::int64_t ranks) {
        return 4 * (elements({{1021, 128}}, ranks) + 3 * elements(block, ranks) +
                    elements(head, ranks));
    };
    const std::int64_t largest = 4 * std::max(elements(block, 1), elements(head, 1));
    for (const auto& run : shared) {
        BOOST_TEST_CONTEXT(run.name) {
            std::vector<std::string> arguments{"run.yaml",
                                               "sequence_len=384",
                                               "max_steps=2",
                                               "gradient_accumulation_steps=1",
                                               "--overwrite",
                                               "--processes",
                                               std::to_string(run.processes)};
            arguments.insert(arguments.begin() + 1, run.settings.begin(),
                             run.settings.end());
            const auto result = folder.run(arguments);
            BOOST_TEST_REQUIRE(result.exit_code == 0, result.err);
            for (const auto& step : folder.metrics("out")) {
                const auto& held = step["allocated_bytes"];
                BOOST_TEST(held["parameters"] == share(run.shards));
                BOOST_TEST(held["optimizer"] == 2 * share(run.shards));
                BOOST_TEST(held["gradients"] >= share(run.shards));
                BOOST_TEST(held["gradients"] <= share(run.shards) + largest);
                BOOST_TEST(held["gathered_parameters"] <=
                           (run.shards == 1 ? 0 : units_at_once * largest));
            }
        }
    }
    // Of the whole, to what rounding rows up adds.
    for (const std::int64_t ranks : {2, 4}) {
        BOOST_TEST(deviation(static_cast<double>(share(ranks) * ranks),
                             static_cast<double>(share(1))) < 0.01);
    }
}

BOOST_AUTO_TEST_CASE(the_plan_of_a_run) {
    const small_model_folder folder(app::json::object());
    const auto text = folder.run(
        {"plan", "run.yaml", "fsdp_version=2", "sequence_len=384", "--processes", "8"});
    BOOST_TEST_REQUIRE(text.exit_code == 0, text.err);
    for (const std::string part :
         {"dp_shard 8", "8 ranks, FSDP", "efficiency 0.", "gathered_parameters",
          "dp_shard x cp", "= 32 rows of 384 tokens", "fits in"}) {
        BOOST_TEST(text.out.find(part) != std::string::npos, part << " in " << text.out);
    }
    // Nothing was started or written.
    BOOST_TEST(!std::filesystem::exists(folder.path("out")));

    const auto json = folder.run({"plan", "run.yaml", "--format", "json"});
    BOOST_TEST_REQUIRE(json.exit_code == 0, json.err);
    const auto plan = app::json::parse(json.out);
    for (const std::string key : {"model", "mesh", "batch", "memory_bytes", "fits",
                                  "flops_per_token", "communication_bytes", "seconds",
                                  "tokens_per_second_per_gpu", "mfu", "warnings"}) {
        BOOST_TEST(plan.contains(key), key);
    }
    BOOST_TEST(plan["mesh"]["world"] == 1);
    BOOST_TEST(plan["batch"]["global_samples"] == 4);

    const auto refused = [&](std::vector<std::string> arguments,
                             const std::string& says) {
        arguments.insert(arguments.begin(), "plan");
        const auto result = folder.run(arguments);
        BOOST_TEST(result.exit_code == 2);
        BOOST_TEST(result.out.empty());
        BOOST_TEST(result.err.find(says) != std::string::npos, result.err);
    };
    refused({}, "expected packkit-train plan CONFIG.yaml");
    refused({"nothing.yaml"}, "nothing.yaml");
    refused({"run.yaml", "--format", "csv"}, "plan prints table or json");
    refused({"run.yaml", "--format", "jsn"}, "json");
    refused({"run.yaml", "fsdp_version=2", "dp_shard_size=3", "--processes", "4"},
            "dp_shard 3");
    refused({"run.yaml", "sequence_len=1"}, "no sample");
}

BOOST_AUTO_TEST_SUITE_END()
