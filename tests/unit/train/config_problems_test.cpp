// SPDX-License-Identifier: Apache-2.0
// All problems of a configuration at once, and the table of keys.
#include <config/checked_config.hpp>
#include <config/schema.hpp>

#include <common/json.hpp>
#include <common/problems.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

BOOST_AUTO_TEST_SUITE(config_problems_test)

using namespace packkit::train;
using packkit::app::input_problems;
using train_test::run_folder;

namespace {

const run_folder run;
using lines = std::vector<std::string>;

/// What is said about a file of these lines alone, with overrides.
lines problems_of(std::string_view text, const lines& overrides = {}) {
    try {
        load_config(run.write(text), overrides);
    } catch (const input_problems& error) {
        lines all = error.lines();
        for (std::string& line : all)
            line = train_test::replaced(line, run.folder.path().string() + "/", "");
        return all;
    }
    return {};
}

lines problems_with(std::string_view more, const lines& overrides = {}) {
    return problems_of(run_folder::config_with(more), overrides);
}

void require_equal(const lines& found, const lines& expected) {
    BOOST_TEST(found == expected, boost::test_tools::per_element());
}

template <class Section>
std::vector<std::string> done_names(key_table<Section> table) {
    std::vector<std::string> names;
    for (const auto& key : table) {
        if (key.status == key_status::done) names.emplace_back(key.name);
    }
    return names;
}

}  // namespace

BOOST_AUTO_TEST_CASE(all_problems_are_told_in_the_order_of_the_file) {
    require_equal(
        problems_of(
            "micro_batch_size: 0\n"
            "datasets:\n"
            "  - {path: none.jsonl, feild: x}\n"
            "  - {path: data.jsonl, type: tokns}\n"
            "  - data.jsonl\n"
            "optimizer: muon\n"
            "adapter: lora\n"
            "zzzzzzz: 3\n"
            "warmup_steps: many\n"
            "fsdp_config: {offload_params: 3, state_dict_type: LOCAL_STATE_DICT}\n"
            "base_model: nowhere\n"
            "learning_rate: -1\n",
            {"seed", "sequence_len=x", "sample_packing=2"}),
        {"config.yaml:1: micro_batch_size: expected a whole number from 1 to 2147483647, "
         "found '0'",
         "config.yaml:3: key 'datasets.0.feild' is unknown; did you mean 'field'?",
         "config.yaml:3: datasets.0.path: 'none.jsonl' does not exist",
         "config.yaml:4: datasets.1.type: expected one of completion, tokens, alpaca, "
         "input_output, chat_template, found 'tokns'; did you mean 'tokens'?",
         "config.yaml:5: datasets.2: expected keys, as {path: data.jsonl}, found "
         "'data.jsonl'",
         "config.yaml:6: optimizer: 'muon' is not supported: only AdamW and SGD are; use "
         "adamw_torch_fused, which any of its configurations runs with",
         "config.yaml:7: adapter is not supported; adapters are not built in yet; leave "
         "it and the lora_* keys away to train all parameters",
         "config.yaml:8: key 'zzzzzzz' is unknown",
         "config.yaml:9: warmup_steps: expected a whole number >= 0, found 'many'",
         "config.yaml:10: fsdp_config.offload_params: expected true or false, found '3'",
         "config.yaml:10: fsdp_config.state_dict_type: 'LOCAL_STATE_DICT' is not "
         "supported: only the mesh that wrote it could read it; use SHARDED_STATE_DICT",
         "config.yaml:11: base_model: 'nowhere' does not exist",
         "config.yaml:12: learning_rate: expected a number >= 0, found '-1'",
         "command line: 'seed' is no setting; expected key=value",
         "command line: sequence_len: expected a whole number from 1 to 2147483647, "
         "found 'x'",
         "command line: sample_packing: expected true or false, found '2'"});
}

