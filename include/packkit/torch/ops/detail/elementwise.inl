// SPDX-License-Identifier: Apache-2.0
// One pass over memory for what a decoder does element by element, on the vectors of
// simd.inl. Included once for each instruction set, after simd.inl; see
// elementwise_dispatch.hpp. All arithmetic is in T, with one rounding where it is stored.

/// Elements at `from`, as T.
template <class T, class Storage>
PACKKIT_INLINE vec<T> widened(const Storage* from) {
    if constexpr (std::is_same_v<T, Storage>) {
        return load(from);
    } else {
        typedef std::uint16_t halves
            __attribute__((vector_size(PACKKIT_VECTOR_BYTES / 2), aligned(2), may_alias));
        typedef std::uint32_t words __attribute__((vector_size(PACKKIT_VECTOR_BYTES)));
        const words bits =
            __builtin_convertvector(*reinterpret_cast<const halves*>(from), words);
        return reinterpret_cast<vec<T>>(bits << 16);
    }
}

/// Rounds to nearest, ties to even; what is not a number stays so.
template <class T, class Storage>
PACKKIT_INLINE void store_narrowed(Storage* to, vec<T> value) {
    if constexpr (std::is_same_v<T, Storage>) {
        store<T>(to, value);
    } else {
        typedef std::uint16_t halves
            __attribute__((vector_size(PACKKIT_VECTOR_BYTES / 2), aligned(2), may_alias));
        typedef std::uint32_t words __attribute__((vector_size(PACKKIT_VECTOR_BYTES)));
        const words bits = reinterpret_cast<words>(value);
        const words rounded = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
        const words not_a_number = words{} + 0x7fc0U;
        const words kept = value != value ? not_a_number : rounded;
        *reinterpret_cast<halves*>(to) = __builtin_convertvector(kept, halves);
    }
}

/// A vector of which `left` elements exist; zeros behind them.
template <class T, class Storage>
PACKKIT_INLINE vec<T> read(const Storage* from, std::int64_t left) {
    constexpr std::int64_t lanes = simd<T>::lanes;
    if (left >= lanes) return widened<T>(from);
    Storage some[lanes] = {};
    for (std::int64_t i = 0; i < left; ++i)
        some[i] = from[i];
    return widened<T>(some);
}

template <class T, class Storage>
PACKKIT_INLINE void write(Storage* to, vec<T> value, std::int64_t left) {
    constexpr std::int64_t lanes = simd<T>::lanes;
    if (left >= lanes) {
        store_narrowed<T>(to, value);
        return;
    }
    Storage some[lanes] = {};
    store_narrowed<T>(some, value);
    for (std::int64_t i = 0; i < left; ++i)
        to[i] = some[i];
}

// --- norm

template <class Storage>
void rms_norm_rows(const rms_norm_problem<Storage>& p, std::int64_t begin,
                   std::int64_t end) {
    using T = compute_type<Storage>;
    constexpr std::int64_t lanes = simd<T>::lanes;
    for (std::int64_t r = begin; r < end; ++r) {
        const Storage* x = p.x + r * p.width;
        vec<T> squares{};
        if (p.added != nullptr) {
            const Storage* const added = p.added + r * p.width;
            Storage* const sums = p.sum + r * p.width;
            for (std::int64_t i = 0; i < p.width; i += lanes) {
                const std::int64_t left = p.width - i;
                write<T>(sums + i, read<T>(x + i, left) + read<T>(added + i, left), left);
            }
            x = sums;  // as rounded
        }
        for (std::int64_t i = 0; i < p.width; i += lanes) {
            const vec<T> value = read<T>(x + i, p.width - i);
            squares += value * value;
        }
        const T inverse =
            T(1) / std::sqrt(sum<T>(squares) / static_cast<T>(p.width) + p.eps);
        Storage* const y = p.y + r * p.width;
        for (std::int64_t i = 0; i < p.width; i += lanes) {
            const std::int64_t left = p.width - i;
            const vec<T> weight = read<T>(p.weight + i, left) + p.weight_offset;
            write<T>(y + i, read<T>(x + i, left) * inverse * weight, left);
        }
    }
}

