// SPDX-License-Identifier: Apache-2.0
/// @file
/// What a decoder is, as one comparable value: its family, its sizes and its switches.
///
/// The words are those of config.json of Hugging Face Transformers. What follows from a
/// family (a bias here, a norm there) is said once, by `traits_of`.
#pragma once

#include <packkit/error.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

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

enum class norm_kind : std::uint8_t { rms_norm, layer_norm };
enum class position_kind : std::uint8_t { rotary, learned, alibi };

/// What the layers of a model are made of.
struct model_traits {
    norm_kind norm = norm_kind::rms_norm;
    bool norm_bias = false;
    /// The weight of a norm is stored as what it differs from one: it starts at zero.
    bool norm_from_one = false;
    bool post_norms = false;  ///< also norms after attention and feed-forward
    bool qk_norm = false;     ///< a norm of head_dim on queries and on keys
    position_kind positions = position_kind::rotary;
    bool fused_qkv = false;  ///< queries, keys and values are one matrix
    bool qkv_bias = false;
    bool output_bias = false;
    bool gated = true;  ///< gate and up, multiplied; otherwise up alone
    bool mlp_bias = false;
    bool transposed = false;  ///< matrices are stored (in, out)
    bool experts = false;     ///< some layers have experts

    friend constexpr bool operator==(const model_traits&, const model_traits&) = default;
};

/// The traits of a model: what its family always has and what its switches add.
[[nodiscard]] constexpr model_traits traits_of(const model_shape& model) {
    using enum model_family;
    model_traits traits{.norm_bias = model.norm_bias,
                        .qkv_bias = model.attention_bias,
                        .output_bias = model.attention_bias,
                        .mlp_bias = model.mlp_bias};
    switch (model.family) {
        case llama:
        case mistral:
            break;
        case qwen2:
            traits.qkv_bias = true;
            break;
        case qwen3:
            traits.qk_norm = true;
            break;
        case qwen3_moe:
            traits.qk_norm = true;
            traits.experts = true;
            break;
        case mixtral:
            traits.experts = true;
            break;
        case gemma3:
            traits.qk_norm = true;
            [[fallthrough]];
        case gemma2:
            traits.post_norms = true;
            [[fallthrough]];
        case gemma:
            traits.norm_from_one = true;
            break;
        case gpt2:
            traits.positions = position_kind::learned;
            traits.transposed = true;
            traits.qkv_bias = traits.output_bias = true;
            [[fallthrough]];
        case gpt_neox:
            traits.norm_bias = traits.mlp_bias = true;
            [[fallthrough]];
        case mpt:
            traits.norm = norm_kind::layer_norm;
            traits.fused_qkv = true;
            traits.gated = false;
            break;
    }
    if (model.family == mpt) {
        traits.positions = model.alibi ? position_kind::alibi : position_kind::learned;
    }
    return traits;
}

/// Whether layer `layer` (from 0) has experts.
[[nodiscard]] constexpr bool is_sparse_layer(const model_shape& model,
                                             std::int64_t layer) {
    return model.num_experts > 0 && (layer + 1) % model.decoder_sparse_step == 0;
}

/// Layers with experts. Precondition: as `check_model_shape`.
[[nodiscard]] constexpr std::int64_t sparse_layers(const model_shape& model) {
    return model.num_experts > 0 ? model.num_hidden_layers / model.decoder_sparse_step
                                 : 0;
}

/// The width of one expert.
[[nodiscard]] constexpr std::int64_t expert_size(const model_shape& model) {
    return model.moe_intermediate_size > 0 ? model.moe_intermediate_size
                                           : model.intermediate_size;
}

/// How many of the last tokens layer `layer` (from 0) sees; 0: all before it.
[[nodiscard]] constexpr std::int64_t attention_window(const model_shape& model,
                                                      std::int64_t layer) {
    const bool full = layer < model.first_sliding_layer ||
                      (model.full_attention_interval > 0 &&
                       (layer + 1) % model.full_attention_interval == 0);
    return full ? 0 : model.sliding_window;
}

