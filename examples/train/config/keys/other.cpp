// SPDX-License-Identifier: Apache-2.0
// Keys of Axolotl that are noted or rejected. Only a key whose effect the user would miss
// in the trained weights is rejected.
#include "config/keys/keys.hpp"

namespace packkit::train {
namespace {

using namespace key_rows;

constexpr auto from_model = "the model's config.json says what it is"sv;
constexpr auto same_function =
    "it only makes a computation faster, which here has kernels of its own"sv;
constexpr auto no_service = "nothing is sent to services; metrics.jsonl holds the run"sv;
constexpr auto no_evaluation = "the trainer does not evaluate yet"sv;
constexpr auto only_adapters = "only an `adapter` uses it"sv;
constexpr auto only_feedback = "only training from preferences or rewards uses it"sv;
constexpr auto supervised_only =
    "training from preferences or rewards is not built in; leave it away to train on the "
    "answers"sv;
constexpr auto full_precision =
    "weights are trained in float32, or in bf16 with float32 masters; leave it away"sv;
constexpr auto own_algorithm =
    "the method is not built in; leave it away to train all parameters with `optimizer`"sv;
constexpr auto text_only = "models of images and sound are not trained"sv;
constexpr auto data_read_once = "data is read once, before the first step"sv;
constexpr auto launches_itself =
    "packkit-train starts its ranks itself (--processes), or reads who it is from the "
    "environment"sv;
constexpr auto its_optimizer = "only an optimizer that is not built in uses it"sv;

// A line holds as many names as fit.
// clang-format off
/// Attention, kernels, memory.
std::vector<key_group> keys_of_computation() { return {
    {noted, "attention always keeps the samples of a row apart", {"attn_implementation", "flash_attention",
     "flex_attention", "sdp_attention", "xformers_attention", "sage_attention", "eager_attention",
     "flex_attn_compile_kwargs", "batch_flattening", "gemma4_hybrid_attn_impl",
     "large_head_attention", "flash_attn_d512", "sdpa_varlen", "fused_attn_kernel"}},
    {noted, same_function, {"flash_attn_cross_entropy", "flash_attn_fuse_mlp", "flash_attn_rms_norm",
     "flash_attn_fuse_qkv", "flash_optimum", "cut_cross_entropy", "chunked_cross_entropy",
     "chunked_cross_entropy_num_chunks", "tiled_mlp", "tiled_mlp_num_shards", "tiled_mlp_use_original_mlp",
     "use_kernels", "expert_backend", "use_scattermoe", "use_sonicmoe", "moe_grouped_backend",
     "moe_dequant_chunk_size", "moe_bnb_fast", "use_dsv4_kernels", "use_glm_dsa_kernels", "deepcompile",
     "torch_compile", "torch_compile_*", "llama4_linearized_experts", "experts_implementation", "liger_rope",
     "liger_rms_norm", "liger_rms_norm_gated", "liger_layer_norm", "liger_swiglu", "liger_glu_activation",
     "liger_cross_entropy", "liger_fused_linear_cross_entropy", "unsloth_*", "fp32_norms", "fp32_norm_classes"}},
    {noted, "activations stay on the device; gradient_checkpointing keeps fewer of them",
     {"activation_offloading", "layer_offloading", "selective_checkpointing"}},
    {noted, "memory is what `packkit-train plan` says", {"gc_steps", "torch_empty_cache_steps", "gc_collect_steps",
     "max_memory", "gpu_memory_limit", "low_cpu_mem_usage", "experimental_skip_move_to_device", "device_map",
     "auto_find_batch_size", "torchdistx_path"}},
    {noted, "padding is never computed", {"pad_to_multiple_of"}},
    {noted, "gradients are reduced unit by unit", {"ddp_bucket_cap_mb"}},
    {noted, "the model has no buffers", {"ddp_broadcast_buffers"}},
    {noted, "every parameter is used in every step", {"ddp_find_unused_parameters"}},
    {noted, launches_itself, {"local_rank", "world_size", "ddp", "use_ray", "ray_*", "resources_per_worker"}},
    {rejected, "it changes the attention of long rows; leave it away for full attention", {"s2_attention"}},
    {rejected, "it changes what attention computes; leave it away", {"scaling_softmax", "scaling_softmax_*"}},
    {rejected, "experts are shared by dp_shard_size and tensor_parallel_size; leave it away",
     {"expert_parallel_*"}},
    {rejected, "it changes the loss; leave it away", {"liger_use_token_scaling", "use_eaft", "diffusion",
     "center_rewards_coefficient"}},
    {noted, "only `use_eaft` uses it", {"eaft_*"}},
    {rejected, "it changes the positions of tokens; leave it away", {"use_pose"}},
    {noted, "only `use_pose` uses it", {"pose_*"}},
}; }

/// What the trained model is, and how its numbers are kept.
std::vector<key_group> keys_of_models() { return {
    {noted, from_model, {"type_of_model", "is_llama_derived_model", "is_mistral_derived_model",
     "is_falcon_derived_model", "is_qwen_derived_model", "cls_model_config", "base_model_ignore_patterns"}},
    {noted, "no code of a model is run", {"trust_remote_code"}},
    {noted, "nothing is downloaded", {"hf_use_auth_token"}},
    {noted, "weights are always written as safetensors", {"save_safetensors"}},
    {noted, "all parameters are trained", {"full_finetune"}},
    {rejected, "adapters are not built in yet; leave it and the lora_* keys away to train all parameters",
     {"adapter", "relora", "mora", "use_mora"}},
    {noted, only_adapters, {"lora_*", "peft_*", "peft", "relora_*", "loraplus_*", "loftq_*", "qlora_*", "merge_lora",
     "merge_method"}},
    {rejected, full_precision, {"load_in_4bit", "load_in_8bit", "gptq", "fp8", "qat", "quantization",
     "quantize_moe_experts", "model_quantization_config", "use_onebitllms", "nonexpert_quantization", "dsv4_*",
     "gemma4_*", "nvfp4_*"}},
    {noted, "only quantised weights use it", {"bnb_config_kwargs", "gptq_*", "model_quantization_config_kwargs",
     "fp8_*"}},
    {rejected, "use overrides_of_model_config", {"model_kwargs"}},
    {rejected, from_model, {"model_config_type"}},
    {rejected, "only decoders that predict tokens are trained", {"num_labels", "reward_model",
     "process_reward_model"}},
    {rejected, "use revision_of_model", {"model_revision"}},
    {rejected, text_only, {"processor_type", "freeze_mm_modules"}},
    {noted, "only models of images use it", {"processor_kwargs", "image_size", "image_resize_algorithm",
     "role_boundaries"}},
    {noted, "a tokenizer gives the ids of Transformers' fast one", {"tokenizer_use_fast", "tokenizer_legacy"}},
    {noted, "all parameters have one dtype", {"embeddings_skip_upcast"}},
    {noted, "new rows are the mean of the old ones", {"mean_resizing_embeddings"}},
    {noted, "checkpoints hold the tokenizer's files as they are", {"tokenizer_save_jinja_files"}},
    {rejected, "rows are only added to an embedding", {"shrink_embeddings"}},
    {rejected, "use a tokenizer.json or a SentencePiece model", {"tokenizer_use_mistral_common"}},
}; }

/// Optimizers, losses and methods of training.
std::vector<key_group> keys_of_methods() { return {
    {rejected, supervised_only, {"rl", "trl", "ebft"}},
    {noted, only_feedback, {"vllm", "dpo_*", "kto_*", "simpo_*", "cpo_*", "orpo_*", "rpo_*", "rl_*",
     "precompute_ref_log_probs", "max_prompt_len", "process_reward_*"}},
    {rejected, own_algorithm, {"lisa_*", "galore_*", "grokfast_*", "spectrum_*", "kd_*", "hatchery",
     "dense_mixer", "llmcompressor", "trainer_cls", "nemo_gym_enabled"}},
    {noted, "only LLM Compressor uses it", {"recipe", "save_compressed"}},
    {rejected, "it changes embeddings that are never trained; leave it away", {"fix_untrained_tokens"}},
    {noted, "only the NeMo Gym plugin uses it", {"nemo_gym_*"}},
    {noted, its_optimizer, {"dion_*", "qgalore_*", "optim_target_modules"}},
    {rejected, "the restarts of a schedule are not built in; leave it away", {"jagged_restart_*"}},
    {rejected, "it adds noise to embeddings; leave it away", {"neftune_noise_alpha", "noisy_embedding_alpha"}},
    {noted, "Axolotl does not read it either; cosine_min_lr_ratio sets the lowest rate", {"eta_min"}},
    {noted, "Axolotl does not read it either; use adam_epsilon", {"adam_eps"}},
    {noted, "only lr_scheduler one_cycle uses it, which is rejected", {"lr_div_factor"}},
    {noted, "Axolotl does not read it either; lr_scheduler_kwargs: {min_lr: ...} sets it", {"min_lr"}},
}; }

/// Data, evaluation, and what a run tells.
std::vector<key_group> keys_of_runs() { return {
    {noted, "steps are counted from the packed rows themselves", {"sample_packing_eff_est", "total_num_tokens",
     "total_supervised_tokens",
     "sample_packing_seq_len_multiplier"}},
    {noted, data_read_once, {"dataset_processes", "dataset_num_proc", "dataset_keep_in_memory",
     "dataloader_num_workers", "dataloader_pin_memory", "dataloader_prefetch_factor",
     "streaming_multipack_buffer_size", "pretrain_multipack_buffer_size", "sample_packing_mp_start_method",
     "preprocess_iterable", "remove_unused_columns", "accelerator_config"}},
    {noted, "unknown keys are always refused", {"strict"}},
    {noted, "the log is the same with and without it", {"debug"}},
    {noted, no_evaluation, {"eval_*", "evals_per_epoch", "evaluation_strategy", "do_causal_lm_eval", "do_bench_eval",
     "bench_*", "metric_for_best_model", "greater_is_better", "load_best_model_at_end",
     "early_stopping_patience", "lm_eval_*"}},
    {noted, no_service, {"wandb_*", "use_wandb", "mlflow_*", "use_mlflow", "hf_mlflow_log_artifacts", "comet_*",
     "use_comet", "trackio_*", "use_trackio", "swanlab_*", "use_swanlab", "otel_*", "use_otel_metrics", "gradio_*",
     "hub_*", "push_dataset_to_hub", "push_to_hub_model_id"}},
    {noted, "metrics.jsonl always holds it", {"include_tokens_per_second", "include_tkps", "use_tensorboard",
     "profiler_steps", "profiler_steps_start"}},
    {noted, "a signal saves a checkpoint at any time", {"dynamic_checkpoint*"}},
    {noted, "Axolotl writes it itself", {"axolotl_config_path", "capabilities", "env_capabilities", "is_preprocess"}},
    {noted, "no samples are generated yet", {"generate_samples", "generation_*", "num_generation_samples"}},
    {rejected, "use fsdp_config.final_state_dict_type", {"fsdp_final_state_dict_type"}},
    {rejected, "use sample_packing", {"group_by_length"}},
    {rejected, "use sequence_len and sample_packing", {"max_packed_sequence_len"}},
    {rejected, "use sample_packing",
     {"pretraining_sample_concatenation"}},
    {rejected, "use the name of a template in chat_template", {"chat_template_jinja", "chat_template_kwargs"}},
    {noted, "samples are shuffled over all data sets, each epoch anew", {"shuffle_before_merging_datasets"}},
    {noted, "no template has a system message that it would replace; put one into the rows, as key system",
     {"default_system_message"}},
    {noted, "nothing is evaluated yet: these data sets are not read", {"test_datasets"}},
    {noted, "prepared data is one file", {"num_dataset_shards_to_save"}},
    {rejected, "use shards and shards_idx of a data set", {"dataset_shard_num", "dataset_shard_idx"}},
    {rejected, "use type: tokens for data of ids", {"skip_prepare_dataset"}},
}; }

// clang-format on

}  // namespace

std::vector<key_group> other_keys() {
    std::vector<key_group> all;
    for (auto (*part)() :
         {keys_of_computation, keys_of_models, keys_of_methods, keys_of_runs}) {
        for (auto& group : part())
            all.push_back(std::move(group));
    }
    return all;
}

}  // namespace packkit::train
