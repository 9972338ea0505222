// SPDX-License-Identifier: Apache-2.0
/// @file
/// Bytes that context-parallel ranks send for the attention of a row whose split is
/// known: exact.
#pragma once

#include <packkit/estimate/communication.hpp>
#include <packkit/sequence/context_exchange.hpp>

#include <cstddef>
#include <cstdint>

namespace packkit {

/// How context-parallel ranks get each other's keys and values.
enum class context_variant : std::uint8_t {
    gather,  ///< all that a rank needs in one exchange, then one attention
    ring     ///< from one rank after the other, while the attention on the last one runs
};

/// The variant that is run with that window: a window leaves so few keys to send that
/// they are gathered in any case.
[[nodiscard]] constexpr context_variant context_variant_with(context_variant asked,
                                                             std::int64_t window) {
    return window > 0 ? context_variant::gather : asked;
}

/// What `rank` sends for one attention, forward and backward.
///
/// Forward the keys and values that others need; backward the same again, for they are
/// not kept, and the gradients of those received to their owners, in the same type. Both
/// variants send the same bytes: gather all_to_all, a ring send_recv. Exchanges in which
/// no rank sends anything are left out.
///
/// @param key_value_bytes of a token: keys and values of all its key/value heads
/// @param forwards how often the forward is computed: 2 where activations are computed
///   again
[[nodiscard]] constexpr collective_bytes context_traffic(const context_exchange& exchange,
                                                         std::size_t rank,
                                                         context_variant variant,
                                                         std::int64_t key_value_bytes,
                                                         std::int64_t forwards = 1) {
    const std::int64_t bytes =
        key_value_bytes *
        ((forwards + 1) * exchange.tokens_sent(rank) + exchange.tokens_received(rank));
    collective_bytes sent;
    if (context_variant_with(variant, exchange.window()) == context_variant::ring) {
        sent.send_recv = bytes;
        sent.collectives =
            (forwards + 2) * static_cast<std::int64_t>(exchange.busy_steps());
    } else {
        sent.all_to_all = bytes;
        sent.collectives = exchange.silent() ? 0 : forwards + 2;
    }
    return sent;
}

}  // namespace packkit
