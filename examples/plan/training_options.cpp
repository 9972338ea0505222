// SPDX-License-Identifier: Apache-2.0
#include "training_options.hpp"

#include "command.hpp"

#include "common/errors.hpp"
#include "common/numbers.hpp"

#include <packkit/mesh/attention_heads.hpp>
#include <packkit/utility/batch_size.hpp>

#include <algorithm>
#include <limits>

namespace packkit::plan {
namespace {

using app::set_choice;
using app::usage_error;

/// Sizes above this are mistakes, and their products must fit 64 bits.
constexpr std::int64_t largest_size = 1 << 20;
/// Rows are cut by positions of 32 bits.
constexpr std::int64_t longest_row = std::numeric_limits<std::int32_t>::max();

std::optional<std::int64_t> size(const char* option, const std::string& text,
                                 std::int64_t largest = largest_size) {
    return app::parse_given_integer(option, text, 1, largest);
}

void set_sequence_len(const training_texts& texts, const chosen_model& model,
                      training_choice& choice) {
    constexpr std::int64_t usual = 8192;
    if (const auto length = size("--sequence-len", texts.sequence_len, longest_row)) {
        choice.setup.sequence_len = *length;
        return;
    }
    const std::int64_t context = model.context_length;
    choice.setup.sequence_len = context > 0 ? std::min(context, usual) : usual;
    choice.notes.push_back(
        "--sequence-len was not given: rows of " +
        std::to_string(choice.setup.sequence_len) + " tokens" +
        (context > 0 && context <= usual ? ", the model's context length." : "."));
}

void set_sharding(const training_texts& texts, training_choice& choice) {
    training_setup& setup = choice.setup;
    choice.sharding_given = set_choice("--sharding", "sharding", texts.sharding,
                                       sharding_names, setup.sharding);
    const bool shards = setup.sharding != sharding_kind::ddp;
    if (!shards && choice.mesh.dp_shard.value_or(1) > 1) {
        throw usage_error("--sharding",
                          "ddp contradicts --dp-shard-size " +
                              std::to_string(*choice.mesh.dp_shard) +
                              ": every rank holds everything; use --dp-replicate-size, "
                              "or zero1, zero2 or fsdp");
    }
    choice.mesh.fully_sharded = shards;
    setup.reshard_after_forward = !texts.no_reshard;
    if (texts.no_reshard && setup.sharding != sharding_kind::fsdp) {
        throw usage_error("--no-reshard", "is for --sharding fsdp, not " +
                                              std::string(to_string(setup.sharding)));
    }
}

void check_heads(const training_setup& setup, const model_shape& shape) {
    const std::string refusal = attention_cut_refusal(
        shape.num_attention_heads, setup.mesh.tp, setup.mesh.world_size());
    if (!refusal.empty()) throw usage_error("--tensor-parallel-size", refusal);
}

}  // namespace

void add_training_options(CLI::App& command, training_texts& texts) {
    option_group group(command, "Batch");
    group.text("--sequence-len", texts.sequence_len, "N",
               "Tokens a row (default: the model's context length, at most 8192)");
    group.text("--micro-batch-size", texts.micro, "N", "Rows a micro-batch (default 1)");
    group.text("--gradient-accumulation-steps", texts.accumulation, "N",
               "Micro-batches a step (default 1)");
    group.text("--global-batch-size", texts.global, "N",
               "Rows a step in all: the accumulation follows from it");
    group = {command, "Mesh"};
    group.text("--dp-replicate-size", texts.replicate, "N",
               "Replicas of the sharded model");
    group.text("--dp-shard-size", texts.shard, "N",
               "Ranks that share parameters, gradients and optimizer state");
    group.text("--context-parallel-size", texts.cp, "N",
               "Ranks that share each row (default 1)");
    group.text("--tensor-parallel-size", texts.tp, "N",
               "Ranks that share each matrix (default 1)");
    group = {command, "Training"};
    group.text("--sharding", texts.sharding, "NAME",
               "ddp, zero1, zero2 or fsdp (default)");
    group.flag("--no-reshard", texts.no_reshard,
               "reshard_after_forward: false, gathered parameters stay until backward");
    group.text("--activation-checkpointing", texts.checkpointing, "NAME",
               "none (default), selective or full");
    group.text("--precision", texts.precision, "NAME",
               "fp64, fp32, bf16-mixed (default) or bf16");
    group.text("--optimizer", texts.optimizer, "NAME",
               "adamw (default), adamw_8bit or sgd");
    group.flag("--sequence-parallel", texts.sequence_parallel,
               "tp also cuts norms and residuals by tokens");
    group.flag("--offload-optimizer", texts.offload_optimizer,
               "Master weights and optimizer state in host memory");
}

training_choice parse_training(const training_texts& texts, const chosen_model& model,
                               const cluster& gpus) {
    training_choice choice;
    training_setup& setup = choice.setup;
    setup.gpus_per_node = gpus.gpus_per_node;
    set_sequence_len(texts, model, choice);
    choice.micro_batch_size = size("--micro-batch-size", texts.micro);
    choice.accumulation = size("--gradient-accumulation-steps", texts.accumulation);
    choice.global_batch_size = size("--global-batch-size", texts.global, 1LL << 40);
    setup.micro_batch_size = choice.micro_batch_size.value_or(1);
    setup.gradient_accumulation_steps = choice.accumulation.value_or(1);
    choice.mesh.dp_replicate = size("--dp-replicate-size", texts.replicate);
    choice.mesh.dp_shard = size("--dp-shard-size", texts.shard);
    choice.mesh.cp = size("--context-parallel-size", texts.cp);
    choice.mesh.tp = size("--tensor-parallel-size", texts.tp);
    set_sharding(texts, choice);
    choice.checkpointing_given =
        set_choice("--activation-checkpointing", "checkpointing", texts.checkpointing,
                   checkpointing_names, setup.checkpointing);
    set_choice("--precision", "precision", texts.precision, precision_names,
               setup.precision);
    set_choice("--optimizer", "optimizer", texts.optimizer, optimizer_names,
               setup.optimizer);
    setup.sequence_parallel = texts.sequence_parallel;
    setup.offload_optimizer = texts.offload_optimizer;
    if (setup.micro_batch_size > longest_row / setup.sequence_len) {
        throw usage_error("--micro-batch-size",
                          std::to_string(setup.micro_batch_size) + " rows of " +
                              std::to_string(setup.sequence_len) +
                              " tokens are more than the " + std::to_string(longest_row) +
                              " tokens that a micro-batch can have");
    }
    return choice;
}

training_setup complete_setup(training_choice& choice, const chosen_model& model,
                              const cluster& gpus) {
    training_setup setup = choice.setup;
    const mesh_resolution resolved = resolve_mesh_noted(gpus.gpus, choice.mesh);
    setup.mesh = resolved.shape;
    if (std::string decided = to_string(resolved);
        !decided.empty() && resolved.note != mesh_note::ddp) {
        choice.notes.push_back(decided + ".");
    }
    if (!choice.sharding_given && setup.sharding_ranks() == 1) {
        setup.sharding = sharding_kind::ddp;  // there is nothing to shard over
    }
    check_heads(setup, model.shape);
    if (setup.sequence_parallel && setup.mesh.tp == 1) {
        throw usage_error("--sequence-parallel",
                          "needs --tensor-parallel-size above 1: it is over those ranks");
    }
    if (choice.global_batch_size) {
        const std::int64_t steps =
            accumulation_for(*choice.global_batch_size, setup.micro_batch_size,
                             setup.mesh.data_parallel_size());
        if (choice.accumulation && *choice.accumulation != steps) {
            throw usage_error(
                "--global-batch-size",
                std::to_string(*choice.global_batch_size) + " contradicts " +
                    std::to_string(setup.micro_batch_size) + " x " +
                    std::to_string(*choice.accumulation) + " x " +
                    std::to_string(setup.mesh.data_parallel_size()) +
                    " (micro_batch_size x gradient_accumulation_steps x data-parallel "
                    "ranks); gradient_accumulation_steps would be " +
                    std::to_string(steps));
        }
        setup.gradient_accumulation_steps = steps;
    }
    return setup;
}

}  // namespace packkit::plan
