// SPDX-License-Identifier: Apache-2.0
// Attention in blocks with an online softmax (Dao et al. 2022, arXiv 2205.14135; Rabe &
// Staats 2021, arXiv 2112.05682), on the vectors of simd.inl. Included once for each
// instruction set.
//
// Rows of queries, keys and values are first copied to the compute type, head_dim padded
// with zeros to whole vectors (D); the copies cost d a token, the products d a pair.

#include <packkit/torch/ops/detail/attention_parts.inl>

constexpr std::int64_t query_block = 96;
constexpr std::int64_t key_block = 128;

template <class T>
inline std::int64_t padded(std::int64_t elements) {
    return (elements + simd<T>::lanes - 1) / simd<T>::lanes * simd<T>::lanes;
}

/// rows x head_dim, times factor, as rows x D.
template <class Storage, class T>
inline void copy_rows(const Storage* from, std::int64_t stride, std::int64_t rows,
                      std::int64_t head_dim, T factor, T* to) {
    const std::int64_t width = padded<T>(head_dim);
    for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t i = 0; i < head_dim; ++i) {
            to[r * width + i] = static_cast<T>(from[r * stride + i]) * factor;
        }
        for (std::int64_t i = head_dim; i < width; ++i)
            to[r * width + i] = 0;
    }
}

/// rows x D as head_dim x columns, zeros behind the rows.
template <class T>
inline void transpose_rows(const T* from, std::int64_t rows, std::int64_t head_dim, T* to,
                           std::int64_t columns) {
    const std::int64_t width = padded<T>(head_dim);
    constexpr std::int64_t strip = 16;
    for (std::int64_t first = 0; first < head_dim; first += strip) {
        const std::int64_t end = first + strip < head_dim ? first + strip : head_dim;
        for (std::int64_t r = 0; r < rows; ++r) {
            for (std::int64_t i = first; i < end; ++i)
                to[i * columns + r] = from[r * width + i];
        }
    }
    for (std::int64_t i = 0; i < head_dim; ++i) {
        for (std::int64_t r = rows; r < columns; ++r)
            to[i * columns + r] = 0;
    }
}

/// Elements that both directions need at most for tasks of `rows` rows of a document with
/// `queries` queries.
template <class Storage>
std::int64_t scratch_bytes(const attention_problem<Storage>& p, std::int64_t rows,
                           std::int64_t queries, std::int64_t /* keys */) {
    using T = compute_type<Storage>;
    const std::int64_t group = p.heads / p.kv_heads;
    const std::int64_t width = padded<T>(p.head_dim);
    const std::int64_t of_blocks =
        (5 * key_block + 2 * query_block) * width + 2 * query_block * key_block;
    const std::int64_t of_rows = group * (rows * (2 * width + 2) + queries);
    return (of_blocks + of_rows) * static_cast<std::int64_t>(sizeof(T)) + 16 * 64;
}

