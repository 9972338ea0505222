// SPDX-License-Identifier: Apache-2.0
/// @file
/// Bytes of activations: the sum of any profile's list for any model.
#pragma once

#include <packkit/error.hpp>
#include <packkit/estimate/profile/activation_profile.hpp>
#include <packkit/estimate/training_setup.hpp>
#include <packkit/model/model_shape.hpp>
#include <packkit/model/model_traits.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace packkit {

/// Elements per token of `width` in a layer of `model`, with experts if `sparse`; of
/// `scores` per token and key.
/// @throws invalid_argument for a value that is no activation_width
[[nodiscard]] constexpr std::int64_t elements_of(activation_width width,
                                                 const model_shape& model, bool sparse) {
    const model_traits traits = traits_of(model);
    const std::int64_t query = model.num_attention_heads * model.head_dim;
    const std::int64_t key = model.num_key_value_heads * model.head_dim;
    const std::int64_t intermediate =
        sparse ? expert_size(model) * model.num_experts_per_tok : model.intermediate_size;
    switch (width) {
        case activation_width::one:
            return 1;
        case activation_width::hidden:
            return model.hidden_size;
        case activation_width::query:
            return query;
        case activation_width::key_value:
            return key;
        case activation_width::rotary:
            return traits.positions == position_kind::rotary ? model.head_dim : 0;
        case activation_width::heads:
        case activation_width::scores:
            return model.num_attention_heads;
        case activation_width::normed_query:
            return traits.qk_norm ? query : 0;
        case activation_width::normed_key:
            return traits.qk_norm ? key : 0;
        case activation_width::post_norm:
            return traits.post_norms ? model.hidden_size : 0;
        case activation_width::intermediate:
            return intermediate;
        case activation_width::gate:
            return traits.gated ? intermediate : 0;
        case activation_width::experts:
            return sparse ? model.num_experts : 0;
        case activation_width::routed_hidden:
            return sparse ? model.hidden_size * model.num_experts_per_tok : 0;
        case activation_width::vocabulary:
            return model.vocab_size;
    }
    detail::throw_invalid_argument("activation_width has no value ",
                                   static_cast<int>(width));
}

/// Elements per token of a list, by how tensor parallelism cuts them and by type; of
/// tensors as wide as the sequence, elements per token and key.
class activation_sum {
public:
    /// Adds the tensor of `copies` layers.
    constexpr void add(const activation_tensor& tensor, const model_shape& model,
                       bool sparse = false, std::int64_t copies = 1) {
        key_value_heads_ = model.num_key_value_heads;
        auto& by_cut = tensor.width == activation_width::scores ? per_key_ : per_token_;
        by_cut.at(static_cast<std::size_t>(tensor.cut))
            .at(static_cast<std::size_t>(tensor.element)) +=
            copies * tensor.count * elements_of(tensor.width, model, sparse);
    }

    /// Bytes of `tokens` on one rank. Rounded up.
    /// @throws invalid_argument for bytes beyond int64
    [[nodiscard]] constexpr std::int64_t bytes(const training_setup& setup,
                                               std::int64_t tokens) const {
        const std::int64_t compute = compute_bytes(setup.precision);
        const std::int64_t accumulation = setup.precision == precision_kind::fp64 ? 8 : 4;
        const auto sum = [&](const by_element& elements) {
            return elements[0] * compute + elements[1] * accumulation + elements[2] * 8 +
                   elements[3];
        };
        const auto per_token = [&](activation_cut cut) {
            const auto c = static_cast<std::size_t>(cut);
            return checked_sum(sum(per_token_[c]),
                               checked_product(sum(per_key_[c]), setup.sequence_len));
        };
        std::int64_t whole = per_token(activation_cut::never);
        std::int64_t divided = per_token(activation_cut::tensor);
        if (setup.sequence_parallel && setup.mesh.tp > 1) {
            whole = checked_sum(whole, per_token(activation_cut::gathered));
            divided = checked_sum(divided, per_token(activation_cut::sequence));
        } else {
            whole = checked_sum(whole, per_token(activation_cut::sequence));
        }
        const auto parts = [tokens](std::int64_t elements, std::int64_t ranks) {
            const std::int64_t all = checked_product(elements, tokens);
            return all / ranks + (all % ranks != 0 ? 1 : 0);
        };
        const std::int64_t part =
            checked_sum(parts(divided, setup.mesh.tp),
                        parts(per_token(activation_cut::key_value_heads),
                              std::min(setup.mesh.tp, key_value_heads_)));
        const std::int64_t result = checked_sum(checked_product(whole, tokens), part);
        // So that a few of them can still be added.
        if (result > (std::int64_t{1} << 60)) too_many(whole, tokens);
        return result;
    }

private:
    static constexpr std::int64_t checked_product(std::int64_t a, std::int64_t b) {
        std::int64_t result = 0;
        if (__builtin_mul_overflow(a, b, &result)) too_many(a, b);
        return result;
    }
    static constexpr std::int64_t checked_sum(std::int64_t a, std::int64_t b) {
        std::int64_t result = 0;
        if (__builtin_add_overflow(a, b, &result)) too_many(a, b);
        return result;
    }
    [[noreturn]] static void too_many(std::int64_t a, std::int64_t b) {
        detail::throw_invalid_argument("bytes of activations exceed 60 bits: ", a,
                                       " and ", b);
    }

