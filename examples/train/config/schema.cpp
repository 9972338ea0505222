// SPDX-License-Identifier: Apache-2.0
// The keys of the file and of fsdp_config. A key is one row here and, where a member
// holds its value, one line in config.hpp.
#include "config/schema.hpp"

#include "config/fsdp.hpp"

#include <limits>

namespace packkit::train {
namespace {

using namespace std::string_view_literals;
using enum key_status;
using enum key_effect;
using C = train_config;
using K = config_key<train_config>;
using node_kind = config_node::kind;

/// Token positions and lengths are int32.
constexpr std::int64_t most_int32 = std::numeric_limits<std::int32_t>::max();
/// More ranks than any machine has, few enough that products of sizes do not overflow.
constexpr std::int64_t most_ranks = 1 << 20;

constexpr auto strategies =
    in_order<packkit::excess_length_strategy>("drop", "truncate", "split", "raise");
constexpr named<decay_shape> schedules[] = {{"cosine", decay_shape::cosine},
                                            {"linear", decay_shape::linear},
                                            {"constant", decay_shape::constant}};
constexpr named<context_variant> exchanges[] = {
    {"varlen_llama3", context_variant::gather}, {"ring", context_variant::ring}};
constexpr auto mixes_documents =
    "mixes the documents of a packed row; use varlen_llama3 or ring, which also take "
    "rows of one sample"sv;
constexpr auto batched_exchanges =
    rejected_names(mixes_documents, "batch_ring", "batch_zigzag", "batch_stripe");
constexpr named<bool> reductions[] = {{"fast", false}, {"canonical", true}};
constexpr named<bool> prefetches[] = {
    {"BACKWARD_PRE", true}, {"BACKWARD_POST", false}, {"NO_PREFETCH", false}};
constexpr named<bool> layers[] = {
    {"LlamaDecoderLayer", true},   {"MistralDecoderLayer", true},
    {"MixtralDecoderLayer", true}, {"Qwen2DecoderLayer", true},
    {"Qwen3DecoderLayer", true},   {"Qwen3MoeDecoderLayer", true},
    {"GemmaDecoderLayer", true},   {"Gemma2DecoderLayer", true},
    {"Gemma3DecoderLayer", true}};
constexpr rejected_name other_strategies[] = {
    {"NO_SHARD", "is DDP: leave fsdp_config and fsdp_version away"}};
constexpr rejected_name other_forms[] = {
    {"LOCAL_STATE_DICT",
     "is not supported: only the mesh that wrote it could read it; use "
     "SHARDED_STATE_DICT"}};

/// A member of the mesh that is asked for.
auto in_mesh(std::optional<std::int64_t> mesh_request::* size) {
    return [size](auto& config) -> auto& { return config.mesh.*size; };
}

constexpr auto from_model = "the model's config.json says what it is"sv;
constexpr auto own_shards = "each rank makes or reads its own shards"sv;
constexpr auto one_ahead =
    "and has no effect: one unit is gathered ahead, or none with `prefetch_gathers: "
    "false`"sv;

key_table<train_config> checkpointing_keys() {
    static const std::vector<K> keys = {
        K("use_reentrant", truth{},
          "a block is computed again by one method, with the same gradients")
            .as_noted()};
    return keys;
}

constexpr auto dataset_list = "a list of datasets, as [{path: data.jsonl}]"sv;

void add_dataset_settings(const train_config& config, setting_list& list) {
    for (std::size_t i = 0; i < config.datasets.size(); ++i) {
        add_settings(dataset_keys(), config.datasets[i],
                     "datasets." + std::to_string(i) + ".", list);
    }
}

std::string fully_sharded_text(const train_config& config) {
    return truth().text(config.mesh.fully_sharded);
}

// A row is a line.
// clang-format off
std::vector<K> done_keys() { return {
    K("base_model", &C::base_model, file_path("the folder of a model"), "Hugging Face folder: config.json, weights").required("the folder of a model"),
    K("random_init_weights", &C::random_init_weights, truth{}, "initial weights from the seed; none are read"),
    K("tokenizer_type", &C::tokenizer_type, plain_text{"bytes, or a tokenizer's file or folder"}, "not needed when all datasets are of type tokens"),
    K("datasets", collection{node_kind::sequence, dataset_list}, "files to read, in this order").required(dataset_list).listed(add_dataset_settings),
    K("chat_template", template_name{}, "template of all datasets of type chat_template that have none of their own"),
    K("train_on_inputs", &C::train_on_inputs, truth{}, "prompts are targets, too").affecting(data),
    K("eot_tokens", &C::eot_tokens, text_list{"a list of tokens, as [\"<end_of_turn>\"]"}, "tokens that end a turn of type chat_template; none: eos").affecting(data),
    K("dataset_prepared_path", &C::dataset_prepared_path, file_path("a folder"), "keeps tokenised data for further runs"),
    K("sequence_len", &C::sequence_len, whole{1, most_int32}, "capacity of a row, in tokens").affecting(data_and_run),
    K("sample_packing", &C::sample_packing, truth{}, "puts several samples into a row").affecting(run),
    K("sample_packing_group_size", &C::sample_packing_group_size, whole{0}, "samples that are packed at once; 0: all"),
    K("sample_packing_bin_size", &C::sample_packing_bin_size, whole{0}, "most samples in a row; 0: any number"),
    K("sample_packing_sequentially", &C::sample_packing_sequentially, truth{}, "packs by next-fit, which keeps the order"),
    K("sample_packing_balance", &C::sample_packing_balance, choice<plan_balance>{}, "balances packed rows over the data-parallel ranks by the cost of attention, by tokens, or not at all"),
    K("dataloader_drop_last", &C::dataloader_drop_last, truth{}, "leaves out an epoch's last partial step"),
    K("curriculum_sampling", &C::curriculum_sampling, truth{}, "takes samples in the order of the data"),
    K("shuffle_data", &C::shuffle_data, truth{}, "false: the order of the files"),
    K("multipack_real_batches", &C::multipack_real_batches, truth{}, "micro_batch_size rows instead of one row that is as long"),
    K("pad_to_sequence_len", &C::pad_to_sequence_len, truth{}, "fills every row up").by_default("as sample_packing"),
    K("excess_length_strategy", &C::excess_length_strategy, choice<packkit::excess_length_strategy>{strategies}, "treatment of samples longer than sequence_len").affecting(data),
    K("micro_batch_size", &C::micro_batch_size, whole{1, most_int32}, "rows of a micro-batch").by_default("1, with the two others set"),
    K("gradient_accumulation_steps", &C::gradient_accumulation_steps, whole{1, most_int32}, "micro-batches of a step").by_default("from batch_size"),
    K("batch_size", &C::batch_size, whole{1, most_int32}, "rows of a step on a data-parallel rank, instead of gradient_accumulation_steps"),
    K("max_steps", &C::max_steps, whole{1}, "ends the run before num_epochs does"),
    K("num_epochs", &C::num_epochs, real{positive}, "passes over the data"),
    K("optimizer", &C::optimizer, choice<optimizer_name>{}, "both names mean the same AdamW").affecting(run),
    K("learning_rate", &C::learning_rate, real{not_negative}, "highest rate of the schedule").required(not_negative.expected),
    K("lr_scheduler", &C::lr_scheduler, choice<decay_shape>{schedules}, "how the rate falls after warm-up"),
    K("warmup_steps", &C::warmup_steps, whole{0}, "steps in which the rate rises"),
    K("warmup_ratio", &C::warmup_ratio, real{below_one}, "share of all steps, instead of warmup_steps"),
    K("weight_decay", &C::weight_decay, real{not_negative}, "decoupled weight decay"),
    K("adam_beta1", &C::adam_beta1, real{below_one}, "decay of the first moment"),
    K("adam_beta2", &C::adam_beta2, real{below_one}, "decay of the second moment"),
    K("adam_epsilon", &C::adam_epsilon, real{positive}, "added to the root of the second moment"),
    K("max_grad_norm", &C::max_grad_norm, real{not_negative}, "gradients are clipped to this norm; 0: they are not"),
    K("residual_dropout", &C::residual_dropout, real{below_one}, "probability of dropout of the outputs of attention and feed-forward"),
    K("torch_dtype", &C::torch_dtype, choice<dtype>{}, "dtype of parameters, optimizer state and checkpoint").affecting(run),
    K("bf16", &C::bf16, truth{}, "computes in bf16; parameters stay float32"),
    K("gradient_checkpointing", &C::gradient_checkpointing, checkpointing_choice{}, "which activations are recomputed: none, selected ones, or all but the inputs of blocks"),
    K("gradient_checkpointing_kwargs", collection{node_kind::map, "keys, as {use_reentrant: false}"}, "").with_keys(checkpointing_keys),
    K("seed", &C::seed, natural{}, "seed of initial weights, data order and dropout").affecting(run),
    K("dp_replicate_size", in_mesh(&mesh_request::dp_replicate), whole{1, most_ranks}, "groups of ranks that hold all parameters each"),
    K("dp_shard_size", in_mesh(&mesh_request::dp_shard), whole{1, most_ranks}, "data-parallel ranks that share the parameters"),
    K("context_parallel_size", in_mesh(&mesh_request::cp), whole{1, most_ranks}, "ranks that share a row"),
    K("sequence_parallel_degree", whole{1, most_ranks}, "another name of context_parallel_size").deprecated("use `context_parallel_size`"),
    K("tensor_parallel_size", in_mesh(&mesh_request::tp), whole{1, most_ranks}, "ranks that share each matrix"),
    K("sequence_parallel", &C::sequence_parallel, truth{}, "with tensor_parallel_size above 1: norms and residuals on 1/tp of the tokens"),
    K("ring_attn_func", &C::ring_attn_func, choice<context_variant>{exchanges, batched_exchanges}, "how context-parallel ranks get keys and values: all at once, or rank by rank"),
    K("heads_k_stride", whole{1}, "keys and values of all heads are sent together").as_noted(),
    K("fsdp", anything{ "a list of full_shard, shard_grad_op, hybrid_shard, auto_wrap, offload"}, "shards parameters").deprecated("use `fsdp_version: 2` and `fsdp_config`").printed("fully_sharded", fully_sharded_text),
    K("fsdp_version", &C::fsdp_version, whole{1, 2}, "with it or fsdp_config, parameters are sharded; 1 and 2 mean the same here"),
    K("fsdp_config", collection{node_kind::map, "keys, as {reshard_after_forward: true}"}, "").with_keys(fsdp_keys),
    K("output_dir", &C::output_dir, file_path("a folder"), "checkpoints and metrics").required("the folder for checkpoints and metrics"),
    K("save_steps", &C::save_steps, whole{0}, "steps from checkpoint to checkpoint; 0: one at the end"),
    K("save_total_limit", &C::save_total_limit, whole{0}, "checkpoints that are kept; 0: all"),
    K("logging_steps", &C::logging_steps, whole{1}, "steps from log line to log line"),
    K("resume_from_checkpoint", &C::resume_from_checkpoint, file_path("a checkpoint's folder"), "goes on from there"),
    K("auto_resume_from_checkpoints", &C::auto_resume_from_checkpoints, truth{}, "goes on from the newest complete checkpoint in output_dir"),
    K("ddp_timeout", &C::ddp_timeout, real{{0.0, 1e9, false, true, "a number of seconds > 0"}}, "how long ranks wait for each other, in seconds"),
    K("reduction", &C::canonical_reduction, choice<bool>{reductions}, "canonical: sums whose bits do not depend on the mesh"),
    K("replica_check_steps", &C::replica_check_steps, whole{0}, "steps after which replicas compare their parameters; 0: never"),
    K("device", &C::device, choice<device_choice>{}, "auto: a GPU if there is one"),
}; }

std::vector<K> keys_of_fsdp() { return {
    K("version", whole{1, 2}, "as fsdp_version"),
    K("reshard_after_forward", &C::reshard_after_forward, truth{}, "frees gathered weights after forward"),
    K("backward_prefetch", &C::prefetch_gathers, choice<bool>{prefetches}, "as prefetch_gathers").not_printed().deprecated("use `prefetch_gathers`"),
    K("prefetch_gathers", &C::prefetch_gathers, truth{}, "the next block's weights arrive while this one is at work"),
    K("offload_params", &C::offload_params, truth{}, "parameters, gradients and optimizer state in host memory, where the update takes place"),
    K("cpu_offload_pin_memory", &C::cpu_offload_pin_memory, truth{}, "pins the host memory of offload_params"),
    K("state_dict_type", &C::state_dict_type, choice<checkpoint_form>{names_of<checkpoint_form>, other_forms}, "form of checkpoints: full tensors, or each rank's own shards"),
    K("final_state_dict_type", &C::final_state_dict_type, choice<checkpoint_form>{names_of<checkpoint_form>, other_forms}, "form of the checkpoint after the last step").by_default("as state_dict_type"),
    K("activation_checkpointing", truth{}, "true: as gradient_checkpointing: true"),
    K("auto_wrap_policy", choice<wrap_policy>{}, "each layer is a unit of its own"),
    K("transformer_layer_cls_to_wrap", choice<bool>{layers}, "each layer is a unit of its own"),
    K("min_num_params", whole{0}, "belongs to SIZE_BASED_WRAP, which is not supported"),
    K("sharding_strategy", choice<sharding_strategy>{names_of<sharding_strategy>, other_strategies}, "as reshard_after_forward").deprecated("use `reshard_after_forward` and `dp_replicate_size`"),
    K("forward_prefetch", truth{}, "one unit is gathered ahead").deprecated(one_ahead),
    K("limit_all_gathers", truth{}, "one unit is gathered ahead").deprecated(one_ahead),
    K("sync_module_states", truth{}, own_shards).as_noted(),
    K("cpu_ram_efficient_loading", truth{}, own_shards).as_noted(),
    K("use_orig_params", truth{}, own_shards).as_noted(),
    K("mixed_precision_policy", rejected, "use bf16: true"),
}; }

// Names with '*' are families of keys.
const key_group groups[] = {
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
};
// clang-format on

}  // namespace

key_table<train_config> top_level_keys() {
    static const auto keys = with_groups(done_keys(), groups);
    return keys;
}

key_table<train_config> fsdp_keys() {
    static const std::vector<K> keys = keys_of_fsdp();
    return keys;
}

}  // namespace packkit::train
