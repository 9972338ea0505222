// SPDX-License-Identifier: Apache-2.0
// The kernels of attention_kernels.inl on the products of attention_tiles.inl, for
// bfloat16 and for float32. Everything but the products is float32. A strip of 32 queries
// is multiplied, goes through the softmax while it is in the nearest cache, and becomes a
// factor.

constexpr std::int64_t strip = 32;
constexpr std::int64_t query_block = 128;
constexpr std::int64_t key_block = 128;
/// Queries of all heads that backward prepares at once, for all keys of its task.
constexpr std::int64_t chunk_rows = 1024;

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

/// Hands out the parts of factors.
template <int Parts>
inline left_factor take_left(scratch_memory& memory, std::int64_t rows,
                             std::int64_t columns) {
    return {memory.take<bf16>(Parts * rows * columns), columns, rows * columns};
}
template <int Parts>
inline right_factor take_right(scratch_memory& memory, std::int64_t rows,
                               std::int64_t columns) {
    return {memory.take<std::uint32_t>(Parts * rows / 2 * columns), columns,
            rows / 2 * columns};
}

template <class Storage>
inline std::int64_t chunk_of(const attention_problem<Storage>& p) {
    const std::int64_t each = chunk_rows / (p.heads / p.kv_heads) / 32 * 32;
    return each < query_block ? query_block : each;
}

template <class Storage>
std::int64_t amx_scratch_bytes(const attention_problem<Storage>& p, std::int64_t rows,
                               std::int64_t /* queries */, std::int64_t keys) {
    constexpr std::int64_t parts = part_count<Storage>;
    const std::int64_t group = p.heads / p.kv_heads;
    const std::int64_t width = up(p.head_dim, 32);
    const std::int64_t forward = group * up(rows, 32) * (width * (2 * parts + 4) + 68) +
                                 parts * (6 * key_block * width + 2 * strip * key_block);
    const std::int64_t chunk = chunk_of(p);
    const std::int64_t backward =
        group * (chunk + 32) * (8 * parts * width + 4) +
        (2 + 4 * parts) * query_block * width +
        parts * key_block * (8 * width + 2 * strip + 4 * query_block) +
        4 * width * (2 * up(keys, key_block) + key_block) + 4 * strip * key_block;
    const std::int64_t most = forward > backward ? forward : backward;
    return most + 4 * strip * key_block + 32 * 64;
}

