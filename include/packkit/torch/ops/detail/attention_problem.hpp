// SPDX-License-Identifier: Apache-2.0
/// @file
/// Attention over packed documents as the CPU kernels take it: pointers and strides, no
/// tensors.
#pragma once

#include <packkit/torch/ops/instruction_set.hpp>

#include <bit>
#include <cstdint>
#include <type_traits>

namespace packkit::lt::detail {

/// A bfloat16 in memory.
struct bf16 {
    std::uint16_t bits = 0;

    bf16() = default;
    /// Rounds to nearest, ties to even.
    explicit bf16(float value) {
        const auto wide = std::bit_cast<std::uint32_t>(value);
        bits = static_cast<std::uint16_t>((wide + 0x7fffU + ((wide >> 16) & 1U)) >> 16);
    }
    explicit operator float() const {
        return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
    }
};

/// Float64 is computed in float64, everything else in float32.
template <class Storage>
using compute_type = std::conditional_t<std::is_same_v<Storage, double>, double, float>;

/// softmax(cap(scale q kᵀ) + mask) v for every document and head, and its gradients.
/// Rows are tokens; strides count elements from one token to the next; heads of a token
/// lie one behind the other.
template <class Storage>
struct attention_problem {
    using compute = compute_type<Storage>;

    std::int64_t heads = 0;
    std::int64_t kv_heads = 0;
    std::int64_t head_dim = 0;
    std::int64_t total_q = 0;
    const std::int32_t* cu_seqlens_q = nullptr;
    const std::int32_t* cu_seqlens_k = nullptr;
    bool causal = true;       ///< query i of n sees keys up to i + (keys - n)
    std::int64_t window = 0;  ///< keys that a query sees at most, itself included; 0: all
    compute scale = 1;
    compute softcap = 0;  ///< scores become softcap tanh(score / softcap); 0: not

    const Storage* q = nullptr;
    const Storage* k = nullptr;
    const Storage* v = nullptr;
    std::int64_t q_stride = 0, k_stride = 0, v_stride = 0;

    Storage* out = nullptr;
    std::int64_t out_stride = 0;
    compute* lse = nullptr;  ///< (heads, total_q)

    // For gradients; dq is written by whoever runs the tasks.
    const Storage* dout = nullptr;
    std::int64_t dout_stride = 0;
    const compute* dlse = nullptr;  ///< gradient of lse, (heads, total_q); null: zero
    Storage* dk = nullptr;
    Storage* dv = nullptr;
    std::int64_t dkv_stride = 0;

    [[nodiscard]] std::int64_t queries(std::int64_t document) const {
        return cu_seqlens_q[document + 1] - cu_seqlens_q[document];
    }
    [[nodiscard]] std::int64_t keys(std::int64_t document) const {
        return cu_seqlens_k[document + 1] - cu_seqlens_k[document];
    }
};

/// Queries (forward) or keys (backward) [begin, end) of one document, for all query heads
/// that share one key/value head.
struct attention_task {
    std::int64_t document = 0;
    std::int64_t kv_head = 0;
    std::int64_t begin = 0;
    std::int64_t end = 0;
};

/// Which keys [low, high) of a block a query sees; both are counted from the block's
/// first key and may lie outside of it.
struct key_range {
    bool causal;
    std::int64_t window;
    std::int64_t width;  ///< keys of the block
    std::int64_t first;  ///< last key seen by row 0, counted from the block

    [[nodiscard]] std::int64_t high(std::int64_t row) const {
        const std::int64_t seen = first + row + 1;
        return causal && seen < width ? seen : width;
    }
    [[nodiscard]] std::int64_t low(std::int64_t row) const {
        const std::int64_t seen = first + row + 1 - window;
        return window > 0 && seen > 0 ? seen : 0;
    }
};

/// The kernels of one instruction set.
template <class Storage>
struct attention_kernels {
    using compute = compute_type<Storage>;
    instruction_set set;
    /// Queries that a document should have on average for these kernels to be faster
    /// than those of vectors alone.
    std::int64_t rows_a_document;
    /// Bytes of scratch for a forward task of up to `rows` rows, and for a backward task
    /// of up to `keys` keys of a document with up to `queries` queries.
    std::int64_t (*scratch_bytes)(const attention_problem<Storage>&, std::int64_t rows,
                                  std::int64_t queries, std::int64_t keys);
    /// Elements of `backward`'s `dq`: (query heads of the kv head, queries, head_dim),
    /// each padded: see `dq_rows` and `dq_width`.
    std::int64_t (*dq_rows)(std::int64_t queries);
    std::int64_t (*dq_width)(std::int64_t head_dim);
    void (*forward)(const attention_problem<Storage>&, const attention_task&,
                    void* scratch);
    /// Writes dk and dv of the task's keys, and their part of dq / scale into `dq`.
    void (*backward)(const attention_problem<Storage>&, const attention_task&,
                     compute* dq, void* scratch);
};

}  // namespace packkit::lt::detail
