// SPDX-License-Identifier: Apache-2.0
// The softmax of a strip of 32 queries between its products, and its gradient: scores
// come in as float32 and leave as factors of the next product.

constexpr std::int64_t strip = 32;
constexpr std::int64_t key_block = 128;

/// e^x where `seen`, 0 elsewhere and below -87, as `exponential`; for weights that become
/// one bfloat16 with a shorter polynomial, off by 1e-7 at most.
template <int Parts>
PACKKIT_INLINE vec<float> exponential_of(vec<float> x, __mmask16 seen) {
    constexpr float magic = 12582912;  // 1.5 * 2^23: the sum's lowest bits are n
    const vec<float> shifted = x * 1.44269504F + magic;
    const vec<float> n = shifted - magic;
    vec<float> r;
    vec<float> p;
    if constexpr (Parts == 1) {
        r = x - n * 0.693147181F;
        p = r * 8.29765205e-3F + 4.19153816e-2F;
        p = p * r + 0.166675748F;
        p = p * r + 0.499988949F;
        p = p * r + 0.999999692F;
        p = p * r + 1.00000007F;
    } else {
        r = (x - n * 0.693359375F) - n * -2.12194440e-4F;
        p = r * (1.0F / 720) + 1.0F / 120;
        p = p * r + 1.0F / 24;
        p = p * r + 1.0F / 6;
        p = p * r + 0.5F;
        p = p * r + 1.0F;
        p = p * r + 1.0F;
    }
    const __mmask16 large =
        _mm512_mask_cmp_ps_mask(seen, x, all<float>(-87), _CMP_NLT_UQ);
    return as_floats(reinterpret_cast<words>(
        _mm512_maskz_add_epi32(large, reinterpret_cast<__m512i>(p),
                               reinterpret_cast<__m512i>(as_words(shifted) << 23))));
}

/// Rows of a strip that there are, and the keys each sees.
struct strip_mask {
    std::int64_t rows;
    key_range seen;

    [[nodiscard]] std::int64_t low(std::int64_t row) const {
        return row < rows ? seen.low(row) : 0;
    }
    /// At most `low` where nothing is seen.
    [[nodiscard]] std::int64_t high(std::int64_t row) const {
        return row < rows ? seen.high(row) : 0;
    }
    [[nodiscard]] std::int64_t padded_rows() const { return up(rows, 32); }
    /// Keys that any row sees, in whole tiles.
    [[nodiscard]] std::int64_t columns() const {
        const std::int64_t high = seen.high(rows - 1);
        return high > 0 ? up(high, 32) : 0;
    }
};

PACKKIT_INLINE __mmask16 seen_lanes(std::int64_t low, std::int64_t high,
                                    std::int64_t at) {
    return static_cast<__mmask16>(first_lanes(high - at) & ~first_lanes(low - at));
}

/// What stays of a row's softmax from block to block.
struct softmax_state {
    float* top;     ///< subtracted from scores: the maximum, or up to `slack` less
    float* totals;  ///< 16 sums of weights a row
    float* out;     ///< sums of weighted values
    std::int64_t width;
};

/// Weights may be e^slack: sums so far shrink only where the maximum grows by more.
constexpr float slack = 8;

/// Continues the softmax of one row by its scores of a block, of which it sees
/// [low, high); the weights e^(score - top) go to `weights`.
template <int Parts, bool Capped, bool Masked>
PACKKIT_INLINE void continue_row(std::int64_t r, std::int64_t low, std::int64_t high,
                                 std::int64_t columns, float scale, float cap, float* row,
                                 const softmax_state& state, left_factor weights) {
    constexpr float hidden = -std::numeric_limits<float>::infinity();
    vec<float> most = all<float>(hidden);
    for (std::int64_t c = 0; c < columns; c += 16) {
        vec<float> x = load(row + c) * scale;
        if constexpr (Capped) x = capped<float>(x, cap);
        // Through memory: fused with `- top`, the largest would not become e^0 = 1.
        store<float>(row + c, x);
        if constexpr (Masked)
            x = _mm512_mask_mov_ps(all<float>(hidden), seen_lanes(low, high, c), x);
        most = larger_of(x, most);
    }
    const float here = largest_of(most);
    float top = state.top[r];
    vec<float> total = load(state.totals + r * 16);
    if (here > top + slack) {
        const float shrink = std::exp(top - here);
        total *= shrink;
        float* const out = state.out + r * state.width;
        for (std::int64_t c = 0; c < state.width; c += 16)
            store<float>(out + c, load(out + c) * shrink);
        state.top[r] = top = here;
    }
    for (std::int64_t c = 0; c < columns; c += 32) {
        const vec<float> x = exponential_of<Parts>(
            load(row + c) - top, Masked ? seen_lanes(low, high, c) : first_lanes(16));
        const vec<float> y = exponential_of<Parts>(
            load(row + c + 16) - top,
            Masked ? seen_lanes(low, high, c + 16) : first_lanes(16));
        total += x + y;
        store_row<Parts>(x, y, weights.from(r, c));
    }
    store<float>(state.totals + r * 16, total);
}

