// SPDX-License-Identifier: Apache-2.0
// Keys of the data and their order.
#include "config/keys/keys.hpp"

#include <algorithm>
#include <optional>
#include <string>

namespace packkit::train {
namespace {

using namespace key_rows;

constexpr auto strategies =
    in_order<packkit::excess_length_strategy>("drop", "truncate", "split", "raise");
constexpr auto dataset_list = "a list of datasets, as [{path: data.jsonl}]"sv;

/// A path, a map, or a list of these; what is in a map is read elsewhere.
struct pretraining_entries {
    [[nodiscard]] std::optional<bool> read(const config_node& node) const {
        using enum config_node::kind;
        const auto is_entry = [](const config_node& item) {
            return item.type == map || (item.type == scalar && !item.text.empty());
        };
        if (node.type != sequence)
            return is_entry(node) ? std::optional(true) : std::nullopt;
        const bool good = !node.items.empty() &&
                          std::all_of(node.items.begin(), node.items.end(), is_entry);
        return good ? std::optional(true) : std::nullopt;
    }
    [[nodiscard]] std::string expected() const {
        return "a path, keys as {path: data.jsonl, text_column: text}, or a list of "
               "these";
    }
};

void add_dataset_settings(const train_config& config, setting_list& list) {
    for (std::size_t i = 0; i < config.datasets.size(); ++i) {
        add_settings(dataset_keys(), config.datasets[i],
                     "datasets." + std::to_string(i) + ".", list);
    }
}

}  // namespace

// A row is a line.
// clang-format off
std::vector<K> data_keys() { return {
    K("datasets", collection{config_node::kind::sequence, dataset_list}, "files to read, in this order").by_default("required without pretraining_dataset").listed(add_dataset_settings),
    K("pretraining_dataset", pretraining_entries{}, "texts that are read whole, as data sets of type completion"),
    K("streaming", truth{}, "data is read whole before the first step").as_noted(),
    K("val_set_size", &C::val_set_size, real{not_negative}, "samples that are held out from training: a number, or a share below 1"),
    K("min_sample_len", &C::min_sample_len, whole{0}, "shorter samples are left out, in tokens").affecting(data),
    K("dataset_exact_deduplication", &C::dataset_exact_deduplication, truth{}, "equal samples count once").affecting(data),
    K("shuffle_merged_datasets", &C::shuffle_merged_datasets, truth{}, "false: val_set_size holds out the last samples; samples are shuffled each epoch either way, unless shuffle_data is false").affecting(run),
    K("chat_template", template_name{}, "template of all datasets of type chat_template that have none of their own"),
    K("train_on_inputs", &C::train_on_inputs, truth{}, "prompts are targets, too").affecting(data),
    K("eot_tokens", &C::eot_tokens, text_list{"a list of tokens, as [\"<end_of_turn>\"]"}, "tokens that end a turn of type chat_template; none: eos").affecting(data),
    K("dataset_prepared_path", &C::dataset_prepared_path, file_path("a folder"), "keeps tokenised data for further runs"),
    K("shuffle_data", &C::shuffle_data, truth{}, "false: the order of the files").affecting(run),
    K("curriculum_sampling", &C::curriculum_sampling, truth{}, "takes samples in the order of the data").affecting(run),
    K("excess_length_strategy", &C::excess_length_strategy, choice<packkit::excess_length_strategy>{strategies}, "treatment of samples longer than sequence_len").by_default("split for texts of type completion, drop for others").affecting(data),
}; }
// clang-format on

}  // namespace packkit::train
