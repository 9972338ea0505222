// SPDX-License-Identifier: Apache-2.0
// Configurations as people bring them from Axolotl.
#include "config_cases.hpp"

#include <common/problems.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

BOOST_AUTO_TEST_SUITE(config_axolotl_test)

using namespace config_cases;
using namespace packkit::train;

namespace {

std::vector<std::string> problems_of(const std::string& more) {
    try {
        loaded(more);
    } catch (const packkit::app::input_problems& error) { return error.lines(); }
    return {};
}

bool one_has(const std::vector<std::string>& lines, std::string_view part) {
    return std::any_of(lines.begin(), lines.end(), [part](const std::string& line) {
        return line.find(part) != std::string::npos;
    });
}

/// A configuration with a DeepSpeed file of this content.
train_config with_deepspeed(std::string_view json, const std::string& more = {}) {
    run.folder.write("ds.json", std::string(json));
    return loaded("deepspeed: ds.json\n" + more);
}

std::string deepspeed_error(std::string_view json, const std::string& more = {}) {
    run.folder.write("ds.json", std::string(json));
    return error_with("deepspeed: ds.json\n" + more);
}

}  // namespace

BOOST_AUTO_TEST_CASE(no_key_is_unknown) {
    std::ifstream file(PACKKIT_AXOLOTL "/keys.txt");
    int keys = 0;
    for (std::string key; std::getline(file, key); ++keys) {
        const auto problems = problems_of(key + ": {x: 1}");
        BOOST_TEST(!one_has(problems, "key '" + key + "' is unknown"), key);
        BOOST_TEST(!one_has(problems, "did you mean"), key);
    }
    BOOST_TEST(keys == 480);
}

BOOST_AUTO_TEST_CASE(numbers_as_yaml_writes_them) {
    BOOST_TEST(loaded("sequence_len: 1_024").sequence_len == 1024);
    BOOST_TEST(loaded("sequence_len: 2.0").sequence_len == 2);
    BOOST_TEST(loaded("sequence_len: '64'").sequence_len == 64);
    BOOST_TEST(loaded("max_steps: 1.0e+3").max_steps.value() == 1000);
    BOOST_TEST(loaded("learning_rate: 2e-5").learning_rate == 2e-5);
    BOOST_TEST(loaded("learning_rate: 0.000_02").learning_rate == 2e-5);
    BOOST_TEST(loaded("sample_packing: Y").sample_packing);
    BOOST_TEST(!loaded("sample_packing: 0").sample_packing);
    for (const std::string wrong : {"_1", "1_", "1__0", "1.5", "1e3", "0x10", "010"}) {
        BOOST_TEST(one_has(problems_of("sequence_len: " + wrong),
                           "sequence_len: expected a whole number"),
                   wrong);
    }
}

BOOST_AUTO_TEST_CASE(batch_sizes_default_to_one) {
    const auto alone = loaded(
        "batch_size: 6\nmicro_batch_size: null\n"
        "gradient_accumulation_steps: null");
    BOOST_TEST(alone.micro_batch_size == 1);
    BOOST_TEST(alone.gradient_accumulation_steps == 6);
    const auto none = loaded("micro_batch_size: null\ngradient_accumulation_steps: null");
    BOOST_TEST(none.micro_batch_size == 1);
    BOOST_TEST(none.gradient_accumulation_steps == 1);
    BOOST_TEST(one_has(none.notes, "micro_batch_size 1, gradient_accumulation_steps 1"));
}

BOOST_AUTO_TEST_CASE(learning_rate_and_output_dir_have_defaults) {
    const auto config = loaded("learning_rate: null\noutput_dir: null");
    BOOST_TEST(config.learning_rate == 2e-5);
    BOOST_TEST(config.output_dir == in_folder("model-out"));
    BOOST_TEST(one_has(config.notes, "learning_rate is not set: 2e-05 is taken"));
}

