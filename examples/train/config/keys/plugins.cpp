// SPDX-License-Identifier: Apache-2.0
// Axolotl's plugins, and its name for a DeepSpeed file.
#include "config/keys/keys.hpp"

#include "common/did_you_mean.hpp"

#include <algorithm>
#include <array>

namespace packkit::train {
namespace {

using namespace key_rows;

/// Plugins that only make things faster, or report elsewhere: the module behind
/// "axolotl.integrations.".
constexpr std::array without_effect = {"liger"sv, "cut_cross_entropy"sv, "kernels"sv,
                                       "swanlab"sv, "lm_eval"sv};

/// "liger" of "axolotl.integrations.liger.LigerPlugin".
std::string_view module_of(std::string_view plugin) {
    constexpr auto home = "axolotl.integrations."sv;
    if (plugin.starts_with(home)) plugin.remove_prefix(home.size());
    return plugin.substr(0, plugin.find('.'));
}

void read_plugins(const key_reader& keys, train_config& config) {
    constexpr auto key = "plugins"sv;
    if (keys.off(key)) return;
    constexpr text_list list{"a list of plugins, as [axolotl.integrations.liger]"};
    const auto plugins = keys.read(key, list);
    std::string names;
    for (const std::string& plugin : *plugins) {
        if (std::ranges::find(without_effect, module_of(plugin)) ==
            without_effect.end()) {
            keys.fail(key, app::in_quotes(plugin) +
                               " is not supported; it would change what is trained, "
                               "leave it away to train without it");
        }
        names += (names.empty() ? "" : ", ") + app::in_quotes(plugin);
    }
    config.notes.push_back("`plugins` has no effect: " + names +
                           (plugins->size() == 1 ? " changes" : " change") +
                           " how fast things are computed, or where they are reported, "
                           "not what is trained");
}

}  // namespace

// A row is a line.
// clang-format off
key_list plugin_keys() { return {
    K("plugins", anything{"a list of Axolotl's plugins"}, "those for speed and reports change nothing, others are rejected").reading(read_plugins),
    K("deepspeed", anything{"a DeepSpeed file, or its keys"}, "zero_optimization.stage 0: DDP, 1 and 2: ZeRO-2, 3: FSDP; offload devices: offload_params"),
}; }
// clang-format on

}  // namespace packkit::train