BOOST_AUTO_TEST_CASE(contradictions_are_told_beside_other_problems) {
    require_equal(
        problems_with("warmup_steps: 5\nwarmup_ratio: 0.1\nbf16: true\n"
                      "torch_dtype: float64\nbatch_size: 3\nlr_scheduler: cosin\n"
                      "context_parallel_size: 1\nsequence_parallel_degree: 2\n"
                      "fsdp: hybrid_shard"),
        {"config.yaml:2: warmup_steps and warmup_ratio are mutually exclusive",
         "config.yaml:3: bf16 and torch_dtype: float64 cannot be used together: bf16 "
         "computes with float32 parameters",
         "config.yaml:5: please set only one of gradient_accumulation_steps or "
         "batch_size (gradient_accumulation_steps is 2, batch_size is 3)",
         "config.yaml:6: lr_scheduler: expected one of cosine, linear, constant, "
         "constant_with_warmup, cosine_with_restarts, cosine_with_min_lr, "
         "cosine_warmup_with_min_lr, polynomial, inverse_sqrt, warmup_stable_decay, rex, "
         "found "
         "'cosin'; did you mean 'cosine'?",
         "config.yaml:8: sequence_parallel_degree 2 contradicts context_parallel_size "
         "1; the first is a deprecated name of the second",
         "config.yaml:9: fsdp: hybrid_shard needs dp_replicate_size"});
}

BOOST_AUTO_TEST_CASE(a_wrong_value_causes_no_further_problems) {
    // Each would contradict another key if its default were taken for it.
    const auto one = [](std::string_view text) { return problems_with(text).size(); };
    BOOST_TEST(one("micro_batch_size: x") == 1u);
    BOOST_TEST(one("gradient_accumulation_steps: x") == 1u);
    BOOST_TEST(one("datasets: 3\ntokenizer_type:") == 1u);
    BOOST_TEST(one("datasets: [{path: data.jsonl, type: x}]\ntokenizer_type:") == 1u);
    BOOST_TEST(one("datasets: [{path: data.jsonl, type: x, train_on_eos: all}]") == 1u);
    BOOST_TEST(one("datasets: [{path: data.jsonl, type: chat_template, chat_template: "
                   "x}]") == 1u);
    BOOST_TEST(one("datasets: [{path: data.jsonl, type: chat_template}]\n"
                   "chat_template: [x]") == 1u);
    BOOST_TEST(one("optimizer: lion\noptim_args: x=1") == 1u);
    BOOST_TEST(one("deepspeed: x\nfsdp_version: 2\nfsdp_config: {version: 2}") == 1u);
    BOOST_TEST(one("fsdp_version: 3\nfsdp_config: {version: 1}") == 1u);
    BOOST_TEST(one("fsdp_version: 2\nfsdp_config: {offload_params: x, "
                   "cpu_offload_pin_memory: false}") == 1u);
}

BOOST_AUTO_TEST_CASE(every_key_that_is_wrong_is_named) {
    std::string text;
    std::set<std::string> expected;
    const auto add = [&](const std::string& prefix, const std::string& name) {
        text += (prefix.empty() ? "" : "  ") + name + ": [[]]\n";
        expected.insert(prefix + name);
    };
    // No more keys at once than problems are listed.
    const auto check = [&] {
        std::set<std::string> found;
        for (const std::string& line : problems_with(text)) {
            BOOST_TEST(line.starts_with("config.yaml:"), line);
            std::string rest = line.substr(line.find(": ") + 2);
            if (rest.starts_with("key '")) rest = rest.substr(5);
            BOOST_TEST(found.insert(rest.substr(0, rest.find_first_of(":' "))).second,
                       line);
        }
        BOOST_TEST(found == expected, boost::test_tools::per_element());
        text.clear();
        expected.clear();
    };
    text += "datasets:\n- unused:\n";
    for (const auto& name : done_names(dataset_keys()))
        add("datasets.0.", name);
    expected.insert("datasets.0.unused");
    text += "fsdp_config:\n";
    for (const auto& name : done_names(fsdp_keys()))
        add("fsdp_config.", name);
    check();
    for (const auto& name : done_names(top_level_keys())) {
        if (name != "datasets" && name != "fsdp_config") add("", name);
        if (expected.size() == 50) check();
    }
    check();
}

BOOST_AUTO_TEST_CASE(of_many_problems_the_first_are_told) {
    const auto unknown = [](std::size_t count) {
        std::string text;
        for (std::size_t i = 0; i < count; ++i)
            text += "zzz" + std::to_string(i) + ": 1\n";
        return problems_with(text);
    };
    BOOST_TEST(unknown(100).size() == 100u);
    BOOST_TEST(unknown(101).back() == "configuration: 1 more problem");
    const auto many = unknown(3100);
    BOOST_TEST(many.size() == 101u);
    BOOST_TEST(many[99] == "config.yaml:100: key 'zzz99' is unknown");
    BOOST_TEST(many.back() == "configuration: 3,000 more problems");
}