/// With n = x / rms, g = dy weight: dx = (g - n mean(g n)) / rms + dsum; adds dy n to
/// dweight.
template <class Storage>
void rms_norm_row_gradients(const rms_norm_problem<Storage>& p, std::int64_t begin,
                            std::int64_t end, compute_type<Storage>* dweight) {
    using T = compute_type<Storage>;
    constexpr std::int64_t lanes = simd<T>::lanes;
    const T share = T(1) / static_cast<T>(p.width);
    for (std::int64_t r = begin; r < end; ++r) {
        const Storage* const x = p.x + r * p.width;
        const Storage* const dy = p.dy + r * p.width;
        vec<T> squares{};
        vec<T> products{};
        for (std::int64_t i = 0; i < p.width; i += lanes) {
            const std::int64_t left = p.width - i;
            const vec<T> value = read<T>(x + i, left);
            const vec<T> weight = read<T>(p.weight + i, left) + p.weight_offset;
            squares += value * value;
            products += read<T>(dy + i, left) * weight * value;
        }
        const T inverse = T(1) / std::sqrt(sum<T>(squares) * share + p.eps);
        const T along = sum<T>(products) * share * inverse * inverse;
        Storage* const dx = p.dx + r * p.width;
        for (std::int64_t i = 0; i < p.width; i += lanes) {
            const std::int64_t left = p.width - i;
            const vec<T> value = read<T>(x + i, left);
            const vec<T> upstream = read<T>(dy + i, left);
            const vec<T> weight = read<T>(p.weight + i, left) + p.weight_offset;
            vec<T> gradient = (upstream * weight - value * along) * inverse;
            if (p.dsum != nullptr) gradient += read<T>(p.dsum + r * p.width + i, left);
            write<T>(dx + i, gradient, left);
            write<T>(dweight + i,
                     read<T>(dweight + i, left) + upstream * (value * inverse), left);
        }
    }
}

// --- rotary positions

template <class Storage>
void rotate_tokens(const rotary_problem<Storage>& p, std::int64_t begin,
                   std::int64_t end) {
    using T = compute_type<Storage>;
    constexpr std::int64_t lanes = simd<T>::lanes;
    const std::int64_t half = p.head_dim / 2;
    for (std::int64_t t = begin; t < end; ++t) {
        const Storage* const cosines = p.cos + t * p.head_dim;
        const Storage* const sines = p.sin + t * p.head_dim;
        for (std::int64_t i = 0; i < half; i += lanes) {
            const std::int64_t left = half - i;
            const vec<T> cos_low = read<T>(cosines + i, left);
            const vec<T> cos_high = read<T>(cosines + half + i, left);
            // The sine that each half is multiplied by on its way to the other.
            vec<T> from_high = -read<T>(sines + i, left);
            vec<T> from_low = read<T>(sines + half + i, left);
            if (p.backward) {
                const vec<T> forward = from_high;
                from_high = from_low;
                from_low = forward;
            }
            for (std::int64_t h = 0; h < p.heads; ++h) {
                const Storage* const x = p.x + t * p.x_stride + h * p.head_dim + i;
                Storage* const y = p.y + (t * p.heads + h) * p.head_dim + i;
                const vec<T> low = read<T>(x, left);
                const vec<T> high = read<T>(x + half, left);
                write<T>(y, low * cos_low + high * from_high, left);
                write<T>(y + half, high * cos_high + low * from_low, left);
            }
        }
    }
}

// --- gated activations

/// 1 / (1 + e^-x).
template <class T>
PACKKIT_INLINE vec<T> logistic(vec<T> x) {
    const T bound = sizeof(T) == 4 ? T(87) : T(708);
    const vec<T> negated = -x;
    return T(1) /
           (T(1) + exponential<T>(negated > all<T>(bound) ? all<T>(bound) : negated));
}

