// SPDX-License-Identifier: Apache-2.0
// What a config that loads becomes.
#include <config/config.hpp>
#include <config/schema.hpp>

#include "config_cases.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

BOOST_AUTO_TEST_SUITE(config_test)

using namespace config_cases;
using namespace packkit::train;

namespace {

bool one_has(const std::vector<std::string>& lines, std::string_view part) {
    return std::any_of(lines.begin(), lines.end(), [part](const std::string& text) {
        return text.find(part) != std::string::npos;
    });
}

bool warns(const train_config& config, std::string_view part) {
    return one_has(config.warnings, part);
}

bool notes(const train_config& config, std::string_view part) {
    return one_has(config.notes, part);
}

}  // namespace

BOOST_AUTO_TEST_CASE(defaults) {
    const train_config config = loaded("");
    BOOST_TEST(config.config_path == in_folder("config.yaml"));
    BOOST_TEST(config.base_model == in_folder("model"));
    BOOST_TEST(!config.random_init_weights);
    BOOST_TEST(config.tokenizer_type == "bytes");
    BOOST_REQUIRE(config.datasets.size() == 1u);
    const dataset_config& data = config.datasets[0];
    BOOST_TEST(data.path == in_folder("data.jsonl"));
    BOOST_TEST(data.files == std::vector{in_folder("data.jsonl")},
               boost::test_tools::per_element());
    BOOST_CHECK(data.type == dataset_type::completion);
    BOOST_TEST(!data.type_is_set);
    BOOST_TEST(data.field == "text");
    BOOST_CHECK(data.sample_by == text_unit::line);
    BOOST_TEST(config.sequence_len == 512);
    BOOST_TEST(!config.sample_packing);
    BOOST_TEST(config.sample_packing_group_size == 100000);
    BOOST_TEST(config.sample_packing_bin_size == 200);
    BOOST_TEST(!config.sample_packing_sequentially);
    BOOST_TEST((config.sample_packing_balance == packkit::plan_balance::cost));
    BOOST_TEST(!config.dataloader_drop_last);
    BOOST_TEST(!config.curriculum_sampling);
    BOOST_TEST(config.shuffle_data);
    BOOST_TEST(!config.multipack_real_batches);
    BOOST_TEST(!config.pad_to_sequence_len);
    BOOST_CHECK(!config.excess_length_strategy);
    BOOST_TEST(config.micro_batch_size == 1);
    BOOST_TEST(config.gradient_accumulation_steps == 2);
    BOOST_CHECK(!config.batch_size);
    BOOST_CHECK(!config.max_steps);
    BOOST_TEST(config.num_epochs == 1.0);
    BOOST_CHECK(config.optimizer == optimizer_name::adamw_torch_fused);
    BOOST_TEST(config.learning_rate == 1e-3);
    BOOST_CHECK(config.lr_scheduler == packkit::decay_shape::cosine);
    BOOST_TEST(!config.warmup_steps);
    BOOST_CHECK(!config.warmup_ratio);
    BOOST_TEST(config.weight_decay == 0.0);
    BOOST_TEST(config.adam_beta1 == 0.9);
    BOOST_TEST(config.adam_beta2 == 0.999);
    BOOST_TEST(config.adam_epsilon == 1e-8);
    BOOST_TEST(config.max_grad_norm == 1.0);
    BOOST_CHECK(config.torch_dtype == dtype::float32);
    BOOST_TEST(!config.bf16);
    BOOST_TEST(config.seed == 42u);
    BOOST_CHECK(!config.mesh.dp_replicate && !config.mesh.dp_shard && !config.mesh.cp &&
                !config.mesh.tp);
    BOOST_TEST(!config.mesh.fully_sharded);
    BOOST_TEST(config.fsdp_version == 2);
    BOOST_TEST(config.reshard_after_forward);
    BOOST_TEST(config.output_dir == in_folder("out"));
    BOOST_CHECK(config.save_strategy == save_time::epoch);
    BOOST_CHECK(config.save_steps == step_interval{});
    BOOST_TEST(!config.save_first_step);
    BOOST_TEST(!config.save_only_model);
    BOOST_TEST(config.save_total_limit == 4);
    BOOST_CHECK(!config.logging_steps);
    BOOST_TEST(!config.resume_from_newest);
    BOOST_TEST(config.resume_from_checkpoint == "");
    BOOST_TEST(!config.auto_resume_from_checkpoints);
    BOOST_TEST(config.ddp_timeout == 120.0);
    BOOST_CHECK(config.device == device_choice::automatic);
    BOOST_CHECK(config.sample_packing_balance == packkit::plan_balance::cost);
    BOOST_TEST(!config.dataloader_drop_last);
    BOOST_TEST(config.warnings.empty());
}

