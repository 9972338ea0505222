// SPDX-License-Identifier: Apache-2.0
// The kernels of attention_kernels.inl on products of bfloat16 factors: those of
// attention_tiles.inl, for bfloat16 and float32, or of attention_dots.inl, for bfloat16.
// Everything but the products is float32. A strip of 32 queries is multiplied, goes
// through the softmax while it is in the nearest cache, and becomes a factor.

constexpr std::int64_t query_block = 128;
/// Queries of all heads that backward prepares at once, for all keys of its task.
constexpr std::int64_t chunk_rows = 1024;

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
std::int64_t factored_scratch_bytes(const attention_problem<Storage>& p,
                                    std::int64_t rows, std::int64_t /* queries */,
                                    std::int64_t keys) {
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
inline void factored_forward(const attention_problem<Storage>& p,
                             const attention_task& task, void* scratch) {
    constexpr int parts = part_count<Storage>;
    const product_unit configured;
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

/// The gradients of a task's keys and values, and their part of those of the queries.
template <class Storage>
class factored_gradient {
public:
    factored_gradient(const attention_problem<Storage>& problem,
                      const attention_task& work, float* queries_gradient, void* scratch)
        : p(problem),
          task(work),
          dq(queries_gradient),
          dq_rows(up(queries, 32)),
          chunk(chunk_of(problem)),
          range(up(work.end - work.begin, key_block)) {
        scratch_memory memory(scratch);
        q = take_left<parts>(memory, group * chunk, width);
        dout = take_left<parts>(memory, group * chunk, width);
        qt = take_left<parts>(memory, group * width, chunk + 32);
        doutt = take_left<parts>(memory, group * width, chunk + 32);
        delta = memory.take<float>(group * chunk);
        pairs = memory.take<std::uint32_t>(query_block / 2 * width);
        out = take_left<parts>(memory, query_block, width);
        out_t = take_right<parts>(memory, width, query_block);
        block = take_left<parts>(memory, key_block, width);
        kt = take_right<parts>(memory, width, key_block);
        vt = take_right<parts>(memory, width, key_block);
        k = take_right<parts>(memory, key_block, width);
        dkt = memory.take<float>(width * range);
        dvt = memory.take<float>(width * range);
        turned = memory.take<float>(width * key_block);
        scores = memory.take<float>(strip * key_block);
        dweights = memory.take<float>(strip * key_block);
        ds = take_left<parts>(memory, strip, key_block);
        ds_pairs = take_right<parts>(memory, query_block, key_block);
        weight_pairs = take_right<parts>(memory, query_block, key_block);
        fill(dq, group * dq_rows * width, 0.0F);
        fill(dkt, width * range, 0.0F);
        fill(dvt, width * range, 0.0F);
    }

    void compute() {
        for (std::int64_t qc = 0; qc < queries; qc += chunk) {
            const std::int64_t chunk_end = queries - qc < chunk ? queries : qc + chunk;
            if (p.causal && chunk_end + shift <= task.begin) continue;
            if (p.window > 0 && qc + shift - p.window + 1 >= task.end) break;
            for (std::int64_t g = 0; g < group; ++g)
                take_queries(g, qc, chunk_end);
            for (std::int64_t kb = task.begin; kb < task.end; kb += key_block)
                add_block(kb, qc, chunk_end);
        }
        for (std::int64_t kb = task.begin; kb < task.end; kb += key_block) {
            const std::int64_t count = keys_of(kb);
            const std::int64_t at = (k0 + kb) * p.dkv_stride + kv;
            write(dkt + (kb - task.begin) * width, p.scale, p.dk + at, count);
            write(dvt + (kb - task.begin) * width, 1.0F, p.dv + at, count);
        }
    }

private:
    static constexpr int parts = part_count<Storage>;

    [[nodiscard]] std::int64_t keys_of(std::int64_t kb) const {
        return task.end - kb < key_block ? task.end - kb : key_block;
    }

    /// Queries [qc, chunk_end) of a head, as factors, and their deltas.
    void take_queries(std::int64_t g, std::int64_t qc, std::int64_t chunk_end) {
        const std::int64_t head = task.kv_head * group + g;
        for (std::int64_t qb = qc; qb < chunk_end; qb += query_block) {
            const std::int64_t n =
                chunk_end - qb < query_block ? chunk_end - qb : query_block;
            const std::int64_t padded_n = up(n, 32);
            const std::int64_t row = g * chunk + qb - qc;
            take_rows(p.q + (q0 + qb) * p.q_stride + head * d, p.q_stride, n, d, padded_n,
                      q.from(row, 0));
            take_rows(p.dout + (q0 + qb) * p.dout_stride + head * d, p.dout_stride, n, d,
                      padded_n, dout.from(row, 0));
            take_rows(p.out + (q0 + qb) * p.out_stride + head * d, p.out_stride, n, d,
                      padded_n, out);
            transposed_right<parts>(out, padded_n, width, out_t);
            deltas_of(p, head, q0 + qb, n, dout.from(row, 0), out_t, scores, delta + row);
            transposed_left<parts>(q.from(row, 0), padded_n, width, pairs,
                                   qt.from(g * width, qb - qc));
            transposed_left<parts>(dout.from(row, 0), padded_n, width, pairs,
                                   doutt.from(g * width, qb - qc));
        }
    }

    /// The keys from kb on, and what queries of the chunk add to their gradients.
    void add_block(std::int64_t kb, std::int64_t qc, std::int64_t chunk_end) {
        const std::int64_t count = keys_of(kb);
        const std::int64_t columns = up(count, 32);
        // Queries of the chunk that see any key of this block, from a whole strip on.
        const std::int64_t seeing = p.causal && kb > shift ? (kb - shift) / 32 * 32 : 0;
        const std::int64_t from_q = seeing > qc ? seeing : qc;
        const std::int64_t past = kb + count + p.window - 1 - shift;
        const std::int64_t end_q = p.window > 0 && past < chunk_end ? past : chunk_end;
        if (from_q >= end_q) return;
        take_rows(p.v + (k0 + kb) * p.v_stride + kv, p.v_stride, count, d, columns,
                  block);
        transposed_right<parts>(block, columns, width, vt);
        take_rows(p.k + (k0 + kb) * p.k_stride + kv, p.k_stride, count, d, columns,
                  block);
        transposed_right<parts>(block, columns, width, kt);
        right_of<parts>(block, columns, width, k);
        for (std::int64_t g = 0; g < group; ++g) {
            for (std::int64_t qb = from_q; qb < end_q; qb += query_block) {
                const std::int64_t n =
                    end_q - qb < query_block ? end_q - qb : query_block;
                for (std::int64_t r = 0; r < n; r += strip) {
                    const strip_mask mask{
                        n - r < strip ? n - r : strip,
                        {p.causal, p.window, count, qb + r + shift - kb}};
                    add_strip(mask, g, qb, r, g * chunk + qb + r - qc);
                }
                add_to_keys(g, kb, qb, n, qc, columns);
            }
        }
    }

    /// A strip's weights, and the gradients of its scores and queries.
    void add_strip(const strip_mask& mask, std::int64_t g, std::int64_t qb,
                   std::int64_t r, std::int64_t row) {
        const std::int64_t end = mask.columns();
        if (end == 0) return;
        const std::int64_t head = task.kv_head * group + g;
        product<parts, false>(mask.padded_rows(), end, width, q.from(row, 0), kt, scores,
                              key_block);
        product<parts, false>(mask.padded_rows(), end, width, dout.from(row, 0), vt,
                              dweights, key_block);
        const auto gradient = p.softcap > 0 ? &softmax_gradient<parts, true>
                                            : &softmax_gradient<parts, false>;
        gradient(mask, end, p.scale, p.softcap, scores, dweights,
                 {p.lse + head * p.total_q + q0 + qb + r, delta + row},
                 weight_pairs.from(r, 0), ds, ds_pairs.from(r, 0));
        product<parts, true>(mask.padded_rows(), width, end, ds, k,
                             dq + (g * dq_rows + qb + r) * width, width);
    }

    /// What n queries from qb on add to the gradients of keys and values.
    void add_to_keys(std::int64_t g, std::int64_t kb, std::int64_t qb, std::int64_t n,
                     std::int64_t qc, std::int64_t columns) {
        float* const dkt_block = dkt + (kb - task.begin) * width;
        float* const dvt_block = dvt + (kb - task.begin) * width;
        for (std::int64_t c = 0; c < columns; c += 32) {
            // The first strip that sees key c.
            const std::int64_t first = kb + c - shift - qb;
            if (p.causal && first >= n) continue;
            const std::int64_t r = p.causal && first > 0 ? first / strip * strip : 0;
            const std::int64_t depth = up(n - r, 32);
            product<parts, true>(width, 32, depth, doutt.from(g * width, qb + r - qc),
                                 weight_pairs.from(r, c), dvt_block + c, key_block);
            product<parts, true>(width, 32, depth, qt.from(g * width, qb + r - qc),
                                 ds_pairs.from(r, c), dkt_block + c, key_block);
        }
    }

    void write(const float* from, float factor, Storage* to, std::int64_t count) {
        transpose(reinterpret_cast<const std::uint32_t*>(from), width, key_block,
                  key_block, reinterpret_cast<std::uint32_t*>(turned), width);
        for (std::int64_t r = 0; r < count; ++r) {
            for (std::int64_t i = 0; i < d; i += 16) {
                store_first(to + r * p.dkv_stride + i,
                            load(turned + r * width + i) * factor, d - i);
            }
        }
    }

    const product_unit configured;
    const attention_problem<Storage>& p;
    const attention_task& task;
    float* const dq;
    const std::int64_t d = p.head_dim;
    const std::int64_t width = up(d, 32);
    const std::int64_t group = p.heads / p.kv_heads;
    const std::int64_t q0 = p.cu_seqlens_q[task.document];
    const std::int64_t k0 = p.cu_seqlens_k[task.document];
    const std::int64_t queries = p.queries(task.document);
    const std::int64_t dq_rows;
    const std::int64_t shift = p.keys(task.document) - queries;
    const std::int64_t kv = task.kv_head * d;
    const std::int64_t chunk;
    const std::int64_t range;
    left_factor q, dout, out, block, ds;
    /// Transposed, head after head: width x chunk each; rows a page's part apart would
    /// share places in the cache.
    left_factor qt, doutt;
    right_factor out_t, kt, vt, k, ds_pairs, weight_pairs;
    std::uint32_t* pairs;
    float *delta, *turned, *scores, *dweights;
    float *dkt, *dvt;  ///< transposed, block after block: width x key_block each
};

template <class Storage>
inline void factored_backward(const attention_problem<Storage>& p,
                              const attention_task& task, float* dq, void* scratch) {
    factored_gradient<Storage>(p, task, dq, scratch).compute();
}

/// Strips are multiplied whole, so documents should fill most of one.
template <class Storage>
inline attention_kernels<Storage> factored_kernels(instruction_set set) {
    return {set,
            24,
            &factored_scratch_bytes<Storage>,
            [](std::int64_t queries) { return up(queries, 32); },
            [](std::int64_t head_dim) { return up(head_dim, 32); },
            &factored_forward<Storage>,
            &factored_backward<Storage>};
}
