// SPDX-License-Identifier: Apache-2.0
// Keys of fsdp_config.
#include "config/fsdp.hpp"
#include "config/keys/keys.hpp"

namespace packkit::train {
namespace {

using namespace key_rows;

constexpr named<bool> prefetches[] = {
    {"BACKWARD_PRE", true}, {"BACKWARD_POST", false}, {"NO_PREFETCH", false}};
constexpr rejected_name other_strategies[] = {
    {"NO_SHARD", "is DDP: leave fsdp_config and fsdp_version away"}};
constexpr rejected_name other_forms[] = {
    {"LOCAL_STATE_DICT",
     "is not supported: only the mesh that wrote it could read it; use "
     "SHARDED_STATE_DICT"}};
constexpr auto own_shards = "each rank makes or reads its own shards"sv;
constexpr auto one_ahead =
    "and has no effect: one unit is gathered ahead, or none with `prefetch_gathers: "
    "false`"sv;

}  // namespace

// A row is a line.
// clang-format off
std::vector<K> sharding_keys() { return {
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
    K("transformer_layer_cls_to_wrap", plain_text{"the class of a layer"}, "each layer of the model is a unit of its own, whatever its class").as_noted(),
    K("min_num_params", whole{0}, "belongs to SIZE_BASED_WRAP, which is not supported"),
    K("sharding_strategy", choice<sharding_strategy>{names_of<sharding_strategy>, other_strategies}, "as reshard_after_forward").deprecated("use `reshard_after_forward` and `dp_replicate_size`"),
    K("forward_prefetch", truth{}, "one unit is gathered ahead").deprecated(one_ahead),
    K("limit_all_gathers", truth{}, "one unit is gathered ahead").deprecated(one_ahead),
    K("sync_module_states", truth{}, own_shards).as_noted(),
    K("cpu_ram_efficient_loading", truth{}, own_shards).as_noted(),
    K("use_orig_params", truth{}, own_shards).as_noted(),
    K("mixed_precision_policy", rejected, "use bf16: true"),
}; }
// clang-format on

}  // namespace packkit::train