template <class Storage>
inline void amx_forward(const attention_problem<Storage>& p, const attention_task& task,
                        void* scratch) {
    constexpr int parts = part_count<Storage>;
    const tiles configured;
    const std::int64_t d = p.head_dim;
    const std::int64_t width = up(d, 32);
    const std::int64_t group = p.heads / p.kv_heads;
    const std::int64_t rows = task.end - task.begin;
    const std::int64_t padded_rows = up(rows, 32);
    const std::int64_t q0 = p.cu_seqlens_q[task.document] + task.begin;
    const std::int64_t k0 = p.cu_seqlens_k[task.document];
    const std::int64_t keys = p.keys(task.document);
    const std::int64_t first_seen = task.begin + keys - p.queries(task.document);
    const std::int64_t kv = task.kv_head * d;

    scratch_memory memory(scratch);
    const left_factor q = take_left<parts>(memory, group * padded_rows, width);
    float* const out = memory.take<float>(group * padded_rows * width);
    float* const top = memory.take<float>(group * padded_rows);
    float* const totals = memory.take<float>(group * padded_rows * 16);
    const left_factor block = take_left<parts>(memory, key_block, width);
    const right_factor kt = take_right<parts>(memory, width, key_block);
    const right_factor v = take_right<parts>(memory, key_block, width);
    float* const scores = memory.take<float>(strip * key_block);
    const left_factor weights = take_left<parts>(memory, strip, key_block);
    for (std::int64_t g = 0; g < group; ++g) {
        take_rows(p.q + q0 * p.q_stride + (task.kv_head * group + g) * d, p.q_stride,
                  rows, d, padded_rows, q.from(g * padded_rows, 0));
    }
    fill(out, group * padded_rows * width, 0.0F);
    fill(top, group * padded_rows, -std::numeric_limits<float>::infinity());
    fill(totals, group * padded_rows * 16, 0.0F);

    const key_range all_keys{p.causal, p.window, keys, first_seen};
    const std::int64_t last = all_keys.high(rows - 1);
    for (std::int64_t kb = all_keys.low(0) / key_block * key_block; kb < last;
         kb += key_block) {
        const std::int64_t count = last - kb < key_block ? last - kb : key_block;
        const std::int64_t columns = up(count, 32);
        take_rows(p.k + (k0 + kb) * p.k_stride + kv, p.k_stride, count, d, columns,
                  block);
        transposed_right<parts>(block, columns, width, kt);
        take_rows(p.v + (k0 + kb) * p.v_stride + kv, p.v_stride, count, d, columns,
                  block);
        right_of<parts>(block, columns, width, v);
        for (std::int64_t g = 0; g < group; ++g) {
            for (std::int64_t r = 0; r < rows; r += strip) {
                const strip_mask mask{rows - r < strip ? rows - r : strip,
                                      {p.causal, p.window, count, first_seen + r - kb}};
                const std::int64_t end = mask.columns();
                if (end == 0 || mask.seen.low(0) >= count) continue;
                const std::int64_t first = g * padded_rows + r;
                product<parts, false>(mask.padded_rows(), end, width, q.from(first, 0),
                                      kt, scores, key_block);
                const auto softmax = p.softcap > 0 ? &continue_softmax<parts, true>
                                                   : &continue_softmax<parts, false>;
                softmax(mask, end, p.scale, p.softcap, scores,
                        {top + first, totals + first * 16, out + first * width, width},
                        weights);
                product<parts, true>(mask.padded_rows(), width, end, weights, v,
                                     out + first * width, width);
            }
        }
    }
    for (std::int64_t g = 0; g < group; ++g) {
        const std::int64_t head = task.kv_head * group + g;
        for (std::int64_t r = 0; r < rows; ++r) {
            const std::int64_t row = g * padded_rows + r;
            const float total = sum_of(load(totals + row * 16));
            const float factor = total > 0 ? 1.0F / total : 0.0F;
            Storage* const to = p.out + (q0 + r) * p.out_stride + head * d;
            for (std::int64_t i = 0; i < d; i += 16)
                store_first(to + i, load(out + row * width + i) * factor, d - i);
            p.lse[head * p.total_q + q0 + r] =
                total > 0 ? top[row] + std::log(total)
                          : -std::numeric_limits<float>::infinity();
        }
    }
}

