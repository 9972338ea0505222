// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The configuration of a run: an Axolotl-shaped YAML file and key=value overrides.

#include "common/tokenizer_files.hpp"
#include "config/names.hpp"
#include "config/prompts.hpp"
#include "config/step_interval.hpp"

#include <packkit/estimate/context_traffic.hpp>
#include <packkit/estimate/training_setup.hpp>
#include <packkit/lengths/excess_length.hpp>
#include <packkit/mesh.hpp>
#include <packkit/sampling/distributed_plan_options.hpp>
#include <packkit/utility/learning_rate.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace packkit::train {

/// Which of the tokens that end a turn are targets: those of the turns that are trained,
/// of all turns, of the last trained turn, of none.
enum class train_on : std::uint8_t { turn, all, last, none };
template <>
inline constexpr auto names_of<train_on> =
    in_order<train_on>("turn", "all", "last", "none");

/// How the rows of a dataset become samples; alpaca stands for all instruction prompts
/// (config/prompts.hpp).
enum class dataset_type : std::uint8_t {
    completion,
    tokens,
    alpaca,
    input_output,
    chat_template
};
template <>
inline constexpr auto names_of<dataset_type> = in_order<dataset_type>(
    "completion", "tokens", "alpaca", "input_output", "chat_template");

/// Part of a .txt file that makes a sample.
enum class text_unit : std::uint8_t { line, paragraph, document };
template <>
inline constexpr auto names_of<text_unit> =
    in_order<text_unit>("line", "paragraph", "document");

/// Format of a dataset's file; json has one object per line, or one array of objects.
// GCC takes an enumerator of a scoped enumeration for one that hides the type app::json.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
enum class file_format : std::uint8_t { json, parquet, arrow, text, csv };
#pragma GCC diagnostic pop
template <>
inline constexpr auto names_of<file_format> =
    in_order<file_format>("json", "parquet", "arrow", "text", "csv");

/// dtype of the parameters, of the optimizer's state and of the checkpoint.
enum class dtype : std::uint8_t { float32, float64 };
template <>
inline constexpr auto names_of<dtype> = in_order<dtype>("float32", "float64");

/// How the tensors of a checkpoint lie: whole in two files that rank 0 writes, or each
/// rank's own slices in a file of its own. Either opens on every mesh.
enum class checkpoint_form : std::uint8_t { full, sharded };
template <>
inline constexpr auto names_of<checkpoint_form> =
    in_order<checkpoint_form>("FULL_STATE_DICT", "SHARDED_STATE_DICT");

/// When a run saves checkpoints besides the one at its end.
enum class save_time : std::uint8_t { never, epoch, steps };
template <>
inline constexpr auto names_of<save_time> = in_order<save_time>("no", "epoch", "steps");

/// Optimizers: SGD, and names that all select the same AdamW with moments in the dtype of
/// the parameters (config/optimizer.hpp).
enum class optimizer_name : std::uint8_t {
    adamw_torch_fused,
    adamw_torch,
    sgd,
    adamw_apex_fused,
    adamw_hf,
    optimi_adamw,
    adamw_8bit,
    adamw_bnb_8bit,
    adamw_torch_8bit,
    adamw_torch_4bit,
    adamw_torch_fp8,
    ao_adamw_8bit,
    ao_adamw_4bit,
    ao_adamw_fp8,
    paged_adamw_8bit,
    paged_adamw_32bit
};
template <>
inline constexpr auto names_of<optimizer_name> = in_order<optimizer_name>(
    "adamw_torch_fused", "adamw_torch", "sgd", "adamw_apex_fused", "adamw_hf",
    "optimi_adamw", "adamw_8bit", "adamw_bnb_8bit", "adamw_torch_8bit",
    "adamw_torch_4bit", "adamw_torch_fp8", "ao_adamw_8bit", "ao_adamw_4bit",
    "ao_adamw_fp8", "paged_adamw_8bit", "paged_adamw_32bit");

