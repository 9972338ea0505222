// SPDX-License-Identifier: Apache-2.0
#include "config/fsdp.hpp"

#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "config/activation_checkpointing.hpp"
#include "config/checks.hpp"
#include "config/keys.hpp"

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::train {
namespace {

using namespace std::string_view_literals;
using app::in_quotes;

/// fsdp_config with the deprecated fsdp_ prefixes taken off.
config_node without_prefixes(const key_reader& keys, const config_node& given,
                             std::vector<std::string>& warnings) {
    config_node map = given;
    bool stripped = false;
    for (auto& member : map.members) {
        if (!member.key.starts_with("fsdp_")) continue;
        const std::string name = member.key.substr(5);
        if (map.find(name) != nullptr) {
            throw app::input_error(place_of(keys.file(), member.line),
                                   "fsdp_config: key " + in_quotes(name) +
                                       " appears twice, once with the prefix fsdp_");
        }
        member.key = name;
        stripped = true;
    }
    if (stripped) {
        warnings.emplace_back(
            "Configuring FSDP fields with the `fsdp_` prefix is deprecated. Please omit "
            "the "
            "`fsdp_` prefix from any fields in `fsdp_config`.");
    }
    return map;
}

/// ZeRO-3 or ZeRO-2, said by a key of an older form; it may not contradict another.
void set_reshard(const key_reader& keys, std::string_view key, bool reshard,
                 std::optional<bool>& chosen) {
    if (chosen && *chosen != reshard) {
        keys.conflict(key, keys.prefix() + std::string(key) + " says that weights are " +
                               (reshard ? "freed after forward" : "kept") +
                               ", another key that they are not");
    }
    chosen = reshard;
}

void note_deprecated(std::string_view key, const std::string& instead,
                     train_config& config) {
    config.warnings.push_back("`" + std::string(key) + "` is deprecated, " + instead);
}

/// Keys that FSDP1 had and FSDP2 has no more.
void read_fsdp1_keys(const key_reader& fsdp, std::optional<bool>& reshard,
                     train_config& config) {
    constexpr std::array strategies = {"FULL_SHARD"sv, "SHARD_GRAD_OP"sv,
                                       "HYBRID_SHARD"sv, "NO_SHARD"sv};
    constexpr auto strategy_key = "sharding_strategy"sv;
    if (const auto strategy = fsdp.one_of(strategy_key, strategies)) {
        if (*strategy == "NO_SHARD") {
            fsdp.fail(strategy_key,
                      "NO_SHARD is DDP: leave fsdp_config and fsdp_version away");
        }
        if (*strategy == "HYBRID_SHARD" && !config.mesh.dp_replicate) {
            fsdp.fail(strategy_key,
                      "HYBRID_SHARD needs dp_replicate_size: how many groups of ranks "
                      "hold all parameters");
        }
        set_reshard(fsdp, strategy_key, *strategy != "SHARD_GRAD_OP", reshard);
        note_deprecated("fsdp_config.sharding_strategy",
                        "use `reshard_after_forward` and `dp_replicate_size`", config);
    }
    constexpr std::array prefetches = {"BACKWARD_PRE"sv, "BACKWARD_POST"sv,
                                       "NO_PREFETCH"sv};
    if (const auto prefetch = fsdp.one_of("backward_prefetch", prefetches)) {
        config.prefetch_gathers = *prefetch == "BACKWARD_PRE";
        note_deprecated("fsdp_config.backward_prefetch", "use `prefetch_gathers`",
                        config);
    }
    for (const auto key : {"forward_prefetch"sv, "limit_all_gathers"sv}) {
        if (!fsdp.truth(key)) continue;
        note_deprecated("fsdp_config." + std::string(key),
                        "and has no effect: one unit is gathered ahead, or none with "
                        "`prefetch_gathers: false`",
                        config);
    }
}

/// The list of words that came before fsdp_config.
void read_fsdp_words(const key_reader& keys, std::optional<bool>& reshard,
                     train_config& config) {
    const config_node* const given = keys.find("fsdp");
    if (given == nullptr || keys.off("fsdp")) return;
    constexpr std::array known = {"full_shard"sv, "shard_grad_op"sv, "hybrid_shard"sv,
                                  "auto_wrap"sv, "offload"sv};
    const auto read = [&](const config_node& word) {
        if (word.type != config_node::kind::scalar || !contains(known, word.text)) {
            keys.fail("fsdp", describe(word) +
                                  " is no way to shard here; expected some of " +
                                  app::name_list(known));
        }
        if (word.text == "hybrid_shard" && !config.mesh.dp_replicate)
            keys.fail("fsdp", "hybrid_shard needs dp_replicate_size");
        if (word.text == "offload") config.offload_params = true;
        if (word.text.ends_with("shard") || word.text == "shard_grad_op")
            set_reshard(keys, "fsdp", word.text != "shard_grad_op", reshard);
    };
    if (given->type == config_node::kind::sequence) {
        for (const auto& word : given->items)
            read(word);
    } else {
        read(*given);
    }
    config.mesh.fully_sharded = true;
    note_deprecated("fsdp", "use `fsdp_version: 2` and `fsdp_config`", config);
}

void read_fsdp_offload(const key_reader& fsdp, train_config& config) {
    if (const auto offload = fsdp.truth("offload_params"))
        config.offload_params = *offload;
    config.cpu_offload_pin_memory = fsdp.truth("cpu_offload_pin_memory").value_or(true);
    if (!config.cpu_offload_pin_memory) {
        if (config.fsdp_version != 2) {
            fsdp.conflict(
                "cpu_offload_pin_memory",
                "FSDP1 does not support disabling cpu_offload_pin_memory, please "
                "set `fsdp_version` to 2");
        }
        if (!config.offload_params) {
            fsdp.conflict(
                "cpu_offload_pin_memory",
                "disabling cpu_offload_pin_memory requires enabling offload_params");
        }
    }
}

void check_fsdp_wrapping(const key_reader& fsdp) {
    constexpr std::array policies = {"TRANSFORMER_BASED_WRAP"sv, "SIZE_BASED_WRAP"sv};
    if (fsdp.one_of("auto_wrap_policy", policies) == "SIZE_BASED_WRAP") {
        if (!fsdp.has("min_num_params")) {
            fsdp.conflict(
                "auto_wrap_policy",
                "fsdp_config.min_num_params is required when auto_wrap_policy is "
                "SIZE_BASED_WRAP");
        }
        fsdp.fail(
            "auto_wrap_policy",
            "SIZE_BASED_WRAP is not supported: each layer is a unit of its own; use "
            "TRANSFORMER_BASED_WRAP");
    }
    constexpr std::array layers = {
        "LlamaDecoderLayer"sv, "MistralDecoderLayer"sv, "MixtralDecoderLayer"sv,
        "Qwen2DecoderLayer"sv, "Qwen3DecoderLayer"sv,   "Qwen3MoeDecoderLayer"sv,
        "GemmaDecoderLayer"sv, "Gemma2DecoderLayer"sv,  "Gemma3DecoderLayer"sv};
    static_cast<void>(fsdp.one_of("transformer_layer_cls_to_wrap", layers));
}

std::optional<checkpoint_form> read_checkpoint_form(const key_reader& fsdp,
                                                    std::string_view key) {
    constexpr std::array forms = {"FULL_STATE_DICT"sv, "SHARDED_STATE_DICT"sv,
                                  "LOCAL_STATE_DICT"sv};
    const auto form = fsdp.one_of(key, forms);
    if (!form) return std::nullopt;
    if (*form == "LOCAL_STATE_DICT") {
        fsdp.fail(key,
                  "LOCAL_STATE_DICT is not supported: only the mesh that wrote it could "
                  "read it; use SHARDED_STATE_DICT");
    }
    return *form == "SHARDED_STATE_DICT" ? checkpoint_form::sharded
                                         : checkpoint_form::full;
}

}  // namespace

void read_fsdp(const key_reader& keys, train_config& config) {
    const auto version = keys.whole("fsdp_version", 1, 2);
    const config_node* const given = keys.find("fsdp_config");
    if (given != nullptr && given->type != config_node::kind::map) {
        keys.expected("fsdp_config", "keys, as {reshard_after_forward: true}");
    }
    config.mesh.fully_sharded = version.has_value() || given != nullptr;
    const config_node map = given == nullptr
                                ? config_node{}
                                : without_prefixes(keys, *given, config.warnings);
    const key_reader fsdp(keys.file(), map, "fsdp_config.");
    for (const auto& member : map.members) {
        if (!contains(fsdp_keys(), member.key)) refuse_unknown(fsdp, member, fsdp_keys());
    }
    std::optional<bool> reshard;
    read_fsdp_words(keys, reshard, config);
    const auto inner_version = fsdp.whole("version", 1, 2);
    if (version && inner_version && *version != *inner_version) {
        fsdp.fail("version", std::to_string(*inner_version) +
                                 " contradicts fsdp_version " + std::to_string(*version));
    }
    if (version) {
        config.fsdp_version = *version;
    } else if (config.mesh.fully_sharded) {
        config.fsdp_version = inner_version.value_or(1);
    }
    if (config.fsdp_version == 1) {
        config.warnings.emplace_back(
            std::string(version || inner_version
                            ? "fsdp_version 1"
                            : "fsdp_version is not set, which means 1: it") +
            " is deprecated, use `fsdp_version: 2`; parameters are sharded the same way "
            "here");
    }
    if (const auto after_forward = fsdp.truth("reshard_after_forward"))
        set_reshard(fsdp, "reshard_after_forward", *after_forward, reshard);
    read_fsdp1_keys(fsdp, reshard, config);
    config.reshard_after_forward = reshard.value_or(true);
    if (const auto prefetch = fsdp.truth("prefetch_gathers"))
        config.prefetch_gathers = *prefetch;
    read_fsdp_offload(fsdp, config);
    check_fsdp_wrapping(fsdp);
    read_checkpointing(keys, fsdp, config);
    if (fsdp.has("mixed_precision_policy")) {
        fsdp.fail("mixed_precision_policy", "is not supported; use bf16: true");
    }
    config.state_dict_type =
        read_checkpoint_form(fsdp, "state_dict_type").value_or(checkpoint_form::full);
    config.final_state_dict_type = read_checkpoint_form(fsdp, "final_state_dict_type")
                                       .value_or(config.state_dict_type);
    for (const auto key :
         {"sync_module_states"sv, "cpu_ram_efficient_loading"sv, "use_orig_params"sv}) {
        if (!fsdp.truth(key)) continue;
        config.warnings.push_back(
            "`fsdp_config." + std::string(key) +
            "` has no effect: each rank makes or reads its own shards");
    }
}

}  // namespace packkit::train