BOOST_AUTO_TEST_CASE(every_key_is_read) {
    const train_config config = loaded(R"(random_init_weights: true
datasets:
  - path: data.jsonl
    type: tokens
    ds_type: json
    split: train
  - {path: ./data.txt, type: completion, field: a.b, sample_by: paragraph}
sequence_len: 64
sample_packing: true
sample_packing_group_size: 0
sample_packing_bin_size: 3
sample_packing_sequentially: yes
sample_packing_balance: tokens
dataloader_drop_last: yes
curriculum_sampling: on
shuffle_data: false
multipack_real_batches: true
pad_to_sequence_len: false
excess_length_strategy: split
micro_batch_size: 3
gradient_accumulation_steps: 4
max_steps: 20
num_epochs: 2.5
optimizer: adamw_torch
learning_rate: 2e-4
lr_scheduler: linear
warmup_ratio: 0.1
weight_decay: 0.1
adam_beta1: .8
adam_beta2: 0.95
adam_epsilon: 1.e-6
max_grad_norm: 0
torch_dtype: float64
seed: 18446744073709551615
dp_replicate_size: 2
dp_shard_size: 4
context_parallel_size: 1
tensor_parallel_size: 1
fsdp_version: 2
fsdp_config: {reshard_after_forward: false}
output_dir: /tmp/somewhere/../else
save_steps: 5
save_first_step: true
save_only_model: true
save_total_limit: 2
logging_steps: 10
resume_from_checkpoint: out/checkpoint-5
auto_resume_from_checkpoints: true
ddp_timeout: 5.5
device: cpu)");
    BOOST_TEST(config.random_init_weights);
    BOOST_REQUIRE(config.datasets.size() == 2u);
    BOOST_CHECK(config.datasets[0].type == dataset_type::tokens);
    const dataset_config& texts = config.datasets[1];
    BOOST_TEST(texts.path == in_folder("data.txt"));
    BOOST_CHECK(texts.type == dataset_type::completion);
    BOOST_TEST(texts.field == "a.b");
    BOOST_CHECK(texts.sample_by == text_unit::paragraph);
    BOOST_TEST(config.sequence_len == 64);
    BOOST_TEST(config.sample_packing);
    BOOST_TEST(config.sample_packing_group_size == 0);
    BOOST_TEST(config.sample_packing_bin_size == 3);
    BOOST_TEST(config.sample_packing_sequentially);
    BOOST_TEST((config.sample_packing_balance == packkit::plan_balance::tokens));
    BOOST_TEST(config.dataloader_drop_last);
    BOOST_TEST(config.curriculum_sampling);
    BOOST_TEST(!config.shuffle_data);
    BOOST_TEST(config.multipack_real_batches);
    BOOST_TEST(!config.pad_to_sequence_len);
    BOOST_CHECK(config.excess_length_strategy == packkit::excess_length_strategy::split);
    BOOST_TEST(config.micro_batch_size == 3);
    BOOST_TEST(config.gradient_accumulation_steps == 4);
    BOOST_TEST(config.max_steps.value() == 20);
    BOOST_TEST(config.num_epochs == 2.5);
    BOOST_CHECK(config.optimizer == optimizer_name::adamw_torch);
    BOOST_TEST(config.learning_rate == 2e-4);
    BOOST_CHECK(config.lr_scheduler == packkit::decay_shape::linear);
    BOOST_TEST(config.warmup_ratio.value() == 0.1);
    BOOST_TEST(config.weight_decay == 0.1);
    BOOST_TEST(config.adam_beta1 == 0.8);
    BOOST_TEST(config.adam_beta2 == 0.95);
    BOOST_TEST(config.adam_epsilon == 1e-6);
    BOOST_TEST(config.max_grad_norm == 0.0);
    BOOST_CHECK(config.torch_dtype == dtype::float64);
    BOOST_TEST(config.seed == 18446744073709551615u);
    BOOST_TEST(config.mesh.dp_replicate.value() == 2);
    BOOST_TEST(config.mesh.dp_shard.value() == 4);
    BOOST_TEST(config.mesh.cp.value() == 1);
    BOOST_TEST(config.mesh.tp.value() == 1);
    BOOST_TEST(config.mesh.fully_sharded);
    BOOST_TEST(config.fsdp_version == 2);
    BOOST_TEST(!config.reshard_after_forward);
    BOOST_TEST(config.output_dir == "/tmp/else");
    BOOST_CHECK(config.save_strategy == save_time::steps);
    BOOST_CHECK((config.save_steps == step_interval{5}));
    BOOST_TEST(config.save_first_step);
    BOOST_TEST(config.save_only_model);
    BOOST_TEST(config.save_total_limit == 2);
    BOOST_CHECK((config.logging_steps == step_interval{10}));
    BOOST_TEST(config.resume_from_checkpoint == in_folder("out/checkpoint-5"));
    BOOST_TEST(config.auto_resume_from_checkpoints);
    BOOST_TEST(config.ddp_timeout == 5.5);
    BOOST_CHECK(config.device == device_choice::cpu);
}