/// Shapes of the learning rate's schedule.
template <>
inline constexpr auto names_of<decay_shape> = std::array<named<decay_shape>, 11>{
    {{"cosine", decay_shape::cosine},
     {"linear", decay_shape::linear},
     {"constant", decay_shape::constant},
     {"constant_with_warmup", decay_shape::constant_with_warmup},
     {"cosine_with_restarts", decay_shape::cosine_with_restarts},
     {"cosine_with_min_lr", decay_shape::cosine_with_min_lr},
     {"cosine_warmup_with_min_lr", decay_shape::cosine_warmup_with_min_lr},
     {"polynomial", decay_shape::polynomial},
     {"inverse_sqrt", decay_shape::inverse_sqrt},
     {"warmup_stable_decay", decay_shape::warmup_stable_decay},
     {"rex", decay_shape::rex}}};

/// Curves of warmup and decay of `warmup_stable_decay`.
template <>
inline constexpr auto names_of<ramp_shape> =
    in_order<ramp_shape>("linear", "cosine", "1-sqrt");

/// Values of `bf16` and `fp16`: compute so, do not, or where the device can.
enum class precision_switch : std::uint8_t { off, on, automatic };

/// Values of `torch_dtype`: a dtype of the parameters, or of the computation.
enum class dtype_name : std::uint8_t { float32, float64, bfloat16, float16, automatic };
template <>
inline constexpr auto names_of<dtype_name> =
    in_order<dtype_name>("float32", "float64", "bfloat16", "float16", "auto");

/// Device of the model; automatic selects a GPU if there is one.
enum class device_choice : std::uint8_t { automatic, cpu, cuda };
template <>
inline constexpr auto names_of<device_choice> =
    in_order<device_choice>("auto", "cpu", "cuda");

/// Quantity by which packed rows are balanced over data-parallel ranks.
template <>
inline constexpr auto names_of<plan_balance> =
    in_order<plan_balance>("cost", "tokens", "none");

/// The name of a value in a configuration.
template <class Enum>
    requires(!names_of<Enum>.empty())
[[nodiscard]] constexpr std::string_view to_string(Enum value) {
    return name_of(value);
}

/// A role as the data calls it, and as the template does.
struct role_name {
    std::string source;
    std::string target;

    friend bool operator==(const role_name&, const role_name&) = default;
};

/// Where the messages of a dataset of type chat_template are and which of them are
/// trained (data/chat_rows.hpp).
struct chat_config {
    std::string
        chat_template;  ///< name; the top-level key unless the dataset has its own
    std::string field_messages = "messages";  ///< "a.b" for a nested one
    std::string field_role = "role";          ///< key message_property_mappings.role
    std::string field_content = "content";    ///< key message_property_mappings.content
    /// Key roles, as {user: [human, user]}; roles that are not named stay as they are.
    std::vector<role_name> roles = {{"human", "user"}, {"gpt", "assistant"}};
    std::vector<std::string> roles_to_train = {"assistant"};  ///< as the template's
    train_on train_on_eos = train_on::turn;
    train_on train_on_eot = train_on::turn;  ///< unless set: as train_on_eos
    std::string message_field_training;      ///< key of true or false in a message, or ""
    /// Key of a message's list of {begin_offset, end_offset, train}, or "".
    std::string message_field_training_detail;
    std::string field_thinking = "reasoning_content";  ///< key of a message's thoughts
    std::string field_tools = "tools";                 ///< key of a row's tools
    bool drop_system_message = false;

    friend bool operator==(const chat_config&, const chat_config&) = default;
};

/// An end of a slice of rows: a number, or a share in percent; negative: from the end.
struct slice_end {
    std::int64_t value = 0;
    bool percent = false;

    friend bool operator==(const slice_end&, const slice_end&) = default;
};

/// Rows of a dataset that are read.
struct row_selection {
    std::int64_t skip = 0;               ///< rows left out at the beginning
    std::optional<slice_end> from = {};  ///< of what is left: split: train[from:to]
    std::optional<slice_end> to = {};
    std::int64_t shards = 1;      ///< parts of what is left, chosen by the seed
    std::int64_t shards_idx = 0;  ///< the part that is read

    friend bool operator==(const row_selection&, const row_selection&) = default;
};

