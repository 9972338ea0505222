// SPDX-License-Identifier: Apache-2.0
// Configurations as they are printed, and as users write them.
#include <config/config.hpp>
#include <config/schema.hpp>

#include "config_cases.hpp"

#include <boost/test/unit_test.hpp>

#include <map>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(config_settings_test)

using namespace config_cases;
using namespace packkit::train;

BOOST_AUTO_TEST_CASE(the_settings_name_everything_that_differs) {
    const auto settings = [](const std::vector<std::string>& overrides) {
        return resolved_settings(loaded("", overrides));
    };
    const auto base = settings({});
    std::map<std::string, std::string> names(base.begin(), base.end());
    BOOST_TEST(names.size() == base.size());
    BOOST_TEST(names.count("config_path") == 0u);
    BOOST_TEST(names.at("learning_rate") == "0.001");
    BOOST_TEST(names.at("max_steps") == "");
    BOOST_TEST(names.at("datasets.0.path") == in_folder("data.jsonl"));
    BOOST_CHECK(base == settings({}));
    std::filesystem::create_directory(run.folder.path() / "model2");
    std::filesystem::create_directory(run.folder.path() / "t");
    run.folder.write("t/tokenizer.json", "{}");
    const auto with_tokenizer = [](const char* changed) {
        return std::vector<std::string>{"tokenizer_type=t/tokenizer.json", changed};
    };
    const std::vector<std::pair<std::string, std::vector<std::string>>> changes = {
        {"base_model", {"base_model=model2"}},
        {"base_model_config", {"base_model_config=model2"}},
        {"revision_of_model", {"revision_of_model=v2"}},
        {"random_init_weights", {"random_init_weights=true"}},
        {"datasets.0.path", {"datasets.0.path=data.txt"}},
        {"datasets.0.type", {"datasets.0.type=tokens"}},
        {"datasets.0.field", {"datasets.0.field=x"}},
        {"datasets.0.sample_by",
         {"datasets.0.path=data.txt", "datasets.0.sample_by=document"}},
        {"datasets.0.ds_type", {"datasets.0.path=data.txt"}},
        {"datasets.0.data_files",
         {"datasets.0.path=json", "datasets.0.data_files=data.jsonl"}},
        {"datasets.0.split", {"datasets.0.split=\"train[:3]\""}},
        {"datasets.0.skip", {"datasets.0.skip=1"}},
        {"datasets.0.shards", {"datasets.0.shards=2"}},
        {"datasets.0.shards_idx", {"datasets.0.shards=2", "datasets.0.shards_idx=1"}},
        {"datasets.0.name", {"datasets.0.name=x"}},
        {"datasets.0.revision", {"datasets.0.revision=x"}},
        {"val_set_size", {"val_set_size=2"}},
        {"min_sample_len", {"min_sample_len=3"}},
        {"dataset_exact_deduplication", {"dataset_exact_deduplication=true"}},
        {"shuffle_merged_datasets", {"shuffle_merged_datasets=false"}},
        {"tokenizer_type", {"tokenizer_type=", "datasets.0.type=tokens"}},
        {"tokenizer_config", {"tokenizer_type=", "tokenizer_config=t/tokenizer.json"}},
        {"special_tokens.bos_token", with_tokenizer("special_tokens.bos_token=x")},
        {"special_tokens.eos_token", with_tokenizer("special_tokens.eos_token=x")},
        {"special_tokens.pad_token", with_tokenizer("special_tokens.pad_token=x")},
        {"special_tokens.unk_token", with_tokenizer("special_tokens.unk_token=x")},
        {"special_tokens.additional_special_tokens",
         with_tokenizer("special_tokens.additional_special_tokens=[x]")},
        {"tokens", with_tokenizer("tokens=[x]")},
        {"added_tokens_overrides", with_tokenizer("added_tokens_overrides={7: x}")},
        {"resize_token_embeddings_to_32x", {"resize_token_embeddings_to_32x=true"}},
        {"overrides_of_model_config", {"overrides_of_model_config.rope_theta=5.0"}},
        {"model_config", {"model_config={rope_theta: 5.0}"}},
        {"rope_scaling", {"rope_scaling={rope_type: linear, factor: 2.0}"}},
        {"sequence_len", {"sequence_len=64"}},
        {"sample_packing", {"sample_packing=true"}},
        {"sample_packing_group_size", {"sample_packing_group_size=7"}},
        {"sample_packing_bin_size", {"sample_packing_bin_size=7"}},
        {"sample_packing_sequentially", {"sample_packing_sequentially=true"}},
        {"sample_packing_balance", {"sample_packing_balance=none"}},
        {"dataloader_drop_last", {"dataloader_drop_last=true"}},
        {"curriculum_sampling", {"curriculum_sampling=true"}},
        {"shuffle_data", {"shuffle_data=false"}},
        {"multipack_real_batches", {"multipack_real_batches=true"}},
        {"pad_to_sequence_len", {"pad_to_sequence_len=true"}},
        {"excess_length_strategy", {"excess_length_strategy=raise"}},
        {"micro_batch_size", {"micro_batch_size=2"}},
        {"gradient_accumulation_steps", {"gradient_accumulation_steps=3"}},
        {"batch_size", {"gradient_accumulation_steps=", "batch_size=2"}},
        {"train_on_inputs", {"train_on_inputs=true"}},
        {"eot_tokens", {"eot_tokens=[x]"}},
        {"dataset_prepared_path", {"dataset_prepared_path=p"}},
        {"max_steps", {"max_steps=3"}},
        {"num_epochs", {"num_epochs=2"}},
        {"optimizer", {"optimizer=adamw_torch"}},
        {"optimizer_rule", {"optimizer=sgd"}},
        {"optim_args", {"optimizer=sgd", "optim_args={momentum: 0.9}"}},
        {"learning_rate", {"learning_rate=0.0010000000000000002"}},
        {"lr_scheduler", {"lr_scheduler=constant"}},
        {"lr_scheduler_kwargs.num_cycles", {"lr_scheduler_kwargs.num_cycles=1"}},
        {"lr_scheduler_kwargs.min_lr",
         {"lr_scheduler=cosine_with_min_lr", "lr_scheduler_kwargs.min_lr=0"}},
        {"lr_scheduler_kwargs.min_lr_rate",
         {"lr_scheduler=cosine_with_min_lr", "lr_scheduler_kwargs.min_lr_rate=0"}},
        {"lr_scheduler_kwargs.warmup_lr_rate",
         {"lr_scheduler=cosine_warmup_with_min_lr",
          "lr_scheduler_kwargs={min_lr: 0, warmup_lr_rate: 0}"}},
        {"lr_scheduler_kwargs.power",
         {"lr_scheduler=polynomial", "lr_scheduler_kwargs.power=1"}},
        {"lr_scheduler_kwargs.lr_end",
         {"lr_scheduler=polynomial", "lr_scheduler_kwargs.lr_end=0"}},
        {"lr_scheduler_kwargs.min_lr_ratio",
         {"lr_scheduler=warmup_stable_decay",
          "lr_scheduler_kwargs={num_decay_steps: 1, min_lr_ratio: 0}"}},
        {"lr_scheduler_kwargs.timescale",
         {"lr_scheduler=inverse_sqrt", "lr_scheduler_kwargs.timescale=1"}},
        {"lr_scheduler_kwargs.num_decay_steps",
         {"lr_scheduler=warmup_stable_decay", "lr_scheduler_kwargs.num_decay_steps=1"}},
        {"lr_scheduler_kwargs.num_stable_steps",
         {"lr_scheduler=warmup_stable_decay",
          "lr_scheduler_kwargs={num_decay_steps: 1, num_stable_steps: 0}"}},
        {"lr_scheduler_kwargs.warmup_type",
         {"lr_scheduler=warmup_stable_decay",
          "lr_scheduler_kwargs={num_decay_steps: 1, warmup_type: 1-sqrt}"}},
        {"lr_scheduler_kwargs.decay_type",
         {"lr_scheduler=warmup_stable_decay",
          "lr_scheduler_kwargs={num_decay_steps: 1, decay_type: linear}"}},
        {"lr_quadratic_warmup", {"lr_quadratic_warmup=true"}},
        {"cosine_min_lr_ratio", {"cosine_min_lr_ratio=0.1"}},
        {"cosine_constant_lr_ratio", {"cosine_constant_lr_ratio=0.5"}},
        {"lr_groups", {"lr_groups=[{name: a, modules: [b], lr: 1}]"}},
        {"embedding_lr", {"embedding_lr=1"}},
        {"embedding_lr_scale", {"embedding_lr_scale=1"}},
        {"unfrozen_parameters", {"unfrozen_parameters=[lm_head]"}},
        {"loss_watchdog_threshold", {"loss_watchdog_threshold=1"}},
        {"loss_watchdog_patience", {"loss_watchdog_patience=1"}},
        {"warmup_steps", {"warmup_steps=1"}},
        {"warmup_ratio", {"warmup_ratio=0"}},
        {"weight_decay", {"weight_decay=1"}},
        {"adam_beta1", {"adam_beta1=0"}},
        {"adam_beta2", {"adam_beta2=0"}},
        {"adam_epsilon", {"adam_epsilon=1"}},
        {"max_grad_norm", {"max_grad_norm=0"}},
        {"residual_dropout", {"residual_dropout=0.1"}},
        {"torch_dtype", {"torch_dtype=float64"}},
        {"bf16", {"bf16=true"}},
        {"fp16", {"fp16=true"}},
        {"gradient_checkpointing", {"gradient_checkpointing=selective"}},
        {"seed", {"seed=0"}},
        {"dp_replicate_size", {"dp_replicate_size=2"}},
        {"dp_shard_size", {"dp_shard_size=2"}},
        {"context_parallel_size", {"context_parallel_size=2"}},
        {"tensor_parallel_size", {"tensor_parallel_size=1"}},
        {"sequence_parallel", {"sequence_parallel=true"}},
        {"ring_attn_func", {"ring_attn_func=ring"}},
        {"fully_sharded", {"fsdp_version=2"}},
        {"fsdp_version", {"fsdp_version=1"}},
        {"fsdp_config.reshard_after_forward",
         {"fsdp_config.reshard_after_forward=false"}},
        {"fsdp_config.prefetch_gathers", {"fsdp_config.prefetch_gathers=false"}},
        {"fsdp_config.offload_params", {"fsdp_config.offload_params=true"}},
        {"fsdp_config.cpu_offload_pin_memory",
         {"fsdp_version=2", "fsdp_config.offload_params=true",
          "fsdp_config.cpu_offload_pin_memory=false"}},
        {"fsdp_config.state_dict_type",
         {"fsdp_config.state_dict_type=SHARDED_STATE_DICT"}},
        {"fsdp_config.final_state_dict_type",
         {"fsdp_config.final_state_dict_type=SHARDED_STATE_DICT"}},
        {"output_dir", {"output_dir=o"}},
        {"save_strategy", {"save_strategy=no"}},
        {"save_steps", {"saves_per_epoch=3"}},
        {"save_first_step", {"save_first_step=true"}},
        {"save_only_model", {"save_only_model=true"}},
        {"save_total_limit", {"save_total_limit=1"}},
        {"logging_steps", {"logging_steps=2"}},
        {"resume_from_checkpoint", {"resume_from_checkpoint=c"}},
        {"auto_resume_from_checkpoints", {"auto_resume_from_checkpoints=true"}},
        {"ddp_timeout", {"ddp_timeout=1"}},
        {"reduction", {"reduction=canonical"}},
        {"replica_check_steps", {"replica_check_steps=5"}},
        {"device", {"device=cpu"}}};
    for (const auto& [key, overrides] : changes) {
        const auto changed = settings(overrides);
        const std::map<std::string, std::string> values(changed.begin(), changed.end());
        BOOST_TEST_CONTEXT(key) {
            BOOST_TEST(values.at(key) != names.at(key));
        }
        names.at(key);
    }
    BOOST_TEST(changes.size() == base.size());
}