/// activation(x), and its derivative.
template <class T, activation_kind Kind>
PACKKIT_INLINE void activate(vec<T> x, vec<T>& value, vec<T>& slope) {
    if constexpr (Kind == activation_kind::silu) {
        const vec<T> share = logistic<T>(x);
        value = x * share;
        slope = share + value * (T(1) - share);
    } else if constexpr (Kind == activation_kind::gelu_tanh) {
        // (1 + tanh(u)) / 2 is the logistic function of 2u.
        constexpr T twice = static_cast<T>(2 * 0.79788456080286535588L);  // 2 sqrt(2/pi)
        constexpr T cubic = static_cast<T>(0.044715L);
        const vec<T> square = x * x;
        const vec<T> share = logistic<T>(x * (T(1) + cubic * square) * twice);
        value = x * share;
        slope = share + value * (T(1) - share) * (T(1) + T(3) * cubic * square) * twice;
    } else if constexpr (Kind == activation_kind::gelu) {
        // Phi by the C library, an element at a time.
        constexpr T root_half = static_cast<T>(0.70710678118654752440L);
        constexpr T density = static_cast<T>(0.39894228040143267794L);  // 1 / sqrt(2 pi)
        vec<T> share{};
        for (std::int64_t i = 0; i < simd<T>::lanes; ++i)
            share[i] = T(0.5) * std::erfc(-x[i] * root_half);
        value = x * share;
        vec<T> exponent = x * x * T(-0.5);
        slope = share + x * density * exponential<T>(exponent);
    } else {
        static_assert(Kind == activation_kind::relu);
        value = x < vec<T>{} ? vec<T>{} : x;
        slope = x > vec<T>{} ? all<T>(T(1)) : vec<T>{};
    }
}

template <class Storage, activation_kind Kind>
void gate_elements(const gated_problem<Storage>& p, std::int64_t begin,
                   std::int64_t end) {
    using T = compute_type<Storage>;
    for (std::int64_t i = begin; i < end; i += simd<T>::lanes) {
        const std::int64_t left = end - i;
        vec<T> value;
        vec<T> slope;
        activate<T, Kind>(read<T>(p.gate + i, left), value, slope);
        write<T>(p.y + i, value * read<T>(p.up + i, left), left);
    }
}

template <class Storage, activation_kind Kind>
void gate_gradients(const gated_problem<Storage>& p, std::int64_t begin,
                    std::int64_t end) {
    using T = compute_type<Storage>;
    for (std::int64_t i = begin; i < end; i += simd<T>::lanes) {
        const std::int64_t left = end - i;
        vec<T> value;
        vec<T> slope;
        activate<T, Kind>(read<T>(p.gate + i, left), value, slope);
        const vec<T> upstream = read<T>(p.dy + i, left);
        const vec<T> up = read<T>(p.up + i, left);
        write<T>(p.dup + i, upstream * value, left);
        write<T>(p.dgate + i, upstream * up * slope, left);
    }
}

template <class Storage>
elementwise_kernels<Storage> elementwise(instruction_set level) {
    elementwise_kernels<Storage> kernels;
    kernels.set = level;
    kernels.rms_norm = &rms_norm_rows<Storage>;
    kernels.rms_norm_gradients = &rms_norm_row_gradients<Storage>;
    kernels.rotate = &rotate_tokens<Storage>;
    const auto set = [&](activation_kind kind, auto gate, auto gradients) {
        kernels.gate[static_cast<std::size_t>(kind)] = gate;
        kernels.gate_gradients[static_cast<std::size_t>(kind)] = gradients;
    };
    using enum activation_kind;
    set(silu, &gate_elements<Storage, silu>, &gate_gradients<Storage, silu>);
    set(gelu, &gate_elements<Storage, gelu>, &gate_gradients<Storage, gelu>);
    set(gelu_tanh, &gate_elements<Storage, gelu_tanh>,
        &gate_gradients<Storage, gelu_tanh>);
    set(relu, &gate_elements<Storage, relu>, &gate_gradients<Storage, relu>);
    return kernels;
}