/// One entry of `datasets` or `pretraining_dataset`.
struct dataset_config {
    std::string path;  ///< what the entry is called: key path
    dataset_type type = dataset_type::completion;
    std::string field = "text";  ///< key of the text in a row; "a.b" for a nested one
    text_unit sample_by = text_unit::line;  ///< for .txt files
    chat_config chat = {};                  ///< for type chat_template
    std::optional<file_format> ds_type =
        {};                               ///< unless set: as the endings of the names say
    std::vector<std::string> files = {};  ///< in this order; none: `path` is the file
    bool type_is_set = true;  ///< false: rows that hold token ids are read as tokens
    prompt_format prompt = alpaca_format();  ///< for type alpaca
    row_selection rows = {};
    std::string split = "train";               ///< name of the split
    std::vector<std::string> paths = {};       ///< key path, as written
    std::vector<std::string> data_files = {};  ///< key data_files, as written
    std::string name = {};                     ///< key name: a folder of the data set
    std::string revision = {};                 ///< key revision, for the hub's cache
    std::string conversation = {};             ///< key conversation, which is deprecated
    std::vector<std::string> notes = {};       ///< what the user should know
    bool pretraining = false;                  ///< an entry of pretraining_dataset

    friend bool operator==(const dataset_config&, const dataset_config&) = default;
};

/// The files of a dataset, in the order in which they are read.
[[nodiscard]] std::vector<std::string> files_of(const dataset_config& data);

/// Returns the format of one of a dataset's files: ds_type, or what the ending of its
/// name says; json for another ending, as Axolotl has it.
[[nodiscard]] file_format file_kind(const dataset_config& data, std::string_view file);
/// Returns the format of a dataset's first file.
[[nodiscard]] file_format file_kind(const dataset_config& data);

/// The folder of a run that names none, relative to the configuration file.
inline constexpr std::string_view default_output_dir = "model-out";

/// Keys of `lr_scheduler_kwargs`; each is of some schedules only.
struct scheduler_arguments {
    std::optional<double> num_cycles;
    std::optional<double> min_lr;       ///< lowest rate
    std::optional<double> min_lr_rate;  ///< lowest rate as a share of learning_rate
    std::optional<double> warmup_lr_rate;
    std::optional<double> power;
    std::optional<double> lr_end;
    std::optional<double> min_lr_ratio;
    std::optional<std::int64_t> timescale;
    std::optional<std::int64_t> num_decay_steps;
    std::optional<std::int64_t> num_stable_steps;
    std::optional<ramp_shape> warmup_type;
    std::optional<ramp_shape> decay_type;
};

/// Arguments of SGD, from `optim_args`.
struct sgd_arguments {
    double momentum = 0.0;
    double dampening = 0.0;
    bool nesterov = false;

    friend bool operator==(const sgd_arguments&, const sgd_arguments&) = default;
};

/// An entry of `lr_groups`: parameters whose name contains one of `modules`.
struct learning_rate_group {
    std::string name;
    std::vector<std::string> modules;
    double lr = 0.0;

    friend bool operator==(const learning_rate_group&,
                           const learning_rate_group&) = default;
};

/// All settings after checking, with defaults filled in and paths resolved.
/// \details Names are those of the keys; where a member is named differently the key is
/// given. Defaults are Axolotl's where it has the key.
struct train_config {
    std::string config_path;  ///< the file as given; for messages, no setting

    /// Hugging Face folder: config.json, weights. A name of the Hub has become its folder
    /// in the cache.
    std::string base_model;
    std::string base_model_config;           ///< folder of config.json; "": base_model
    std::string revision_of_model = "main";  ///< of a name of the Hub
    bool random_init_weights = false;  ///< initial weights from the seed, none are read
    /// "bytes", or the path of a tokenizer: its vocabulary, bos and eos. The name of a
    /// class of Transformers, and no name at all, have become the tokenizer of
    /// tokenizer_config or of the model. "" when all datasets are of type tokens and none
    /// is named: ids are then only held to the model's vocabulary, and nothing is put
    /// before or behind them.
    std::string tokenizer_type;
    std::string tokenizer_config;  ///< file or folder, for tokenizer_type; "": not set
    /// Keys special_tokens, tokens and added_tokens_overrides.
    app::tokenizer_changes token_changes;
    bool resize_token_embeddings_to_32x = false;
    /// JSON objects that are merged over config.json in this order; "": not set. The last
    /// is the value of config.json's key of that name.
    std::string overrides_of_model_config;
    std::string model_config;
    std::string rope_scaling;
    std::vector<dataset_config> datasets;
    bool train_on_inputs = false;         ///< prompts are targets, too
    std::vector<std::string> eot_tokens;  ///< end a turn of chat_template; none: eos
    std::string dataset_prepared_path;    ///< folder of tokenised data; "": none is kept

