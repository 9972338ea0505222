// SPDX-License-Identifier: Apache-2.0
// Keys of the data and their order.
#include "config/keys/keys.hpp"

namespace packkit::train {
namespace {

using namespace std::string_view_literals;
using enum key_status;
using enum key_effect;
using C = train_config;
using K = config_key<train_config>;

constexpr auto strategies =
    in_order<packkit::excess_length_strategy>("drop", "truncate", "split", "raise");
constexpr auto dataset_list = "a list of datasets, as [{path: data.jsonl}]"sv;

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
    K("datasets", collection{config_node::kind::sequence, dataset_list}, "files to read, in this order").required(dataset_list).listed(add_dataset_settings),
    K("chat_template", template_name{}, "template of all datasets of type chat_template that have none of their own"),
    K("train_on_inputs", &C::train_on_inputs, truth{}, "prompts are targets, too").affecting(data),
    K("eot_tokens", &C::eot_tokens, text_list{"a list of tokens, as [\"<end_of_turn>\"]"}, "tokens that end a turn of type chat_template; none: eos").affecting(data),
    K("dataset_prepared_path", &C::dataset_prepared_path, file_path("a folder"), "keeps tokenised data for further runs"),
    K("shuffle_data", &C::shuffle_data, truth{}, "false: the order of the files").affecting(run),
    K("curriculum_sampling", &C::curriculum_sampling, truth{}, "takes samples in the order of the data").affecting(run),
    K("excess_length_strategy", &C::excess_length_strategy, choice<packkit::excess_length_strategy>{strategies}, "treatment of samples longer than sequence_len").affecting(data),
}; }
// clang-format on

}  // namespace packkit::train