BOOST_AUTO_TEST_CASE(keys_of_precision_say_one_thing) {
    struct outcome {
        std::vector<std::string> overrides;
        dtype parameters;
        bool bf16, fp16, automatic;
    };
    const std::vector<outcome> outcomes = {
        {{}, dtype::float32, false, false, true},
        {{"bf16=auto"}, dtype::float32, false, false, true},
        {{"torch_dtype=auto", "fp16=auto"}, dtype::float32, false, false, true},
        {{"bf16=true", "fp16=false"}, dtype::float32, true, false, false},
        {{"bf16=full", "tf32=true"}, dtype::float32, true, false, false},
        {{"bf16=true", "torch_dtype=float32"}, dtype::float32, true, false, false},
        {{"bfloat16=true"}, dtype::float32, true, false, false},
        {{"torch_dtype=bfloat16", "bf16=auto"}, dtype::float32, true, false, false},
        {{"bf16=false"}, dtype::float32, false, false, false},
        {{"bf16=auto", "fp16=true"}, dtype::float32, false, true, false},
        {{"float16=true"}, dtype::float32, false, true, false},
        {{"torch_dtype=float16"}, dtype::float32, false, true, false},
        {{"float32=true", "bf16=auto"}, dtype::float32, false, false, false},
        {{"torch_dtype=float32", "bf16=auto"}, dtype::float32, false, false, false},
        {{"torch_dtype=float64", "bf16=auto"}, dtype::float64, false, false, false}};
    for (const auto& [overrides, parameters, bf16, fp16, automatic] : outcomes) {
        const auto config = loaded("", overrides);
        BOOST_TEST_CONTEXT((overrides.empty() ? "nothing" : overrides.front())) {
            BOOST_CHECK(config.torch_dtype == parameters);
            BOOST_TEST(config.bf16 == bf16);
            BOOST_TEST(config.fp16 == fp16);
            BOOST_TEST(config.automatic_precision == automatic);
        }
    }
}