BOOST_AUTO_TEST_CASE(plugins_of_speed_are_noted) {
    const auto config = loaded(
        "plugins:\n  - axolotl.integrations.liger.LigerPlugin\n"
        "  - axolotl.integrations.cut_cross_entropy.CutCrossEntropyPlugin");
    BOOST_TEST(one_has(config.notes,
                       "`plugins` has no effect: "
                       "'axolotl.integrations.liger.LigerPlugin', "
                       "'axolotl.integrations.cut_cross_entropy.CutCrossEntropyPlugin' "
                       "change how fast"));
    BOOST_TEST(one_has(problems_of("plugins: [axolotl.integrations.kd.KDPlugin]"),
                       "plugins: 'axolotl.integrations.kd.KDPlugin' is not supported; "));
    BOOST_TEST(one_has(problems_of("plugins: liger"), "plugins: expected a list"));
}

BOOST_AUTO_TEST_CASE(documents_never_see_each_other) {
    BOOST_TEST(loaded("pretrain_multipack_attn: true").notes.size() == 1u);
    BOOST_TEST(one_has(problems_of("pretrain_multipack_attn: false"),
                       "pretrain_multipack_attn: false lets the samples"));
}

BOOST_AUTO_TEST_CASE(stages_of_deepspeed) {
    const auto stage = [](int number) {
        return with_deepspeed(R"({"zero_optimization": {"stage": )" +
                              std::to_string(number) + "}}");
    };
    BOOST_TEST(!stage(0).mesh.fully_sharded);
    BOOST_TEST(!with_deepspeed("{}").mesh.fully_sharded);
    for (const int number : {1, 2}) {
        BOOST_TEST(stage(number).mesh.fully_sharded);
        BOOST_TEST(!stage(number).reshard_after_forward);
    }
    BOOST_TEST(stage(3).mesh.fully_sharded);
    BOOST_TEST(stage(3).reshard_after_forward);
    const auto in_place = loaded("deepspeed: {zero_optimization: {stage: 2}}");
    BOOST_TEST(in_place.mesh.fully_sharded);
    BOOST_TEST(!in_place.reshard_after_forward);
}

BOOST_AUTO_TEST_CASE(deepspeed_offloads_and_leaves_the_rest) {
    const auto config = with_deepspeed(R"({
      "zero_force_ds_cpu_optimizer": false, "zero_allow_untested_optimizer": true,
      "zero_optimization": {"stage": 3, "overlap_comm": true,
        "offload_optimizer": {"device": "cpu", "pin_memory": true},
        "reduce_bucket_size": "auto", "stage3_prefetch_bucket_size": "auto"},
      "bf16": {"enabled": true}, "gradient_accumulation_steps": "auto",
      "gradient_clipping": "auto", "train_batch_size": "auto",
      "train_micro_batch_size_per_gpu": "auto", "wall_clock_breakdown": false})");
    BOOST_TEST(config.offload_params);
    BOOST_TEST(one_has(config.notes,
                       "`zero_optimization.overlap_comm`, "
                       "`zero_optimization.reduce_bucket_size`"));
    BOOST_TEST(one_has(config.notes, "`bf16` has no effect: "));
    BOOST_TEST(!with_deepspeed(R"({"zero_optimization":
      {"stage": 3, "offload_param": {"device": "none"}}})")
                    .offload_params);
}

BOOST_AUTO_TEST_CASE(deepspeed_files_that_are_rejected) {
    BOOST_TEST(deepspeed_error("{\n\"zero_optimization\": {\n\"stage\": 4}}") ==
               "ds.json:3: zero_optimization.stage: expected a whole number from 0 to 3, "
               "found '4'");
    BOOST_TEST(
        deepspeed_error("{\"optimizer\": {\"type\": \"AdamW\"}}") ==
        "ds.json:1: optimizer is not supported; use optimizer and learning_rate of "
        "the configuration");
    BOOST_TEST(deepspeed_error("{\"gradient_clipping\": 0.5}", "max_grad_norm: 1.0") ==
               "ds.json:1: gradient_clipping: 0.5 contradicts max_grad_norm 1.0 of the "
               "configuration; expected \"auto\"");
    BOOST_TEST(deepspeed_error("{\"zero_optimisation\": {}}") ==
               "ds.json:1: key 'zero_optimisation' is unknown; did you mean "
               "'zero_optimization'?");
    BOOST_TEST(error_with("deepspeed: none.json").find("config.yaml:") == 0u);
    BOOST_TEST(deepspeed_error("{}", "fsdp_config: {reshard_after_forward: true}")
                   .find("deepspeed and fsdp cannot be used together.") !=
               std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