    using by_element = std::array<std::int64_t, 4>;
    std::array<by_element, 5> per_token_{};
    std::array<by_element, 5> per_key_{};
    std::int64_t key_value_heads_ = 1;
};

/// A profile's lists summed for one model: made once, then the bytes of any setup are a
/// few dozen multiplications.
struct activation_sums {
    /// Each array by checkpointing_kind. What all blocks together keep:
    std::array<activation_sum, 3> kept;
    /// What one block without and one with experts holds beside that while it is
    /// differentiated, recomputed tensors included.
    std::array<activation_sum, 3> working, sparse_working;
    activation_sum ring, row, head, loss, cut_loss, boundary, block_end, head_end;
    std::int64_t largest_matrix = 0;  ///< elements of the feed-forward's last matrix
    std::int64_t head_matrix = 0;     ///< elements of the head's matrix
    std::int64_t norm_weight = 0;     ///< elements of a norm's weight
    std::int64_t dense_layers = 0, sparse_layers = 0;
    std::int64_t loss_chunk_tokens = 0;
    weight_traffic weights;

    constexpr activation_sums(const model_shape& model, const activation_profile& profile)
        : dense_layers(model.num_hidden_layers - packkit::sparse_layers(model)),
          sparse_layers(packkit::sparse_layers(model)),
          loss_chunk_tokens(profile.loss_chunk_tokens),
          weights(profile.weights) {
        for (std::size_t kind = 0; kind < kept.size(); ++kind) {
            for (const activation_tensor& tensor : profile.block) {
                if (kind <= static_cast<std::size_t>(tensor.kept)) {
                    kept[kind].add(tensor, model, false, dense_layers);
                    kept[kind].add(tensor, model, true, sparse_layers);
                } else {
                    working[kind].add(tensor, model, false);
                    sparse_working[kind].add(tensor, model, true);
                }
            }
            add_all(working[kind], profile.block_backward, model, false);
            add_all(sparse_working[kind], profile.block_backward, model, true);
        }
        add_all(ring, profile.ring, model, false);
        add_all(row, profile.row, model, false);
        add_all(head, profile.head, model, false);
        add_all(loss, profile.loss, model, false);
        add_all(cut_loss, profile.cut_loss.empty() ? profile.loss : profile.cut_loss,
                model, false);
        add_all(boundary, profile.boundary, model, false);
        add_all(block_end, profile.block_end, model, false);
        add_all(head_end, profile.head_end, model, false);
        largest_matrix = model.hidden_size * model.intermediate_size;
        head_matrix = model.hidden_size * model.vocab_size;
        norm_weight = model.hidden_size;
    }

    [[nodiscard]] constexpr std::int64_t layers() const {
        return dense_layers + sparse_layers;
    }

    /// Bytes of logits and their copies.
    [[nodiscard]] constexpr std::int64_t loss_bytes(const training_setup& setup,
                                                    std::int64_t tokens) const {
        return (setup.mesh.tp > 1 ? cut_loss : loss).bytes(setup, tokens);
    }

    /// Bytes of the block that works with most.
    [[nodiscard]] constexpr std::int64_t working_bytes(const training_setup& setup,
                                                       std::int64_t tokens) const {
        const auto kind = static_cast<std::size_t>(setup.checkpointing);
        return std::max(
            dense_layers == 0 ? 0 : working.at(kind).bytes(setup, tokens),
            sparse_layers == 0 ? 0 : sparse_working.at(kind).bytes(setup, tokens));
    }

private:
    static constexpr void add_all(activation_sum& sum,
                                  std::span<const activation_tensor> list,
                                  const model_shape& model, bool sparse) {
        for (const activation_tensor& tensor : list)
            sum.add(tensor, model, sparse);
    }
};

}  // namespace packkit
