// SPDX-License-Identifier: Apache-2.0
// Factors of matrix products in bfloat16, and how rows of numbers become factors: what
// the products of attention_tiles.inl and attention_dots.inl multiply. Included once for
// each instruction set that has one of the two, after simd.inl with vectors of 64 bytes.
//
// Numbers are held as sums of bfloat16: a bfloat16 as itself, a float32 as three of 8
// bits each, which hold its 24 exactly. Of the nine products of two such sums six are
// added; what is left out is at most 2^-23 of the product, about float32's own rounding.
// Parts below 2^-126 count as zero: numbers below 2^-108 have fewer bits.
//
// Left factors lie row by row; right factors as pairs of rows: the word (k / 2, n) holds
// rows k and k + 1 of column n. Rows, keys and head_dim are padded with zeros to 32.

using words = std::uint32_t __attribute__((vector_size(64), aligned(4), may_alias));

PACKKIT_INLINE words load_words(const void* from) {
    return *static_cast<const words*>(from);
}
PACKKIT_INLINE void store_words(void* to, words value) {
    *static_cast<words*>(to) = value;
}
PACKKIT_INLINE words as_words(vec<float> x) {
    return reinterpret_cast<words>(x);
}
PACKKIT_INLINE vec<float> as_floats(words bits) {
    return reinterpret_cast<vec<float>>(bits);
}

/// How many bfloat16 a number is held as.
template <class Storage>
constexpr int part_count = std::is_same_v<Storage, bf16> ? 1 : 3;

/// A matrix as a sum of parts that lie `apart` elements from each other, its rows
/// `stride`.
struct left_factor {
    bf16* at;
    std::int64_t stride;
    std::int64_t apart;

    [[nodiscard]] left_factor from(std::int64_t row, std::int64_t column) const {
        return {at + row * stride + column, stride, apart};
    }
};

/// The same of pairs of rows.
struct right_factor {
    std::uint32_t* at;
    std::int64_t stride;
    std::int64_t apart;

    /// From an even row on.
    [[nodiscard]] right_factor from(std::int64_t row, std::int64_t column) const {
        return {at + row / 2 * stride + column, stride, apart};
    }
};

inline std::int64_t up(std::int64_t count, std::int64_t multiple) {
    return (count + multiple - 1) / multiple * multiple;
}

/// The lanes, those that are By further on in front.
template <int By, std::size_t... I>
PACKKIT_INLINE vec<float> turned(vec<float> x, std::index_sequence<I...>) {
    return __builtin_shufflevector(x, x, ((static_cast<int>(I) + By) % 16)...);
}
template <int By>
PACKKIT_INLINE vec<float> turned(vec<float> x) {
    return turned<By>(x, std::make_index_sequence<16>{});
}

PACKKIT_INLINE vec<float> larger_of(vec<float> x, vec<float> y) {
    return x > y ? x : y;
}
PACKKIT_INLINE float largest_of(vec<float> x) {
    x = larger_of(x, turned<8>(x));
    x = larger_of(x, turned<4>(x));
    x = larger_of(x, turned<2>(x));
    return larger_of(x, turned<1>(x))[0];
}
PACKKIT_INLINE float sum_of(vec<float> x) {
    x += turned<8>(x);
    x += turned<4>(x);
    x += turned<2>(x);
    return (x + turned<1>(x))[0];
}

/// The first lanes of 16, or halves of 32.
PACKKIT_INLINE __mmask16 first_lanes(std::int64_t count) {
    return static_cast<__mmask16>(count >= 16 ? 0xffffU
                                              : (1U << (count > 0 ? count : 0)) - 1U);
}
PACKKIT_INLINE __mmask32 first_halves(std::int64_t count) {
    return count >= 32 ? 0xffffffffU : (1U << (count > 0 ? count : 0)) - 1U;
}

/// Numbers of 32 halves: first, second, first + step, second + step, ...
constexpr std::array<std::uint16_t, 32> half_numbers(int first, int second, int step) {
    std::array<std::uint16_t, 32> numbers{};
    for (int i = 0; i < 32; ++i) {
        numbers[static_cast<std::size_t>(i)] =
            static_cast<std::uint16_t>((i % 2 == 0 ? first : second) + i / 2 * step);
    }
    return numbers;
}
alignas(64) inline constexpr auto even_halves = half_numbers(0, 2, 4);
alignas(64) inline constexpr auto odd_halves = half_numbers(1, 3, 4);
alignas(64) inline constexpr auto own_halves = half_numbers(0, 16, 1);
alignas(64) inline constexpr auto low_halves = half_numbers(0, 32, 1);
alignas(64) inline constexpr auto high_halves = half_numbers(16, 48, 1);

