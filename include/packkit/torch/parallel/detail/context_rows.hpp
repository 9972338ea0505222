// SPDX-License-Identifier: Apache-2.0
/// @file
/// Rows of tokens that context-parallel ranks send each other: copied out of a tensor,
/// and added back to it.
#pragma once

#include <packkit/sequence/context_exchange.hpp>
#include <packkit/torch/memory/memory_counter.hpp>

#include <ATen/Functions.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace packkit::lt::detail {

/// Those rows (dimension `dim`): a view where they are one range.
[[nodiscard]] inline at::Tensor rows_of(const at::Tensor& from,
                                        const std::vector<token_range>& rows,
                                        std::int64_t dim = 0) {
    if (rows.size() == 1) return from.narrow(dim, rows[0].begin, rows[0].tokens());
    std::vector<at::Tensor> parts;
    for (const token_range& range : rows)
        parts.push_back(from.narrow(dim, range.begin, range.tokens()));
    return at::cat(parts, dim);
}

/// body(rows of `to`, rows of `from`) for each of the ranges of `to`, which `from` holds
/// one behind the other.
template <class Body>
void for_rows(const at::Tensor& to, const std::vector<token_range>& rows,
              const at::Tensor& from, Body body) {
    std::int64_t at = 0;
    for (const token_range& range : rows) {
        body(to.narrow(0, range.begin, range.tokens()),
             from.narrow(0, at, range.tokens()));
        at += range.tokens();
    }
}

inline void copy_rows(const at::Tensor& to, const std::vector<token_range>& rows,
                      const at::Tensor& from) {
    for_rows(to, rows, from, [](const auto& a, const auto& b) { a.copy_(b); });
}

inline void add_rows(const at::Tensor& to, const std::vector<token_range>& rows,
                     const at::Tensor& from) {
    for_rows(to, rows, from, [](const auto& a, const auto& b) { a.add_(b); });
}

/// Keys and values, or their gradients, of tokens under way: (2, tokens, kv_heads,
/// head_dim), like k.
[[nodiscard]] inline at::Tensor empty_key_values(std::int64_t tokens,
                                                 const at::Tensor& k) {
    const memory_scope scope(memory_use::communication);
    return at::empty({2, tokens, k.size(1), k.size(2)}, k.options());
}

/// Writes those rows of k and v to `to`, (2, tokens, kv_heads, head_dim).
inline void pack_key_values(const at::Tensor& k, const at::Tensor& v,
                            const std::vector<token_range>& rows, const at::Tensor& to) {
    for (std::int64_t which = 0; which < 2; ++which) {
        const auto& from = which == 0 ? k : v;
        std::int64_t at = 0;
        for (const token_range& range : rows) {
            to[which]
                .narrow(0, at, range.tokens())
                .copy_(from.narrow(0, range.begin, range.tokens()));
            at += range.tokens();
        }
    }
}

/// What sums are kept in: float64 for float64, else float32.
[[nodiscard]] inline at::ScalarType sum_type(const at::Tensor& tensor) {
    return tensor.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

}  // namespace packkit::lt::detail
