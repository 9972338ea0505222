// SPDX-License-Identifier: Apache-2.0
#include "config/rules.hpp"

#include "common/errors.hpp"
#include "common/numbers.hpp"
#include "config/deepspeed.hpp"
#include "config/fsdp.hpp"
#include "config/kinds.hpp"
#include "config/optimizer.hpp"
#include "config/schema.hpp"

#include <packkit/error.hpp>
#include <packkit/utility/batch_size.hpp>

#include <fmt/format.h>

#include <cmath>
#include <initializer_list>
#include <limits>

namespace packkit::train {
namespace {

using namespace std::string_view_literals;

/// Adds problems of keys that contradict each other.
struct conflict_rules {
    const key_reader& keys;
    config_problems& problems;

    /// Unless one of the keys `others` has a problem already.
    void reject_if(bool wrong, std::string_view key, const std::string& message,
                   std::initializer_list<std::string_view> others = {}) const {
        if (!wrong) return;
        problems.attempt_with(keys, others, [&] { keys.conflict(key, message); });
    }
};

void apply_packing_rules(const key_reader& keys, train_config& config) {
    const bool chosen = keys.has("pad_to_sequence_len");
    if (!chosen) config.pad_to_sequence_len = config.sample_packing;
    if (config.sample_packing && !chosen) {
        config.warnings.emplace_back(
            "Setting `pad_to_sequence_len: true` to prevent memory leaks when "
            "sample_packing");
    } else if (config.sample_packing && !config.pad_to_sequence_len) {
        config.warnings.emplace_back(
            "`pad_to_sequence_len: true` is recommended when using sample_packing");
    }
    if (config.sample_packing && config.sample_packing_sequentially &&
        !config.curriculum_sampling && config.shuffle_data) {
        config.warnings.emplace_back(
            "using sequential sample packing with non-sequential sampler, did you want "
            "to also enable curriculum_sampling?");
    }
}

void resolve_batch(const key_reader& keys, train_config& config) {
    const bool follows = config.batch_size && !keys.has("gradient_accumulation_steps");
    try {
        const packkit::batch_size rows = resolve_batch_size(
            config.micro_batch_size,
            follows ? std::nullopt : std::optional(config.gradient_accumulation_steps),
            config.batch_size, 1);
        config.micro_batch_size = rows.micro_batch_size;
        config.gradient_accumulation_steps = rows.gradient_accumulation_steps;
    } catch (const packkit::invalid_argument& error) {
        keys.conflict("batch_size", error.what());
    }
}

/// Token positions and lengths are int32.
void check_row_tokens(const key_reader& keys, const train_config& config) {
    constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
    if (config.sequence_len <= most / config.micro_batch_size) return;
    keys.conflict("micro_batch_size",
                  fmt::format("micro_batch_size {} x sequence_len {} is more than the {} "
                              "tokens that a micro-batch can have",
                              config.micro_batch_size, config.sequence_len, most));
}

void merge_context_sizes(const key_reader& keys, train_config& config) {
    const auto alias = keys.read("sequence_parallel_degree", whole{1});
    if (!alias) return;
    if (config.mesh.cp.value_or(*alias) != *alias) {
        keys.conflict("sequence_parallel_degree",
                      fmt::format("sequence_parallel_degree {} contradicts "
                                  "context_parallel_size {}; the first is a deprecated "
                                  "name of the second",
                                  *alias, *config.mesh.cp));
    }
    config.mesh.cp = alias;
}

}  // namespace

void check_conflicts(const key_reader& keys, config_problems& problems) {
    const conflict_rules rules{keys, problems};
    const config_node* const packing = keys.find("sample_packing");
    const bool packs = packing != nullptr && truth().read(*packing).value_or(false);
    rules.reject_if(
        !keys.off("deepspeed") && (keys.has("fsdp") || !keys.off("fsdp_config")),
        "deepspeed", "deepspeed and fsdp cannot be used together.");
    rules.reject_if(!keys.off("rl") && packs, "rl",
                    "`sample_packing: true` does not work with RLHF training");
    const bool evaluates_rows =
        keys.has("eval_sample_packing") && keys.off("eval_sample_packing");
    rules.reject_if(
        !keys.off("eval_table_size") && !evaluates_rows && packs, "eval_table_size",
        "eval_table_size and eval_sample_packing are not supported together with "
        "sample_packing. Please set 'eval_sample_packing' to false.");
    rules.reject_if(!keys.off("streaming") && keys.off("max_steps"), "streaming",
                    "max_steps must be set when using streaming datasets. Trainer cannot "
                    "infer dataset length for iterable datasets.");
    rules.reject_if(!keys.off("pretraining_dataset") && !keys.off("val_set_size"),
                    "val_set_size",
                    "val_set_size is not supported with pretraining_dataset. Use "
                    "test_datasets to specify evaluation datasets for pretraining.");
    rules.reject_if(
        !keys.off("test_datasets") && !keys.off("val_set_size"), "val_set_size",
        "non-zero val_set_size should not be used with test_datasets configuration");
}

void apply_rules(const key_reader& keys, train_config& config, config_problems& problems,
                 key_remarks& remarks) {
    const conflict_rules rules{keys, problems};
    if (!keys.has("learning_rate")) {
        config.notes.push_back(
            "learning_rate is not set: " + app::shortest(config.learning_rate) +
            " is taken; most models want one of their own");
    }
    problems.attempt_with(keys, {"sample_packing", "pad_to_sequence_len"},
                          [&] { apply_packing_rules(keys, config); });
    problems.attempt_with(
        keys, {"micro_batch_size", "gradient_accumulation_steps", "batch_size"},
        [&] { resolve_batch(keys, config); });
    problems.attempt_with(keys, {"micro_batch_size", "sequence_len"},
                          [&] { check_row_tokens(keys, config); });
    rules.reject_if(config.val_set_size >= 1.0 &&
                        config.val_set_size != std::floor(config.val_set_size),
                    "val_set_size",
                    "val_set_size: expected a number of samples, or a share below 1");
    apply_optimizer_rules(keys, config, problems);
    apply_precision_rules(keys, config, problems);
    problems.attempt_with(keys, {"context_parallel_size"},
                          [&] { merge_context_sizes(keys, config); });
    problems.attempt_with(keys, {"sequence_parallel", "tensor_parallel_size"}, [&] {
        if (config.sequence_parallel && config.mesh.tp.value_or(1) == 1) {
            config.warnings.emplace_back(
                "`sequence_parallel` has no effect: tensor_parallel_size is 1");
        }
    });
    apply_fsdp_rules(keys, config, problems);
    apply_deepspeed(keys, config, problems, remarks);
    apply_saving_rules(keys, config, problems);
    rules.reject_if(config.canonical_reduction && config.offload_params, "reduction",
                    "canonical sums full gradients on the device: it does not go with "
                    "fsdp_config.offload_params",
                    {"fsdp_config.offload_params", "fsdp"});
}

}  // namespace packkit::train
