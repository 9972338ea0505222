// SPDX-License-Identifier: Apache-2.0
#include "config/activation_checkpointing.hpp"

#include "common/did_you_mean.hpp"
#include "common/errors.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace packkit::train {
namespace {

using namespace std::string_view_literals;
using app::in_quotes;
using kind = config_node::kind;

checkpointing_kind kind_of(const key_reader& keys) {
    constexpr auto key = "gradient_checkpointing"sv;
    const config_node* const given = keys.find(key);
    if (given == nullptr) return checkpointing_kind::none;
    if (given->type == kind::scalar) {
        if (const auto on = parse_truth(given->text))
            return *on ? checkpointing_kind::full : checkpointing_kind::none;
        if (given->text == "selective") return checkpointing_kind::selective;
        constexpr std::array elsewhere = {"offload"sv, "offload_disk"sv, "unsloth"sv};
        if (std::find(elsewhere.begin(), elsewhere.end(), given->text) !=
            elsewhere.end()) {
            keys.fail(key,
                      in_quotes(given->text) +
                          " is not supported: activations stay on the device; use true, "
                          "which keeps nothing of a block but its input, or selective");
        }
    }
    keys.expected(key, "true, false or selective");
}

void read_kwargs(const key_reader& keys, train_config& config) {
    constexpr auto key = "gradient_checkpointing_kwargs"sv;
    const config_node* const given = keys.find(key);
    if (given == nullptr) return;
    if (given->type != kind::map) keys.expected(key, "keys, as {use_reentrant: false}");
    const key_reader kwargs(keys.file(), *given, std::string(key) + ".");
    constexpr std::array known = {"use_reentrant"sv};
    for (const auto& member : given->members) {
        if (member.key != known[0]) {
            throw app::input_error(place_of(keys.file(), member.line),
                                   "key " + in_quotes(kwargs.prefix() + member.key) +
                                       " is unknown" +
                                       app::did_you_mean(member.key, known));
        }
    }
    if (kwargs.truth(known[0])) {
        config.warnings.emplace_back(
            "`gradient_checkpointing_kwargs.use_reentrant` has no effect: a block is "
            "computed again by one method, with the same gradients");
    }
}

}  // namespace

void read_checkpointing(const key_reader& keys, const key_reader& fsdp,
                        train_config& config) {
    config.gradient_checkpointing = kind_of(keys);
    read_kwargs(keys, config);
    if (!fsdp.truth("activation_checkpointing").value_or(false)) return;
    if (config.gradient_checkpointing != checkpointing_kind::none) {
        keys.conflict(
            "gradient_checkpointing",
            "The activation_checkpointing in FSDP config and the gradient_checkpointing "
            "in training arg can't be set to True simultaneously; here they say the "
            "same, leave one of them out");
    }
    config.gradient_checkpointing = checkpointing_kind::full;
}

}  // namespace packkit::train
