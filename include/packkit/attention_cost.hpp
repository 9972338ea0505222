// SPDX-License-Identifier: Apache-2.0
/// @file
/// What a document costs to train on, in integers: linear in its tokens and quadratic in
/// its length, because documents attend only to themselves.
///
/// A cost is any callable of one of the two forms below; the cost of a bin is the sum
/// over its documents. Costs are integers, so that every machine sorts bins alike.
#pragma once

#include <packkit/detail/lengths.hpp>
#include <packkit/error.hpp>
#include <packkit/model_parameters.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace packkit {

/// `cost(length)` is what a document of that length costs: non-negative int64.
template <class C>
concept document_cost =
    std::copy_constructible<C> && requires(const C& cost, std::int64_t length) {
        { cost(length) } -> std::same_as<std::int64_t>;
    };

/// `cost(length, sample)` is what that sample costs: non-negative int64.
template <class C>
concept sample_cost = std::copy_constructible<C> &&
                      requires(const C& cost, std::int64_t length, std::size_t sample) {
                          { cost(length, sample) } -> std::same_as<std::int64_t>;
                      };

/// Of either form.
template <class C>
concept bin_cost = document_cost<C> || sample_cost<C>;

/// linear * l + quadratic * l * l for a document of l tokens. A bin of documents with
/// T tokens costs linear * T + quadratic * Σ l².
struct attention_cost {
    std::int64_t linear = 1;     ///< a token, whatever stands around it
    std::int64_t quadratic = 0;  ///< a pair of tokens of one document

    /// @throws invalid_argument for a negative length or factor, or a cost beyond int64
    [[nodiscard]] constexpr std::int64_t operator()(std::int64_t length) const {
        if (length < 0 || linear < 0 || quadratic < 0) {
            detail::throw_invalid_argument("cost of ", linear, " a token and ", quadratic,
                                           " a pair for a document of length ", length,
                                           ", none may be negative");
        }
        const char* what = "the cost of a document";
        return detail::checked_multiply(
            length,
            detail::checked_add(linear, detail::checked_multiply(quadratic, length, what),
                                what),
            what);
    }

    friend constexpr bool operator==(const attention_cost&,
                                     const attention_cost&) = default;
};

/// Which entries of the attention matrix are computed.
enum class attention_extent {
    causal,  ///< half of it, as kernels do that skip what the mask hides
    full,    ///< all of it
};

/// Training FLOPs, forward and backward, of a document by its length l:
/// 6 (N − V h) l + 12 L h l² with the full attention matrix, half of the second term when
/// causal. N parameters that a token uses, V h those of the embedding table, which is
/// looked up and not multiplied by (with tied embeddings the same table is the head, and
/// counts; a table of positions never does), L layers, h the width of all heads together.
/// 6 N: Kaplan et al. 2020, arXiv 2001.08361, 2.1; 12 L h l: Chowdhery et al. 2022
/// (PaLM), arXiv 2204.02311, appendix B. For a packed row l² is the sum over its
/// documents.
/// @throws invalid_argument as `check_model_shape`, or for FLOPs beyond int64
[[nodiscard]] inline attention_cost training_flops(
    const model_shape& model, attention_extent extent = attention_extent::causal) {
    const std::int64_t parameters = active_parameter_count(model);
    const bool positions = traits_of(model).positions == position_kind::learned;
    const std::int64_t looked_up = ((model.tie_word_embeddings ? 0 : model.vocab_size) +
                                    (positions ? model.max_position_embeddings : 0)) *
                                   model.hidden_size;
    const std::int64_t width = model.num_attention_heads * model.head_dim;
    const std::int64_t pairs = detail::checked_multiply(
        6, detail::checked_multiply(model.num_hidden_layers, width, "attention width"),
        "attention FLOPs");
    return {
        detail::checked_multiply(6, parameters - looked_up, "FLOPs a token"),
        extent == attention_extent::causal
            ? pairs
            : detail::checked_multiply(2, pairs, "attention FLOPs"),
    };
}

/// Llama-2 7B: 6,738,415,616 parameters. Touvron et al. 2023, arXiv 2307.09288.
inline constexpr model_shape llama_2_7b = {.vocab_size = 32000,
                                           .hidden_size = 4096,
                                           .intermediate_size = 11008,
                                           .num_hidden_layers = 32,
                                           .num_attention_heads = 32,
                                           .num_key_value_heads = 32,
                                           .head_dim = 128,
                                           .rms_norm_eps = 1e-5};

/// Supervised tokens: a sample costs its valid targets. The table outlives the cost.
struct supervised_token_cost {
    std::span<const std::int64_t> valid_targets;  ///< of each sample

    /// @throws invalid_argument for a sample that is not in the table
    [[nodiscard]] constexpr std::int64_t operator()(std::int64_t,
                                                    std::size_t sample) const {
        if (sample >= valid_targets.size()) {
            detail::throw_invalid_argument("sample ", sample, " of a table of ",
                                           valid_targets.size(), " valid targets");
        }
        return valid_targets[sample];
    }
};

static_assert(document_cost<attention_cost> && !sample_cost<attention_cost>);
static_assert(sample_cost<supervised_token_cost> &&
              !document_cost<supervised_token_cost>);

}  // namespace packkit