/// Halves of x (0 to 31) and y (32 to 63) by number.
PACKKIT_INLINE words chosen_halves(words x, const std::array<std::uint16_t, 32>& numbers,
                                   words y) {
    return reinterpret_cast<words>(_mm512_permutex2var_epi16(
        reinterpret_cast<__m512i>(x), _mm512_load_si512(numbers.data()),
        reinterpret_cast<__m512i>(y)));
}

/// x and y rounded to bfloat16, x in the first 16 halves.
PACKKIT_INLINE words rounded(vec<float> x, vec<float> y) {
    return reinterpret_cast<words>(_mm512_cvtne2ps_pbh(y, x));
}

/// Rounds to the upper half; what is left has so many bits less.
PACKKIT_INLINE words take_part(vec<float>& x) {
    const words part = (as_words(x) + 0x8000U) & 0xffff0000U;
    x -= as_floats(part);
    return part;
}

/// 32 numbers of a row.
template <int Parts>
PACKKIT_INLINE void store_row(vec<float> x, vec<float> y, left_factor to) {
    if constexpr (Parts == 1) {
        store_words(to.at, rounded(x, y));
    } else {
        PACKKIT_UNROLL for (int part = 0; part < 2; ++part) {
            const words first = take_part(x);
            const words second = take_part(y);
            store_words(to.at + part * to.apart,
                        chosen_halves(first, odd_halves, second));
        }
        store_words(to.at + 2 * to.apart,
                    chosen_halves(as_words(x), odd_halves, as_words(y)));
    }
}

/// 32 columns of two rows, upper and lower, as a pair of rows and, with Rows, as rows.
template <int Parts, bool Rows>
PACKKIT_INLINE void store_pair(vec<float> (&upper)[2], vec<float> (&lower)[2],
                               right_factor pairs, left_factor rows) {
    if constexpr (Parts == 1) {
        const words first = rounded(upper[0], lower[0]);
        const words second = rounded(upper[1], lower[1]);
        const words x = chosen_halves(first, own_halves, first);
        const words y = chosen_halves(second, own_halves, second);
        store_words(pairs.at, x);
        store_words(pairs.at + 16, y);
        if constexpr (Rows) {
            store_words(rows.at, chosen_halves(x, even_halves, y));
            store_words(rows.at + rows.stride, chosen_halves(x, odd_halves, y));
        }
    } else {
        PACKKIT_UNROLL for (int part = 0; part < 3; ++part) {
            words x[2];
            words y[2];
            PACKKIT_UNROLL for (int i = 0; i < 2; ++i) {
                x[i] = part < 2 ? take_part(upper[i]) : as_words(upper[i]);
                y[i] = part < 2 ? take_part(lower[i]) : as_words(lower[i]);
                store_words(pairs.at + part * pairs.apart + 16 * i, (x[i] >> 16) | y[i]);
            }
            if constexpr (Rows) {
                bf16* const to = rows.at + part * rows.apart;
                store_words(to, chosen_halves(x[0], odd_halves, x[1]));
                store_words(to + rows.stride, chosen_halves(y[0], odd_halves, y[1]));
            }
        }
    }
}

/// The first numbers of 16.
PACKKIT_INLINE vec<float> load_first(const float* from, std::int64_t count) {
    return _mm512_maskz_loadu_ps(first_lanes(count), from);
}
PACKKIT_INLINE vec<float> load_first(const bf16* from, std::int64_t count) {
    return as_floats(reinterpret_cast<words>(_mm512_cvtepu16_epi32(
                         _mm256_maskz_loadu_epi16(first_lanes(count), from)))
                     << 16);
}
PACKKIT_INLINE void store_first(float* to, vec<float> x, std::int64_t count) {
    _mm512_mask_storeu_ps(to, first_lanes(count), x);
}
PACKKIT_INLINE void store_first(bf16* to, vec<float> x, std::int64_t count) {
    const words both = rounded(x, x);
    _mm512_mask_storeu_epi16(to, first_lanes(count), reinterpret_cast<__m512i>(both));
}

/// Rows that are fetched ahead: they lie apart, which hides them from the processor.
constexpr std::int64_t rows_ahead = 16;

template <class Storage>
PACKKIT_INLINE void fetch_row(const Storage* row, std::int64_t head_dim) {
    constexpr auto line = 64 / static_cast<std::int64_t>(sizeof(Storage));
    for (std::int64_t i = 0; i < head_dim; i += line)
        _mm_prefetch(reinterpret_cast<const char*>(row + i), _MM_HINT_T0);
}