BOOST_AUTO_TEST_CASE(batch_size_gives_the_accumulation) {
    const train_config config =
        loaded("micro_batch_size: 3\nbatch_size: 12\ngradient_accumulation_steps:");
    BOOST_TEST(config.micro_batch_size == 3);
    BOOST_TEST(config.gradient_accumulation_steps == 4);
    BOOST_TEST(config.batch_size.value() == 12);
}

BOOST_AUTO_TEST_CASE(padding_follows_packing) {
    const auto packed = loaded("sample_packing: true");
    BOOST_TEST(packed.pad_to_sequence_len);
    BOOST_TEST(warns(packed,
                     "Setting `pad_to_sequence_len: true` to prevent memory leaks "
                     "when sample_packing"));
    const auto unpadded = loaded("sample_packing: true\npad_to_sequence_len: false");
    BOOST_TEST(!unpadded.pad_to_sequence_len);
    BOOST_TEST(
        warns(unpadded,
              "`pad_to_sequence_len: true` is recommended when using sample_packing"));
    const auto padded = loaded("sample_packing: true\npad_to_sequence_len: true");
    BOOST_TEST(padded.pad_to_sequence_len);
    BOOST_TEST(padded.warnings.empty());
    BOOST_TEST(loaded("pad_to_sequence_len: true").pad_to_sequence_len);
}

BOOST_AUTO_TEST_CASE(sequential_packing_without_curriculum_warns) {
    const std::string_view text =
        "using sequential sample packing with non-sequential sampler, did you want to "
        "also enable curriculum_sampling?";
    const std::string sequential =
        "sample_packing: true\nsample_packing_sequentially: true";
    BOOST_TEST(warns(loaded(sequential), text));
    BOOST_TEST(!warns(loaded(sequential + "\ncurriculum_sampling: true"), text));
    BOOST_TEST(!warns(loaded(sequential + "\nshuffle_data: false"), text));
}

