// SPDX-License-Identifier: Apache-2.0
// The loss of logits and its gradient, on the vectors of simd.inl. Included once for each
// instruction set; see token_loss_dispatch.hpp.

typedef std::uint16_t halves
    __attribute__((vector_size(PACKKIT_VECTOR_BYTES / 2), aligned(2), may_alias));
typedef std::uint32_t words __attribute__((vector_size(PACKKIT_VECTOR_BYTES)));

PACKKIT_INLINE vec<float> widened(const bf16* from) {
    const auto bits = *reinterpret_cast<const halves*>(from);
    return reinterpret_cast<vec<float>>(__builtin_convertvector(bits, words) << 16);
}

/// Rounds to nearest, ties to even.
PACKKIT_INLINE void store_narrow(bf16* to, vec<float> value) {
    const auto wide = reinterpret_cast<words>(value);
    const words rounded = (wide + 0x7fffU + ((wide >> 16) & 1U)) >> 16;
    *reinterpret_cast<halves*>(to) = __builtin_convertvector(rounded, halves);
}

/// A piece of a row in the type that it is computed in, padded to whole vectors.
template <class T>
using loss_buffer = T[widest_loss_block + PACKKIT_VECTOR_BYTES / sizeof(T)];

template <class Storage, class T>
PACKKIT_INLINE void read_piece(const Storage* from, std::int64_t width, T* to) {
    std::int64_t i = 0;
    for (; i + simd<T>::lanes <= width; i += simd<T>::lanes) {
        if constexpr (std::is_same_v<Storage, T>) {
            store<T>(to + i, load(from + i));
        } else {
            store<T>(to + i, widened(from + i));
        }
    }
    for (; i < width; ++i)
        to[i] = static_cast<T>(from[i]);
}

template <class Storage, class T>
PACKKIT_INLINE void write_piece(Storage* to, std::int64_t width, const T* from) {
    std::int64_t i = 0;
    for (; i + simd<T>::lanes <= width; i += simd<T>::lanes) {
        if constexpr (std::is_same_v<Storage, T>) {
            store<T>(to + i, load(from + i));
        } else {
            store_narrow(to + i, load(from + i));
        }
    }
    for (; i < width; ++i)
        to[i] = static_cast<Storage>(from[i]);
}

/// Reads logits and caps them; what lies behind up to whole vectors is `padding`.
template <class Storage, class T>
PACKKIT_INLINE void read_logits(const Storage* from, std::int64_t width, T softcap,
                                T padding, T* to) {
    read_piece(from, width, to);
    std::int64_t end = width;
    for (; end % simd<T>::lanes != 0; ++end)
        to[end] = padding;
    if (softcap > 0) {
        for (std::int64_t i = 0; i < end; i += simd<T>::lanes)
            store<T>(to + i, capped<T>(load(to + i), softcap));
        for (std::int64_t i = width; i < end; ++i)
            to[i] = padding;
    }
}

/// Continues a row's softmax by a piece of its logits. Milakov & Gimelshein 2018, arXiv
/// 1805.02867, algorithm 3, on blocks.
template <class Storage, class T>
void add_logits(const Storage* logits, std::int64_t width, T softcap, T* top, T* total) {
    loss_buffer<T> x;
    read_logits(logits, width, softcap, -std::numeric_limits<T>::infinity(), x);
    vec<T> most = all<T>(*top);
    for (std::int64_t i = 0; i < width; i += simd<T>::lanes) {
        const vec<T> value = load(x + i);
        most = value > most ? value : most;
    }
    const T here = largest<T>(most);
    if (here > *top) {
        *total *= std::exp(*top - here);
        *top = here;
    }
    vec<T> added{};
    for (std::int64_t i = 0; i < width; i += simd<T>::lanes)
        added += exponential<T>(load(x + i) - here);
    *total += sum<T>(added);
}

/// Writes over a piece of a row's logits what the loss changes by with each of them:
/// e^(logit - top) * factor, minus one at `target`, times the cap's slope.
template <class Storage, class T>
void write_gradient(Storage* logits, std::int64_t width, T softcap, T top, T factor,
                    std::int64_t target) {
    loss_buffer<T> x;
    read_logits(logits, width, softcap, top, x);
    loss_buffer<T> gradient;
    for (std::int64_t i = 0; i < width; i += simd<T>::lanes)
        store<T>(gradient + i, exponential<T>(load(x + i) - top) * factor);
    if (target >= 0 && target < width) gradient[target] -= T(1);
    if (softcap > 0) {
        for (std::int64_t i = 0; i < width; i += simd<T>::lanes) {
            const vec<T> part = load(x + i) / softcap;
            store<T>(gradient + i, load(gradient + i) * (T(1) - part * part));
        }
    }
    write_piece(logits, width, gradient);
}

/// to = from, or to += from.
inline void add_narrow(const bf16* from, float* to, std::int64_t count, bool first) {
    constexpr std::int64_t lanes = simd<float>::lanes;
    std::int64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        const vec<float> value = widened(from + i);
        store<float>(to + i, first ? value : load(to + i) + value);
    }
    for (; i < count; ++i)
        to[i] = first ? static_cast<float>(from[i]) : to[i] + static_cast<float>(from[i]);
}

template <class Storage>
token_loss_kernels<Storage> loss_kernels(instruction_set set) {
    using T = compute_type<Storage>;
    return {set, &add_logits<Storage, T>, &write_gradient<Storage, T>, &add_narrow};
}
