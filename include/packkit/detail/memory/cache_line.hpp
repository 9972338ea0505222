// SPDX-License-Identifier: Apache-2.0
/// @file
/// Writing whole cache lines past the cache, where the processor can.
#pragma once

#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace packkit::detail {

/// One cache line of 32-bit values.
struct alignas(64) cache_line {
    static constexpr std::uint32_t size = 16;
    std::uint32_t values[size];

    /// Copies the line to `out`, without reading there first. Precondition: `out` is
    /// aligned to 16 bytes
    void write_to(std::uint32_t* out) const {
#if defined(__SSE2__)
        for (std::uint32_t k = 0; k < size; k += 4) {
            _mm_stream_si128(
                reinterpret_cast<__m128i*>(out + k),
                _mm_load_si128(reinterpret_cast<const __m128i*>(values + k)));
        }
#else
        for (std::uint32_t k = 0; k < size; ++k)
            out[k] = values[k];
#endif
    }

    /// Call before others may read what `write_to` wrote.
    static void finish_writes() {
#if defined(__SSE2__)
        _mm_sfence();
#endif
    }
};

}  // namespace packkit::detail