BOOST_AUTO_TEST_CASE(fsdp_is_on_with_its_keys) {
    BOOST_TEST(!loaded("dp_shard_size: 2").mesh.fully_sharded);
    const auto versioned = loaded("fsdp_version: 2");
    BOOST_TEST(versioned.mesh.fully_sharded);
    BOOST_TEST(versioned.warnings.empty());
    const auto old = loaded("fsdp_config: {reshard_after_forward: true}");
    BOOST_TEST(old.mesh.fully_sharded);
    BOOST_TEST(old.fsdp_version == 1);
    BOOST_TEST(warns(old, "fsdp_version is not set, which means 1: it is deprecated"));
    BOOST_TEST(warns(loaded("fsdp_version: 1"), "fsdp_version 1 is deprecated"));
    const auto prefixed =
        loaded("fsdp_config: {fsdp_version: 2, fsdp_reshard_after_forward: false}");
    BOOST_TEST(prefixed.fsdp_version == 2);
    BOOST_TEST(!prefixed.reshard_after_forward);
    BOOST_TEST(
        warns(prefixed, "Configuring FSDP fields with the `fsdp_` prefix is deprecated"));
    BOOST_TEST(!loaded("fsdp_config: {}").mesh.fully_sharded);
    BOOST_TEST(!loaded("fsdp_config:").mesh.fully_sharded);
    // What is set as this trainer does it anyway is no error.
    const auto usual = loaded(
        "fsdp_version: 2\nfsdp_config: {offload_params: false, activation_checkpointing: "
        "false, auto_wrap_policy: TRANSFORMER_BASED_WRAP, transformer_layer_cls_to_wrap: "
        "Phi3DecoderLayer, state_dict_type: FULL_STATE_DICT, use_orig_params: true}");
    BOOST_TEST(notes(usual, "`fsdp_config.transformer_layer_cls_to_wrap` has no effect"));
    BOOST_TEST(notes(usual, "`fsdp_config.use_orig_params` has no effect"));
}

BOOST_AUTO_TEST_CASE(form_of_checkpoints) {
    const auto forms = [](const std::string& keys) {
        const auto config = loaded("fsdp_version: 2\nfsdp_config: {" + keys + "}");
        std::string text;
        for (const auto& [key, value] : resolved_settings(config)) {
            if (key.ends_with("state_dict_type")) text += key + "=" + value + " ";
        }
        return text;
    };
    const auto both = [](const std::string& regular, const std::string& last) {
        return "fsdp_config.state_dict_type=" + regular +
               "_STATE_DICT fsdp_config.final_state_dict_type=" + last + "_STATE_DICT ";
    };
    BOOST_TEST(forms("") == both("FULL", "FULL"));
    BOOST_TEST(forms("state_dict_type: SHARDED_STATE_DICT") ==
               both("SHARDED", "SHARDED"));
    BOOST_TEST(forms("fsdp_state_dict_type: SHARDED_STATE_DICT") ==
               both("SHARDED", "SHARDED"));
    BOOST_TEST(forms("state_dict_type: SHARDED_STATE_DICT, final_state_dict_type: "
                     "FULL_STATE_DICT") == both("SHARDED", "FULL"));
    BOOST_TEST(forms("final_state_dict_type: SHARDED_STATE_DICT") ==
               both("FULL", "SHARDED"));
    BOOST_TEST(loaded("fsdp_version: 2\nfsdp_config: {state_dict_type: FULL_STATE_DICT}")
                   .warnings.empty());
}

BOOST_AUTO_TEST_CASE(fully_sharded_in_the_words_of_its_first_version) {
    const auto config = loaded(
        "fsdp: [full_shard, auto_wrap]\nfsdp_config: {fsdp_limit_all_gathers: true, "
        "fsdp_sync_module_states: true, fsdp_offload_params: true, fsdp_use_orig_params: "
        "false, fsdp_cpu_ram_efficient_loading: true, fsdp_auto_wrap_policy: "
        "TRANSFORMER_BASED_WRAP, fsdp_transformer_layer_cls_to_wrap: Qwen2DecoderLayer, "
        "fsdp_state_dict_type: FULL_STATE_DICT, fsdp_sharding_strategy: FULL_SHARD, "
        "fsdp_backward_prefetch: NO_PREFETCH, fsdp_forward_prefetch: false}");
    BOOST_TEST(config.mesh.fully_sharded);
    BOOST_TEST(config.fsdp_version == 1);
    BOOST_TEST(config.reshard_after_forward);
    BOOST_TEST(config.offload_params);
    BOOST_TEST(!config.prefetch_gathers);
    BOOST_TEST(warns(config, "`fsdp` is deprecated, use `fsdp_version: 2`"));
    for (const std::string key :
         {"limit_all_gathers", "sharding_strategy", "backward_prefetch"})
        BOOST_TEST(warns(config, "`fsdp_config." + key + "` is deprecated"), key);
    const auto kept = loaded("fsdp: shard_grad_op");
    BOOST_TEST(kept.mesh.fully_sharded);
    BOOST_TEST(!kept.reshard_after_forward);
    BOOST_TEST(!kept.offload_params);
    BOOST_TEST(loaded("fsdp: [full_shard, offload]").offload_params);
    BOOST_TEST(
        !loaded("fsdp_config: {sharding_strategy: SHARD_GRAD_OP}").reshard_after_forward);
    BOOST_TEST(loaded("dp_replicate_size: 2\nfsdp_config: {sharding_strategy: "
                      "HYBRID_SHARD}")
                   .reshard_after_forward);
    BOOST_TEST(!loaded("fsdp:").mesh.fully_sharded);
    BOOST_TEST(!loaded("fsdp: []").mesh.fully_sharded);
}

