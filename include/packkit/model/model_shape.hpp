// SPDX-License-Identifier: Apache-2.0
/// @file
/// What a decoder is, as one comparable value: its family, its sizes and its switches.
///
/// The words are those of config.json of Hugging Face Transformers. What follows from a
/// family (a bias here, a norm there) is said once, by `traits_of`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace packkit {

/// Decoders whose layers are named and shaped alike.
enum class model_family : std::uint8_t {
    llama,      ///< Llama 1 to 3.2 (arXiv 2302.13971, 2307.09288, 2407.21783)
    mistral,    ///< arXiv 2310.06825
    mixtral,    ///< arXiv 2401.04088
    qwen2,      ///< Qwen2 and Qwen2.5 (arXiv 2407.10671, 2412.15115)
    qwen3,      ///< arXiv 2505.09388
    qwen3_moe,  ///< arXiv 2505.09388
    gemma,      ///< arXiv 2403.08295
    gemma2,     ///< arXiv 2408.00118
    gemma3,     ///< the language model of Gemma 3 (arXiv 2503.19786)
    gpt2,       ///< GPT-2, GPT-3 (arXiv 2005.14165) and Megatron's GPT (arXiv 1909.08053)
    gpt_neox,   ///< GPT-NeoX (arXiv 2204.06745) and Pythia (arXiv 2304.01373)
    mpt,        ///< MPT of LLM Foundry
};

/// Names of the families: model_type in config.json.
inline constexpr std::array<std::string_view, 12> model_family_names = {
    "llama", "mistral", "mixtral",     "qwen2", "qwen3",    "qwen3_moe",
    "gemma", "gemma2",  "gemma3_text", "gpt2",  "gpt_neox", "mpt"};

[[nodiscard]] constexpr std::string_view to_string(model_family family) {
    return model_family_names.at(static_cast<std::size_t>(family));
}

/// The function between the matrices of a feed-forward layer.
enum class activation_kind : std::uint8_t { silu, gelu, gelu_tanh, relu };

inline constexpr std::array<std::string_view, 4> activation_names = {
    "silu", "gelu", "gelu_pytorch_tanh", "relu"};

[[nodiscard]] constexpr std::string_view to_string(activation_kind kind) {
    return activation_names.at(static_cast<std::size_t>(kind));
}

/// How rotary frequencies are stretched beyond the context of pretraining.
enum class rope_scaling_kind : std::uint8_t {
    none,
    linear,
    dynamic,
    llama3,  ///< by bands of wavelength (arXiv 2407.21783)
    yarn,    ///< arXiv 2309.00071
};

inline constexpr std::array<std::string_view, 5> rope_scaling_names = {
    "default", "linear", "dynamic", "llama3", "yarn"};

[[nodiscard]] constexpr std::string_view to_string(rope_scaling_kind kind) {
    return rope_scaling_names.at(static_cast<std::size_t>(kind));
}

/// A kind with its parameters; those that the kind does not use are zero.
struct rope_scaling {
    rope_scaling_kind kind = rope_scaling_kind::none;
    double factor = 1.0;
    double low_freq_factor = 0.0;                       ///< llama3
    double high_freq_factor = 0.0;                      ///< llama3
    std::int64_t original_max_position_embeddings = 0;  ///< llama3, yarn
    double beta_fast = 0.0;                             ///< yarn
    double beta_slow = 0.0;                             ///< yarn
    double attention_factor = 0.0;                      ///< yarn; 0: follows from factor

    friend constexpr bool operator==(const rope_scaling&, const rope_scaling&) = default;
};

/// A decoder. The defaults are those of Llama: pre-norm blocks of rotary grouped-query
/// attention and SwiGLU (Touvron et al. 2023, arXiv 2302.13971; grouped queries: Ainslie
/// et al. 2023, arXiv 2305.13245). 0 or false means "has none" where a model may do
/// without.
struct model_shape {
    model_family family = model_family::llama;
    std::int64_t vocab_size = 0;
    std::int64_t hidden_size = 0;
    std::int64_t intermediate_size = 0;  ///< of a dense feed-forward layer
    std::int64_t num_hidden_layers = 0;
    std::int64_t num_attention_heads = 0;
    std::int64_t num_key_value_heads = 0;
    std::int64_t head_dim = 0;
    double rms_norm_eps = 1e-6;  ///< epsilon of the norms, LayerNorm included
    double rope_theta = 10000.0;
    double initializer_range = 0.02;
    bool tie_word_embeddings = false;

    /// The longest sequence that the model was made for, 0 if not said. With learned
    /// positions: the rows of their table.
    std::int64_t max_position_embeddings = 0;
    activation_kind activation = activation_kind::silu;
    /// Biases beyond those that the family always has; see `traits_of`.
    bool attention_bias = false;
    bool mlp_bias = false;
    bool norm_bias = false;
    /// mpt: positions as a slope on the scores (Press et al. 2022, arXiv 2108.12409)
    /// instead of a learned table.
    bool alibi = false;
    double partial_rotary_factor = 1.0;  ///< part of head_dim that is turned
    rope_scaling scaling = {};
    double rope_local_theta = 0.0;   ///< of layers with a window; 0: rope_theta
    bool parallel_residual = false;  ///< attention and feed-forward read the same input

    /// Layers that see the last `sliding_window` tokens only: from `first_sliding_layer`
    /// on, except every `full_attention_interval`-th layer (0: no exception).
    std::int64_t sliding_window = 0;
    std::int64_t full_attention_interval = 0;
    std::int64_t first_sliding_layer = 0;

    double attn_logit_softcapping = 0.0;
    double final_logit_softcapping = 0.0;
    double query_pre_attn_scalar = 0.0;  ///< scores are divided by its root; 0: head_dim
    double attention_dropout = 0.0;      ///< of the weights of attention
    double hidden_dropout = 0.0;         ///< of what a layer adds to the residual

    /// Experts, in every `decoder_sparse_step`-th layer.
    std::int64_t num_experts = 0;
    std::int64_t num_experts_per_tok = 0;
    std::int64_t moe_intermediate_size = 0;  ///< of one expert; 0: intermediate_size
    std::int64_t decoder_sparse_step = 1;
    bool norm_topk_prob = false;  ///< the chosen experts' weights add up to one

    /// Its row of the embedding learns nothing from the tokens that are it, as in
    /// Transformers (`padding_idx`); as a target it counts like any other.
    std::optional<std::int64_t> pad_token_id = std::nullopt;

    friend constexpr bool operator==(const model_shape&, const model_shape&) = default;
};

}  // namespace packkit
