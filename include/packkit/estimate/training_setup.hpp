// SPDX-License-Identifier: Apache-2.0
/// @file
/// How a model is trained, as far as memory, FLOPs, communication and time depend on it:
/// one value that every calculator takes.
#pragma once

#include <packkit/error.hpp>
#include <packkit/mesh/mesh_shape.hpp>

#include <array>
#include <cstdint>
#include <string_view>

namespace packkit {

/// What the data-parallel ranks share out among them (Rajbhandari et al. 2020, ZeRO,
/// arXiv 1910.02054, section 5).
enum class sharding_kind : std::uint8_t {
    ddp,    ///< nothing: every rank holds parameters, gradients and optimizer state
    zero1,  ///< the optimizer's state
    zero2,  ///< and the gradients
    fsdp,   ///< and the parameters (ZeRO-3)
};

/// Types of parameters, gradients and computation.
enum class precision_kind : std::uint8_t {
    fp64,
    fp32,
    bf16_mixed,  ///< bf16 computation, float32 masters and optimizer state
    bf16,        ///< everything in bf16
};

/// What is computed again in backward instead of kept.
enum class checkpointing_kind : std::uint8_t {
    none,
    selective,  ///< cheap and large parts of a block
    full,       ///< whole blocks: only their inputs are kept
};

enum class optimizer_kind : std::uint8_t {
    adamw,         ///< two moments
    adamw_8bit,    ///< two moments of a byte each
    sgd,           ///< no state
    sgd_momentum,  ///< one buffer; the planner does not choose it
};

inline constexpr std::array<std::string_view, 4> sharding_names = {"ddp", "zero1",
                                                                   "zero2", "fsdp"};
inline constexpr std::array<std::string_view, 4> precision_names = {"fp64", "fp32",
                                                                    "bf16-mixed", "bf16"};
inline constexpr std::array<std::string_view, 3> checkpointing_names = {
    "none", "selective", "full"};
inline constexpr std::array<std::string_view, 3> optimizer_names = {"adamw", "adamw_8bit",
                                                                    "sgd"};

[[nodiscard]] constexpr std::string_view to_string(sharding_kind kind) {
    return sharding_names.at(static_cast<std::size_t>(kind));
}
[[nodiscard]] constexpr std::string_view to_string(precision_kind kind) {
    return precision_names.at(static_cast<std::size_t>(kind));
}
[[nodiscard]] constexpr std::string_view to_string(checkpointing_kind kind) {
    return checkpointing_names.at(static_cast<std::size_t>(kind));
}
[[nodiscard]] constexpr std::string_view to_string(optimizer_kind kind) {
    if (kind == optimizer_kind::sgd_momentum) kind = optimizer_kind::sgd;
    return optimizer_names.at(static_cast<std::size_t>(kind));
}

/// Bytes of an element in forward and backward.
[[nodiscard]] constexpr std::int64_t compute_bytes(precision_kind precision) {
    switch (precision) {
        case precision_kind::fp64:
            return 8;
        case precision_kind::fp32:
            return 4;
        case precision_kind::bf16_mixed:
        case precision_kind::bf16:
            return 2;
    }
    detail::throw_invalid_argument("precision_kind has no value ",
                                   static_cast<int>(precision));
}

/// One way to train. Parameters shard over `sharding_ranks()` ranks: dp_shard x cp.
struct training_setup {
    mesh_shape mesh;
    std::int64_t sequence_len = 0;      ///< tokens of a row
    std::int64_t micro_batch_size = 1;  ///< rows of a micro-batch
    std::int64_t gradient_accumulation_steps = 1;
    sharding_kind sharding = sharding_kind::fsdp;
    /// FSDP: gathered parameters are freed after forward and gathered again for backward.
    bool reshard_after_forward = true;
    /// FSDP: the next unit's parameters arrive while one is at work.
    bool prefetch_gathers = true;
    precision_kind precision = precision_kind::bf16_mixed;
    optimizer_kind optimizer = optimizer_kind::adamw;
    checkpointing_kind checkpointing = checkpointing_kind::none;
    bool sequence_parallel = false;  ///< tp also cuts norms and residuals by tokens
    bool offload_optimizer = false;  ///< masters and optimizer state in host memory
    std::int64_t gpus_per_node = 8;

    /// Tokens of a micro-batch that one rank holds: a row is cut over cp, not over tp.
    /// Rounded up.
    [[nodiscard]] constexpr std::int64_t micro_tokens() const {
        const std::int64_t tokens = micro_batch_size * sequence_len;
        return (tokens + mesh.cp - 1) / mesh.cp;
    }
    /// Ranks over which ZeRO and FSDP cut.
    [[nodiscard]] constexpr std::int64_t sharding_ranks() const {
        return mesh.effective_shard_size();
    }
    /// Rows of an optimizer step over all ranks; cp and tp do not count.
    [[nodiscard]] constexpr std::int64_t global_rows() const {
        return micro_batch_size * gradient_accumulation_steps * mesh.data_parallel_size();
    }

    friend constexpr bool operator==(const training_setup&,
                                     const training_setup&) = default;
};

}  // namespace packkit