BOOST_AUTO_TEST_CASE(activation_checkpointing) {
    using packkit::checkpointing_kind;
    const auto kind = [](const std::string& text) {
        return loaded(text).gradient_checkpointing;
    };
    BOOST_CHECK(kind("") == checkpointing_kind::none);
    BOOST_CHECK(kind("gradient_checkpointing: no") == checkpointing_kind::none);
    BOOST_CHECK(kind("gradient_checkpointing: true") == checkpointing_kind::full);
    BOOST_CHECK(kind("gradient_checkpointing: selective") ==
                checkpointing_kind::selective);
    const std::string fsdp = "fsdp_version: 2\nfsdp_config: {activation_checkpointing: ";
    BOOST_CHECK(kind(fsdp + "true}") == checkpointing_kind::full);
    BOOST_CHECK(kind(fsdp + "false}") == checkpointing_kind::none);
    BOOST_CHECK(kind("gradient_checkpointing: selective\n" + fsdp + "false}") ==
                checkpointing_kind::selective);
    BOOST_CHECK(kind("gradient_checkpointing: false\n" + fsdp + "true}") ==
                checkpointing_kind::full);
    const auto usual = loaded(
        "gradient_checkpointing: true\ngradient_checkpointing_kwargs: {use_reentrant: "
        "true}");
    BOOST_TEST(notes(usual,
                     "`gradient_checkpointing_kwargs.use_reentrant` has no effect: "
                     "a block is computed again by one method"));
    BOOST_TEST(loaded("gradient_checkpointing_kwargs: {}").warnings.empty());
    // In the settings that ranks compare.
    const auto written = [](const std::string& text) {
        for (const auto& [key, value] : resolved_settings(loaded(text)))
            if (key == "gradient_checkpointing") return value;
        return std::string();
    };
    BOOST_TEST(written("") == "false");
    BOOST_TEST(written("gradient_checkpointing: selective") == "selective");
    BOOST_TEST(written(fsdp + "true}") == "true");
}

BOOST_AUTO_TEST_CASE(deprecated_alias_of_context_parallel_size) {
    const auto config = loaded("sequence_parallel_degree: 1");
    BOOST_TEST(config.mesh.cp.value() == 1);
    BOOST_TEST(warns(config,
                     "`sequence_parallel_degree` is deprecated, use "
                     "`context_parallel_size`"));
}

BOOST_AUTO_TEST_CASE(context_parallel_keys) {
    using packkit::context_variant;
    const auto plain = loaded("context_parallel_size: 2\nmicro_batch_size: 3");
    BOOST_TEST(plain.mesh.cp.value() == 2);
    BOOST_TEST((plain.ring_attn_func == context_variant::gather));
    BOOST_TEST((loaded("ring_attn_func: varlen_llama3").ring_attn_func ==
                context_variant::gather));
    const auto ring = loaded("ring_attn_func: ring\nheads_k_stride: 2");
    BOOST_TEST((ring.ring_attn_func == context_variant::ring));
    BOOST_TEST(notes(ring, "`heads_k_stride` has no effect"));
}

BOOST_AUTO_TEST_CASE(keys_without_effect_are_noted) {
    for (const auto& key : top_level_keys()) {
        if (key.status != key_status::noted || key.read) continue;
        const std::string name(key.name);
        BOOST_TEST(notes(loaded(name + ": true"), "`" + name + "` has no effect: "));
        for (const char* const off : {"", "false", "0", "''", "[]", "{}"}) {
            const auto config = loaded(name + ": " + off);
            BOOST_TEST(!notes(config, name), name << ": " << off);
            BOOST_TEST(config.warnings.empty());
        }
    }
}

