// SPDX-License-Identifier: Apache-2.0
/// @file
/// Bytes of parameters, gradients and optimizer state: of one element, of a parameter
/// when ranks share them, and of one rank of a real model.
#pragma once

#include <packkit/error.hpp>
#include <packkit/estimate/training_setup.hpp>
#include <packkit/utility/rational.hpp>

#include <cstdint>

namespace packkit {

/// Bytes of one parameter's states where nothing is shared out.
struct state_bytes {
    std::int64_t parameter = 0;
    std::int64_t gradient = 0;
    std::int64_t optimizer = 0;  ///< moments, and masters unless they are the parameters

    [[nodiscard]] constexpr std::int64_t total() const {
        return parameter + gradient + optimizer;
    }
    friend constexpr bool operator==(const state_bytes&, const state_bytes&) = default;
};

/// Mixed-precision Adam of ZeRO: 16-bit parameters and gradients; float32 master,
/// momentum and variance with the optimizer, K = 12. Rajbhandari et al. 2020, arXiv
/// 1910.02054, 3.1.
inline constexpr state_bytes zero_mixed_precision = {2, 2, 12};

/// The same with gradients accumulated in float32: 18 bytes, 6 + 12/d with the
/// distributed optimizer. (Megatron-LM; Korthikanti et al. 2022, arXiv 2205.05198, table
/// 2 divides by 18 bytes.)
inline constexpr state_bytes megatron_mixed_precision = {2, 4, 12};

/// Parameters that are the float32 masters, 16-bit copies gathered when used: FSDP2 and
/// packkit-train.
inline constexpr state_bytes float32_masters = {4, 4, 8};

/// Bytes of the optimizer's state for parameters of `element_bytes`; masters not
/// included. Adam in 8 bits (Dettmers et al. 2022, arXiv 2110.02861) counts a byte a
/// moment; its scales, a float32 per block of hundreds or thousands, are left out.
/// @throws invalid_argument for a value that is no optimizer_kind
[[nodiscard]] constexpr std::int64_t moment_bytes(optimizer_kind optimizer,
                                                  std::int64_t element_bytes) {
    switch (optimizer) {
        case optimizer_kind::adamw:
            return 2 * element_bytes;
        case optimizer_kind::adamw_8bit:
            return 2;
        case optimizer_kind::sgd:
            return 0;
        case optimizer_kind::sgd_momentum:
            return element_bytes;
    }
    detail::throw_invalid_argument("optimizer_kind has no value ",
                                   static_cast<int>(optimizer));
}

/// Bytes of a parameter's states. One rule for mixed precision: under ddp and fsdp the
/// parameters are float32 and master at once (4 + 4 + moments; 16-bit copies live for as
/// long as a unit uses them and are counted as gathered). Under zero1 and zero2
/// parameters and gradients are 16-bit and the master belongs to the optimizer, which is
/// what these kinds share out (2 + 2 + 4 + moments). With AdamW both are 16 bytes.
/// @throws invalid_argument for a value outside an enumeration
[[nodiscard]] constexpr state_bytes state_bytes_of(precision_kind precision,
                                                   optimizer_kind optimizer,
                                                   sharding_kind sharding) {
    if (precision != precision_kind::bf16_mixed) {
        const std::int64_t element = compute_bytes(precision);
        return {element, element, moment_bytes(optimizer, element)};
    }
    const std::int64_t moments = moment_bytes(optimizer, 4);
    if (sharding == sharding_kind::zero1 || sharding == sharding_kind::zero2) {
        return {2, 2, 4 + moments};
    }
    return {4, 4, moments};
}

/// Which of the three states `sharding` shares out among the ranks.
struct shared_states {
    bool parameters = false;
    bool gradients = false;
    bool optimizer = false;
};

/// @throws invalid_argument for a value that is no sharding_kind
[[nodiscard]] constexpr shared_states shared_by(sharding_kind sharding) {
    switch (sharding) {
        case sharding_kind::ddp:
            return {false, false, false};
        case sharding_kind::zero1:
            return {false, false, true};
        case sharding_kind::zero2:
            return {false, true, true};
        case sharding_kind::fsdp:
            return {true, true, true};
    }
    detail::throw_invalid_argument("sharding_kind has no value ",
                                   static_cast<int>(sharding));
}

/// Bytes per parameter on each of `ranks` ranks, exact: 16; 4 + 12/N; 2 + 14/N; 16/N for
/// `zero_mixed_precision`. ZeRO, arXiv 1910.02054, 5 and figure 1.
/// @throws invalid_argument for ranks below 1
[[nodiscard]] constexpr rational state_bytes_per_parameter(const state_bytes& bytes,
                                                           sharding_kind sharding,
                                                           std::int64_t ranks) {
    if (ranks < 1) {
        detail::throw_invalid_argument("states are shared among ", ranks,
                                       " ranks, it must be at least 1");
    }
    const shared_states shared = shared_by(sharding);
    const auto part = [&](std::int64_t of, bool cut) {
        return rational(of, cut ? ranks : 1);
    };
    return part(bytes.parameter, shared.parameters) +
           part(bytes.gradient, shared.gradients) +
           part(bytes.optimizer, shared.optimizer);
}

}  // namespace packkit