/// The same for a strip.
template <int Parts, bool Capped>
inline void continue_softmax(const strip_mask& mask, std::int64_t columns, float scale,
                             float cap, float* scores, softmax_state state,
                             left_factor weights) {
    for (std::int64_t r = 0; r < mask.padded_rows(); ++r) {
        const std::int64_t low = mask.low(r);
        const std::int64_t high = mask.high(r);
        float* const row = scores + r * key_block;
        if (high <= low) {
            for (std::int64_t c = 0; c < columns; c += 32)
                store_row<Parts>(vec<float>{}, vec<float>{}, weights.from(r, c));
        } else if (low == 0 && high >= columns) {
            continue_row<Parts, Capped, false>(r, low, high, columns, scale, cap, row,
                                               state, weights);
        } else {
            continue_row<Parts, Capped, true>(r, low, high, columns, scale, cap, row,
                                              state, weights);
        }
    }
}

/// What the gradient of a strip needs of each row.
struct strip_rows {
    const float* lse;
    const float* delta;
};

/// Two rows of `softmax_gradient`.
template <int Parts, bool Capped, bool Masked>
PACKKIT_INLINE void gradient_of_rows(const strip_mask& mask, std::int64_t r,
                                     std::int64_t columns, float scale, float cap,
                                     const float* scores, const float* dweights,
                                     strip_rows of, right_factor weight_pairs,
                                     left_factor ds, right_factor ds_pairs) {
    std::int64_t low[2];
    std::int64_t high[2];
    float norm[2];
    float less[2];
    PACKKIT_UNROLL for (int i = 0; i < 2; ++i) {
        low[i] = mask.low(r + i);
        high[i] = mask.high(r + i);
        norm[i] = r + i < mask.rows ? of.lse[r + i] : 0.0F;
        less[i] = r + i < mask.rows ? of.delta[r + i] : 0.0F;
    }
    for (std::int64_t c = 0; c < columns; c += 32) {
        vec<float> weight[2][2];
        vec<float> gradient[2][2];
        PACKKIT_UNROLL for (int i = 0; i < 2; ++i) {
            PACKKIT_UNROLL for (int half = 0; half < 2; ++half) {
                const std::int64_t at = (r + i) * key_block + c + 16 * half;
                vec<float> x = load(scores + at) * scale;
                if constexpr (Capped) x = capped<float>(x, cap);
                const vec<float> e = exponential_of<Parts>(
                    x - norm[i], Masked ? seen_lanes(low[i], high[i], c + 16 * half)
                                        : first_lanes(16));
                vec<float> g = e * (load(dweights + at) - less[i]);
                if constexpr (Capped) {
                    const vec<float> t = x * (1.0F / cap);
                    g *= 1.0F - t * t;  // d tanh = 1 - tanh²
                }
                weight[i][half] = e;
                gradient[i][half] = g;
            }
        }
        store_pair<Parts, false>(weight[0], weight[1], weight_pairs.from(r, c),
                                 ds.from(r, c));
        store_pair<Parts, true>(gradient[0], gradient[1], ds_pairs.from(r, c),
                                ds.from(r, c));
    }
}

/// From scores and gradients of the weights (strip x columns) of a block: the weights as
/// `weight_pairs`, the gradients of the scores as `ds` and `ds_pairs`.
template <int Parts, bool Capped>
inline void softmax_gradient(const strip_mask& mask, std::int64_t columns, float scale,
                             float cap, const float* scores, const float* dweights,
                             strip_rows of, right_factor weight_pairs, left_factor ds,
                             right_factor ds_pairs) {
    for (std::int64_t r = 0; r < mask.padded_rows(); r += 2) {
        const bool all_seen =
            mask.low(r + 1) == 0 && mask.high(r) >= columns && r + 1 < mask.rows;
        if (all_seen) {
            gradient_of_rows<Parts, Capped, false>(mask, r, columns, scale, cap, scores,
                                                   dweights, of, weight_pairs, ds,
                                                   ds_pairs);
        } else {
            gradient_of_rows<Parts, Capped, true>(mask, r, columns, scale, cap, scores,
                                                  dweights, of, weight_pairs, ds,
                                                  ds_pairs);
        }
    }
}

/// delta(r) = Σ dout out - dlse: what the softmax's gradient subtracts in row r. By the
/// product that makes the gradients of the weights, so that a row that sees one key gets
/// zero. `out` is the right factor width x rows.
template <class Storage>
inline void deltas_of(const attention_problem<Storage>& p, std::int64_t head,
                      std::int64_t first, std::int64_t rows, left_factor dout,
                      right_factor out, float* scores, float* delta) {
    constexpr int parts = part_count<Storage>;
    const std::int64_t width = up(p.head_dim, 32);
    for (std::int64_t r = 0; r < rows; r += 32) {
        product<parts, false>(32, 32, width, dout.from(r, 0), out.from(0, r), scores,
                              key_block);
        for (std::int64_t i = r; i < r + 32 && i < rows; ++i) {
            delta[i] = scores[(i - r) * key_block + i - r];
            if (p.dlse != nullptr) delta[i] -= p.dlse[head * p.total_q + first + i];
        }
    }
}
