// SPDX-License-Identifier: Apache-2.0
// Keys that are noted or rejected.
#include "config/keys/keys.hpp"

namespace packkit::train {
namespace {

using namespace std::string_view_literals;
using enum key_status;

constexpr auto from_model = "the model's config.json says what it is"sv;

}  // namespace

// clang-format off
// Names with '*' are families of keys.
std::vector<key_group> other_keys() { return {
    {noted, "attention always keeps the samples of a row apart", {"attn_implementation", "flash_attention", "flex_attention",
     "sdp_attention", "xformers_attention", "sage_attention", "eager_attention",
     "pretrain_multipack_attn", "flex_attn_compile_kwargs"}},
    {noted, "steps are counted from the packed rows themselves", {"sample_packing_eff_est"}},
    {noted, from_model, {"model_type", "is_llama_derived_model", "experts_implementation"}},
    {noted, "weights are always written as safetensors", {"save_safetensors"}},
    {noted, "unknown keys are always refused", {"strict"}},
    {noted, "data is read once, before the first step", {"dataset_processes", "dataset_num_proc", "dataset_keep_in_memory",
     "dataloader_num_workers", "dataloader_pin_memory", "dataloader_prefetch_factor",
     "streaming_multipack_buffer_size"}},
    {noted, "gradients are reduced unit by unit", {"ddp_bucket_cap_mb"}},
    {noted, "the model has no buffers", {"ddp_broadcast_buffers"}},
    {noted, "every parameter is used in every step", {"ddp_find_unused_parameters"}},
    {noted, "the loss is always computed in parts of a row", {"flash_attn_cross_entropy"}},
    {noted, "feed-forward is computed for a whole row", {"tiled_mlp"}},
    {noted, "nothing is downloaded", {"hf_use_auth_token"}},
    {noted, "the environment says which rank this is", {"local_rank"}},
    {noted, "the log is the same with and without it", {"debug"}},
    {rejected, "use micro_batch_size and gradient_accumulation_steps", {"accelerator_config"}},
    {rejected, "use gradient_checkpointing: true or selective", {"activation_offloading", "layer_offloading"}},
    {rejected, "all parameters are trained", {"adapter", "bnb_config_kwargs", "freeze_mm_modules", "gptq",
     "lisa_layers_attribute", "lisa_n_layers", "lisa_step_interval", "load_in_4bit", "load_in_8bit",
     "loraplus_lr_embedding", "loraplus_lr_ratio", "merge_lora", "model_quantization_config",
     "quantize_moe_experts", "unfrozen_parameters"}},
    {rejected, "the tokenizer's ids are fixed", {"added_tokens_overrides", "special_tokens", "tokens"}},
    {rejected, "use torch_dtype: float32 or float64, or bf16: true", {"bfloat16", "float16", "float32", "fp16", "fp8"}},
    {rejected, "use the name of a template in chat_template", {"chat_template_jinja"}},
    {rejected, "use fsdp_config", {"deepspeed"}},
    {rejected, "use fsdp_config.final_state_dict_type", {"fsdp_final_state_dict_type"}},
    {rejected, "use sample_packing", {"group_by_length"}},
    {rejected, "metrics.jsonl always holds it", {"include_tokens_per_second"}},
    {rejected, "use sequence_len and sample_packing", {"max_packed_sequence_len"}},
    {rejected, "leave short samples out of the data", {"min_sample_len"}},
    {rejected, "change the model's config.json", {"model_config", "overrides_of_model_config",
     "overrides_of_model_kwargs", "resize_token_embeddings_to_32x", "rope_scaling"}},
    {rejected, from_model, {"model_config_type"}},
    {rejected, "only decoders that predict tokens are trained", {"num_labels"}},
    {rejected, "use optimizer: adamw_torch_fused", {"optim_args", "optim_target_modules"}},
    {rejected, "use datasets", {"pretraining_dataset", "streaming"}},
    {rejected, "use random_init_weights", {"reinit_weights"}},
    {rejected, "base_model is a folder", {"revision_of_model"}},
    {rejected, "use save_steps", {"save_strategy", "saves_per_epoch"}},
    {rejected, "use shuffle_data", {"shuffle_merged_datasets"}},
    {rejected, "use type: tokens for data of ids", {"skip_prepare_dataset"}},
    {rejected, "use tokenizer_type", {"tokenizer_config", "tokenizer_legacy",
     "tokenizer_use_mistral_common", "tokenizer_use_fast"}},
    {rejected, "", {"cosine_constant_lr_ratio", "cosine_min_lr_ratio", "cut_cross_entropy",
     "dataset_exact_deduplication", "default_system_message", "early_stopping_patience",
     "embeddings_skip_upcast", "eta_min", "evals_per_epoch", "gpu_memory_limit",
     "greater_is_better", "load_best_model_at_end", "loss_watchdog_patience",
     "loss_watchdog_threshold", "low_cpu_mem_usage", "lr_groups", "lr_quadratic_warmup",
     "lr_scheduler_kwargs", "metric_for_best_model", "min_lr", "model_revision",
     "neftune_noise_alpha", "noisy_embedding_alpha", "orpo_alpha", "plugins", "processor_type",
     "profiler_steps", "push_dataset_to_hub", "push_to_hub_model_id", "qat", "quantization",
     "remove_unused_columns", "reward_model", "rl", "rl_beta", "s2_attention", "save_only_model",
     "test_datasets", "tf32", "torch_compile", "trl", "trust_remote_code", "val_set_size", "eval_*",
     "wandb_*", "mlflow_*", "comet_*", "lora_*", "peft_*", "hub_*", "relora_*", "galore_*", "dpo_*",
     "kto_*", "kd_*", "simpo_*", "cpo_*", "process_reward_*", "torch_compile_*", "gc_*", "liger_*",
     "use_*", "dynamic_checkpoint*", "ray_*", "trackio_*", "adam_eps2*", "adam_beta3*",
     "unsloth_*"}},
}; }
// clang-format on

}  // namespace packkit::train