    std::int64_t sequence_len = 512;  ///< capacity of a row, in tokens
    bool sample_packing = false;
    std::int64_t sample_packing_group_size = 100000;  ///< 0: all samples are one group
    std::int64_t sample_packing_bin_size = 200;       ///< samples a row, 0: unlimited
    bool sample_packing_sequentially = false;         ///< next-fit, order kept
    /// Rows of a step cost alike, have as many tokens, or are taken as they come. Without
    /// effect where the order is kept (curriculum_sampling, shuffle_data: false).
    plan_balance sample_packing_balance = plan_balance::cost;
    bool dataloader_drop_last = false;  ///< rows that fill no step are left out
    bool curriculum_sampling = false;   ///< samples in the order of the data
    bool shuffle_data = true;           ///< false: the file's order
    bool multipack_real_batches =
        false;                         ///< micro_batch_size rows instead of one long row
    bool pad_to_sequence_len = false;  ///< unless set: as sample_packing
    /// What becomes of samples longer than sequence_len; unless set, texts of type
    /// completion are split and other samples dropped.
    std::optional<packkit::excess_length_strategy> excess_length_strategy = {};
    std::int64_t min_sample_len = 2;           ///< shorter samples are left out
    bool dataset_exact_deduplication = false;  ///< equal samples count once
    /// Samples that are held out from training: a number, or a share below 1.
    double val_set_size = 0.0;
    /// false: the held-out samples are the last ones, not chosen by the seed.
    bool shuffle_merged_datasets = true;

    std::int64_t micro_batch_size = 1;
    std::int64_t gradient_accumulation_steps =
        1;                                   ///< follows from batch_size if that is set
    std::optional<std::int64_t> batch_size;  ///< rows a step of one data-parallel rank

    /// Steps of the run, whatever num_epochs says; the data is repeated as needed.
    std::optional<std::int64_t> max_steps;
    double num_epochs = 1.0;
    optimizer_name optimizer = optimizer_name::adamw_torch_fused;
    double learning_rate = 2e-5;  ///< Axolotl demands one; this is packkit's own
    sgd_arguments sgd;            ///< of optimizer sgd
    decay_shape lr_scheduler = decay_shape::cosine;
    scheduler_arguments lr_scheduler_kwargs;
    bool lr_quadratic_warmup = false;
    std::optional<double> cosine_min_lr_ratio;
    std::optional<double> cosine_constant_lr_ratio;
    /// Unless one is set, warmup takes 3 % of all steps, at most 100 (plan/run_plan.hpp).
    std::optional<std::int64_t> warmup_steps;
    std::optional<double> warmup_ratio;  ///< of all steps; excludes warmup_steps
    std::vector<learning_rate_group> lr_groups;
    std::optional<double> embedding_lr;
    std::optional<double> embedding_lr_scale;  ///< goes before embedding_lr
    /// Patterns of the parameters that are trained; none: all are.
    std::vector<std::string> unfrozen_parameters;
    std::optional<double> loss_watchdog_threshold;
    std::int64_t loss_watchdog_patience = 3;
    double weight_decay = 0.0;
    double adam_beta1 = 0.9;
    double adam_beta2 = 0.999;
    double adam_epsilon = 1e-8;
    double max_grad_norm = 1.0;  ///< 0: gradients are not clipped
    /// Probability of dropout of what attention and feed-forward add to the residual
    /// stream; the same elements on every mesh.
    double residual_dropout = 0.0;

    dtype torch_dtype = dtype::float32;  ///< of the parameters
    bool bf16 = false;                   ///< compute in bf16, parameters stay float32
    bool fp16 = false;  ///< compute in fp16 with loss scaling, parameters stay float32
    /// No key says in which precision to compute: bf16 on a GPU that has it
    /// (`resolve_precision`), float32 elsewhere.
    bool automatic_precision = true;
    /// false, selective or true: none, selective, full. Also
    /// fsdp_config.activation_checkpointing: true.
    checkpointing_kind gradient_checkpointing = checkpointing_kind::none;
    std::uint64_t seed = 42;

