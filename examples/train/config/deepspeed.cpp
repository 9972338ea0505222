// SPDX-License-Identifier: Apache-2.0
#include "config/deepspeed.hpp"

#include "common/document.hpp"
#include "common/errors.hpp"
#include "common/numbers.hpp"
#include "config/kinds.hpp"

#include <fmt/format.h>

#include <string_view>
#include <vector>

namespace packkit::train {
namespace {

using namespace std::string_view_literals;
using enum key_status;
using sharding_key = config_key<train_config>;
using node_kind = config_node::kind;

constexpr named<bool> offload_devices[] = {{"cpu", true}, {"none", false}};
constexpr rejected_name other_devices[] = {
    {"nvme",
     "is not supported: host memory is the only place besides the device; use "
     "cpu"}};
constexpr collection some_keys{node_kind::map, "an object"};

bool is_auto(const config_node& node) {
    return node.type == node_kind::scalar && node.text == "auto";
}

void read_stage(const key_reader& keys, train_config& config) {
    const auto stage = keys.read("stage", whole{0, 3}).value_or(0);
    config.mesh.fully_sharded = stage > 0;
    config.reshard_after_forward = stage == 3;
}

void read_device(const key_reader& keys, train_config& config) {
    constexpr choice<bool> device{offload_devices, other_devices};
    if (keys.read("device", device).value_or(false)) config.offload_params = true;
}

/// A number that must be what the configuration says, unless it is "auto".
void check_equal(const key_reader& keys, std::string_view key, double ours,
                 std::string_view our_key) {
    const config_node* const node = keys.find(key);
    if (node == nullptr || is_auto(*node)) return;
    const auto theirs = keys.read(key, real{not_negative});
    if (!theirs || *theirs == ours) return;
    keys.fail(key, fmt::format("{} contradicts {} {} of the configuration; expected "
                               "\"auto\"",
                               app::shortest(*theirs), our_key, app::shortest(ours)));
}

void check_micro_batch(const key_reader& keys, train_config& config) {
    check_equal(keys, "train_micro_batch_size_per_gpu",
                static_cast<double>(config.micro_batch_size), "micro_batch_size");
}

void check_accumulation(const key_reader& keys, train_config& config) {
    check_equal(keys, "gradient_accumulation_steps",
                static_cast<double>(config.gradient_accumulation_steps),
                "gradient_accumulation_steps");
}

void check_clipping(const key_reader& keys, train_config& config) {
    check_equal(keys, "gradient_clipping", config.max_grad_norm, "max_grad_norm");
}

constexpr auto own_buffers = "buffers and overlap are packkit's own"sv;
constexpr auto changes_values = "it changes gradients or weights; leave it away"sv;

key_table<train_config> offload_keys() {
    static const std::vector<sharding_key> keys = with_groups<train_config>(
        {sharding_key("device", anything{"cpu or none"}, "where the state lies")
             .reading(read_device)},
        std::vector<key_group>{{noted,
                                own_buffers,
                                {"pin_memory", "buffer_count", "buffer_size", "fast_init",
                                 "max_in_cpu", "pipeline*", "nvme_path", "ratio"}}});
    return keys;
}

key_table<train_config> zero_keys() {
    static const std::vector<sharding_key> keys = with_groups<train_config>(
        {sharding_key("stage", whole{0, 3}, "0: DDP, 1 and 2: ZeRO-2, 3: FSDP")
             .reading(read_stage),
         sharding_key("offload_optimizer", some_keys, "").with_keys(offload_keys),
         sharding_key("offload_param", some_keys, "").with_keys(offload_keys)},
        std::vector<key_group>{
            {noted,
             own_buffers,
             {"overlap_comm", "contiguous_gradients", "sub_group_size", "reduce_*",
              "allgather_*", "stage3_*", "max_*", "round_robin_gradients",
              "gather_16bit_weights_on_model_save", "memory_efficient_linear",
              "ignore_unused_parameters", "legacy_stage1", "load_from_fp32_weights",
              "elastic_checkpoint", "leaf_module", "mics_*", "use_multi_rank_bucket_*"}},
            {rejected, "use offload_optimizer and offload_param", {"cpu_offload*"}},
            {rejected,
             "use dp_replicate_size for groups of nodes",
             {"zero_hpz_partition_size"}},
            {rejected, changes_values, {"zero_quantized_*"}}});
    return keys;
}

key_table<train_config> deepspeed_keys() {
    static const std::vector<sharding_key> keys = with_groups<train_config>(
        {sharding_key("zero_optimization", some_keys, "").with_keys(zero_keys),
         sharding_key("train_micro_batch_size_per_gpu", anything{""}, "")
             .reading(check_micro_batch),
         sharding_key("gradient_accumulation_steps", anything{""}, "")
             .reading(check_accumulation),
         sharding_key("gradient_clipping", anything{""}, "").reading(check_clipping)},
        std::vector<key_group>{
            {noted, "the rows of a step follow from the mesh", {"train_batch_size"}},
            {noted,
             "bf16, fp16 and torch_dtype of the configuration decide",
             {"bf16", "fp16", "amp", "data_types", "communication_data_type",
              "prescale_gradients", "gradient_predivide_factor"}},
            {noted,
             "the log is packkit's own",
             {"wall_clock_breakdown", "steps_per_print", "dump_state", "flops_profiler",
              "tensorboard", "wandb", "csv_monitor", "comms_logger", "comet",
              "memory_breakdown"}},
            {noted,
             own_buffers,
             {"zero_allow_untested_optimizer", "zero_force_ds_cpu_optimizer", "compile",
              "aio", "disable_allgather", "activation_checkpointing",
              "sequence_parallel_size", "checkpoint"}},
            {rejected,
             "use optimizer and learning_rate of the configuration",
             {"optimizer"}},
            {rejected, "use lr_scheduler of the configuration", {"scheduler"}},
            {rejected, "use tensor_parallel_size", {"tensor_parallel"}},
            {rejected,
             changes_values,
             {"sparse_attention", "compression_training", "data_efficiency",
              "curriculum_learning", "progressive_layer_drop", "eigenvalue",
              "quantize_training", "elasticity", "hybrid_engine", "pipeline"}}});
    return keys;
}

void read_document(const key_reader& document, train_config& config,
                   config_problems& problems, key_remarks& remarks) {
    config.mesh.fully_sharded = false;  // a file without a stage is DDP
    read_keys(document, deepspeed_keys(), config, problems, remarks);
}

}  // namespace

void apply_deepspeed(const key_reader& keys, train_config& config,
                     config_problems& problems, key_remarks& remarks) {
    constexpr auto key = "deepspeed"sv;
    if (keys.off(key)) return;
    const config_node& given = *keys.find(key);
    if (given.type == node_kind::map)
        return read_document(keys.inner(key), config, problems, remarks);
    problems.attempt([&] {
        const auto named = keys.read(key, file_path("a DeepSpeed file, or its keys"));
        const auto path = resolved_path(keys.file(), *named);
        config_node root;
        try {
            root = app::read_json_document(path);
        } catch (const app::input_error& error) { keys.fail(key, error.what()); }
        if (root.type != node_kind::map)
            keys.fail(key, path + " holds " + app::describe_json(root) +
                               "; expected an object");
        read_document(key_reader(path, root), config, problems, remarks);
    });
}

}  // namespace packkit::train