namespace detail {

using named_size = std::pair<const char*, std::int64_t>;

constexpr void check_sizes(const model_shape& model) {
    for (const auto& [name, value] :
         {named_size{"vocab_size", model.vocab_size},
          named_size{"hidden_size", model.hidden_size},
          named_size{"intermediate_size", model.intermediate_size},
          named_size{"num_hidden_layers", model.num_hidden_layers},
          named_size{"num_attention_heads", model.num_attention_heads},
          named_size{"num_key_value_heads", model.num_key_value_heads},
          named_size{"head_dim", model.head_dim},
          named_size{"decoder_sparse_step", model.decoder_sparse_step}}) {
        if (value < 1) {
            throw_invalid_argument(name, " is ", value, ", expected a whole number >= 1");
        }
    }
    for (const auto& [name, value] :
         {named_size{"max_position_embeddings", model.max_position_embeddings},
          named_size{"sliding_window", model.sliding_window},
          named_size{"full_attention_interval", model.full_attention_interval},
          named_size{"first_sliding_layer", model.first_sliding_layer},
          named_size{"num_experts", model.num_experts},
          named_size{"num_experts_per_tok", model.num_experts_per_tok},
          named_size{"moe_intermediate_size", model.moe_intermediate_size}}) {
        if (value < 0) {
            throw_invalid_argument(name, " is ", value, ", expected a whole number >= 0");
        }
    }
    // Beyond this, products of sizes may not fit 64 bits; counted generously.
    const auto real = [](std::int64_t size) { return static_cast<long double>(size); };
    const long double heads =
        real(model.num_attention_heads) + real(model.num_key_value_heads);
    const long double block =
        2.0L * heads * real(model.head_dim) + 3.0L * real(model.intermediate_size) +
        (3.0L * real(expert_size(model)) + 1.0L) * real(model.num_experts);
    const long double all =
        (real(model.num_hidden_layers) * block + 2.0L * real(model.vocab_size) +
         real(model.max_position_embeddings)) *
        real(model.hidden_size);
    if (all > 1e15L) {
        throw_invalid_argument(
            "hidden_size ", model.hidden_size,
            " with the other sizes makes a model of more than 1,000,000,000,000,000 "
            "parameters");
    }
}

constexpr void check_heads(const model_shape& model, const model_traits& traits) {
    if (model.num_attention_heads % model.num_key_value_heads != 0) {
        throw_invalid_argument("num_key_value_heads ", model.num_key_value_heads,
                               " does not divide num_attention_heads ",
                               model.num_attention_heads);
    }
    const std::string_view family = to_string(model.family);
    const std::int64_t width = model.num_attention_heads * model.head_dim;
    if (traits.fused_qkv && width != model.hidden_size) {
        throw_invalid_argument("head_dim ", model.head_dim, " times num_attention_heads ",
                               model.num_attention_heads, " is ", width, ", for ", family,
                               " it must be hidden_size ", model.hidden_size);
    }
    if (traits.fused_qkv && model.family != model_family::mpt &&
        model.num_key_value_heads != model.num_attention_heads) {
        throw_invalid_argument("num_key_value_heads is ", model.num_key_value_heads,
                               ", for ", family, " it must be num_attention_heads ",
                               model.num_attention_heads);
    }
    if (traits.positions != position_kind::rotary) return;
    const bool is_part =
        model.partial_rotary_factor > 0.0 && model.partial_rotary_factor <= 1.0;
    if (!is_part) {
        throw_invalid_argument("partial_rotary_factor is ", model.partial_rotary_factor,
                               ", expected a number > 0 and <= 1");
    }
    const auto turned = static_cast<std::int64_t>(static_cast<double>(model.head_dim) *
                                                  model.partial_rotary_factor);
    if (turned % 2 != 0 || turned == 0) {
        if (turned != model.head_dim) {
            throw_invalid_argument("head_dim ", model.head_dim,
                                   " times partial_rotary_factor ",
                                   model.partial_rotary_factor, " turns ", turned,
                                   " features; rotary embedding turns pairs of features");
        }
        throw_invalid_argument("head_dim ", model.head_dim,
                               " is odd; rotary embedding turns pairs of features");
    }
}

constexpr void check_family_switches(const model_shape& model,
                                     const model_traits& traits) {
    using enum model_family;
    const std::string_view family = to_string(model.family);
    const bool fixed_biases =
        model.family == mistral || model.family == mixtral || model.family == qwen2;
    if (model.attention_bias && fixed_biases) {
        throw_invalid_argument("attention_bias is true, ", family, " has no such switch");
    }
    if (model.mlp_bias && model.family != llama &&
        !(traits.norm == norm_kind::layer_norm)) {
        throw_invalid_argument("mlp_bias is true, ", family, " has no such switch");
    }
    if (model.norm_bias && traits.norm != norm_kind::layer_norm) {
        throw_invalid_argument("norm_bias is true, the norms of ", family,
                               " have no biases");
    }
    if (model.alibi && model.family != mpt) {
        throw_invalid_argument("alibi is true, ", family, " has no such switch");
    }
    if (traits.positions == position_kind::learned && model.max_position_embeddings < 1) {
        throw_invalid_argument("max_position_embeddings is ",
                               model.max_position_embeddings, ", ", family,
                               " needs the rows of its table of positions");
    }
}

constexpr void check_experts(const model_shape& model, const model_traits& traits) {
    const std::string_view family = to_string(model.family);
    if (!traits.experts && model.num_experts > 0) {
        throw_invalid_argument("num_experts is ", model.num_experts, ", ", family,
                               " has no experts");
    }
    if (traits.experts && model.num_experts < 1) {
        throw_invalid_argument("num_experts is ", model.num_experts, ", ", family,
                               " needs a whole number >= 1");
    }
    if (traits.experts && (model.num_experts_per_tok < 1 ||
                           model.num_experts_per_tok > model.num_experts)) {
        throw_invalid_argument("num_experts_per_tok is ", model.num_experts_per_tok,
                               ", expected 1 to num_experts ", model.num_experts);
    }
}

}  // namespace detail

/// Checks that the sizes are positive, fit each other and fit the family.
/// @throws invalid_argument naming the first field that does not, with its value and the
/// one it does not fit
constexpr void check_model_shape(const model_shape& model) {
    const model_traits traits = traits_of(model);
    detail::check_sizes(model);
    detail::check_heads(model, traits);
    detail::check_family_switches(model, traits);
    detail::check_experts(model, traits);
}

}  // namespace packkit
