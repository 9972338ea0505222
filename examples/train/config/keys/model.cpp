// SPDX-License-Identifier: Apache-2.0
// Keys of the model and its precision.
#include "config/keys/keys.hpp"
#include "config/model_kinds.hpp"

namespace packkit::train {
namespace {

using namespace key_rows;

constexpr auto token_list = "a list of tokens, as [\"<|im_start|>\"]"sv;
constexpr auto key_map = "keys of config.json, as {rope_theta: 500000.0}"sv;

/// Reads and prints one of the tokens that a configuration changes.
template <auto Member>
constexpr auto changed =
    [](auto& config) -> auto& { return config.token_changes.*Member; };

key_table<train_config> special_token_keys() {
    using T = app::tokenizer_changes;
    static const std::vector<K> keys = {
        K("bos_token", changed<&T::bos_token>, plain_text{"a token"}, "begins a document")
            .affecting(data),
        K("eos_token", changed<&T::eos_token>, plain_text{"a token"}, "ends a document")
            .affecting(data),
        K("pad_token", changed<&T::pad_token>, plain_text{"a token"}, "fills rows up")
            .affecting(data),
        K("unk_token", changed<&T::unk_token>, plain_text{"a token"},
          "is added to the vocabulary; the model of a tokenizer.json says which one "
          "stands "
          "for unknown text")
            .affecting(data),
        K("additional_special_tokens", changed<&T::additional_special_tokens>,
          text_list{token_list}, "are found in a text as they stand")
            .affecting(data)};
    return keys;
}

key_table<train_config> model_argument_keys() {
    static const std::vector<K> keys = with_groups<train_config>(
        {},
        std::array{key_group{noted,
                             "attention always keeps the samples of a row apart",
                             {"attn_implementation"}},
                   key_group{noted,
                             "torch_dtype and bf16 of the configuration say it",
                             {"torch_dtype", "dtype"}},
                   key_group{noted,
                             "weights are read slice by slice",
                             {"low_cpu_mem_usage", "use_safetensors"}},
                   key_group{noted, "training keeps no cache", {"use_cache"}},
                   key_group{noted,
                             "the mesh says what lies on which device",
                             {"device_map", "max_memory"}},
                   key_group{noted, "no code of a model is run", {"trust_remote_code"}}});
    return keys;
}

std::string bf16_text(const train_config& config) {
    return config.automatic_precision ? "auto" : truth().text(config.bf16);
}

/// Checkpoints of earlier versions record none.
std::string fp16_text(const train_config& config) {
    return config.fp16 ? "true" : "";
}

std::string dtype_text(const train_config& config) {
    return std::string(to_string(config.torch_dtype));
}

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
    K("reinit_weights", &C::random_init_weights, truth{}, "another name of random_init_weights").not_printed(),
    K("base_model_config", &C::base_model_config, file_path("the folder of a config.json"), "config.json and tokenizer where base_model has weights only").by_default("as base_model"),
    K("revision_of_model", &C::revision_of_model, plain_text{"a branch, tag or hash"}, "of a base_model that is named as on the Hugging Face Hub"),
    K("model_type", plain_text{"AutoModelForCausalLM, or the class of the model"}, "the model's config.json says what it is; another class is rejected").as_noted(),
    K("tokenizer_type", &C::tokenizer_type, plain_text{"bytes, a tokenizer's file or folder, or AutoTokenizer"}, "AutoTokenizer and other classes: the tokenizer of tokenizer_config; not needed when all datasets are of type tokens").by_default("the tokenizer of tokenizer_config"),
    K("tokenizer_config", &C::tokenizer_config, file_path("a tokenizer's file or folder"), "the tokenizer, where it is not that of base_model").by_default("the tokenizer of base_model"),
    K("special_tokens", collection{config_node::kind::map, "keys, as {pad_token: \"<|pad|>\"}"}, "tokens that begin, end and fill documents; added where the tokenizer has none of that text").with_keys(special_token_keys),
    K("tokens", changed<&app::tokenizer_changes::tokens>, text_list{token_list}, "added to the tokenizer").affecting(data),
    K("added_tokens_overrides", changed<&app::tokenizer_changes::overrides>, token_overrides{}, "gives added tokens of the tokenizer new texts").affecting(data),
    K("resize_token_embeddings_to_32x", &C::resize_token_embeddings_to_32x, truth{}, "embedding and head grow to a multiple of 32 rows that holds all ids of the tokenizer"),
    K("overrides_of_model_config", &C::overrides_of_model_config, json_map{key_map}, "replace keys of the model's config.json"),
    K("model_config", &C::model_config, json_map{key_map}, "as overrides_of_model_config"),
    K("rope_scaling", &C::rope_scaling, json_map{"keys, as {rope_type: linear, factor: 2.0}"}, "replaces rope_scaling of the model's config.json").deprecated("use overrides_of_model_config"),
    K("overrides_of_model_kwargs", collection{config_node::kind::map, "keys, as {attn_implementation: sdpa}"}, "arguments of Transformers, which is not used here").with_keys(model_argument_keys),
    K("residual_dropout", &C::residual_dropout, real{below_one}, "probability of dropout of the outputs of attention and feed-forward").affecting(run),
    K("torch_dtype", choice<dtype_name>{}, "float32 or float64: dtype of parameters, optimizer state and checkpoint; bfloat16, float16: as bf16, fp16; auto: float32, computed as bf16 says").by_default("auto").printed("torch_dtype", dtype_text).affecting(run),
    K("bf16", precision_switch_name{}, "computes in bf16; parameters stay float32; auto: on a GPU that has it").by_default("auto").printed("bf16", bf16_text).affecting(run),
    K("bfloat16", truth{}, "another name of bf16"),
    K("fp16", precision_switch_name{}, "computes in fp16 with dynamic loss scaling; parameters stay float32").by_default("false").printed("fp16", fp16_text).affecting(run),
    K("float16", truth{}, "another name of fp16"),
    K("float32", truth{}, "computes in float32"),
    K("tf32", truth{}, "float32 products are always computed in full").as_noted(),
    K("gradient_checkpointing", &C::gradient_checkpointing, checkpointing_choice{}, "which activations are recomputed: none, selected ones, or all but the inputs of blocks"),
    K("gradient_checkpointing_kwargs", collection{config_node::kind::map, "keys, as {use_reentrant: false}"}, "").with_keys(checkpointing_keys),
}; }
// clang-format on

}  // namespace packkit::train
