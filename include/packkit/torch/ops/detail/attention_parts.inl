// SPDX-License-Identifier: Apache-2.0
// What all attention kernels do to rows of scores, on the vectors of simd.inl. Included
// once for each instruction set.

template <class T>
inline void fill(T* to, std::int64_t count, T value) {
    for (std::int64_t i = 0; i < count; ++i)
        to[i] = value;
}

/// Scores outside [low, high) become -inf, up to `end`.
template <class T>
inline void hide(T* row, std::int64_t low, std::int64_t high, std::int64_t end) {
    constexpr T hidden = -std::numeric_limits<T>::infinity();
    fill(row, low, hidden);
    fill(row + high, end - high, hidden);
}

/// Scratch memory, handed out piece by piece at cache lines.
class scratch_memory {
public:
    explicit scratch_memory(void* begin) : at_(static_cast<char*>(begin)) {}
    template <class T>
    T* take(std::int64_t count) {
        auto* begin = reinterpret_cast<T*>(at_);
        at_ += (count * static_cast<std::int64_t>(sizeof(T)) + 63) / 64 * 64;
        return begin;
    }

private:
    char* at_;
};

/// Continues the softmax of one row by its scores in a block, [0, width), which become
/// e^(score - top). `output` is the row's sum of values so far, D wide.
template <class T>
inline void add_to_softmax(T* scores, std::int64_t width, T& top, T& total, T* output,
                           std::int64_t output_width) {
    constexpr std::int64_t lanes = simd<T>::lanes;
    vec<T> most = load(scores);
    for (std::int64_t c = lanes; c < width; c += lanes) {
        const vec<T> x = load(scores + c);
        most = x > most ? x : most;
    }
    const T here = largest<T>(most);
    if (here > top) {
        const T shrink = std::exp(top - here);
        total *= shrink;
        for (std::int64_t c = 0; c < output_width; c += lanes)
            store<T>(output + c, load(output + c) * shrink);
        top = here;
    }
    vec<T> added{};
    for (std::int64_t c = 0; c < width; c += lanes) {
        const vec<T> e = exponential<T>(load(scores + c) - top);
        store<T>(scores + c, e);
        added += e;
    }
    total += sum<T>(added);
}

/// delta(g, r) = Σ dout out - dlse: what the softmax's gradient subtracts in row r.
template <class Storage, class T>
inline void row_deltas(const attention_problem<Storage>& p, const attention_task& task,
                       T* delta) {
    const std::int64_t group = p.heads / p.kv_heads;
    const std::int64_t queries = p.queries(task.document);
    const std::int64_t q0 = p.cu_seqlens_q[task.document];
    for (std::int64_t g = 0; g < group; ++g) {
        const std::int64_t head = task.kv_head * group + g;
        for (std::int64_t r = 0; r < queries; ++r) {
            const Storage* const out =
                p.out + (q0 + r) * p.out_stride + head * p.head_dim;
            const Storage* const dout =
                p.dout + (q0 + r) * p.dout_stride + head * p.head_dim;
            T total = 0;
            for (std::int64_t i = 0; i < p.head_dim; ++i)
                total += static_cast<T>(out[i]) * static_cast<T>(dout[i]);
            if (p.dlse != nullptr) total -= p.dlse[head * p.total_q + q0 + r];
            delta[g * queries + r] = total;
        }
    }
}
