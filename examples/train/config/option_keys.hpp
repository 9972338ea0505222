// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Keys of a configuration as options of the command line name them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::train {

/// What an option may be followed by.
enum class option_value : std::uint8_t {
    required,  ///< the next word is its value
    truth,     ///< a truth value, or nothing for true
    unknown    ///< a key that is noted or rejected: its values are not checked
};

/// A key that an option names.
struct option_key {
    std::string path;  ///< "fsdp_config.offload_params", for `key=value`
    option_value value = option_value::required;
};

/// The key that "max-steps", "max_steps" or "fsdp-config.offload-params" names, without
/// the dashes in front; nothing when its first part is no key of a configuration. Parts
/// behind it are not looked up where the file's reader has to say what may stand there.
std::optional<option_key> find_option_key(std::string_view name);

/// "--max-steps" and all other keys that have an effect here, for suggestions.
std::vector<std::string> option_key_names();

}  // namespace packkit::train