template <class Storage>
inline void amx_backward(const attention_problem<Storage>& p, const attention_task& task,
                         float* dq, void* scratch) {
    constexpr int parts = part_count<Storage>;
    const tiles configured;
    const std::int64_t d = p.head_dim;
    const std::int64_t width = up(d, 32);
    const std::int64_t group = p.heads / p.kv_heads;
    const std::int64_t q0 = p.cu_seqlens_q[task.document];
    const std::int64_t k0 = p.cu_seqlens_k[task.document];
    const std::int64_t queries = p.queries(task.document);
    const std::int64_t dq_rows = up(queries, 32);
    const std::int64_t shift = p.keys(task.document) - queries;
    const std::int64_t kv = task.kv_head * d;
    const std::int64_t chunk = chunk_of(p);
    const std::int64_t range = up(task.end - task.begin, key_block);

    scratch_memory memory(scratch);
    const left_factor q = take_left<parts>(memory, group * chunk, width);
    const left_factor dout = take_left<parts>(memory, group * chunk, width);
    // Transposed, head after head: width x chunk each; rows a page's part apart would
    // share places in the cache.
    const left_factor qt = take_left<parts>(memory, group * width, chunk + 32);
    const left_factor doutt = take_left<parts>(memory, group * width, chunk + 32);
    float* const delta = memory.take<float>(group * chunk);
    std::uint32_t* const pairs = memory.take<std::uint32_t>(query_block / 2 * width);
    const left_factor out = take_left<parts>(memory, query_block, width);
    const right_factor out_t = take_right<parts>(memory, width, query_block);
    const left_factor block = take_left<parts>(memory, key_block, width);
    const right_factor kt = take_right<parts>(memory, width, key_block);
    const right_factor vt = take_right<parts>(memory, width, key_block);
    const right_factor k = take_right<parts>(memory, key_block, width);
    // Transposed, block after block: width x key_block each.
    float* const dkt = memory.take<float>(width * range);
    float* const dvt = memory.take<float>(width * range);
    float* const turned = memory.take<float>(width * key_block);
    float* const scores = memory.take<float>(strip * key_block);
    float* const dweights = memory.take<float>(strip * key_block);
    const left_factor ds = take_left<parts>(memory, strip, key_block);
    const right_factor ds_pairs = take_right<parts>(memory, query_block, key_block);
    const right_factor weight_pairs = take_right<parts>(memory, query_block, key_block);
    fill(dq, group * dq_rows * width, 0.0F);
    fill(dkt, width * range, 0.0F);
    fill(dvt, width * range, 0.0F);

    for (std::int64_t qc = 0; qc < queries; qc += chunk) {
        const std::int64_t chunk_end = queries - qc < chunk ? queries : qc + chunk;
        if (p.causal && chunk_end + shift <= task.begin) continue;
        if (p.window > 0 && qc + shift - p.window + 1 >= task.end) break;
        for (std::int64_t g = 0; g < group; ++g) {
            const std::int64_t head = task.kv_head * group + g;
            for (std::int64_t qb = qc; qb < chunk_end; qb += query_block) {
                const std::int64_t n =
                    chunk_end - qb < query_block ? chunk_end - qb : query_block;
                const std::int64_t padded_n = up(n, 32);
                const std::int64_t row = g * chunk + qb - qc;
                take_rows(p.q + (q0 + qb) * p.q_stride + head * d, p.q_stride, n, d,
                          padded_n, q.from(row, 0));
                take_rows(p.dout + (q0 + qb) * p.dout_stride + head * d, p.dout_stride, n,
                          d, padded_n, dout.from(row, 0));
                take_rows(p.out + (q0 + qb) * p.out_stride + head * d, p.out_stride, n, d,
                          padded_n, out);
                transposed_right<parts>(out, padded_n, width, out_t);
                deltas_of(p, head, q0 + qb, n, dout.from(row, 0), out_t, scores,
                          delta + row);
                transposed_left<parts>(q.from(row, 0), padded_n, width, pairs,
                                       qt.from(g * width, qb - qc));
                transposed_left<parts>(dout.from(row, 0), padded_n, width, pairs,
                                       doutt.from(g * width, qb - qc));
            }
        }
        for (std::int64_t kb = task.begin; kb < task.end; kb += key_block) {
            const std::int64_t count =
                task.end - kb < key_block ? task.end - kb : key_block;
            const std::int64_t columns = up(count, 32);
            // Queries of the chunk that see any key of this block, from a whole strip on.
            const std::int64_t seeing =
                p.causal && kb > shift ? (kb - shift) / 32 * 32 : 0;
            const std::int64_t from_q = seeing > qc ? seeing : qc;
            const std::int64_t past = kb + count + p.window - 1 - shift;
            const std::int64_t end_q =
                p.window > 0 && past < chunk_end ? past : chunk_end;
            if (from_q >= end_q) continue;
            take_rows(p.v + (k0 + kb) * p.v_stride + kv, p.v_stride, count, d, columns,
                      block);
            transposed_right<parts>(block, columns, width, vt);
            take_rows(p.k + (k0 + kb) * p.k_stride + kv, p.k_stride, count, d, columns,
                      block);
            transposed_right<parts>(block, columns, width, kt);
            right_of<parts>(block, columns, width, k);
            float* const dkt_block = dkt + (kb - task.begin) * width;
            float* const dvt_block = dvt + (kb - task.begin) * width;
            for (std::int64_t g = 0; g < group; ++g) {
                const std::int64_t head = task.kv_head * group + g;
                for (std::int64_t qb = from_q; qb < end_q; qb += query_block) {
                    const std::int64_t n =
                        end_q - qb < query_block ? end_q - qb : query_block;
                    for (std::int64_t r = 0; r < n; r += strip) {
                        const strip_mask mask{
                            n - r < strip ? n - r : strip,
                            {p.causal, p.window, count, qb + r + shift - kb}};
                        const std::int64_t end = mask.columns();
                        if (end == 0) continue;
                        const std::int64_t row = g * chunk + qb + r - qc;
                        product<parts, false>(mask.padded_rows(), end, width,
                                              q.from(row, 0), kt, scores, key_block);
                        product<parts, false>(mask.padded_rows(), end, width,
                                              dout.from(row, 0), vt, dweights, key_block);
                        const auto gradient = p.softcap > 0
                                                  ? &softmax_gradient<parts, true>
                                                  : &softmax_gradient<parts, false>;
                        gradient(mask, end, p.scale, p.softcap, scores, dweights,
                                 {p.lse + head * p.total_q + q0 + qb + r, delta + row},
                                 weight_pairs.from(r, 0), ds, ds_pairs.from(r, 0));
                        product<parts, true>(mask.padded_rows(), width, end, ds, k,
                                             dq + (g * dq_rows + qb + r) * width, width);
                    }
                    for (std::int64_t c = 0; c < columns; c += 32) {
                        // The first strip that sees key c.
                        const std::int64_t first = kb + c - shift - qb;
                        if (p.causal && first >= n) continue;
                        const std::int64_t r =
                            p.causal && first > 0 ? first / strip * strip : 0;
                        const std::int64_t depth = up(n - r, 32);
                        product<parts, true>(
                            width, 32, depth, doutt.from(g * width, qb + r - qc),
                            weight_pairs.from(r, c), dvt_block + c, key_block);
                        product<parts, true>(
                            width, 32, depth, qt.from(g * width, qb + r - qc),
                            ds_pairs.from(r, c), dkt_block + c, key_block);
                    }
                }
            }
        }
    }
    const auto write = [&](const float* from, float factor, Storage* to,
                           std::int64_t count) {
        transpose(reinterpret_cast<const std::uint32_t*>(from), width, key_block,
                  key_block, reinterpret_cast<std::uint32_t*>(turned), width);
        for (std::int64_t r = 0; r < count; ++r) {
            for (std::int64_t i = 0; i < d; i += 16) {
                store_first(to + r * p.dkv_stride + i,
                            load(turned + r * width + i) * factor, d - i);
            }
        }
    };
    for (std::int64_t kb = task.begin; kb < task.end; kb += key_block) {
        const std::int64_t count = task.end - kb < key_block ? task.end - kb : key_block;
        const std::int64_t at = (k0 + kb) * p.dkv_stride + kv;
        write(dkt + (kb - task.begin) * width, p.scale, p.dk + at, count);
        write(dvt + (kb - task.begin) * width, 1.0F, p.dv + at, count);
    }
}

template <class Storage>
inline attention_kernels<Storage> amx_kernels(const char* name) {
    return {name,
            &amx_scratch_bytes<Storage>,
            [](std::int64_t queries) { return up(queries, 32); },
            [](std::int64_t head_dim) { return up(head_dim, 32); },
            &amx_forward<Storage>,
            &amx_backward<Storage>};
}
