// SPDX-License-Identifier: Apache-2.0
/// @file
/// Bytes of collectives by formula: what a ring sends, and the textbook's totals of
/// data-parallel training.
#pragma once

#include <cstdint>

namespace packkit {

/// Bytes sent by one of n ranks that all-reduce that many elements, each rank's part
/// rounded up to whole elements.
[[nodiscard]] constexpr std::int64_t all_reduce_bytes(std::int64_t elements,
                                                      std::int64_t element_bytes,
                                                      std::int64_t n) {
    return 2 * (n - 1) * ((elements + n - 1) / n) * element_bytes;
}

/// Bytes sent by one of n ranks that each hold `part` elements, for an all-gather of the
/// n parts as for a reduce-scatter into them.
[[nodiscard]] constexpr std::int64_t gather_bytes(std::int64_t part,
                                                  std::int64_t element_bytes,
                                                  std::int64_t n) {
    return (n - 1) * part * element_bytes;
}

/// The figures of the textbooks for Ψ bytes of parameters, with the ring's (n − 1)/n left
/// out. Rajbhandari et al. 2020 (ZeRO), arXiv 1910.02054, section 7; Zhao et al. 2023
/// (FSDP), arXiv 2304.11277, section 3.2.
namespace textbook {

/// All-reduce of the gradients once a step: 2Ψ.
[[nodiscard]] constexpr std::int64_t ddp_bytes(std::int64_t parameter_bytes) {
    return 2 * parameter_bytes;
}
/// Per micro-batch all-gather forward and backward and reduce-scatter: 3GΨ.
[[nodiscard]] constexpr std::int64_t fsdp_bytes(std::int64_t parameter_bytes,
                                                std::int64_t micro_batches) {
    return 3 * micro_batches * parameter_bytes;
}
/// Parameters kept between forward and backward: 2GΨ.
[[nodiscard]] constexpr std::int64_t fsdp_bytes_without_reshard(
    std::int64_t parameter_bytes, std::int64_t micro_batches) {
    return 2 * micro_batches * parameter_bytes;
}
/// Gradients kept whole and reduced with the last micro-batch: (2G + 1)Ψ.
[[nodiscard]] constexpr std::int64_t fsdp_bytes_with_whole_gradients(
    std::int64_t parameter_bytes, std::int64_t micro_batches) {
    return (2 * micro_batches + 1) * parameter_bytes;
}
/// What HSDP adds between replicas, whose ranks hold 1/dp_shard each: 2Ψ/dp_shard.
[[nodiscard]] constexpr std::int64_t hsdp_replica_bytes(std::int64_t parameter_bytes,
                                                        std::int64_t dp_shard) {
    return 2 * parameter_bytes / dp_shard;
}

}  // namespace textbook

}  // namespace packkit
