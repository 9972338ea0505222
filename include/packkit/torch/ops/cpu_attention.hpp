// SPDX-License-Identifier: Apache-2.0
/// @file
/// Attention over packed documents on the CPU: blocks with an online softmax, vectors or
/// matrix tiles of the machine it runs on, threads over documents, heads and blocks.
///
/// Keys and values are never copied for the query heads that share them, scores never
/// leave a block. How work is cut into tasks depends on the lengths alone, so results are
/// the same bits on any number of threads.
#pragma once

#include <packkit/error.hpp>
#include <packkit/torch/ops/attention_options.hpp>
#include <packkit/torch/ops/detail/attention_dispatch.hpp>

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <new>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace packkit::lt {

/// Boundaries of the documents among queries and among keys; both spans outlive the call.
struct attention_bounds {
    std::span<const std::int32_t> queries;
    std::span<const std::int32_t> keys;
};

/// out: (total_q, heads, head_dim), dtype of q; lse: (heads, total_q), the log of each
/// softmax's sum, float32 (float64 for float64), -inf for a query that sees no key.
struct attention_output {
    at::Tensor out;
    at::Tensor lse;
};

struct attention_gradients {
    at::Tensor dq, dk, dv;
};

namespace detail {

/// The type that LibTorch's element is for the kernels.
template <class Element>
struct storage_of {
    using type = Element;
};
template <>
struct storage_of<at::BFloat16> {
    using type = bf16;
};

/// body(storage element) for float32, float64 and bfloat16.
template <class Body>
auto with_storage(at::ScalarType dtype, Body body) {
    switch (dtype) {
        case at::kFloat:
            return body(float{});
        case at::kDouble:
            return body(double{});
        case at::kBFloat16:
            return body(bf16{});
        default:
            throw invalid_argument(std::string("attention on the CPU: dtype is ") +
                                   c10::toString(dtype) +
                                   ", expected float32, float64 or bfloat16");
    }
}

/// Heads and elements of a token one behind the other.
[[nodiscard]] inline at::Tensor dense_tokens(const at::Tensor& rows) {
    const bool dense = rows.stride(2) == 1 && rows.stride(1) == rows.size(2);
    return dense ? rows : rows.contiguous();
}

template <class Storage>
Storage* elements_of(const at::Tensor& tensor) {
    return static_cast<Storage*>(tensor.data_ptr());
}

/// What forward and backward share of a problem. The tensors outlive it.
template <class Storage>
attention_problem<Storage> problem_of(const at::Tensor& q, const at::Tensor& k,
                                      const at::Tensor& v, const attention_bounds& bounds,
                                      const attention_options& options) {
    using compute = compute_type<Storage>;
    attention_problem<Storage> p;
    p.heads = q.size(1);
    p.kv_heads = k.size(1);
    p.head_dim = q.size(2);
    p.total_q = q.size(0);
    p.cu_seqlens_q = bounds.queries.data();
    p.cu_seqlens_k = bounds.keys.data();
    p.causal = options.causal;
    p.window = options.window;
    p.scale = static_cast<compute>(
        options.scale.value_or(1.0 / std::sqrt(static_cast<double>(q.size(2)))));
    p.softcap = static_cast<compute>(options.softcap);
    p.q = elements_of<Storage>(q);
    p.k = elements_of<Storage>(k);
    p.v = elements_of<Storage>(v);
    p.q_stride = q.stride(0);
    p.k_stride = k.stride(0);
    p.v_stride = v.stride(0);
    return p;
}

/// Memory of one thread for the blocks of its tasks, kept from call to call: some hundred
/// kilobytes, more only with many long rows a task.
class thread_scratch {
public:
    thread_scratch() = default;
    thread_scratch(const thread_scratch&) = delete;
    thread_scratch& operator=(const thread_scratch&) = delete;
    ~thread_scratch() { release(); }

    /// At least that many bytes, at the start of a cache line.
    void* at_least(std::int64_t bytes) {
        const auto wanted = static_cast<std::size_t>(bytes);
        if (wanted > bytes_) {
            release();
            begin_ = ::operator new(wanted, line);
            bytes_ = wanted;
        }
        return begin_;
    }

private:
    static constexpr std::align_val_t line{64};

    void release() {
        if (begin_ != nullptr) ::operator delete(begin_, line);
        begin_ = nullptr;
        bytes_ = 0;
    }

    void* begin_ = nullptr;
    std::size_t bytes_ = 0;
};

/// Runs body(task number, scratch) for all tasks, the costly ones first.
template <class Body>
void run_attention_tasks(const std::vector<std::int64_t>& costs,
                         std::int64_t scratch_bytes, Body body) {
    std::vector<std::size_t> order(costs.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return costs[a] > costs[b]; });
    std::atomic<std::size_t> next{0};
    const auto work = [&](std::int64_t, std::int64_t) {
        thread_local thread_scratch scratch;
        void* const memory = scratch.at_least(scratch_bytes);
        for (std::size_t i = next++; i < order.size(); i = next++)
            body(order[i], memory);
    };
    const auto workers = std::min<std::int64_t>(at::get_num_threads(),
                                                static_cast<std::int64_t>(costs.size()));
    at::parallel_for(0, workers, 1, work);
}

/// Most pairs of a query of [begin, end) and a key that it sees.
[[nodiscard]] inline std::int64_t pairs_of(const attention_options& options,
                                           std::int64_t begin, std::int64_t end,
                                           std::int64_t shift, std::int64_t keys) {
    const std::int64_t most = options.causal ? std::min(keys, end + shift) : keys;
    return (end - begin) *
           (options.window > 0 ? std::min(most, options.window + 128) : most);
}

template <class Storage>
attention_output attention_forward(const at::Tensor& q, const at::Tensor& k,
                                   const at::Tensor& v, const attention_bounds& bounds,
                                   const attention_options& options,
                                   const attention_kernels<Storage>& kernels) {
    constexpr std::int64_t rows_of_task = 256;
    attention_output result;
    result.out = at::empty(q.sizes(), q.options());
    result.lse = at::empty(
        {q.size(1), q.size(0)},
        q.options().dtype(std::is_same_v<Storage, double> ? at::kDouble : at::kFloat));
    auto p = problem_of<Storage>(q, k, v, bounds, options);
    p.out = elements_of<Storage>(result.out);
    p.out_stride = result.out.stride(0);
    p.lse = elements_of<compute_type<Storage>>(result.lse);

    std::vector<attention_task> tasks;
    std::vector<std::int64_t> costs;
    const auto documents = static_cast<std::int64_t>(bounds.queries.size()) - 1;
    for (std::int64_t document = 0; document < documents; ++document) {
        const std::int64_t queries = p.queries(document);
        const std::int64_t keys = p.keys(document);
        for (std::int64_t begin = 0; begin < queries; begin += rows_of_task) {
            const std::int64_t end = std::min(queries, begin + rows_of_task);
            for (std::int64_t head = 0; head < p.kv_heads; ++head) {
                tasks.push_back({document, head, begin, end});
                costs.push_back(pairs_of(options, begin, end, keys - queries, keys));
            }
        }
    }
    run_attention_tasks(
        costs, kernels.scratch_bytes(p, rows_of_task, 0, 0),
        [&](std::size_t i, void* scratch) { kernels.forward(p, tasks[i], scratch); });
    return result;
}

/// One document and key/value head: its keys are cut into ranges, each with gradients of
/// all queries; whoever finishes last adds them up, in order.
struct gradient_job {
    std::int64_t document = 0;
    std::int64_t kv_head = 0;
    std::vector<at::Tensor> parts;  ///< dq / scale of each range
    std::atomic<std::size_t> left{0};
};

template <class Storage>
void add_up(const gradient_job& job, std::span<const compute_type<Storage>* const> parts,
            const attention_problem<Storage>& p,
            const attention_kernels<Storage>& kernels, Storage* dq, std::int64_t stride) {
    using compute = compute_type<Storage>;
    const std::int64_t group = p.heads / p.kv_heads;
    const std::int64_t queries = p.queries(job.document);
    const std::int64_t rows = kernels.dq_rows(queries);
    const std::int64_t width = kernels.dq_width(p.head_dim);
    for (std::int64_t g = 0; g < group; ++g) {
        for (std::int64_t r = 0; r < queries; ++r) {
            Storage* const to = dq + (p.cu_seqlens_q[job.document] + r) * stride +
                                (job.kv_head * group + g) * p.head_dim;
            for (std::int64_t i = 0; i < p.head_dim; ++i) {
                compute total = 0;
                for (const compute* part : parts)
                    total += part[(g * rows + r) * width + i];
                to[i] = static_cast<Storage>(total * p.scale);
            }
        }
    }
}

template <class Storage>
attention_gradients attention_backward(const at::Tensor& dout, const at::Tensor& dlse,
                                       const at::Tensor& q, const at::Tensor& k,
                                       const at::Tensor& v, const attention_output& made,
                                       const attention_bounds& bounds,
                                       const attention_options& options,
                                       const attention_kernels<Storage>& kernels) {
    using compute = compute_type<Storage>;
    attention_gradients result{at::empty(q.sizes(), q.options()),
                               at::empty(k.sizes(), k.options()),
                               at::empty(v.sizes(), v.options())};
    auto p = problem_of<Storage>(q, k, v, bounds, options);
    p.out = elements_of<Storage>(made.out);
    p.out_stride = made.out.stride(0);
    p.lse = elements_of<compute>(made.lse);
    p.dout = elements_of<Storage>(dout);
    p.dout_stride = dout.stride(0);
    if (dlse.defined()) p.dlse = elements_of<compute>(dlse);
    p.dk = elements_of<Storage>(result.dk);
    p.dv = elements_of<Storage>(result.dv);
    p.dkv_stride = result.dk.stride(0);

    struct range {
        gradient_job* job;
        std::size_t part;
        attention_task task;
    };
    std::deque<gradient_job> jobs;
    std::vector<range> ranges;
    std::vector<std::int64_t> costs;
    std::int64_t longest = 0;
    std::int64_t most_keys = 0;
    const auto documents = static_cast<std::int64_t>(bounds.queries.size()) - 1;
    for (std::int64_t document = 0; document < documents; ++document) {
        const std::int64_t queries = p.queries(document);
        const std::int64_t keys = p.keys(document);
        if (queries == 0 && keys == 0) continue;
        longest = std::max(longest, queries);
        // At most eight ranges, of at least 1024 keys: each costs a copy of dq.
        const std::int64_t length =
            std::max<std::int64_t>(1024, (keys + 1023) / 1024 * 128);
        most_keys = std::max(most_keys, std::min(keys, length));
        for (std::int64_t head = 0; head < p.kv_heads; ++head) {
            auto& job = jobs.emplace_back();
            job.document = document;
            job.kv_head = head;
            std::int64_t begin = 0;
            do {
                const std::int64_t end = std::min(keys, begin + length);
                ranges.push_back({&job, job.left++, {document, head, begin, end}});
                // Causal: the first key of the range is seen by keys - begin queries.
                costs.push_back((end - begin) *
                                (options.causal ? keys - begin : queries));
                begin = end;
            } while (begin < keys);
            job.parts.resize(job.left);
        }
    }
    const auto elements = [&](std::int64_t document) {
        return p.heads / p.kv_heads * kernels.dq_rows(p.queries(document)) *
               kernels.dq_width(p.head_dim);
    };
    // Behind the blocks: the gradients of a document that is one range.
    const std::int64_t blocks =
        (kernels.scratch_bytes(p, 0, longest, most_keys) + 63) / 64 * 64;
    std::int64_t whole = 0;
    for (const auto& [job, part, task] : ranges) {
        if (job->parts.size() == 1) whole = std::max(whole, elements(task.document));
    }
    const auto whole_bytes = whole * static_cast<std::int64_t>(sizeof(compute));
    run_attention_tasks(costs, blocks + whole_bytes, [&](std::size_t i, void* scratch) {
        auto& [job, part, task] = ranges[i];
        auto* const dq = elements_of<Storage>(result.dq);
        if (job->parts.size() == 1) {
            auto* const alone =
                reinterpret_cast<compute*>(static_cast<std::byte*>(scratch) + blocks);
            kernels.backward(p, task, alone, scratch);
            const compute* const only[] = {alone};
            add_up<Storage>(*job, only, p, kernels, dq, result.dq.stride(0));
            return;
        }
        job->parts[part] = at::empty({elements(task.document)}, made.lse.options());
        kernels.backward(p, task, elements_of<compute>(job->parts[part]), scratch);
        if (--job->left > 0) return;
        std::vector<const compute*> all;
        for (const at::Tensor& made_part : job->parts)
            all.push_back(elements_of<compute>(made_part));
        add_up<Storage>(*job, all, p, kernels, dq, result.dq.stride(0));
        job->parts.clear();
    });
    return result;
}

template <class Storage>
const attention_kernels<Storage>& best_kernels_for(const attention_bounds& bounds) {
    return best_kernels<Storage>(bounds.queries.back(),
                                 static_cast<std::int64_t>(bounds.queries.size()) - 1);
}

inline void check_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const attention_bounds& bounds,
                            const attention_options& options) {
    if (bounds.queries.empty() || bounds.queries.size() != bounds.keys.size()) {
        throw invalid_argument("attention: " + std::to_string(bounds.queries.size()) +
                               " boundaries of queries and " +
                               std::to_string(bounds.keys.size()) +
                               " of keys, expected as many of both, one at least");
    }
    check_attention_shapes(q, k, v, bounds.queries.back(), bounds.keys.back());
    check_attention_options(options);
}

}  // namespace detail

