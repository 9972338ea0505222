// SPDX-License-Identifier: Apache-2.0
#include "config/fsdp.hpp"

#include "common/did_you_mean.hpp"
#include "common/errors.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::train {
namespace {

using namespace std::string_view_literals;
using node_kind = config_node::kind;

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

/// Words of the list that came before fsdp_config.
enum class fsdp_word : std::uint8_t {
    full_shard,
    shard_grad_op,
    hybrid_shard,
    auto_wrap,
    offload
};
constexpr auto fsdp_words = in_order<fsdp_word>("full_shard", "shard_grad_op",
                                                "hybrid_shard", "auto_wrap", "offload");

void read_fsdp_word(const key_reader& keys, const config_node& node,
                    std::optional<bool>& reshard, train_config& config) {
    const auto word = choice<fsdp_word>{fsdp_words}.read(node);
    if (!word) {
        keys.fail("fsdp", describe(node) + " is no way to shard here; expected some of " +
                              app::name_list(texts_of<fsdp_word>(fsdp_words)));
    }
    switch (*word) {
        case fsdp_word::hybrid_shard:
            if (!config.mesh.dp_replicate)
                keys.fail("fsdp", "hybrid_shard needs dp_replicate_size");
            [[fallthrough]];
        case fsdp_word::full_shard:
            return set_reshard(keys, "fsdp", true, reshard);
        case fsdp_word::shard_grad_op:
            return set_reshard(keys, "fsdp", false, reshard);
        case fsdp_word::offload:
            config.offload_params = true;
            return;
        case fsdp_word::auto_wrap:
            return;
    }
}

void read_fsdp_words(const key_reader& keys, std::optional<bool>& reshard,
                     train_config& config) {
    if (keys.off("fsdp")) return;
    config.mesh.fully_sharded = true;
    const config_node& given = *keys.find("fsdp");
    if (given.type != node_kind::sequence)
        return read_fsdp_word(keys, given, reshard, config);
    for (const auto& node : given.items)
        read_fsdp_word(keys, node, reshard, config);
}

void read_strategy(const key_reader& keys, const key_reader& fsdp,
                   std::optional<bool>& reshard) {
    constexpr auto key = "sharding_strategy"sv;
    const auto strategy = fsdp.read(key, choice<sharding_strategy>());
    if (!strategy) return;
    if (*strategy == sharding_strategy::hybrid_shard && !keys.has("dp_replicate_size")) {
        fsdp.fail(key,
                  "HYBRID_SHARD needs dp_replicate_size: how many groups of ranks hold "
                  "all parameters");
    }
    set_reshard(fsdp, key, *strategy != sharding_strategy::shard_grad_op, reshard);
}

void choose_version(const key_reader& keys, const key_reader& fsdp,
                    train_config& config) {
    const auto version = keys.read("fsdp_version", whole{1, 2});
    const auto inner = fsdp.read("version", whole{1, 2});
    if (version && inner && *version != *inner) {
        fsdp.fail("version", std::to_string(*inner) + " contradicts fsdp_version " +
                                 std::to_string(*version));
    }
    if (!version && config.mesh.fully_sharded) config.fsdp_version = inner.value_or(1);
    if (config.fsdp_version == 1) {
        config.warnings.emplace_back(
            std::string(version || inner ? "fsdp_version 1"
                                         : "fsdp_version is not set, which means 1: it") +
            " is deprecated, use `fsdp_version: 2`; parameters are sharded the same way "
            "here");
    }
}

void check_pinning(const key_reader& fsdp, const train_config& config) {
    if (config.cpu_offload_pin_memory) return;
    if (config.fsdp_version != 2) {
        fsdp.conflict("cpu_offload_pin_memory",
                      "FSDP1 does not support disabling cpu_offload_pin_memory, please "
                      "set `fsdp_version` to 2");
    }
    if (!config.offload_params) {
        fsdp.conflict(
            "cpu_offload_pin_memory",
            "disabling cpu_offload_pin_memory requires enabling offload_params");
    }
}

void check_wrapping(const key_reader& fsdp) {
    constexpr auto key = "auto_wrap_policy"sv;
    if (fsdp.read(key, choice<wrap_policy>()) != wrap_policy::size_based) return;
    if (!fsdp.has("min_num_params")) {
        fsdp.conflict(key,
                      "fsdp_config.min_num_params is required when auto_wrap_policy is "
                      "SIZE_BASED_WRAP");
    }
    fsdp.fail(key,
              "SIZE_BASED_WRAP is not supported: each layer is a unit of its own; use "
              "TRANSFORMER_BASED_WRAP");
}

void merge_checkpointing(const key_reader& keys, const key_reader& fsdp,
                         train_config& config) {
    if (!fsdp.read("activation_checkpointing", truth()).value_or(false)) return;
    if (config.gradient_checkpointing != checkpointing_kind::none) {
        keys.conflict(
            "gradient_checkpointing",
            "The activation_checkpointing in FSDP config and the gradient_checkpointing "
            "in training arg can't be set to True simultaneously; here they say the "
            "same, leave one of them out");
    }
    config.gradient_checkpointing = checkpointing_kind::full;
}

}  // namespace

void strip_fsdp_prefixes(const std::string& file, config_node& root,
                         config_problems& problems, std::vector<std::string>& warnings) {
    config_node* const map = root.find("fsdp_config");
    if (map == nullptr || map->type != node_kind::map) return;
    bool stripped = false;
    for (auto& member : map->members) {
        if (!member.key.starts_with("fsdp_")) continue;
        const std::string name = member.key.substr(5);
        if (map->find(name) != nullptr) {
            problems.add({place_of(file, member.line),
                          "fsdp_config: key " + app::in_quotes(name) +
                              " appears twice, once with the prefix fsdp_",
                          "fsdp_config." + member.key, member.line});
        }
        member.key = name;
        stripped = true;
    }
    if (stripped) {
        warnings.emplace_back(
            "Configuring FSDP fields with the `fsdp_` prefix is deprecated. Please omit "
            "the `fsdp_` prefix from any fields in `fsdp_config`.");
    }
}

void apply_fsdp_rules(const key_reader& keys, train_config& config,
                      config_problems& problems) {
    const key_reader fsdp = keys.inner("fsdp_config");
    config.mesh.fully_sharded = keys.has("fsdp_version") || !keys.off("fsdp_config");
    std::optional<bool> reshard;
    problems.attempt([&] { read_fsdp_words(keys, reshard, config); });
    problems.attempt([&] {
        if (const auto given = fsdp.read("reshard_after_forward", truth()))
            set_reshard(fsdp, "reshard_after_forward", *given, reshard);
    });
    problems.attempt([&] { read_strategy(keys, fsdp, reshard); });
    config.reshard_after_forward = reshard.value_or(true);
    if (const auto given = fsdp.find("offload_params"))
        config.offload_params = truth().read(*given).value_or(config.offload_params);
    problems.attempt_with(keys, {"fsdp_version", "fsdp_config.version"}, [&] {
        choose_version(keys, fsdp, config);
        problems.attempt_with(fsdp, {"offload_params", "cpu_offload_pin_memory"},
                              [&] { check_pinning(fsdp, config); });
    });
    problems.attempt([&] { check_wrapping(fsdp); });
    problems.attempt_with(keys, {"gradient_checkpointing"},
                          [&] { merge_checkpointing(keys, fsdp, config); });
    if (!fsdp.has("final_state_dict_type"))
        config.final_state_dict_type = config.state_dict_type;
}

}  // namespace packkit::train