    mesh_request
        mesh;  ///< keys dp_replicate_size, dp_shard_size, context_parallel_size,
               ///< tensor_parallel_size; fully_sharded with fsdp_config/fsdp_version
    /// With tensor_parallel_size above 1: norms and residuals on 1/tp of the tokens.
    bool sequence_parallel = false;
    /// varlen_llama3: keys and values are gathered at once; ring: rank by rank.
    context_variant ring_attn_func = context_variant::gather;
    std::int64_t fsdp_version = 2;
    bool reshard_after_forward = true;  ///< key fsdp_config.reshard_after_forward
    /// Key fsdp_config.prefetch_gathers: the next block's weights arrive while this one
    /// is at work, and lie beside it.
    bool prefetch_gathers = true;
    /// Key fsdp_config.offload_params: parameters, gradients and optimizer state in host
    /// memory, where the update takes place.
    bool offload_params = false;
    bool cpu_offload_pin_memory = true;  ///< key fsdp_config.cpu_offload_pin_memory
    /// Key fsdp_config.state_dict_type.
    checkpoint_form state_dict_type = checkpoint_form::full;
    /// Form of the checkpoint after the last step; key fsdp_config.final_state_dict_type,
    /// unless set: as state_dict_type.
    checkpoint_form final_state_dict_type = checkpoint_form::full;

    std::string output_dir;  ///< unless set: default_output_dir beside the file
    save_time save_strategy = save_time::epoch;
    step_interval save_steps;           ///< from save to save, for save_time::steps
    bool save_first_step = false;       ///< a checkpoint after the first step, too
    bool save_only_model = false;       ///< checkpoints without the optimizer's state
    std::int64_t save_total_limit = 4;  ///< newest checkpoints that stay; 0: all
    /// Steps from log line to log line; unless set: 0.5 % of the run, from 1 to 10.
    std::optional<step_interval> logging_steps;
    std::string resume_from_checkpoint;  ///< a checkpoint's folder; "" when not set
    /// Key resume_from_checkpoint: true. Goes on from the newest checkpoint in
    /// output_dir, which must be there.
    bool resume_from_newest = false;
    bool auto_resume_from_checkpoints = false;
    double ddp_timeout = 120.0;  ///< seconds
    /// Key reduction: canonical. Sums of gradients and losses whose bits do not depend on
    /// dp_replicate_size, dp_shard_size and gradient_accumulation_steps, powers of two
    /// all of them, as long as their product stays.
    bool canonical_reduction = false;
    /// After every so many steps replicas compare their parameters by hash; 0: never.
    std::int64_t replica_check_steps = 100;
    device_choice device = device_choice::automatic;

    /// What the user should know and may have to act on: one sentence each, without a
    /// place.
    std::vector<std::string> warnings;
    /// What the user may want to know: keys without effect here, defaults that were
    /// taken.
    std::vector<std::string> notes;
};

/// Reads and checks a configuration: everything that can be told without reading data or
/// weights.
/// \details The keys are those of schema.hpp. Relative paths (base_model,
/// datasets.N.path, output_dir, dataset_prepared_path, resume_from_checkpoint) are
/// relative to the folder of the file, also in overrides. A key without a value, or with
/// null, counts as not set. Anchors, aliases and merge keys (<<) are followed.
/// \param overrides "key=value", the value as YAML: "sequence_len=64",
/// "fsdp_config.reshard_after_forward=false", "datasets.0.path=x.jsonl",
/// "datasets=[{path: x.jsonl}]", "max_steps=" to unset. Applied in their order.
/// \throws app::input_problems with a line for each problem, sorted by their places
/// ("config.yaml:7", then "config.yaml" for keys that are missing, then "command line"):
/// unknown, duplicate or unsupported keys, wrong types and ranges, contradictions,
/// missing keys. app::input_error for a file that cannot be read and for YAML that is
/// broken, nested deeper than 64 levels or has more than 100,000 nodes once its aliases
/// are expanded.
train_config load_config(const std::string& path,
                         std::span<const std::string> overrides = {});

/// Every setting as key and text, in a stable order: all but config_path, warnings and
/// notes.
/// Two ranks may run together when their lists are equal. Numbers read back exactly.
std::vector<std::pair<std::string, std::string>> resolved_settings(
    const train_config& config);

}  // namespace packkit::train