/// Attention of every document.
///
/// q: (total_q, heads, head_dim); k, v: (total_k, kv_heads, head_dim); float64, float32,
/// bfloat16 or float16, which is computed by the kernels of float32; tokens may lie apart
/// (slices of a joined projection). float64 is computed in float64, bfloat16 in float32
/// with factors of products in bfloat16 where the machine multiplies those faster. The
/// same bits on any number of threads.
/// @throws invalid_argument when shapes, boundaries and options disagree
[[nodiscard]] inline attention_output cpu_attention_forward(
    const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
    const attention_bounds& bounds, const attention_options& options) {
    detail::check_attention(q, k, v, bounds, options);
    if (q.scalar_type() == at::kHalf) {
        auto wide = cpu_attention_forward(q.to(at::kFloat), k.to(at::kFloat),
                                          v.to(at::kFloat), bounds, options);
        wide.out = wide.out.to(at::kHalf);
        return wide;
    }
    return detail::with_storage(q.scalar_type(), [&](auto element) {
        return detail::attention_forward(
            detail::dense_tokens(q), detail::dense_tokens(k), detail::dense_tokens(v),
            bounds, options, detail::best_kernels_for<decltype(element)>(bounds));
    });
}

/// Gradients of `cpu_attention_forward`, whose output is `made`. `dlse` is the gradient
/// of the log-sum-exp, (heads, total_q), or undefined for none.
[[nodiscard]] inline attention_gradients cpu_attention_backward(
    const at::Tensor& dout, const at::Tensor& dlse, const at::Tensor& q,
    const at::Tensor& k, const at::Tensor& v, const attention_output& made,
    const attention_bounds& bounds, const attention_options& options) {
    detail::check_attention(q, k, v, bounds, options);
    if (q.scalar_type() == at::kHalf) {
        auto [dq, dk, dv] = cpu_attention_backward(
            dout.to(at::kFloat), dlse, q.to(at::kFloat), k.to(at::kFloat),
            v.to(at::kFloat), {made.out.to(at::kFloat), made.lse}, bounds, options);
        return {dq.to(at::kHalf), dk.to(at::kHalf), dv.to(at::kHalf)};
    }
    return detail::with_storage(q.scalar_type(), [&](auto element) {
        return detail::attention_backward(
            detail::dense_tokens(dout), dlse.defined() ? dlse.contiguous() : dlse,
            detail::dense_tokens(q), detail::dense_tokens(k), detail::dense_tokens(v),
            made, bounds, options, detail::best_kernels_for<decltype(element)>(bounds));
    });
}

}  // namespace packkit::lt
