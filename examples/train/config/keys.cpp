// SPDX-License-Identifier: Apache-2.0
#include "config/keys.hpp"

#include <algorithm>
#include <array>

namespace packkit::train {
namespace {

using namespace std::string_view_literals;

constexpr std::array top_level = {"base_model"sv,
                                  "random_init_weights"sv,
                                  "tokenizer_type"sv,
                                  "datasets"sv,
                                  "fsdp"sv,
                                  "chat_template"sv,
                                  "dataset_prepared_path"sv,
                                  "eot_tokens"sv,
                                  "train_on_inputs"sv,
                                  "sequence_len"sv,
                                  "sample_packing"sv,
                                  "sample_packing_group_size"sv,
                                  "sample_packing_bin_size"sv,
                                  "sample_packing_sequentially"sv,
                                  "sample_packing_balance"sv,
                                  "dataloader_drop_last"sv,
                                  "curriculum_sampling"sv,
                                  "shuffle_data"sv,
                                  "multipack_real_batches"sv,
                                  "pad_to_sequence_len"sv,
                                  "excess_length_strategy"sv,
                                  "micro_batch_size"sv,
                                  "gradient_accumulation_steps"sv,
                                  "batch_size"sv,
                                  "max_steps"sv,
                                  "num_epochs"sv,
                                  "optimizer"sv,
                                  "learning_rate"sv,
                                  "lr_scheduler"sv,
                                  "warmup_steps"sv,
                                  "warmup_ratio"sv,
                                  "weight_decay"sv,
                                  "adam_beta1"sv,
                                  "adam_beta2"sv,
                                  "adam_epsilon"sv,
                                  "max_grad_norm"sv,
                                  "residual_dropout"sv,
                                  "torch_dtype"sv,
                                  "bf16"sv,
                                  "gradient_checkpointing"sv,
                                  "gradient_checkpointing_kwargs"sv,
                                  "seed"sv,
                                  "dp_replicate_size"sv,
                                  "dp_shard_size"sv,
                                  "context_parallel_size"sv,
                                  "sequence_parallel"sv,
                                  "sequence_parallel_degree"sv,
                                  "tensor_parallel_size"sv,
                                  "ring_attn_func"sv,
                                  "heads_k_stride"sv,
                                  "fsdp_version"sv,
                                  "fsdp_config"sv,
                                  "output_dir"sv,
                                  "save_steps"sv,
                                  "save_total_limit"sv,
                                  "logging_steps"sv,
                                  "resume_from_checkpoint"sv,
                                  "auto_resume_from_checkpoints"sv,
                                  "ddp_timeout"sv,
                                  "reduction"sv,
                                  "replica_check_steps"sv,
                                  "device"sv};

constexpr std::array dataset = {"path"sv,
                                "type"sv,
                                "field"sv,
                                "sample_by"sv,
                                "ds_type"sv,
                                "split"sv,
                                "chat_template"sv,
                                "drop_system_message"sv,
                                "field_messages"sv,
                                "message_field_training"sv,
                                "message_property_mappings"sv,
                                "roles"sv,
                                "roles_to_train"sv,
                                "train_on_eos"sv,
                                "train_on_eot"sv};

constexpr std::array fsdp = {"reshard_after_forward"sv,
                             "version"sv,
                             "offload_params"sv,
                             "prefetch_gathers"sv,
                             "cpu_offload_pin_memory"sv,
                             "state_dict_type"sv,
                             "final_state_dict_type"sv,
                             "auto_wrap_policy"sv,
                             "transformer_layer_cls_to_wrap"sv,
                             "min_num_params"sv,
                             "activation_checkpointing"sv,
                             "mixed_precision_policy"sv,
                             "sync_module_states"sv,
                             "cpu_ram_efficient_loading"sv,
                             "sharding_strategy"sv,
                             "backward_prefetch"sv,
                             "forward_prefetch"sv,
                             "limit_all_gathers"sv,
                             "use_orig_params"sv};

constexpr auto own_attention = "attention always keeps the samples of a row apart"sv;
constexpr auto no_workers = "data is read once, before the first step"sv;

constexpr named_key inert[] = {
    {"attn_implementation", own_attention},
    {"flash_attention", own_attention},
    {"flex_attention", own_attention},
    {"sdp_attention", own_attention},
    {"xformers_attention", own_attention},
    {"sage_attention", own_attention},
    {"eager_attention", own_attention},
    {"pretrain_multipack_attn", own_attention},
    {"sample_packing_eff_est", "steps are counted from the packed rows themselves"},
    {"model_type", "the model's config.json says what it is"},
    {"is_llama_derived_model", "the model's config.json says what it is"},
    {"save_safetensors", "weights are always written as safetensors"},
    {"strict", "unknown keys are always refused"},
    {"dataset_processes", no_workers},
    {"dataset_num_proc", no_workers},
    {"dataset_keep_in_memory", no_workers},
    {"dataloader_num_workers", no_workers},
    {"dataloader_pin_memory", no_workers},
    {"dataloader_prefetch_factor", no_workers},
    {"ddp_bucket_cap_mb", "gradients are reduced unit by unit"},
    {"ddp_broadcast_buffers", "the model has no buffers"},
    {"ddp_find_unused_parameters", "every parameter is used in every step"}};

constexpr auto one_dtype = "use torch_dtype: float32 or float64, or bf16: true"sv;
constexpr auto dense_only = "all parameters are trained"sv;
constexpr auto one_optimizer = "use optimizer: adamw_torch_fused"sv;
constexpr auto on_the_device = "use gradient_checkpointing: true or selective"sv;

constexpr named_key unsupported[] = {
    {"activation_offloading", on_the_device},
    {"adapter", dense_only},
    {"bfloat16", one_dtype},
    {"bnb_config_kwargs", dense_only},
    {"chat_template_jinja", "use the name of a template in chat_template"},
    {"cosine_constant_lr_ratio", ""},
    {"cosine_min_lr_ratio", ""},
    {"cut_cross_entropy", ""},
    {"dataset_exact_deduplication", ""},
    {"deepspeed", "use fsdp_config"},
    {"default_system_message", ""},
    {"early_stopping_patience", ""},
    {"embeddings_skip_upcast", ""},
    {"evals_per_epoch", ""},
    {"float16", one_dtype},
    {"float32", one_dtype},
    {"fp16", one_dtype},
    {"fp8", one_dtype},
    {"freeze_mm_modules", dense_only},
    {"fsdp_final_state_dict_type", "use fsdp_config.final_state_dict_type"},
    {"gpu_memory_limit", ""},
    {"greater_is_better", ""},
    {"group_by_length", "use sample_packing"},
    {"gptq", dense_only},
    {"include_tokens_per_second", "metrics.jsonl always holds it"},
    {"layer_offloading", on_the_device},
    {"lisa_layers_attribute", dense_only},
    {"lisa_n_layers", dense_only},
    {"lisa_step_interval", dense_only},
    {"load_best_model_at_end", ""},
    {"load_in_4bit", dense_only},
    {"load_in_8bit", dense_only},
    {"loraplus_lr_embedding", dense_only},
    {"loraplus_lr_ratio", dense_only},
    {"loss_watchdog_patience", ""},
    {"loss_watchdog_threshold", ""},
    {"low_cpu_mem_usage", ""},
    {"lr_groups", ""},
    {"lr_quadratic_warmup", ""},
    {"lr_scheduler_kwargs", ""},
    {"max_packed_sequence_len", "use sequence_len and sample_packing"},
    {"merge_lora", dense_only},
    {"metric_for_best_model", ""},
    {"min_lr", ""},
    {"model_config_type", "the model's config.json says what it is"},
    {"model_quantization_config", dense_only},
    {"model_revision", ""},
    {"neftune_noise_alpha", ""},
    {"noisy_embedding_alpha", ""},
    {"optim_args", one_optimizer},
    {"optim_target_modules", one_optimizer},
    {"orpo_alpha", ""},
    {"overrides_of_model_config", "change the model's config.json"},
    {"overrides_of_model_kwargs", "change the model's config.json"},
    {"plugins", ""},
    {"pretraining_dataset", "use datasets"},
    {"processor_type", ""},
    {"profiler_steps", ""},
    {"push_dataset_to_hub", ""},
    {"push_to_hub_model_id", ""},
    {"qat", ""},
    {"quantization", ""},
    {"remove_unused_columns", ""},
    {"reward_model", ""},
    {"rl", ""},
    {"rl_beta", ""},
    {"rope_scaling", "change the model's config.json"},
    {"s2_attention", ""},
    {"save_only_model", ""},
    {"save_strategy", "use save_steps"},
    {"saves_per_epoch", "use save_steps"},
    {"shuffle_merged_datasets", "use shuffle_data"},
    {"special_tokens", "the tokenizer's ids are fixed"},
    {"streaming", "use datasets"},
    {"test_datasets", ""},
    {"tf32", ""},
    {"tokenizer_config", "use tokenizer_type"},
    {"tokenizer_legacy", "use tokenizer_type"},
    {"tokenizer_use_fast", "use tokenizer_type"},
    {"tokens", "the tokenizer's ids are fixed"},
    {"torch_compile", ""},
    {"trl", ""},
    {"trust_remote_code", ""},
    {"unfrozen_parameters", dense_only},
    {"val_set_size", ""}};

/// Families of keys that are unsupported as a whole.
constexpr std::string_view unsupported_families[] = {
    "eval_",          "wandb_",   "mlflow_",   "comet_",     "lora_",
    "peft_",          "hub_",     "relora_",   "galore_",    "dpo_",
    "kto_",           "kd_",      "simpo_",    "cpo_",       "process_reward_",
    "torch_compile_", "gc_",      "liger_",    "use_",       "dynamic_checkpoint",
    "ray_",           "trackio_", "adam_eps2", "adam_beta3", "unsloth_"};

constexpr named_key unsupported_dataset[] = {
    {"chat_template_jinja", "use the name of a template in chat_template"},
    {"conversation", ""},
    {"data_files", ""},
    {"field_human", ""},
    {"field_input", ""},
    {"field_instruction", ""},
    {"field_model", ""},
    {"field_output", ""},
    {"field_system", ""},
    {"field_thinking", ""},
    {"field_tools", ""},
    {"format", ""},
    {"input_format", ""},
    {"input_transform", ""},
    {"logprobs_field", ""},
    {"message_field_content", "use message_property_mappings"},
    {"message_field_role", "use message_property_mappings"},
    {"message_field_training_detail", ""},
    {"name", ""},
    {"no_input_format", ""},
    {"preprocess_shards", ""},
    {"revision", ""},
    {"shards", ""},
    {"shards_idx", ""},
    {"skip", ""},
    {"split_thinking", ""},
    {"system_format", ""},
    {"system_prompt", ""},
    {"temperature", ""},
    {"template_thinking_key", ""},
    {"text_column", ""},
    {"train_on_split", ""},
    {"trust_remote_code", ""},
    {"type_kwargs", ""}};

constexpr std::string_view nothing;

}  // namespace

std::span<const std::string_view> top_level_keys() {
    return top_level;
}
std::span<const std::string_view> dataset_keys() {
    return dataset;
}
std::span<const std::string_view> fsdp_keys() {
    return fsdp;
}
std::span<const named_key> inert_keys() {
    return inert;
}

const std::string_view* unsupported_key(std::string_view name) {
    const auto found =
        std::find_if(std::begin(unsupported), std::end(unsupported),
                     [name](const named_key& key) { return key.name == name; });
    if (found != std::end(unsupported)) return &found->note;
    for (const auto family : unsupported_families) {
        if (name.starts_with(family)) return &nothing;
    }
    return nullptr;
}

const std::string_view* unsupported_dataset_key(std::string_view name) {
    const auto found =
        std::find_if(std::begin(unsupported_dataset), std::end(unsupported_dataset),
                     [name](const named_key& key) { return key.name == name; });
    return found == std::end(unsupported_dataset) ? nullptr : &found->note;
}

}  // namespace packkit::train