BOOST_AUTO_TEST_CASE(keys_with_one_reason_share_a_note) {
    const auto config = loaded("wandb_project: a\nlora_r: 8\nwandb_mode: offline");
    BOOST_TEST(notes(config, "`wandb_project`, `wandb_mode` have no effect: "));
    BOOST_TEST(notes(config, "`lora_r` has no effect: only an `adapter` uses it"));
}

BOOST_AUTO_TEST_CASE(a_key_stands_in_the_table_once) {
    std::set<std::string_view> names;
    for (const auto& key : top_level_keys())
        BOOST_TEST(names.insert(key.name).second, key.name);
}

BOOST_AUTO_TEST_CASE(what_is_left_out_gets_a_default_and_a_note) {
    const auto config = loaded("");
    BOOST_TEST(notes(config, "not set, so Axolotl's defaults hold: sequence_len 512, "));
    BOOST_TEST(!notes(config, "micro_batch_size"));
}

BOOST_AUTO_TEST_CASE(unsupported_keys_that_are_switched_off_pass) {
    const auto config = loaded(
        "adapter:\nload_in_8bit: false\nval_set_size: 0.0\nwandb_project: ''\n"
        "plugins: []\nspecial_tokens: {}\neval_steps: ~\n"
        "lora_r: null");
    BOOST_TEST(config.warnings.empty());
    BOOST_TEST(config.notes.size() == 1u);  // the defaults
}

BOOST_AUTO_TEST_CASE(overrides) {
    const auto config =
        loaded("fsdp_config: {reshard_after_forward: true}\nmax_steps: 7",
               {"sequence_len=64", "fsdp_config.reshard_after_forward=false",
                "fsdp_version=2", "datasets.0.field=body", "datasets.1={path: data.txt}",
                "datasets.1.sample_by=document", "max_steps=", "output_dir=a=b",
                "device='cpu'", "sequence_len=128"});
    BOOST_TEST(config.sequence_len == 128);
    BOOST_TEST(!config.reshard_after_forward);
    BOOST_TEST(config.fsdp_version == 2);
    BOOST_REQUIRE(config.datasets.size() == 2u);
    BOOST_TEST(config.datasets[0].field == "body");
    BOOST_TEST(config.datasets[1].path == in_folder("data.txt"));
    BOOST_CHECK(config.datasets[1].sample_by == text_unit::document);
    BOOST_CHECK(!config.max_steps);
    BOOST_TEST(config.output_dir == in_folder("a=b"));
    BOOST_CHECK(config.device == device_choice::cpu);
    BOOST_CHECK(
        loaded("", {"fsdp_config.reshard_after_forward=true"}).mesh.fully_sharded);
    BOOST_TEST(loaded("", {"datasets=[{path: data.txt}]"}).datasets[0].path ==
               in_folder("data.txt"));
}

BOOST_AUTO_TEST_CASE(an_override_of_an_aliased_value_changes_one_copy) {
    const auto config = loaded("datasets:\n  - &a {path: data.jsonl, field: x}\n  - *a",
                               {"datasets.1.field=y"});
    BOOST_TEST(config.datasets[0].field == "x");
    BOOST_TEST(config.datasets[1].field == "y");
}

BOOST_AUTO_TEST_CASE(paths_are_relative_to_the_file) {
    run.folder.write("other.txt", "x");
    const auto absolute = loaded("datasets: [{path: " + in_folder("other.txt") + "}]");
    BOOST_TEST(absolute.datasets[0].path == in_folder("other.txt"));
    std::filesystem::create_directory(run.folder.path() / "sub");
    run.folder.write("sub/c.yaml",
                     run_folder::config_with("base_model: ../model\ndatasets: [{path: "
                                             "../data.txt}]"));
    const auto config = load_config(in_folder("sub/c.yaml"));
    BOOST_TEST(config.base_model == in_folder("model"));
    BOOST_TEST(config.datasets[0].path == in_folder("data.txt"));
    BOOST_TEST(config.output_dir == in_folder("sub/out"));
}

BOOST_AUTO_TEST_SUITE_END()
