// SPDX-License-Identifier: Apache-2.0
// Keys of the model and its precision.
#include "config/keys/keys.hpp"

namespace packkit::train {
namespace {

using namespace std::string_view_literals;
using enum key_status;
using enum key_effect;
using C = train_config;
using K = config_key<train_config>;

key_table<train_config> checkpointing_keys() {
    static const std::vector<K> keys = {
        K("use_reentrant", truth{},
          "a block is computed again by one method, with the same gradients")
            .as_noted()};
    return keys;
}

}  // namespace

// A row is a line.
// clang-format off
std::vector<K> model_keys() { return {
    K("base_model", &C::base_model, file_path("the folder of a model"), "Hugging Face folder: config.json, weights").required("the folder of a model"),
    K("random_init_weights", &C::random_init_weights, truth{}, "initial weights from the seed; none are read"),
    K("tokenizer_type", &C::tokenizer_type, plain_text{"bytes, or a tokenizer's file or folder"}, "not needed when all datasets are of type tokens"),
    K("residual_dropout", &C::residual_dropout, real{below_one}, "probability of dropout of the outputs of attention and feed-forward").affecting(run),
    K("torch_dtype", &C::torch_dtype, choice<dtype>{}, "dtype of parameters, optimizer state and checkpoint").affecting(run),
    K("bf16", &C::bf16, truth{}, "computes in bf16; parameters stay float32").affecting(run),
    K("gradient_checkpointing", &C::gradient_checkpointing, checkpointing_choice{}, "which activations are recomputed: none, selected ones, or all but the inputs of blocks"),
    K("gradient_checkpointing_kwargs", collection{config_node::kind::map, "keys, as {use_reentrant: false}"}, "").with_keys(checkpointing_keys),
}; }
// clang-format on

}  // namespace packkit::train
