// SPDX-License-Identifier: Apache-2.0
/// @file
/// Which attention heads a rank of a tensor-parallel group computes.
///
/// Query heads are cut into equal parts; a rank attends with the key-value heads of its
/// query heads, which it may share with other ranks. The weights of keys and values are
/// cut as all others are (`tensor_slice.hpp`), at whatever row that is: where a rank
/// needs more than the rows that it holds make, the ranks exchange keys and values.
#pragma once

#include <packkit/detail/divisors.hpp>
#include <packkit/error.hpp>
#include <packkit/mesh/shard.hpp>

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

namespace packkit {

/// Why attention of that many heads cannot be cut into `tp` parts; empty if it can. Of
/// the sizes that it could be cut into, those that `ranks` ranks can form are named.
/// Whole query heads go to each rank, equally many. Key-value heads are cut anyhow: see
/// `key_value_heads_of`.
[[nodiscard]] inline std::string attention_cut_refusal(std::int64_t heads,
                                                       std::int64_t tp,
                                                       std::int64_t ranks) {
    if (heads % tp == 0) return {};
    return detail::message("tp ", tp, " does not divide ", heads,
                           " attention heads; tp can be one of ",
                           detail::divisor_list(std::gcd(heads, ranks)));
}

/// The key-value heads that the query heads of rank `part` attend to, one for each group
/// of equally many of them; one for each query head where the groups are unequal.
/// Precondition: parts divides `heads`, and `key_value_heads` divides it.
[[nodiscard]] inline std::vector<std::int64_t> key_value_heads_of(
    std::int64_t heads, std::int64_t key_value_heads, std::int64_t parts,
    std::int64_t part) {
    const index_range mine = shard_of(heads, parts, part);
    const std::int64_t group = heads / key_value_heads;
    std::vector<std::int64_t> distinct, of_each;
    for (std::int64_t head = mine.begin; head < mine.end; ++head) {
        of_each.push_back(head / group);
        if (distinct.empty() || distinct.back() != of_each.back())
            distinct.push_back(of_each.back());
    }
    const auto count = distinct.size();
    bool equal = of_each.size() % count == 0;
    for (std::size_t i = 0; equal && i < of_each.size(); ++i)
        equal = of_each[i] == distinct[i / (of_each.size() / count)];
    return equal ? distinct : of_each;
}

}  // namespace packkit
