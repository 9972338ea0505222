// SPDX-License-Identifier: Apache-2.0
/// @file
/// Published models by name: what a planner is asked about most.
///
/// The shapes are those of the config.json that was published with the weights; where
/// there were none, those of the paper or of the training configuration named beside the
/// family.
#pragma once

#include <packkit/model/model_shape.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace packkit {

/// A model that has a name.
struct named_model {
    std::string_view name;
    model_shape shape;
    std::int64_t context_length = 0;  ///< tokens it was made for
};

namespace detail {

/// Sizes in the order in which papers print them.
struct decoder_sizes {
    std::int64_t layers, hidden, intermediate, heads, kv_heads;
    std::int64_t head_dim = 0;  ///< 0: hidden / heads
};

constexpr model_shape sized(model_family family, std::int64_t vocab,
                            const decoder_sizes& sizes, std::int64_t context) {
    return {.family = family,
            .vocab_size = vocab,
            .hidden_size = sizes.hidden,
            .intermediate_size = sizes.intermediate,
            .num_hidden_layers = sizes.layers,
            .num_attention_heads = sizes.heads,
            .num_key_value_heads = sizes.kv_heads,
            .head_dim = sizes.head_dim > 0 ? sizes.head_dim : sizes.hidden / sizes.heads,
            .max_position_embeddings = context};
}

constexpr named_model named(std::string_view name, const model_shape& shape) {
    return {name, shape, shape.max_position_embeddings};
}

/// Llama 2, Code Llama, TinyLlama: Touvron et al. 2023, arXiv 2307.09288, table 1;
/// Rozière et al. 2023, arXiv 2308.12950; Zhang et al. 2024, arXiv 2401.02385.
constexpr named_model llama2(std::string_view name, const decoder_sizes& sizes,
                             std::int64_t context = 4096, double theta = 1e4,
                             std::int64_t vocab = 32000) {
    model_shape shape = sized(model_family::llama, vocab, sizes, context);
    shape.rms_norm_eps = 1e-5;
    shape.rope_theta = theta;
    return named(name, shape);
}

/// Llama 3: Grattafiori et al. 2024, arXiv 2407.21783, table 3; `scale` is that of the
/// longer contexts of 3.1 and 3.2.
constexpr named_model llama3(std::string_view name, const decoder_sizes& sizes,
                             double scale = 0.0, bool tied = false) {
    model_shape shape =
        sized(model_family::llama, 128256, sizes, scale > 0.0 ? 131072 : 8192);
    shape.rms_norm_eps = 1e-5;
    shape.rope_theta = 5e5;
    shape.tie_word_embeddings = tied;
    if (scale > 0.0) {
        shape.scaling = {.kind = rope_scaling_kind::llama3,
                         .factor = scale,
                         .low_freq_factor = 1.0,
                         .high_freq_factor = 4.0,
                         .original_max_position_embeddings = 8192};
    }
    return named(name, shape);
}

/// SmolLM2: Ben Allal et al. 2025, arXiv 2502.02737.
constexpr named_model smollm2(std::string_view name, const decoder_sizes& sizes,
                              double theta) {
    model_shape shape = sized(model_family::llama, 49152, sizes, 8192);
    shape.rms_norm_eps = 1e-5;
    shape.rope_theta = theta;
    shape.tie_word_embeddings = true;
    return named(name, shape);
}

/// Mistral 7B: Jiang et al. 2023, arXiv 2310.06825, table 1; v0.3 by its config.json.
constexpr named_model mistral(std::string_view name, const decoder_sizes& sizes,
                              std::int64_t vocab, double theta, std::int64_t window) {
    model_shape shape = sized(model_family::mistral, vocab, sizes, 32768);
    shape.rms_norm_eps = 1e-5;
    shape.rope_theta = theta;
    shape.sliding_window = window;
    return named(name, shape);
}

/// Mixtral: Jiang et al. 2024, arXiv 2401.04088, table 1; 8x22B by its config.json.
constexpr named_model mixtral(std::string_view name, const decoder_sizes& sizes,
                              std::int64_t context) {
    model_shape shape = sized(model_family::mixtral, 32000, sizes, context);
    shape.rms_norm_eps = 1e-5;
    shape.rope_theta = 1e6;
    shape.num_experts = 8;
    shape.num_experts_per_tok = 2;
    shape.norm_topk_prob = true;
    return named(name, shape);
}

/// Qwen2: Yang et al. 2024, arXiv 2407.10671, table 1; Qwen2.5: arXiv 2412.15115,
/// table 1. The small ones tie the embedding and have the smaller vocabulary.
constexpr named_model qwen2(std::string_view name, const decoder_sizes& sizes,
                            std::int64_t context, bool tied, double epsilon = 1e-6) {
    model_shape shape =
        sized(model_family::qwen2, tied ? 151936 : 152064, sizes, context);
    shape.rms_norm_eps = epsilon;
    shape.rope_theta = 1e6;
    shape.tie_word_embeddings = tied;
    return named(name, shape);
}

/// Qwen3: Yang et al. 2025, arXiv 2505.09388, tables 1 and 2.
constexpr named_model qwen3(std::string_view name, const decoder_sizes& sizes,
                            bool tied) {
    model_shape shape = sized(model_family::qwen3, 151936, sizes, 40960);
    shape.rope_theta = 1e6;
    shape.tie_word_embeddings = tied;
    return named(name, shape);
}

constexpr named_model qwen3_moe(std::string_view name, const decoder_sizes& sizes,
                                std::int64_t expert) {
    model_shape shape = sized(model_family::qwen3_moe, 151936, sizes, 40960);
    shape.rope_theta = 1e6;
    shape.num_experts = 128;
    shape.num_experts_per_tok = 8;
    shape.moe_intermediate_size = expert;
    shape.norm_topk_prob = true;
    return named(name, shape);
}

/// Gemma: Mesnard et al. 2024, arXiv 2403.08295, table 1.
constexpr named_model gemma(std::string_view name, const decoder_sizes& sizes) {
    model_shape shape = sized(model_family::gemma, 256000, sizes, 8192);
    shape.activation = activation_kind::gelu_tanh;
    shape.tie_word_embeddings = true;
    return named(name, shape);
}

/// Gemma 2: Riviere et al. 2024, arXiv 2408.00118, table 1 and section 2.
constexpr named_model gemma2(std::string_view name, const decoder_sizes& sizes,
                             double query_scalar) {
    named_model model = gemma(name, sizes);
    model.shape.family = model_family::gemma2;
    model.shape.sliding_window = 4096;
    model.shape.full_attention_interval = 2;
    model.shape.attn_logit_softcapping = 50.0;
    model.shape.final_logit_softcapping = 30.0;
    model.shape.query_pre_attn_scalar = query_scalar;
    return model;
}

/// Gemma 3, the language model alone: Kamath et al. 2025, arXiv 2503.19786, section 2,
/// sizes by their config.json.
constexpr named_model gemma3(std::string_view name, std::int64_t vocab,
                             const decoder_sizes& sizes, std::int64_t window,
                             std::int64_t context, double query_scalar) {
    model_shape shape = sized(model_family::gemma3, vocab, sizes, context);
    shape.activation = activation_kind::gelu_tanh;
    shape.tie_word_embeddings = true;
    shape.rope_theta = 1e6;
    shape.rope_local_theta = 1e4;
    shape.sliding_window = window;
    shape.full_attention_interval = 6;
    shape.query_pre_attn_scalar = query_scalar;
    if (context > 32768)
        shape.scaling = {.kind = rope_scaling_kind::linear, .factor = 8.0};
    return named(name, shape);
}

/// GPT-2 (Radford et al. 2019, table 2, and its config.json) and what is built like it:
/// GPT-3 (Brown et al. 2020, arXiv 2005.14165, table 2.1) and Megatron's GPT.
constexpr named_model gpt2(std::string_view name, std::int64_t layers,
                           std::int64_t hidden, std::int64_t heads,
                           std::int64_t context = 1024, std::int64_t vocab = 50257) {
    model_shape shape = sized(model_family::gpt2, vocab,
                              {layers, hidden, 4 * hidden, heads, heads}, context);
    shape.rms_norm_eps = 1e-5;
    shape.activation = activation_kind::gelu_tanh;
    shape.tie_word_embeddings = true;
    shape.attention_dropout = shape.hidden_dropout = 0.1;
    return named(name, shape);
}

/// Megatron's GPT: Korthikanti et al. 2022, arXiv 2205.05198, table 3.
constexpr named_model megatron(std::string_view name, std::int64_t layers,
                               std::int64_t hidden, std::int64_t heads) {
    return gpt2(name, layers, hidden, heads, 2048, 51200);
}

/// GPT-NeoX 20B (Black et al. 2022, arXiv 2204.06745, table 6) and Pythia (Biderman et
/// al. 2023, arXiv 2304.01373, table 1); vocabularies, padded, by their config.json.
constexpr named_model gpt_neox(std::string_view name, std::int64_t layers,
                               std::int64_t hidden, std::int64_t heads,
                               std::int64_t vocab,
                               activation_kind activation = activation_kind::gelu) {
    model_shape shape = sized(model_family::gpt_neox, vocab,
                              {layers, hidden, 4 * hidden, heads, heads}, 2048);
    shape.rms_norm_eps = 1e-5;
    shape.activation = activation;
    shape.attention_bias = true;
    shape.partial_rotary_factor = 0.25;
    shape.parallel_residual = true;
    return named(name, shape);
}

/// MPT as LLM Foundry's scripts/train/yamls/pretrain/mpt-*.yaml train it: learned
/// positions and biases.
constexpr named_model mpt(std::string_view name, std::int64_t layers, std::int64_t hidden,
                          std::int64_t heads) {
    model_shape shape =
        sized(model_family::mpt, 50368, {layers, hidden, 4 * hidden, heads, heads}, 2048);
    shape.rms_norm_eps = 1e-5;
    shape.activation = activation_kind::gelu;
    shape.tie_word_embeddings = true;
    shape.attention_bias = shape.mlp_bias = shape.norm_bias = true;
    return named(name, shape);
}

/// MPT as it was published: ALiBi and no biases (config.json of MPT-7B and MPT-30B).
constexpr named_model mpt_alibi(std::string_view name, std::int64_t layers,
                                std::int64_t hidden, std::int64_t heads,
                                std::int64_t context) {
    model_shape shape = mpt(name, layers, hidden, heads).shape;
    shape.vocab_size = 50432;
    shape.max_position_embeddings = context;
    shape.attention_bias = shape.mlp_bias = shape.norm_bias = false;
    shape.alibi = true;
    return named(name, shape);
}

inline constexpr auto named_model_list = std::to_array<named_model>({
    llama2("llama-2-7b", {32, 4096, 11008, 32, 32}),
    llama2("llama-2-13b", {40, 5120, 13824, 40, 40}),
    llama2("llama-2-70b", {80, 8192, 28672, 64, 8}),
    llama3("llama-3-8b", {32, 4096, 14336, 32, 8}),
    llama3("llama-3-70b", {80, 8192, 28672, 64, 8}),
    llama3("llama-3.1-8b", {32, 4096, 14336, 32, 8}, 8.0),
    llama3("llama-3.1-70b", {80, 8192, 28672, 64, 8}, 8.0),
    llama3("llama-3.1-405b", {126, 16384, 53248, 128, 8}, 8.0),
    llama3("llama-3.2-1b", {16, 2048, 8192, 32, 8}, 32.0, true),
    llama3("llama-3.2-3b", {28, 3072, 8192, 24, 8}, 32.0, true),
    llama3("llama-3.3-70b", {80, 8192, 28672, 64, 8}, 8.0),
    llama2("codellama-7b", {32, 4096, 11008, 32, 32}, 16384, 1e6, 32016),
    llama2("codellama-13b", {40, 5120, 13824, 40, 40}, 16384, 1e6, 32016),
    llama2("codellama-34b", {48, 8192, 22016, 64, 8}, 16384, 1e6),
    llama2("tinyllama-1.1b", {22, 2048, 5632, 32, 4}, 2048),
    smollm2("smollm2-135m", {30, 576, 1536, 9, 3}, 1e5),
    smollm2("smollm2-360m", {32, 960, 2560, 15, 5}, 1e5),
    smollm2("smollm2-1.7b", {24, 2048, 8192, 32, 32}, 1.3e5),
    mistral("mistral-7b", {32, 4096, 14336, 32, 8}, 32000, 1e4, 4096),
    mistral("mistral-7b-v0.3", {32, 4096, 14336, 32, 8}, 32768, 1e6, 0),
    mixtral("mixtral-8x7b", {32, 4096, 14336, 32, 8}, 32768),
    mixtral("mixtral-8x22b", {56, 6144, 16384, 48, 8}, 65536),
    qwen2("qwen2-0.5b", {24, 896, 4864, 14, 2}, 131072, true),
    qwen2("qwen2-1.5b", {28, 1536, 8960, 12, 2}, 131072, true),
    qwen2("qwen2-7b", {28, 3584, 18944, 28, 4}, 131072, false),
    qwen2("qwen2-72b", {80, 8192, 29568, 64, 8}, 131072, false, 1e-5),
    qwen2("qwen2.5-0.5b", {24, 896, 4864, 14, 2}, 32768, true),
    qwen2("qwen2.5-1.5b", {28, 1536, 8960, 12, 2}, 32768, true),
    qwen2("qwen2.5-3b", {36, 2048, 11008, 16, 2}, 32768, true),
    qwen2("qwen2.5-7b", {28, 3584, 18944, 28, 4}, 131072, false),
    qwen2("qwen2.5-14b", {48, 5120, 13824, 40, 8}, 131072, false, 1e-5),
    qwen2("qwen2.5-32b", {64, 5120, 27648, 40, 8}, 131072, false, 1e-5),
    qwen2("qwen2.5-72b", {80, 8192, 29568, 64, 8}, 131072, false, 1e-5),
    qwen3("qwen3-0.6b", {28, 1024, 3072, 16, 8, 128}, true),
    qwen3("qwen3-1.7b", {28, 2048, 6144, 16, 8, 128}, true),
    qwen3("qwen3-4b", {36, 2560, 9728, 32, 8, 128}, true),
    qwen3("qwen3-8b", {36, 4096, 12288, 32, 8, 128}, false),
    qwen3("qwen3-14b", {40, 5120, 17408, 40, 8, 128}, false),
    qwen3("qwen3-32b", {64, 5120, 25600, 64, 8, 128}, false),
    qwen3_moe("qwen3-30b-a3b", {48, 2048, 6144, 32, 4, 128}, 768),
    qwen3_moe("qwen3-235b-a22b", {94, 4096, 12288, 64, 4, 128}, 1536),
    gemma("gemma-2b", {18, 2048, 16384, 8, 1, 256}),
    gemma("gemma-7b", {28, 3072, 24576, 16, 16, 256}),
    gemma2("gemma-2-2b", {26, 2304, 9216, 8, 4, 256}, 256.0),
    gemma2("gemma-2-9b", {42, 3584, 14336, 16, 8, 256}, 256.0),
    gemma2("gemma-2-27b", {46, 4608, 36864, 32, 16, 128}, 144.0),
    gemma3("gemma-3-1b", 262144, {26, 1152, 6912, 4, 1, 256}, 512, 32768, 256.0),
    gemma3("gemma-3-4b", 262208, {34, 2560, 10240, 8, 4, 256}, 1024, 131072, 256.0),
    gemma3("gemma-3-12b", 262208, {48, 3840, 15360, 16, 8, 256}, 1024, 131072, 256.0),
    gemma3("gemma-3-27b", 262208, {62, 5376, 21504, 32, 16, 128}, 1024, 131072, 168.0),
    gpt2("gpt2", 12, 768, 12),
    gpt2("gpt2-medium", 24, 1024, 16),
    gpt2("gpt2-large", 36, 1280, 20),
    gpt2("gpt2-xl", 48, 1600, 25),
    gpt2("gpt3-175b", 96, 12288, 96, 2048),
    megatron("gpt-22b", 48, 6144, 64),
    megatron("gpt-175b", 96, 12288, 96),
    megatron("gpt-530b", 105, 20480, 128),
    megatron("gpt-1t", 128, 25600, 160),
    gpt_neox("gpt-neox-20b", 44, 6144, 64, 50432, activation_kind::gelu_tanh),
    gpt_neox("pythia-70m", 6, 512, 8, 50304),
    gpt_neox("pythia-160m", 12, 768, 12, 50304),
    gpt_neox("pythia-410m", 24, 1024, 16, 50304),
    gpt_neox("pythia-1b", 16, 2048, 8, 50304),
    gpt_neox("pythia-1.4b", 24, 2048, 16, 50304),
    gpt_neox("pythia-2.8b", 32, 2560, 32, 50304),
    gpt_neox("pythia-6.9b", 32, 4096, 32, 50432),
    gpt_neox("pythia-12b", 36, 5120, 40, 50688),
    mpt("mpt-125m", 12, 768, 12),
    mpt("mpt-350m", 24, 1024, 16),
    mpt("mpt-760m", 24, 1536, 12),
    mpt("mpt-1b", 24, 2048, 16),
    mpt("mpt-3b", 32, 2560, 20),
    mpt("mpt-7b", 32, 4096, 32),
    mpt("mpt-13b", 40, 5120, 40),
    mpt("mpt-30b", 48, 7168, 56),
    mpt("mpt-70b", 80, 8192, 64),
    mpt_alibi("mpt-7b-alibi", 32, 4096, 32, 2048),
    mpt_alibi("mpt-30b-alibi", 48, 7168, 64, 8192),
});

}  // namespace detail

/// All models that have a name, families together, small before large.
[[nodiscard]] constexpr std::span<const named_model> named_models() {
    return detail::named_model_list;
}

/// The model of that name, or null. O(models).
[[nodiscard]] constexpr const named_model* find_model(std::string_view name) {
    for (const named_model& model : detail::named_model_list) {
        if (model.name == name) return &model;
    }
    return nullptr;
}

/// Llama-2 7B, 6,738,415,616 parameters: the model of examples and tests.
inline constexpr model_shape llama_2_7b = find_model("llama-2-7b")->shape;

}  // namespace packkit
