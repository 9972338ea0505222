// SPDX-License-Identifier: Apache-2.0
// The tables of keys as they are put together.
#include "config/schema.hpp"

#include "config/keys/keys.hpp"

#include <iterator>

namespace packkit::train {
namespace {

key_list done_keys() {
    key_list all;
    for (key_list (*part)() : {model_keys, data_keys, rows_keys, optimizer_keys,
                               mesh_keys, run_keys, plugin_keys}) {
        auto keys = part();
        std::move(keys.begin(), keys.end(), std::back_inserter(all));
    }
    return all;
}

}  // namespace

key_table<train_config> top_level_keys() {
    static const auto keys = with_groups(done_keys(), other_keys());
    return keys;
}

key_table<train_config> fsdp_keys() {
    static const auto keys = sharding_keys();
    return keys;
}

}  // namespace packkit::train
