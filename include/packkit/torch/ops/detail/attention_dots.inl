// SPDX-License-Identifier: Apache-2.0
// Products of the factors of attention_factors.inl by AVX512_BF16: one instruction adds
// the product of a pair of numbers, the same for all lanes, and of sixteen pairs.

/// Needs no set-up: the counterpart of the tiles' configuration.
struct product_unit {
    product_unit() {}
};

/// Rows and vectors of C that stay in registers.
constexpr int dot_rows = 8;
constexpr int dot_vectors = 2;

/// C (Rows x Vectors * 16) = A B, or += with Add.
template <int Rows, int Vectors, bool Add>
PACKKIT_INLINE void dot_block(std::int64_t depth, const bf16* a, std::int64_t a_stride,
                              const std::uint32_t* b, std::int64_t b_stride, float* c,
                              std::int64_t c_stride) {
    vec<float> sums[Rows][Vectors];
    PACKKIT_UNROLL for (int r = 0; r < Rows; ++r) {
        PACKKIT_UNROLL for (int v = 0; v < Vectors; ++v) sums[r][v] =
            Add ? load(c + r * c_stride + v * 16) : vec<float>{};
    }
    for (std::int64_t k = 0; k < depth; k += 2) {
        __m512bh right[Vectors];
        PACKKIT_UNROLL for (int v = 0; v < Vectors; ++v) {
            right[v] = reinterpret_cast<__m512bh>(
                _mm512_loadu_si512(b + k / 2 * b_stride + v * 16));
        }
        PACKKIT_UNROLL for (int r = 0; r < Rows; ++r) {
            std::int32_t pair;
            __builtin_memcpy(&pair, a + r * a_stride + k, sizeof pair);
            const auto left = reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
            PACKKIT_UNROLL for (int v = 0; v < Vectors; ++v) {
                sums[r][v] = _mm512_dpbf16_ps(sums[r][v], left, right[v]);
            }
        }
    }
    PACKKIT_UNROLL for (int r = 0; r < Rows; ++r) {
        PACKKIT_UNROLL for (int v = 0; v < Vectors; ++v)
            store<float>(c + r * c_stride + v * 16, sums[r][v]);
    }
}

/// C (rows x columns) = A B, or += with Add; all sizes are multiples of 32. Rows of C are
/// `stride` apart. Only numbers that are one bfloat16: for those that are three, the
/// products of float32 vectors are faster.
template <int Parts, bool Add>
inline void product(std::int64_t rows, std::int64_t columns, std::int64_t depth,
                    left_factor a, right_factor b, float* c, std::int64_t stride) {
    static_assert(Parts == 1);
    for (std::int64_t j = 0; j < columns; j += dot_vectors * 16) {
        for (std::int64_t i = 0; i < rows; i += dot_rows) {
            const left_factor left = a.from(i, 0);
            const right_factor right = b.from(0, j);
            dot_block<dot_rows, dot_vectors, Add>(depth, left.at, left.stride, right.at,
                                                  right.stride, c + i * stride + j,
                                                  stride);
        }
    }
}
