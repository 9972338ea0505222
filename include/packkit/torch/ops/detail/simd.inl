// SPDX-License-Identifier: Apache-2.0
// Vectors of PACKKIT_VECTOR_BYTES and small matrix products on them. Included once for
// each instruction set, inside a namespace of its own and compiled for that set; see
// each_instruction_set.inl.

template <class T>
struct simd {
    using integer = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    typedef T type __attribute__((vector_size(PACKKIT_VECTOR_BYTES), aligned(alignof(T)),
                                  may_alias));
    typedef integer integers __attribute__((vector_size(PACKKIT_VECTOR_BYTES)));
    static constexpr std::int64_t lanes =
        PACKKIT_VECTOR_BYTES / static_cast<std::int64_t>(sizeof(T));
};

template <class T>
using vec = typename simd<T>::type;

template <class T>
PACKKIT_INLINE vec<T> load(const T* from) {
    return *reinterpret_cast<const vec<T>*>(from);
}

template <class T>
PACKKIT_INLINE void store(T* to, vec<T> value) {
    *reinterpret_cast<vec<T>*>(to) = value;
}

template <class T>
PACKKIT_INLINE vec<T> all(T value) {
    return value - vec<T>{};
}

template <class T>
PACKKIT_INLINE T largest(vec<T> x) {
    T top = x[0];
    for (std::int64_t i = 1; i < simd<T>::lanes; ++i)
        top = x[i] > top ? x[i] : top;
    return top;
}

template <class T>
PACKKIT_INLINE T sum(vec<T> x) {
    T total = 0;
    for (std::int64_t i = 0; i < simd<T>::lanes; ++i)
        total += x[i];
    return total;
}

/// e^x to about one unit in the last place; 0 below -87 (float) or -708 (double). x must
/// not exceed +87 or +708. Cody & Waite 1980: x = n ln 2 + r, a polynomial for e^r, n
/// into the exponent.
template <class T>
PACKKIT_INLINE vec<T> exponential(vec<T> x) {
    using integers = typename simd<T>::integers;
    constexpr bool single = sizeof(T) == 4;
    constexpr T log2_e = static_cast<T>(1.44269504088896340736L);
    // ln 2 in two parts, the first with zeros behind: n * first is exact.
    constexpr T ln2_first = single ? T(0.693359375) : T(0.693145751953125);
    constexpr T ln2_rest = single ? T(-2.12194440e-4) : T(1.42860682030941723212e-6L);
    constexpr T least = single ? T(-87) : T(-708);
    // Adding 1.5 * 2^(mantissa bits) leaves n, rounded, in the lowest bits.
    constexpr T magic = single ? T(12582912) : T(6755399441055744);
    const auto tiny = x < all<T>(least);
    x = tiny ? all<T>(least) : x;
    const vec<T> shifted = x * log2_e + magic;
    const vec<T> n = shifted - magic;
    const vec<T> r = (x - n * ln2_first) - n * ln2_rest;
    // Taylor; |r| <= ln 2 / 2.
    constexpr int terms = single ? 6 : 13;
    T factor = 1;
    for (int i = 2; i <= terms; ++i)
        factor *= static_cast<T>(i);
    vec<T> p = all<T>(T(1) / factor);
    PACKKIT_UNROLL for (int i = terms; i > 0; --i) {
        factor /= static_cast<T>(i);
        p = p * r + T(1) / factor;
    }
    const integers exponent = reinterpret_cast<integers>(shifted) << (single ? 23 : 52);
    const vec<T> result =
        reinterpret_cast<vec<T>>(reinterpret_cast<integers>(p) + exponent);
    return tiny ? vec<T>{} : result;
}

/// cap tanh(x / cap).
template <class T>
PACKKIT_INLINE vec<T> capped(vec<T> x, T cap) {
    vec<T> twice = x * (T(2) / cap);
    const T bound = T(40);  // tanh is 1 to the last bit from 20 on
    twice = twice > all<T>(bound) ? all<T>(bound) : twice;
    const vec<T> e = exponential<T>(twice);
    return cap * ((e - T(1)) / (e + T(1)));
}

/// C (M x V vectors) = A B, or += with Add. A(m, k) is a[m * am + k * ak]; rows of B and
/// C are bs and cs apart. The whole of C stays in registers.
template <class T, int M, int V, bool Add>
PACKKIT_INLINE void tile(std::int64_t depth, const T* a, std::int64_t am, std::int64_t ak,
                         const T* b, std::int64_t bs, T* c, std::int64_t cs) {
    constexpr std::int64_t lanes = simd<T>::lanes;
    vec<T> sums[M][V];
    PACKKIT_UNROLL for (int m = 0; m < M; ++m) {
        PACKKIT_UNROLL for (int v = 0; v < V; ++v) {
            sums[m][v] = Add ? load(c + m * cs + v * lanes) : vec<T>{};
        }
    }
    for (std::int64_t k = 0; k < depth; ++k) {
        vec<T> row[V];
        PACKKIT_UNROLL for (int v = 0; v < V; ++v) row[v] = load(b + k * bs + v * lanes);
        PACKKIT_UNROLL for (int m = 0; m < M; ++m) {
            const vec<T> factor = all<T>(a[m * am + k * ak]);
            PACKKIT_UNROLL for (int v = 0; v < V; ++v) sums[m][v] += factor * row[v];
        }
    }
    PACKKIT_UNROLL for (int m = 0; m < M; ++m) {
        PACKKIT_UNROLL for (int v = 0; v < V; ++v) {
            store(c + m * cs + v * lanes, sums[m][v]);
        }
    }
}

/// Rows of C that one tile holds.
constexpr std::int64_t tile_rows = PACKKIT_TILE_ROWS;

/// The same for up to `tile_rows` rows.
template <class T, int V, bool Add, int M = tile_rows>
inline void rows_tile(std::int64_t rows, std::int64_t depth, const T* a, std::int64_t am,
                      std::int64_t ak, const T* b, std::int64_t bs, T* c,
                      std::int64_t cs) {
    if constexpr (M > 1) {
        if (rows < M) {
            return rows_tile<T, V, Add, M - 1>(rows, depth, a, am, ak, b, bs, c, cs);
        }
    }
    tile<T, M, V, Add>(depth, a, am, ak, b, bs, c, cs);
}

/// C (rows x width) = A B, or += with Add; up to `tile_rows` rows, width a multiple of
/// the lanes.
template <class T, bool Add>
inline void product(std::int64_t rows, std::int64_t width, std::int64_t depth, const T* a,
                    std::int64_t am, std::int64_t ak, const T* b, std::int64_t bs, T* c,
                    std::int64_t cs) {
    constexpr std::int64_t lanes = simd<T>::lanes;
    constexpr int most = PACKKIT_TILE_VECTORS;
    std::int64_t n = 0;
    for (; n + most * lanes <= width; n += most * lanes) {
        rows_tile<T, most, Add>(rows, depth, a, am, ak, b + n, bs, c + n, cs);
    }
    for (; n + 2 * lanes <= width; n += 2 * lanes) {
        rows_tile<T, 2, Add>(rows, depth, a, am, ak, b + n, bs, c + n, cs);
    }
    for (; n < width; n += lanes) {
        rows_tile<T, 1, Add>(rows, depth, a, am, ak, b + n, bs, c + n, cs);
    }
}