BOOST_AUTO_TEST_CASE(little_of_the_input_is_repeated) {
    const std::string digits(100000, '7');
    const std::string words = [] {
        std::string text;
        for (int i = 0; i < 20000; ++i)
            text += "word ";
        return text;
    }();
    const auto check = [](const lines& found, std::size_t count) {
        BOOST_TEST(found.size() == count);
        for (const std::string& line : found)
            BOOST_TEST(line.size() < 700u, line.substr(0, 1000));
    };
    const std::string key(1000, 'k');  // YAML has no longer ones
    check(problems_with("seed: " + digits + "\n" + key + ": 1\nlisa_" + key +
                        ": 1\ndatasets: [{path: '" + words + "'}]\nchat_template: " +
                        digits + "\nmax_steps: '" + words + "'\n"),
          6);
    check(problems_with("seed: 1", {digits, "seed." + digits + "=1", digits + "=1",
                                    "datasets." + digits + "=1", "seed=" + words}),
          5);
}

BOOST_AUTO_TEST_CASE(a_configuration_with_problems_can_be_looked_at) {
    const auto checked = check_config(run.write(run_folder::config_with(
        "sequence_len: 64\nseed: x\ndatasets: [{path: none.txt}, {path: data.txt}]")));
    BOOST_TEST(checked.config.sequence_len == 64);
    BOOST_TEST(checked.config.datasets.size() == 2u);
    const config_problems& problems = checked.problems;
    BOOST_TEST(!problems.sound("seed"));
    BOOST_TEST(problems.sound("sequence_len"));
    BOOST_TEST(!problems.sound("datasets"));
    BOOST_TEST(!problems.sound("datasets.0"));
    BOOST_TEST(!problems.sound("datasets.0.path"));
    BOOST_TEST(problems.sound("datasets.0.type"));
    BOOST_TEST(problems.sound("datasets.1"));
    BOOST_TEST(!problems.has("datasets"));
    BOOST_TEST(problems.lines().size() == 2u);
}

BOOST_AUTO_TEST_CASE(keys_whose_names_begin_alike_are_told_apart) {
    const auto checked = check_config(
        run.write(run_folder::config_with("fsdp_version: x\nchat_template_jinja: x")));
    BOOST_TEST(checked.problems.sound("fsdp"));
    BOOST_TEST(!checked.problems.sound("fsdp_version"));
    BOOST_TEST(checked.problems.sound("chat_template"));
}

BOOST_AUTO_TEST_CASE(the_table_is_sound) {
    const auto check = [](const auto& table) {
        std::set<std::string_view> names;
        for (const auto& key : table) {
            BOOST_TEST_CONTEXT(key.name) {
                BOOST_TEST(names.insert(key.name).second);
                if (key.status == key_status::noted) BOOST_TEST(!key.note.empty());
                if (key.status != key_status::done) {
                    BOOST_CHECK(!key.text && !key.list_settings && key.missing.empty());
                } else {
                    BOOST_TEST(!key.expected.empty());
                    BOOST_TEST((!key.note.empty() || key.inner != nullptr));
                    BOOST_TEST(!key.name.ends_with('*'));
                    BOOST_CHECK(key.read);
                }
            }
        }
    };
    check(top_level_keys());
    check(fsdp_keys());
    check(dataset_keys());
}

