// SPDX-License-Identifier: Apache-2.0
#include "config/config.hpp"

#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "config/chat.hpp"
#include "config/checks.hpp"
#include "config/fsdp.hpp"
#include "config/keys.hpp"
#include "config/reader.hpp"
#include "config/tree.hpp"
#include "data/tokenizer.hpp"

#include <packkit/batch_size.hpp>
#include <packkit/error.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>

namespace packkit::train {
namespace {

using namespace std::string_view_literals;
using app::in_quotes;
using kind = config_node::kind;

/// cu_seqlens and position ids are int32.
constexpr std::int64_t max_row_tokens = std::numeric_limits<std::int32_t>::max();
/// More ranks than any machine has, few enough that products of sizes do not overflow.
constexpr std::int64_t max_ranks = 1 << 20;

template <class T>
void set(T& target, const std::optional<T>& value) {
    if (value) target = *value;
}

/// Relative to the configuration file; without a slash at the end.
std::string resolved_path(const std::string& config_path, const std::string& path) {
    const auto folder = std::filesystem::path(config_path).parent_path();
    const auto whole = (folder / path).lexically_normal();
    return (whole.has_filename() ? whole : whole.parent_path()).string();
}

void require(const key_reader& keys, std::string_view key, std::string_view what) {
    if (!keys.has(key)) {
        keys.conflict(key,
                      std::string(key) + " is missing: expected " + std::string(what));
    }
}

void require_existing(const key_reader& keys, std::string_view key,
                      const std::string& path) {
    std::error_code error;
    if (!std::filesystem::exists(path, error)) {
        keys.fail(key, in_quotes(path) + " does not exist");
    }
}

dataset_config read_dataset(const key_reader& keys, const key_reader& top_level,
                            const std::string& config_path) {
    for (const auto& member : keys.map().members) {
        check_dataset_key(keys, member);
    }
    dataset_config data;
    constexpr std::array types = {"completion"sv, "tokens"sv, "alpaca"sv,
                                  "input_output"sv, "chat_template"sv};
    constexpr std::array samples = {"line"sv, "paragraph"sv, "document"sv};
    if (!keys.has("path")) {
        throw app::input_error(
            place_of(keys.file(), keys.map().line),
            keys.prefix() +
                "path is missing: expected a .jsonl, .parquet, .arrow or .txt file");
    }
    data.path = resolved_path(config_path, *keys.text("path"));
    check_dataset_type(keys);
    set(data.type, keys.one_of("type", types));
    set(data.field, keys.text("field"));
    set(data.sample_by, keys.one_of("sample_by", samples));
    check_dataset_file(keys, data);
    read_chat(keys, top_level, data);
    require_existing(keys, "path", data.path);
    return data;
}

void read_datasets_key(const key_reader& keys, train_config& config) {
    const config_node* const list = keys.find("datasets");
    if (list->type != kind::sequence || list->items.empty()) {
        keys.expected("datasets", "a list of datasets, as [{path: data.jsonl}]");
    }
    for (std::size_t i = 0; i < list->items.size(); ++i) {
        const config_node& item = list->items[i];
        const std::string name = "datasets." + std::to_string(i);
        if (item.type != kind::map) {
            throw app::input_error(
                place_of(keys.file(), item.line),
                name + ": expected keys, as {path: data.jsonl}, found " + describe(item));
        }
        config.datasets.push_back(read_dataset(key_reader(keys.file(), item, name + "."),
                                               keys, config.config_path));
    }
    const bool prompts = std::any_of(
        config.datasets.begin(), config.datasets.end(), [](const dataset_config& data) {
            return data.type != "completion" && data.type != "tokens";
        });
    if (!prompts && keys.has("train_on_inputs")) {
        config.warnings.emplace_back(
            "`train_on_inputs` has no effect: completion trains on all tokens, tokens on "
            "those with labels");
    }
}

void read_model(const key_reader& keys, train_config& config) {
    require(keys, "base_model", "the folder of a model");
    config.base_model = resolved_path(config.config_path, *keys.text("base_model"));
    require_existing(keys, "base_model", config.base_model);
    set(config.random_init_weights, keys.truth("random_init_weights"));
    constexpr std::array dtypes = {"float32"sv, "float64"sv};
    if (const auto name = keys.one_of("torch_dtype", dtypes)) {
        config.torch_dtype = *name == "float64" ? dtype::float64 : dtype::float32;
    }
    set(config.bf16, keys.truth("bf16"));
    if (config.bf16 && config.torch_dtype == dtype::float64) {
        keys.conflict(
            "bf16",
            "bf16 and torch_dtype: float64 cannot be used together: bf16 computes "
            "with float32 parameters");
    }
}

/// Behind the data sets: those of ids alone need no tokenizer.
void read_tokenizer(const key_reader& keys, train_config& config) {
    const bool ids_alone =
        std::all_of(config.datasets.begin(), config.datasets.end(),
                    [](const dataset_config& data) { return data.type == "tokens"; });
    if (ids_alone && !keys.has("tokenizer_type")) return;
    require(keys, "tokenizer_type",
            "bytes, or a tokenizer's file or folder; only data sets of type tokens do "
            "without");
    config.tokenizer_type = *keys.text("tokenizer_type");
    if (config.tokenizer_type != "bytes") {
        config.tokenizer_type = resolved_path(config.config_path, config.tokenizer_type);
    }
    if (const auto problem = tokenizer_type_problem(config.tokenizer_type);
        !problem.empty()) {
        keys.fail("tokenizer_type", problem);
    }
}

void read_packing(const key_reader& keys, train_config& config) {
    set(config.sequence_len, keys.whole("sequence_len", 1, max_row_tokens));
    set(config.sample_packing, keys.truth("sample_packing"));
    set(config.sample_packing_group_size, keys.whole("sample_packing_group_size", 0));
    set(config.sample_packing_bin_size, keys.whole("sample_packing_bin_size", 0));
    set(config.sample_packing_sequentially, keys.truth("sample_packing_sequentially"));
    set(config.curriculum_sampling, keys.truth("curriculum_sampling"));
    set(config.shuffle_data, keys.truth("shuffle_data"));
    set(config.multipack_real_batches, keys.truth("multipack_real_batches"));
    constexpr std::array strategies = {"drop"sv, "truncate"sv, "split"sv, "raise"sv};
    if (const auto name = keys.one_of("excess_length_strategy", strategies)) {
        config.excess_length_strategy = parse_excess_length_strategy(*name);
    }
    const auto pad = keys.truth("pad_to_sequence_len");
    config.pad_to_sequence_len = pad.value_or(config.sample_packing);
    if (config.sample_packing && !pad) {
        config.warnings.emplace_back(
            "Setting `pad_to_sequence_len: true` to prevent memory leaks when "
            "sample_packing");
    } else if (config.sample_packing && !*pad) {
        config.warnings.emplace_back(
            "`pad_to_sequence_len: true` is recommended when using sample_packing");
    }
    if (config.sample_packing && config.sample_packing_sequentially &&
        !config.curriculum_sampling && config.shuffle_data) {
        config.warnings.emplace_back(
            "using sequential sample packing with non-sequential sampler, did you want "
            "to "
            "also enable curriculum_sampling?");
    }
}

void read_batch(const key_reader& keys, train_config& config) {
    constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
    const auto micro = keys.whole("micro_batch_size", 1, most);
    const auto accumulation = keys.whole("gradient_accumulation_steps", 1, most);
    config.batch_size = keys.whole("batch_size", 1, most);
    try {
        const packkit::batch_size rows =
            resolve_batch_size(micro, accumulation, config.batch_size, 1);
        config.micro_batch_size = rows.micro_batch_size;
        config.gradient_accumulation_steps = rows.gradient_accumulation_steps;
    } catch (const packkit::invalid_argument& error) {
        keys.conflict("batch_size", error.what());
    }
    if (config.sequence_len > max_row_tokens / config.micro_batch_size) {
        keys.conflict("micro_batch_size",
                      "micro_batch_size " + std::to_string(config.micro_batch_size) +
                          " x sequence_len " + std::to_string(config.sequence_len) +
                          " is more than the " + std::to_string(max_row_tokens) +
                          " tokens that a micro-batch can have");
    }
}

void read_optimizer(const key_reader& keys, train_config& config) {
    constexpr std::array optimizers = {"adamw_torch_fused"sv, "adamw_torch"sv};
    constexpr std::array schedulers = {"cosine"sv, "linear"sv, "constant"sv};
    config.max_steps = keys.whole("max_steps", 1);
    set(config.num_epochs, keys.real("num_epochs", positive));
    set(config.optimizer, keys.one_of("optimizer", optimizers));
    require(keys, "learning_rate", "a number >= 0");
    set(config.learning_rate, keys.real("learning_rate", not_negative));
    set(config.lr_scheduler, keys.one_of("lr_scheduler", schedulers));
    set(config.warmup_steps, keys.whole("warmup_steps", 0));
    config.warmup_ratio = keys.real("warmup_ratio", share);
    if (config.warmup_steps > 0 && config.warmup_ratio.value_or(0.0) > 0.0) {
        keys.conflict("warmup_ratio",
                      "warmup_steps and warmup_ratio are mutually exclusive");
    }
    set(config.weight_decay, keys.real("weight_decay", not_negative));
    set(config.adam_beta1, keys.real("adam_beta1", share));
    set(config.adam_beta2, keys.real("adam_beta2", share));
    set(config.adam_epsilon, keys.real("adam_epsilon", positive));
    set(config.max_grad_norm, keys.real("max_grad_norm", not_negative));
    set(config.residual_dropout, keys.real("residual_dropout", share));
}

/// How context-parallel ranks get each other's keys and values.
void read_context(const key_reader& keys, train_config& config) {
    constexpr std::array batched = {"batch_ring"sv, "batch_zigzag"sv, "batch_stripe"sv};
    const auto chosen = keys.text("ring_attn_func");
    if (chosen && std::find(batched.begin(), batched.end(), *chosen) != batched.end()) {
        keys.fail("ring_attn_func",
                  *chosen +
                      " mixes the documents of a packed row; use varlen_llama3 or ring, "
                      "which also take rows of one sample");
    }
    constexpr std::array variants = {"varlen_llama3"sv, "ring"sv};
    if (const auto variant = keys.one_of("ring_attn_func", variants)) {
        config.ring_attn_func =
            *variant == "ring" ? context_variant::ring : context_variant::gather;
    }
    if (keys.whole("heads_k_stride", 1)) {
        config.warnings.emplace_back(
            "`heads_k_stride` has no effect: keys and values of all heads are sent "
            "together");
    }
}

void read_mesh(const key_reader& keys, train_config& config) {
    config.mesh.dp_replicate = keys.whole("dp_replicate_size", 1, max_ranks);
    config.mesh.dp_shard = keys.whole("dp_shard_size", 1, max_ranks);
    config.mesh.tp = keys.whole("tensor_parallel_size", 1, max_ranks);
    config.mesh.cp = keys.whole("context_parallel_size", 1, max_ranks);
    if (const auto alias = keys.whole("sequence_parallel_degree", 1, max_ranks)) {
        if (config.mesh.cp && *config.mesh.cp != *alias) {
            keys.conflict("sequence_parallel_degree",
                          "sequence_parallel_degree " + std::to_string(*alias) +
                              " contradicts context_parallel_size " +
                              std::to_string(*config.mesh.cp) +
                              "; the first is a deprecated name of the second");
        }
        config.mesh.cp = alias;
        config.warnings.emplace_back(
            "`sequence_parallel_degree` is deprecated, use `context_parallel_size`");
    }
    read_context(keys, config);
    set(config.sequence_parallel, keys.truth("sequence_parallel"));
    if (config.sequence_parallel && config.mesh.tp.value_or(1) == 1) {
        config.warnings.emplace_back(
            "`sequence_parallel` has no effect: tensor_parallel_size is 1");
    }
    read_fsdp(keys, config);
}

void read_output(const key_reader& keys, train_config& config) {
    require(keys, "output_dir", "the folder for checkpoints and metrics");
    config.output_dir = resolved_path(config.config_path, *keys.text("output_dir"));
    if (const auto path = keys.text("dataset_prepared_path")) {
        config.dataset_prepared_path = resolved_path(config.config_path, *path);
    }
    set(config.seed, keys.natural("seed"));
    set(config.save_steps, keys.whole("save_steps", 0));
    set(config.save_total_limit, keys.whole("save_total_limit", 0));
    set(config.logging_steps, keys.whole("logging_steps", 1));
    if (const auto path = keys.text("resume_from_checkpoint")) {
        config.resume_from_checkpoint = resolved_path(config.config_path, *path);
    }
    set(config.auto_resume_from_checkpoints, keys.truth("auto_resume_from_checkpoints"));
    constexpr real_range seconds{0.0, 1e9, false, true, "a number of seconds > 0"};
    set(config.ddp_timeout, keys.real("ddp_timeout", seconds));
    constexpr std::array reductions = {"fast"sv, "canonical"sv};
    if (const auto order = keys.one_of("reduction", reductions))
        config.canonical_reduction = *order == "canonical";
    if (config.canonical_reduction && config.offload_params) {
        keys.conflict("reduction",
                      "canonical sums full gradients on the device: it does not go with "
                      "fsdp_config.offload_params");
    }
    set(config.replica_check_steps, keys.whole("replica_check_steps", 0));
    constexpr std::array devices = {"auto"sv, "cpu"sv, "cuda"sv};
    set(config.device, keys.one_of("device", devices));
}

}  // namespace

std::string_view to_string(dtype type) {
    return type == dtype::float64 ? "float64" : "float32";
}

std::string_view to_string(checkpoint_form form) {
    return form == checkpoint_form::sharded ? "SHARDED_STATE_DICT" : "FULL_STATE_DICT";
}

train_config load_config(const std::string& path,
                         std::span<const std::string> overrides) {
    config_node root = app::read_yaml_file(path);
    for (const auto& assignment : overrides)
        apply_override(root, assignment);
    const key_reader keys(path, root);
    train_config config;
    config.config_path = path;
    check_top_level_keys(keys, config.warnings);
    read_packing(keys, config);
    read_batch(keys, config);
    read_optimizer(keys, config);
    read_mesh(keys, config);
    read_output(keys, config);
    read_model(keys, config);
    read_top_level_chat(keys, config);
    require(keys, "datasets", "a list of datasets, as [{path: data.jsonl}]");
    read_datasets_key(keys, config);
    read_tokenizer(keys, config);
    warn_of_missing_ends(config);
    return config;
}

}  // namespace packkit::train
