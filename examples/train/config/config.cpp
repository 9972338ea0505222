// SPDX-License-Identifier: Apache-2.0
#include "config/config.hpp"

#include "common/problems.hpp"
#include "config/checked_config.hpp"
#include "config/fsdp.hpp"
#include "config/rules.hpp"
#include "config/schema.hpp"

#include <utility>

namespace packkit::train {
namespace {

/// apply_override(); what is wrong with an assignment becomes a problem of its own.
void override_with(config_node& root, const std::string& assignment,
                   config_problems& problems) {
    try {
        apply_override(root, assignment);
    } catch (const app::input_error& error) {
        const std::string place = place_of({}, 0);
        const std::string what = std::string(error.what()).substr(place.size() + 2);
        problems.add({place, what, "=" + assignment, 0});
    }
}

}  // namespace

checked_config check_config(const std::string& path,
                            std::span<const std::string> overrides) {
    config_node root = app::read_yaml_file(path);
    checked_config checked;
    auto& config = checked.config;
    auto& problems = checked.problems;
    for (const auto& assignment : overrides)
        override_with(root, assignment, problems);
    config.config_path = path;
    strip_fsdp_prefixes(path, root, problems, config.warnings);
    const key_reader keys(path, root);
    check_conflicts(keys, problems);
    key_remarks remarks;
    read_keys(keys, top_level_keys(), config, problems, remarks);
    apply_rules(keys, config, problems, remarks);
    read_dataset_list(keys, config, problems, remarks);
    config.warnings.insert(config.warnings.end(), remarks.warnings.begin(),
                           remarks.warnings.end());
    config.notes.insert(config.notes.end(), remarks.notes.begin(), remarks.notes.end());
    note_defaults(keys, config);
    checked.root = std::move(root);
    return checked;
}

train_config load_config(const std::string& path,
                         std::span<const std::string> overrides) {
    checked_config checked = check_config(path, overrides);
    if (!checked.problems.empty()) throw app::input_problems(checked.problems.lines());
    return std::move(checked.config);
}

}  // namespace packkit::train