BOOST_AUTO_TEST_CASE(what_a_setting_affects) {
    const auto config = load_config(run.write(run_folder::config_with(
        "datasets: [{path: data.jsonl}, {path: data.txt, sample_by: document}]")));
    const auto names = [&](key_effect effect) {
        std::string all;
        for (const auto& [key, text] : settings_that_affect(config, effect))
            all += key + "=" + text + " ";
        return all;
    };
    // Prepared data is found by these, in this order.
    BOOST_TEST(names(key_effect::data) ==
               "special_tokens.bos_token= special_tokens.eos_token= "
               "special_tokens.pad_token= special_tokens.unk_token= "
               "special_tokens.additional_special_tokens=[] tokens=[] "
               "added_tokens_overrides= "
               "datasets.0.type=completion or tokens datasets.0.field=text "
               "datasets.0.sample_by=line datasets.0.ds_type=json "
               "datasets.0.split=train datasets.0.skip=0 datasets.0.shards=1 "
               "datasets.0.shards_idx=0 "
               "datasets.1.type=completion or tokens datasets.1.field=text "
               "datasets.1.sample_by=document datasets.1.ds_type=text "
               "datasets.1.split=train datasets.1.skip=0 datasets.1.shards=1 "
               "datasets.1.shards_idx=0 min_sample_len=2 "
               "dataset_exact_deduplication=false train_on_inputs=false eot_tokens=[] "
               "excess_length_strategy= "
               "sequence_len=512 ");
    BOOST_TEST(
        names(key_effect::run) ==
        "residual_dropout=0.0 torch_dtype=float32 bf16=auto fp16= "
        "shuffle_merged_datasets=true shuffle_data=true curriculum_sampling=false "
        "sequence_len=512 sample_packing=false sample_packing_group_size=100000 "
        "sample_packing_bin_size=200 sample_packing_sequentially=false "
        "sample_packing_balance=cost multipack_real_batches=false "
        "pad_to_sequence_len=false dataloader_drop_last=false optimizer_rule= "
        "optim_args= adam_beta1=0.9 adam_beta2=0.999 adam_epsilon=1e-08 lr_groups= "
        "embedding_lr= embedding_lr_scale= unfrozen_parameters= max_grad_norm=1.0 "
        "seed=42 reduction=fast ");
}

BOOST_AUTO_TEST_CASE(the_documentation_holds_every_key_and_its_default) {
    using packkit::app::output_format;
    const auto all =
        packkit::app::json::parse(key_documentation({}, output_format::json));
    std::map<std::string, packkit::app::json> keys;
    for (const auto& each : all)
        BOOST_TEST(keys.emplace(each["key"], each).second);
    for (const auto& key : top_level_keys())
        BOOST_TEST(keys.count(std::string(key.name)) == 1u);
    for (const auto& key : fsdp_keys())
        BOOST_TEST(keys.count("fsdp_config." + std::string(key.name)) == 1u);
    for (const auto& key : dataset_keys())
        BOOST_TEST(keys.count("datasets.N." + std::string(key.name)) == 1u);
    BOOST_TEST(keys["sequence_len"]["default"] == "512");
    BOOST_TEST(keys["sequence_len"]["value"] == "a whole number from 1 to 2147483647");
    BOOST_TEST(keys["lr_scheduler"]["value"] ==
               "one of cosine, linear, constant, constant_with_warmup, "
               "cosine_with_restarts, cosine_with_min_lr, cosine_warmup_with_min_lr, "
               "polynomial, inverse_sqrt, warmup_stable_decay, rex");
    BOOST_TEST(keys["learning_rate"]["default"] == "2e-05");
    BOOST_TEST(keys["adapter"]["status"] == "rejected");
    BOOST_TEST(keys["flash_attention"]["status"] == "noted");
    BOOST_TEST(keys["datasets.N.roles"]["affects"] == "data");

    // A default that is set changes nothing.
    const auto settings = [](const lines& overrides) {
        return resolved_settings(load_config(
            run.write(run_folder::config_with("fsdp_version: 2")), overrides));
    };
    std::size_t defaults = 0;
    for (const auto& [name, key] : keys) {
        const std::string text = key["default"];
        if (text.empty() || text == "required" || text.find(' ') != std::string::npos ||
            name.starts_with("datasets.") || name == "tokenizer_type" ||
            name == "learning_rate" || name == "output_dir") {
            continue;
        }
        BOOST_TEST_CONTEXT(name) {
            BOOST_CHECK(settings({name + "=" + text}) == settings({}));
        }
        ++defaults;
    }
    BOOST_TEST(defaults > 35u);

    const std::string one = key_documentation(lines{"lr_sched"}, output_format::csv);
    BOOST_TEST(one.starts_with(
        "key,status,value,default,affects,note\nlr_scheduler,done,"
        "\"one of cosine, linear, constant, constant_with_warmup, cosine_with_restarts, "
        "cosine_with_min_lr, cosine_warmup_with_min_lr, polynomial, inverse_sqrt, "
        "warmup_stable_decay, rex\",cosine,log on resume,"));
    BOOST_CHECK_THROW(
        static_cast<void>(key_documentation(lines{"lr_shed"}, output_format::table)),
        packkit::app::usage_error);
}

BOOST_AUTO_TEST_SUITE_END()