/// rows x head_dim as padded_rows x the width of `to`, zeros around.
inline void take_rows(const float* from, std::int64_t stride, std::int64_t rows,
                      std::int64_t head_dim, std::int64_t padded_rows, left_factor to) {
    for (std::int64_t r = 0; r < padded_rows; ++r) {
        if (r + rows_ahead < rows) fetch_row(from + (r + rows_ahead) * stride, head_dim);
        for (std::int64_t c = 0; c < to.stride; c += 32) {
            const std::int64_t count = r < rows ? head_dim - c : 0;
            store_row<3>(load_first(from + r * stride + c, count),
                         load_first(from + r * stride + c + 16, count - 16),
                         to.from(r, c));
        }
    }
}
inline void take_rows(const bf16* from, std::int64_t stride, std::int64_t rows,
                      std::int64_t head_dim, std::int64_t padded_rows, left_factor to) {
    for (std::int64_t r = 0; r < padded_rows; ++r) {
        if (r + rows_ahead < rows) fetch_row(from + (r + rows_ahead) * stride, head_dim);
        for (std::int64_t c = 0; c < to.stride; c += 32) {
            store_words(
                to.from(r, c).at,
                reinterpret_cast<words>(_mm512_maskz_loadu_epi16(
                    first_halves(r < rows ? head_dim - c : 0), from + r * stride + c)));
        }
    }
}

/// One step of a transposition: of two rows that differ in bit Bit of their number, the
/// columns that have the bit change places.
template <int Bit, bool Second, std::size_t... I>
PACKKIT_INLINE words exchanged(words x, words y, std::index_sequence<I...>) {
    return __builtin_shufflevector(
        x, y,
        ((static_cast<int>(I) & Bit) == 0
             ? static_cast<int>(I) + (Second ? Bit : 0)
             : static_cast<int>(I) + (Second ? 16 : 16 - Bit))...);
}

template <int Bit>
PACKKIT_INLINE void exchange(words (&row)[16]) {
    PACKKIT_UNROLL for (int i = 0; i < 16; ++i) {
        if ((i & Bit) != 0) continue;
        const words x = row[i];
        const words y = row[i + Bit];
        row[i] = exchanged<Bit, false>(x, y, std::make_index_sequence<16>{});
        row[i + Bit] = exchanged<Bit, true>(x, y, std::make_index_sequence<16>{});
    }
}

/// Words (rows x columns), both multiples of 16, as columns x rows.
inline void transpose(const std::uint32_t* from, std::int64_t rows, std::int64_t columns,
                      std::int64_t from_stride, std::uint32_t* to,
                      std::int64_t to_stride) {
    for (std::int64_t r = 0; r < rows; r += 16) {
        for (std::int64_t c = 0; c < columns; c += 16) {
            words row[16];
            PACKKIT_UNROLL for (int i = 0; i < 16; ++i) {
                row[i] = load_words(from + (r + i) * from_stride + c);
            }
            exchange<1>(row);
            exchange<2>(row);
            exchange<4>(row);
            exchange<8>(row);
            PACKKIT_UNROLL for (int i = 0; i < 16; ++i) {
                store_words(to + (c + i) * to_stride + r, row[i]);
            }
        }
    }
}

/// Rows as pairs of rows; both sizes even, columns a multiple of 32.
inline void pair_rows(const bf16* from, std::int64_t rows, std::int64_t columns,
                      std::int64_t from_stride, std::uint32_t* to,
                      std::int64_t to_stride) {
    for (std::int64_t r = 0; r < rows; r += 2) {
        for (std::int64_t c = 0; c < columns; c += 32) {
            const words even = load_words(from + r * from_stride + c);
            const words odd = load_words(from + (r + 1) * from_stride + c);
            std::uint32_t* const pairs = to + r / 2 * to_stride + c;
            store_words(pairs, chosen_halves(even, low_halves, odd));
            store_words(pairs + 16, chosen_halves(even, high_halves, odd));
        }
    }
}

/// rows x columns, part by part: the right factor that is their transpose, ...
template <int Parts>
inline void transposed_right(left_factor from, std::int64_t rows, std::int64_t columns,
                             right_factor to) {
    for (int part = 0; part < Parts; ++part) {
        transpose(reinterpret_cast<const std::uint32_t*>(from.at + part * from.apart),
                  rows, columns / 2, from.stride / 2, to.at + part * to.apart, to.stride);
    }
}
/// ... the right factor that they are themselves, ...
template <int Parts>
inline void right_of(left_factor from, std::int64_t rows, std::int64_t columns,
                     right_factor to) {
    for (int part = 0; part < Parts; ++part) {
        pair_rows(from.at + part * from.apart, rows, columns, from.stride,
                  to.at + part * to.apart, to.stride);
    }
}
/// ... and the left factor that is their transpose, by way of `pairs` (rows / 2 x
/// columns).
template <int Parts>
inline void transposed_left(left_factor from, std::int64_t rows, std::int64_t columns,
                            std::uint32_t* pairs, left_factor to) {
    for (int part = 0; part < Parts; ++part) {
        pair_rows(from.at + part * from.apart, rows, columns, from.stride, pairs,
                  columns);
        transpose(pairs, rows / 2, columns, columns,
                  reinterpret_cast<std::uint32_t*>(to.at + part * to.apart),
                  to.stride / 2);
    }
}
