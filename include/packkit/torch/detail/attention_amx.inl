// SPDX-License-Identifier: Apache-2.0
// The kernels of attention_kernels.inl for bfloat16 on Intel's matrix tiles (AMX): one
// instruction adds (16 x 32) (32 x 16) in bfloat16 to 16 x 16 in float32. Everything but
// the products is float32. Included once, after simd.inl with vectors of 64 bytes.
//
// Left factors lie row by row; right factors as pairs of rows: the word (k / 2, n) holds
// rows k and k + 1 of column n. Rows, keys and head_dim are padded with zeros to tiles.

constexpr std::int64_t query_block = 64;
constexpr std::int64_t key_block = 128;

using words = std::uint32_t __attribute__((vector_size(64), aligned(4), may_alias));
using half_words = std::uint16_t __attribute__((vector_size(32), aligned(2), may_alias));

PACKKIT_INLINE words load_words(const std::uint32_t* from) {
    return *reinterpret_cast<const words*>(from);
}
PACKKIT_INLINE void store_words(std::uint32_t* to, words value) {
    *reinterpret_cast<words*>(to) = value;
}
PACKKIT_INLINE words load_bf16(const bf16* from) {
    return __builtin_convertvector(*reinterpret_cast<const half_words*>(from), words);
}
PACKKIT_INLINE void store_bf16(bf16* to, words low) {
    *reinterpret_cast<half_words*>(to) = __builtin_convertvector(low, half_words);
}
PACKKIT_INLINE vec<float> as_float(words bits) {
    return reinterpret_cast<vec<float>>(bits << 16);
}
/// To bfloat16, nearest even, in the low halves.
PACKKIT_INLINE words rounded(vec<float> x) {
    const words bits = reinterpret_cast<words>(x);
    return (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
}

inline std::int64_t up(std::int64_t count, std::int64_t multiple) {
    return (count + multiple - 1) / multiple * multiple;
}

/// Tiles of 16 rows of 64 bytes, for as long as it lives.
class tiles {
public:
    tiles() {
        struct alignas(64) {
            std::uint8_t palette = 1;
            std::uint8_t start_row = 0;
            std::uint8_t reserved[14] = {};
            std::uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
            std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
        } configuration;
        _tile_loadconfig(&configuration);
    }
    tiles(const tiles&) = delete;
    tiles& operator=(const tiles&) = delete;
    ~tiles() { _tile_release(); }
};

/// C (rows x columns) = A B, or += with Add. Rows and columns are multiples of 16, depth
/// of 32; as, bs, cs elements (words for B) from row to row.
template <bool Add>
inline void product(std::int64_t rows, std::int64_t columns, std::int64_t depth,
                    const bf16* a, std::int64_t as, const std::uint32_t* b,
                    std::int64_t bs, float* c, std::int64_t cs) {
    const auto a_bytes = static_cast<std::size_t>(as * 2);
    const auto b_bytes = static_cast<std::size_t>(bs * 4);
    const auto c_bytes = static_cast<std::size_t>(cs * 4);
    // Up to 2 x 2 tiles of C: 0 1 / 2 3; 4 5 of A; 6 7 of B.
    for (std::int64_t j = 0; j < columns; j += 32) {
        const bool wide = j + 16 < columns;
        for (std::int64_t i = 0; i < rows; i += 32) {
            const bool tall = i + 16 < rows;
            float* const upper = c + i * cs + j;
            float* const lower = upper + 16 * cs;
            if constexpr (Add) {
                _tile_loadd(0, upper, c_bytes);
                if (wide) _tile_loadd(1, upper + 16, c_bytes);
                if (tall) _tile_loadd(2, lower, c_bytes);
                if (tall && wide) _tile_loadd(3, lower + 16, c_bytes);
            } else {
                _tile_zero(0);
                _tile_zero(1);
                _tile_zero(2);
                _tile_zero(3);
            }
            for (std::int64_t k = 0; k < depth; k += 32) {
                const bf16* const left = a + i * as + k;
                const std::uint32_t* const right = b + k / 2 * bs + j;
                _tile_loadd(4, left, a_bytes);
                _tile_loadd(6, right, b_bytes);
                _tile_dpbf16ps(0, 4, 6);
                if (wide) {
                    _tile_loadd(7, right + 16, b_bytes);
                    _tile_dpbf16ps(1, 4, 7);
                }
                if (tall) {
                    _tile_loadd(5, left + 16 * as, a_bytes);
                    _tile_dpbf16ps(2, 5, 6);
                    if (wide) _tile_dpbf16ps(3, 5, 7);
                }
            }
            _tile_stored(0, upper, c_bytes);
            if (wide) _tile_stored(1, upper + 16, c_bytes);
            if (tall) _tile_stored(2, lower, c_bytes);
            if (tall && wide) _tile_stored(3, lower + 16, c_bytes);
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

/// Rows of bf16 as pairs of rows. Rows are even, columns a multiple of 16.
inline void pair_rows(const bf16* from, std::int64_t rows, std::int64_t columns,
                      std::int64_t from_stride, std::uint32_t* to,
                      std::int64_t to_stride) {
    for (std::int64_t r = 0; r < rows; r += 2) {
        for (std::int64_t c = 0; c < columns; c += 16) {
            const words even = load_bf16(from + r * from_stride + c);
            const words odd = load_bf16(from + (r + 1) * from_stride + c);
            store_words(to + r / 2 * to_stride + c, even | (odd << 16));
        }
    }
}

/// rows x head_dim as padded_rows x width, zeros around.
inline void copy_rows(const bf16* from, std::int64_t stride, std::int64_t rows,
                      std::int64_t head_dim, std::int64_t padded_rows, std::int64_t width,
                      bf16* to) {
    for (std::int64_t r = 0; r < rows; ++r) {
        const bf16* const source = from + r * stride;
        bf16* const target = to + r * width;
        std::int64_t i = 0;
        for (; i + 16 <= head_dim; i += 16)
            store_bf16(target + i, load_bf16(source + i));
        for (; i < head_dim; ++i)
            target[i] = source[i];
        for (; i < width; ++i)
            target[i].bits = 0;
    }
    for (std::int64_t i = rows * width; i < padded_rows * width; ++i)
        to[i].bits = 0;
}

inline const std::uint32_t* as_words(const bf16* rows) {
    return reinterpret_cast<const std::uint32_t*>(rows);
}
inline const bf16* as_rows(const std::uint32_t* pairs) {
    return reinterpret_cast<const bf16*>(pairs);
}

inline std::int64_t amx_scratch_bytes(const attention_problem<bf16>& p, std::int64_t rows,
                                      std::int64_t queries) {
    const std::int64_t group = p.heads / p.kv_heads;
    const std::int64_t width = up(p.head_dim, 32);
    // forward: q and out of all rows; backward: delta; both: their blocks.
    const std::int64_t of_rows = group * (up(rows, 16) * (6 * width + 8) + 4 * queries);
    const std::int64_t of_blocks =
        width * (key_block * 20 + query_block * 10) + query_block * key_block * 14;
    return of_rows + of_blocks + 24 * 64;
}

inline void amx_forward(const attention_problem<bf16>& p, const attention_task& task,
                        void* scratch) {
    const tiles configured;
    const std::int64_t d = p.head_dim;
    const std::int64_t width = up(d, 32);
    const std::int64_t group = p.heads / p.kv_heads;
    const std::int64_t rows = task.end - task.begin;
    const std::int64_t padded_rows = up(rows, 16);
    const std::int64_t q0 = p.cu_seqlens_q[task.document] + task.begin;
    const std::int64_t k0 = p.cu_seqlens_k[task.document];
    const std::int64_t keys = p.keys(task.document);
    const std::int64_t first_seen = task.begin + keys - p.queries(task.document);

    scratch_memory memory(scratch);
    bf16* const q = memory.take<bf16>(group * padded_rows * width);
    float* const out = memory.take<float>(group * padded_rows * width);
    float* const top = memory.take<float>(group * padded_rows);
    float* const total = memory.take<float>(group * padded_rows);
    bf16* const block = memory.take<bf16>(key_block * width);
    std::uint32_t* const kt = memory.take<std::uint32_t>(width / 2 * key_block);
    std::uint32_t* const v = memory.take<std::uint32_t>(key_block / 2 * width);
    float* const scores = memory.take<float>(query_block * key_block);
    bf16* const weights = memory.take<bf16>(query_block * key_block);
    for (std::int64_t g = 0; g < group; ++g) {
        copy_rows(p.q + q0 * p.q_stride + (task.kv_head * group + g) * d, p.q_stride,
                  rows, d, padded_rows, width, q + g * padded_rows * width);
    }
    fill(out, group * padded_rows * width, 0.0F);
    fill(top, group * padded_rows, -std::numeric_limits<float>::infinity());
    fill(total, group * padded_rows, 0.0F);

    const key_range all_keys{p.causal, p.window, keys, first_seen};
    const std::int64_t last = all_keys.high(rows - 1);
    for (std::int64_t kb = all_keys.low(0) / key_block * key_block; kb < last;
         kb += key_block) {
        const std::int64_t count = last - kb < key_block ? last - kb : key_block;
        const std::int64_t columns = up(count, 32);
        const std::int64_t head = task.kv_head * d;
        copy_rows(p.k + (k0 + kb) * p.k_stride + head, p.k_stride, count, d, columns,
                  width, block);
        transpose(as_words(block), columns, width / 2, width / 2, kt, key_block);
        copy_rows(p.v + (k0 + kb) * p.v_stride + head, p.v_stride, count, d, columns,
                  width, block);
        pair_rows(block, columns, width, width, v, width);
        const key_range seen{p.causal, p.window, count, first_seen - kb};
        for (std::int64_t g = 0; g < group; ++g) {
            for (std::int64_t qb = 0; qb < rows; qb += query_block) {
                const std::int64_t n = rows - qb < query_block ? rows - qb : query_block;
                if (seen.high(qb + n - 1) <= 0 || seen.low(qb) >= count) continue;
                const std::int64_t end = up(seen.high(qb + n - 1), 32);
                const std::int64_t first = g * padded_rows + qb;
                product<false>(up(n, 16), end, width, q + first * width, width, kt,
                               key_block, scores, key_block);
                for (std::int64_t r = 0; r < up(n, 16); ++r) {
                    float* const row = scores + r * key_block;
                    bf16* const weight = weights + r * key_block;
                    const std::int64_t high = r < n ? seen.high(qb + r) : 0;
                    const std::int64_t low = r < n ? seen.low(qb + r) : 0;
                    std::int64_t used = 0;
                    if (low < high) {
                        used = up(high, 16);
                        for (std::int64_t c = 0; c < used; c += 16) {
                            vec<float> x = load(row + c) * p.scale;
                            if (p.softcap > 0) x = capped<float>(x, p.softcap);
                            store<float>(row + c, x);
                        }
                        hide(row, low, high, used);
                        add_to_softmax(row, used, top[first + r], total[first + r],
                                       out + (first + r) * width, width);
                    }
                    for (std::int64_t c = 0; c < used; c += 16)
                        store_bf16(weight + c, rounded(load(row + c)));
                    for (std::int64_t c = used; c < end; c += 16)
                        store_bf16(weight + c, words{});
                }
                product<true>(up(n, 16), width, end, weights, key_block, v, width,
                              out + first * width, width);
            }
        }
    }
    for (std::int64_t g = 0; g < group; ++g) {
        const std::int64_t head = task.kv_head * group + g;
        for (std::int64_t r = 0; r < rows; ++r) {
            const float sum_of_row = total[g * padded_rows + r];
            const float factor = sum_of_row > 0 ? 1.0F / sum_of_row : 0.0F;
            const float* const from = out + (g * padded_rows + r) * width;
            bf16* const to = p.out + (q0 + r) * p.out_stride + head * d;
            std::int64_t i = 0;
            for (; i + 16 <= d; i += 16)
                store_bf16(to + i, rounded(load(from + i) * factor));
            for (; i < d; ++i)
                to[i] = bf16(from[i] * factor);
            p.lse[head * p.total_q + q0 + r] =
                sum_of_row > 0 ? top[g * padded_rows + r] + std::log(sum_of_row)
                               : -std::numeric_limits<float>::infinity();
        }
    }
}

inline void amx_backward(const attention_problem<bf16>& p, const attention_task& task,
                         float* dq, void* scratch) {
    const tiles configured;
    const std::int64_t d = p.head_dim;
    const std::int64_t width = up(d, 32);
    const std::int64_t group = p.heads / p.kv_heads;
    const std::int64_t q0 = p.cu_seqlens_q[task.document];
    const std::int64_t k0 = p.cu_seqlens_k[task.document];
    const std::int64_t queries = p.queries(task.document);
    const std::int64_t dq_rows = up(queries, 32);
    const std::int64_t shift = p.keys(task.document) - queries;
    constexpr std::int64_t half_block = query_block / 2;

    scratch_memory memory(scratch);
    bf16* const block = memory.take<bf16>(key_block * width);
    std::uint32_t* const kt = memory.take<std::uint32_t>(width / 2 * key_block);
    std::uint32_t* const vt = memory.take<std::uint32_t>(width / 2 * key_block);
    std::uint32_t* const k = memory.take<std::uint32_t>(key_block / 2 * width);
    float* const dkt = memory.take<float>(width * key_block);  // transposed, as dvt
    float* const dvt = memory.take<float>(width * key_block);
    bf16* const q = memory.take<bf16>(query_block * width);
    bf16* const dout = memory.take<bf16>(query_block * width);
    std::uint32_t* const pairs = memory.take<std::uint32_t>(half_block * width);
    std::uint32_t* const qt = memory.take<std::uint32_t>(width * half_block);
    std::uint32_t* const doutt = memory.take<std::uint32_t>(width * half_block);
    float* const scores = memory.take<float>(query_block * key_block);
    float* const dscores = memory.take<float>(query_block * key_block);
    bf16* const ds_rows = memory.take<bf16>(query_block * key_block);
    std::uint32_t* const weight_pairs =
        memory.take<std::uint32_t>(half_block * key_block);
    std::uint32_t* const ds_pairs = memory.take<std::uint32_t>(half_block * key_block);
    float* const delta = memory.take<float>(group * queries);
    row_deltas(p, task, delta);
    fill(dq, group * dq_rows * width, 0.0F);

    for (std::int64_t kb = task.begin; kb < task.end; kb += key_block) {
        const std::int64_t count = task.end - kb < key_block ? task.end - kb : key_block;
        const std::int64_t columns = up(count, 32);
        const std::int64_t kv = task.kv_head * d;
        copy_rows(p.v + (k0 + kb) * p.v_stride + kv, p.v_stride, count, d, columns, width,
                  block);
        transpose(as_words(block), columns, width / 2, width / 2, vt, key_block);
        copy_rows(p.k + (k0 + kb) * p.k_stride + kv, p.k_stride, count, d, columns, width,
                  block);
        transpose(as_words(block), columns, width / 2, width / 2, kt, key_block);
        pair_rows(block, columns, width, width, k, width);
        fill(dkt, width * key_block, 0.0F);
        fill(dvt, width * key_block, 0.0F);
        // From a whole tile on, so that dq's rows end with its padding.
        const std::int64_t from_q = p.causal && kb > shift ? (kb - shift) / 32 * 32 : 0;
        const std::int64_t past = kb + count + p.window - 1 - shift;
        const std::int64_t end_q = p.window > 0 && past < queries ? past : queries;
        for (std::int64_t g = 0; g < group; ++g) {
            const std::int64_t head = task.kv_head * group + g;
            for (std::int64_t qb = from_q; qb < end_q; qb += query_block) {
                const std::int64_t n =
                    end_q - qb < query_block ? end_q - qb : query_block;
                const std::int64_t padded_n = up(n, 32);
                const key_range seen{p.causal, p.window, count, qb + shift - kb};
                if (seen.high(n - 1) <= 0) continue;
                const std::int64_t end = up(seen.high(n - 1), 32);
                copy_rows(p.q + (q0 + qb) * p.q_stride + head * d, p.q_stride, n, d,
                          padded_n, width, q);
                copy_rows(p.dout + (q0 + qb) * p.dout_stride + head * d, p.dout_stride, n,
                          d, padded_n, width, dout);
                pair_rows(q, padded_n, width, width, pairs, width);
                transpose(pairs, padded_n / 2, width, width, qt, half_block);
                pair_rows(dout, padded_n, width, width, pairs, width);
                transpose(pairs, padded_n / 2, width, width, doutt, half_block);
                product<false>(padded_n, end, width, q, width, kt, key_block, scores,
                               key_block);
                product<false>(padded_n, end, width, dout, width, vt, key_block, dscores,
                               key_block);
                const float* const lse = p.lse + head * p.total_q + q0 + qb;
                for (std::int64_t r = 0; r < padded_n; ++r) {
                    float* const row = scores + r * key_block;
                    const float* const drow = dscores + r * key_block;
                    std::int64_t high = r < n ? seen.high(r) : 0;
                    const std::int64_t low = r < n ? seen.low(r) : 0;
                    if (high <= low) high = 0;
                    const std::int64_t used = up(high, 16);
                    if (used > 0) {
                        for (std::int64_t c = 0; c < used; c += 16) {
                            vec<float> x = load(row + c) * p.scale;
                            if (p.softcap > 0) x = capped<float>(x, p.softcap);
                            store<float>(row + c, x);
                        }
                        hide(row, low, high, used);
                    }
                    const float norm = r < n ? lse[r] : 0.0F;
                    const float less = r < n ? delta[g * queries + qb + r] : 0.0F;
                    std::uint32_t* const weight_pair = weight_pairs + r / 2 * key_block;
                    std::uint32_t* const ds_pair = ds_pairs + r / 2 * key_block;
                    bf16* const ds_row = ds_rows + r * key_block;
                    for (std::int64_t c = 0; c < end; c += 16) {
                        words weight{};
                        words ds{};
                        if (c < used) {
                            const vec<float> x = load(row + c);
                            const vec<float> e = exponential<float>(x - norm);
                            vec<float> gradient = e * (load(drow + c) - less);
                            if (p.softcap > 0) {
                                const vec<float> t =
                                    (e > vec<float>{} ? x : vec<float>{}) *
                                    (1.0F / p.softcap);
                                gradient *= 1.0F - t * t;  // d tanh = 1 - tanh²
                            }
                            weight = rounded(e);
                            ds = rounded(gradient);
                        }
                        store_bf16(ds_row + c, ds);
                        if (r % 2 == 0) {
                            store_words(weight_pair + c, weight);
                            store_words(ds_pair + c, ds);
                        } else {
                            store_words(weight_pair + c,
                                        load_words(weight_pair + c) | (weight << 16));
                            store_words(ds_pair + c,
                                        load_words(ds_pair + c) | (ds << 16));
                        }
                    }
                }
                product<true>(padded_n, width, end, ds_rows, key_block, k, width,
                              dq + (g * dq_rows + qb) * width, width);
                product<true>(width, end, padded_n, as_rows(doutt), query_block,
                              weight_pairs, key_block, dvt, key_block);
                product<true>(width, end, padded_n, as_rows(qt), query_block, ds_pairs,
                              key_block, dkt, key_block);
            }
        }
        for (std::int64_t r = 0; r < count; ++r) {
            const std::int64_t to = (k0 + kb + r) * p.dkv_stride + kv;
            for (std::int64_t i = 0; i < d; ++i) {
                p.dk[to + i] = bf16(dkt[i * key_block + r] * p.scale);
                p.dv[to + i] = bf16(dvt[i * key_block + r]);
            }
        }
    }
}

inline attention_kernels<bf16> amx_kernels(const char* name) {
    return {name,
            &amx_scratch_bytes,
            [](std::int64_t queries) { return up(queries, 32); },
            [](std::int64_t head_dim) { return up(head_dim, 32); },
            &amx_forward,
            &amx_backward};
}