template <class Storage>
void forward(const attention_problem<Storage>& p, const attention_task& task,
             void* scratch) {
    using T = compute_type<Storage>;
    constexpr std::int64_t lanes = simd<T>::lanes;
    const std::int64_t d = p.head_dim;
    const std::int64_t width = padded<T>(d);
    const std::int64_t group = p.heads / p.kv_heads;
    const std::int64_t rows = task.end - task.begin;
    const std::int64_t q0 = p.cu_seqlens_q[task.document] + task.begin;
    const std::int64_t k0 = p.cu_seqlens_k[task.document];
    const std::int64_t keys = p.keys(task.document);
    // The last key that the task's first query sees.
    const std::int64_t first_seen = task.begin + keys - p.queries(task.document);

    scratch_memory memory(scratch);
    T* const q = memory.take<T>(group * rows * width);
    T* const out = memory.take<T>(group * rows * width);
    T* const top = memory.take<T>(group * rows);
    T* const total = memory.take<T>(group * rows);
    T* const k = memory.take<T>(key_block * width);
    T* const kt = memory.take<T>(d * key_block);
    T* const v = memory.take<T>(key_block * width);
    T* const scores = memory.take<T>(tile_rows * key_block);
    for (std::int64_t g = 0; g < group; ++g) {
        copy_rows(p.q + q0 * p.q_stride + (task.kv_head * group + g) * d, p.q_stride,
                  rows, d, p.scale, q + g * rows * width);
    }
    fill(out, group * rows * width, T(0));
    fill(top, group * rows, -std::numeric_limits<T>::infinity());
    fill(total, group * rows, T(0));

    const key_range all_keys{p.causal, p.window, keys, first_seen};
    const std::int64_t last = all_keys.high(rows - 1);
    for (std::int64_t kb = all_keys.low(0) / key_block * key_block; kb < last;
         kb += key_block) {
        const std::int64_t count = last - kb < key_block ? last - kb : key_block;
        const std::int64_t columns = padded<T>(count);
        const std::int64_t head = task.kv_head * d;
        copy_rows(p.k + (k0 + kb) * p.k_stride + head, p.k_stride, count, d, T(1), k);
        transpose_rows(k, count, d, kt, columns);
        copy_rows(p.v + (k0 + kb) * p.v_stride + head, p.v_stride, count, d, T(1), v);
        const key_range seen{p.causal, p.window, count, first_seen - kb};
        for (std::int64_t g = 0; g < group; ++g) {
            for (std::int64_t r = 0; r < rows; r += tile_rows) {
                const std::int64_t n = rows - r < tile_rows ? rows - r : tile_rows;
                const std::int64_t high = seen.high(r + n - 1);
                if (high <= 0 || seen.low(r) >= count) continue;
                const std::int64_t end = padded<T>(high);
                T* const out_r = out + (g * rows + r) * width;
                product<T, false>(n, end, d, q + (g * rows + r) * width, width, 1, kt,
                                  columns, scores, key_block);
                for (std::int64_t i = 0; i < n; ++i) {
                    T* const row = scores + i * key_block;
                    const std::int64_t row_high = seen.high(r + i);
                    const std::int64_t row_low = seen.low(r + i);
                    if (row_high <= row_low) {
                        fill(row, end, T(0));
                        continue;
                    }
                    if (p.softcap > 0) {
                        for (std::int64_t c = 0; c < end; c += lanes)
                            store<T>(row + c, capped<T>(load(row + c), p.softcap));
                    }
                    hide(row, row_low, row_high, end);
                    add_to_softmax(row, end, top[g * rows + r + i],
                                   total[g * rows + r + i], out_r + i * width, width);
                }
                product<T, true>(n, width, high, scores, key_block, 1, v, width, out_r,
                                 width);
            }
        }
    }
    for (std::int64_t g = 0; g < group; ++g) {
        const std::int64_t head = task.kv_head * group + g;
        for (std::int64_t r = 0; r < rows; ++r) {
            const T weight = total[g * rows + r];
            const T factor = weight > 0 ? T(1) / weight : T(0);
            const T* const from = out + (g * rows + r) * width;
            Storage* const to = p.out + (q0 + r) * p.out_stride + head * d;
            for (std::int64_t i = 0; i < d; ++i)
                to[i] = static_cast<Storage>(from[i] * factor);
            p.lse[head * p.total_q + q0 + r] = weight > 0
                                                   ? top[g * rows + r] + std::log(weight)
                                                   : -std::numeric_limits<T>::infinity();
        }
    }
}

/// From a row's scores and the gradients of its weights in a block, of which it sees
/// [low, high): the weights e^(score - norm), and the gradients of the scores. Columns
/// from `end` on, which nobody of the tile sees, become zero.
template <class T>
inline void gradient_of_row(std::int64_t low, std::int64_t high, std::int64_t end,
                            std::int64_t columns, T softcap, T norm, T less, T* row,
                            T* drow) {
    constexpr std::int64_t lanes = simd<T>::lanes;
    high = high > 0 ? high : 0;
    low = low < high ? low : high;
    if (low == high) {
        fill(row, columns, T(0));
        fill(drow, columns, T(0));
        return;
    }
    if (softcap > 0) {
        for (std::int64_t c = 0; c < end; c += lanes)
            store<T>(row + c, capped<T>(load(row + c), softcap));
        // d tanh = 1 - tanh²
        const T part = T(1) / softcap;
        for (std::int64_t c = 0; c < end; c += lanes) {
            const vec<T> t = load(row + c) * part;
            const vec<T> e = load(drow + c) - less;
            store<T>(drow + c, e * (T(1) - t * t));
        }
    } else {
        for (std::int64_t c = 0; c < end; c += lanes)
            store<T>(drow + c, load(drow + c) - less);
    }
    hide(row, low, high, end);
    for (std::int64_t c = 0; c < end; c += lanes) {
        const vec<T> e = exponential<T>(load(row + c) - norm);
        store<T>(row + c, e);
        store<T>(drow + c, e * load(drow + c));
    }
    fill(row + end, columns - end, T(0));
    fill(drow + end, columns - end, T(0));
}