BOOST_AUTO_TEST_CASE(optimizer_arguments_are_those_of_the_optimizer) {
    const auto adam = loaded("", {"optim_args=\"beta1=0.8, beta2=0.9,eps=1e-6\""});
    BOOST_TEST(adam.adam_beta1 == 0.8);
    BOOST_TEST(adam.adam_beta2 == 0.9);
    BOOST_TEST(adam.adam_epsilon == 1e-6);
    const auto sgd =
        loaded("", {"optimizer=sgd", "optim_args={momentum: 0.9, nesterov: true}"});
    BOOST_CHECK((sgd.sgd == sgd_arguments{0.9, 0.0, true}));
    BOOST_CHECK((loaded("", {"optimizer=sgd"}).sgd == sgd_arguments{}));
}

BOOST_AUTO_TEST_CASE(a_comment_rich_file_as_users_write_it) {
    const auto config = load_config(run.write(R"(%YAML 1.2
---
base_model: model/            # folder
random_init_weights: true
tokenizer_type: bytes
datasets: [{path: data.jsonl, type: completion, field: text}]
sequence_len: "512"
sample_packing: True
micro_batch_size: 1
gradient_accumulation_steps: 2
max_steps: +20
optimizer: adamw_torch_fused
learning_rate: 1.0e-3
lr_scheduler: cosine
weight_decay: 0.1
max_grad_norm: 1.0
torch_dtype: float32
seed: 42
dp_replicate_size: 1
dp_shard_size: 2
context_parallel_size: 1
tensor_parallel_size: 2
fsdp_version: 2
fsdp_config: {reshard_after_forward: true}
output_dir: out
...
)"));
    BOOST_TEST(config.base_model == in_folder("model"));
    BOOST_TEST(config.sequence_len == 512);
    BOOST_TEST(config.max_steps.value() == 20);
    BOOST_TEST(config.mesh.fully_sharded);
}

BOOST_AUTO_TEST_SUITE_END()