template <class Storage>
void backward(const attention_problem<Storage>& p, const attention_task& task,
              compute_type<Storage>* dq, void* scratch) {
    using T = compute_type<Storage>;
    const std::int64_t d = p.head_dim;
    const std::int64_t width = padded<T>(d);
    const std::int64_t group = p.heads / p.kv_heads;
    const std::int64_t q0 = p.cu_seqlens_q[task.document];
    const std::int64_t k0 = p.cu_seqlens_k[task.document];
    const std::int64_t queries = p.queries(task.document);
    const std::int64_t shift = p.keys(task.document) - queries;

    scratch_memory memory(scratch);
    T* const k = memory.take<T>(key_block * width);
    T* const kt = memory.take<T>(d * key_block);
    T* const vt = memory.take<T>(d * key_block);
    T* const dk = memory.take<T>(key_block * width);
    T* const dv = memory.take<T>(key_block * width);
    T* const q = memory.take<T>(query_block * width);
    T* const dout = memory.take<T>(query_block * width);
    T* const weights = memory.take<T>(query_block * key_block);  // e^(score - lse)
    T* const dscores = memory.take<T>(query_block * key_block);
    T* const delta = memory.take<T>(group * queries);
    row_deltas(p, task, delta);
    fill(dq, group * queries * width, T(0));

    for (std::int64_t kb = task.begin; kb < task.end; kb += key_block) {
        const std::int64_t count = task.end - kb < key_block ? task.end - kb : key_block;
        const std::int64_t columns = padded<T>(count);
        const std::int64_t kv = task.kv_head * d;
        copy_rows(p.v + (k0 + kb) * p.v_stride + kv, p.v_stride, count, d, T(1), k);
        transpose_rows(k, count, d, vt, columns);
        copy_rows(p.k + (k0 + kb) * p.k_stride + kv, p.k_stride, count, d, T(1), k);
        transpose_rows(k, count, d, kt, columns);
        fill(dk, count * width, T(0));
        fill(dv, count * width, T(0));
        // Queries that see any key of this block.
        const std::int64_t from_q = p.causal && kb > shift ? kb - shift : 0;
        const std::int64_t past = kb + count + p.window - 1 - shift;
        const std::int64_t end_q = p.window > 0 && past < queries ? past : queries;
        for (std::int64_t g = 0; g < group; ++g) {
            const std::int64_t head = task.kv_head * group + g;
            for (std::int64_t qb = from_q; qb < end_q; qb += query_block) {
                const std::int64_t rows =
                    end_q - qb < query_block ? end_q - qb : query_block;
                copy_rows(p.q + (q0 + qb) * p.q_stride + head * d, p.q_stride, rows, d,
                          p.scale, q);
                copy_rows(p.dout + (q0 + qb) * p.dout_stride + head * d, p.dout_stride,
                          rows, d, T(1), dout);
                const T* const lse = p.lse + head * p.total_q + q0 + qb;
                const key_range seen{p.causal, p.window, count, qb + shift - kb};
                for (std::int64_t r = 0; r < rows; r += tile_rows) {
                    const std::int64_t n = rows - r < tile_rows ? rows - r : tile_rows;
                    const std::int64_t high = seen.high(r + n - 1);
                    if (high <= 0) continue;  // the keys' rows below begin behind it
                    const std::int64_t end = padded<T>(high);
                    T* const w = weights + r * key_block;
                    T* const ds = dscores + r * key_block;
                    product<T, false>(n, end, d, q + r * width, width, 1, kt, columns, w,
                                      key_block);
                    product<T, false>(n, end, d, dout + r * width, width, 1, vt, columns,
                                      ds, key_block);
                    for (std::int64_t i = 0; i < n; ++i) {
                        gradient_of_row<T>(seen.low(r + i), seen.high(r + i), end,
                                           columns, p.softcap, lse[r + i],
                                           delta[g * queries + qb + r + i],
                                           w + i * key_block, ds + i * key_block);
                    }
                    product<T, true>(n, width, high, ds, key_block, 1, k, width,
                                     dq + (g * queries + qb + r) * width, width);
                }
                for (std::int64_t c = 0; c < count; c += tile_rows) {
                    const std::int64_t n = count - c < tile_rows ? count - c : tile_rows;
                    // The first tile of queries that sees key c.
                    std::int64_t r = 0;
                    if (p.causal && kb + c > shift + qb)
                        r = (kb + c - shift - qb) / tile_rows * tile_rows;
                    if (r >= rows) continue;
                    product<T, true>(n, width, rows - r, weights + r * key_block + c, 1,
                                     key_block, dout + r * width, width, dv + c * width,
                                     width);
                    product<T, true>(n, width, rows - r, dscores + r * key_block + c, 1,
                                     key_block, q + r * width, width, dk + c * width,
                                     width);
                }
            }
        }
        for (std::int64_t r = 0; r < count; ++r) {
            const std::int64_t to = (k0 + kb + r) * p.dkv_stride + kv;
            for (std::int64_t i = 0; i < d; ++i) {
                p.dk[to + i] = static_cast<Storage>(dk[r * width + i]);
                p.dv[to + i] = static_cast<Storage>(dv[r * width + i]);
            }
        }
    }
}

template <class Storage>
inline attention_kernels<Storage> kernels(instruction_set set) {
    return {set,
            0,
            &scratch_bytes<Storage>,
            [](std::int64_t queries) { return queries; },
            [](std::int64_t head_dim) { return padded<compute_type<Storage>>(head_dim); },
            &forward<Storage>,
            &backward<Storage>};
}
