// SPDX-License-Identifier: Apache-2.0
/// @file
/// torch/ops/linear_cross_entropy.hpp on the CPU: the vocabulary in slices for the
/// threads, each in blocks that stay in the cache from the logits to what their gradient
/// is multiplied by.
#pragma once

#include <packkit/torch/ops/detail/chunked_loss.hpp>
#include <packkit/torch/ops/detail/token_loss_dispatch.hpp>

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

namespace packkit::lt::detail {

/// Indices of the rows that have a target.
/// @throws invalid_argument for a target outside of the vocabulary
[[nodiscard]] inline std::vector<std::int64_t> rows_with_target(
    const at::Tensor& targets, std::int64_t vocab_size, std::int64_t ignore_index) {
    const auto* const target = targets.const_data_ptr<std::int64_t>();
    std::vector<std::int64_t> rows;
    rows.reserve(static_cast<std::size_t>(targets.size(0)));
    for (std::int64_t row = 0; row < targets.size(0); ++row) {
        if (target[row] == ignore_index) continue;
        if (target[row] < 0 || target[row] >= vocab_size) {
            packkit::detail::throw_invalid_argument(
                "linear_cross_entropy: target ", target[row], " of row ", row,
                " is not below the vocabulary's ", vocab_size);
        }
        rows.push_back(row);
    }
    return rows;
}

/// The work on one chunk of rows after the other.
template <class Storage>
class cpu_chunks {
public:
    using compute = compute_type<Storage>;

    cpu_chunks(const at::Tensor& weight, const linear_cross_entropy_options& options,
               wanted_gradients wanted, std::int64_t rows,
               const token_loss_kernels<Storage>& kernels)
        : weight_(weight),
          options_(options),
          wanted_(wanted),
          kernels_(kernels),
          tokens_(weight.size(0)),
          hidden_(weight.size(1)),
          most_rows_(rows) {
        const memory_scope scope(memory_use::logits);
        const auto wide = weight.options().dtype(wide_dtype(weight));
        x_ = at::empty({rows, hidden_}, weight.options());
        logits_ = at::empty({rows * tokens_}, weight.options());
        if (wanted.x) x_sums_ = at::empty({loss_slices, rows * hidden_}, wide);
        tops_.resize(static_cast<std::size_t>(loss_slices * rows));
        totals_.resize(tops_.size());
    }

    /// The losses of x's rows [first, last) of `rows`; adds to the gradients in `result`.
    /// Ranks exchange what `sent_rows` rows take.
    double operator()(const at::Tensor& x, const at::Tensor& targets,
                      const std::int64_t* first, const std::int64_t* last,
                      std::int64_t sent_rows, chunked_loss& result, bool first_chunk) {
        const std::int64_t count = last - first;
        if (count == 0) {
            static_cast<void>(
                over_vocabulary(at::empty({0, 3}, at::kDouble), options_, sent_rows));
            return 0;
        }
        const auto rows = x_.narrow(0, 0, count);
        for (std::int64_t r = 0; r < count; ++r)
            std::copy_n(data<Storage>(x) + first[r] * hidden_, hidden_,
                        data<Storage>(x_) + r * hidden_);
        const auto* const target = targets.const_data_ptr<std::int64_t>();
        places_.resize(static_cast<std::size_t>(count));
        for (std::int64_t r = 0; r < count; ++r)
            places_[static_cast<std::size_t>(r)] =
                target[first[r]] - options_.first_token;

        each_slice([&](std::int64_t slice) { logits_of(slice, rows); });
        const memory_scope scope(memory_use::logits);
        const at::Tensor whole = over_vocabulary(statistics(count), options_, sent_rows);
        const auto* const row = whole.const_data_ptr<double>();
        double loss = 0;
        for (std::int64_t r = 0; r < count; ++r)
            loss += std::log(row[3 * r + 1]) + row[3 * r] - row[3 * r + 2];
        if (!wanted_.any()) return loss;
        each_slice([&](std::int64_t slice) {
            differentiate(slice, rows, row, result.weight_gradient, first_chunk);
        });
        if (wanted_.x) add_up(first, count, data<Storage>(result.x_gradient));
        return loss;
    }

private:
    template <class T>
    static T* data(const at::Tensor& tensor) {
        return static_cast<T*>(tensor.data_ptr());
    }

    /// Logits of a slice begin at whole cache lines of the weight's rows.
    [[nodiscard]] std::int64_t slice_begin(std::int64_t slice) const {
        const std::int64_t begin = (tokens_ * slice / loss_slices + 15) / 16 * 16;
        return slice == loss_slices ? tokens_ : std::min(begin, tokens_);
    }

    /// body(begin, end) for the blocks of a slice.
    template <class Body>
    void each_block(std::int64_t slice, Body body) const {
        const std::int64_t end = slice_begin(slice + 1);
        for (std::int64_t at = slice_begin(slice); at < end;) {
            const std::int64_t next = std::min(at + loss_block_tokens, end);
            body(at, next);
            at = next;
        }
    }

    template <class Body>
    static void each_slice(Body body) {
        at::parallel_for(0, loss_slices, 1, [&](std::int64_t begin, std::int64_t end) {
            const at::NoGradGuard no_gradients;
            const at::AutoDispatchBelowADInplaceOrView plain;
            for (std::int64_t slice = begin; slice < end; ++slice)
                body(slice);
        });
    }

    /// Logits of a block of tokens, (rows, width), one block behind the other.
    [[nodiscard]] at::Tensor block(std::int64_t begin, std::int64_t end,
                                   std::int64_t rows) const {
        return logits_.narrow(0, begin * rows, (end - begin) * rows)
            .view({rows, end - begin});
    }

    void logits_of(std::int64_t slice, const at::Tensor& rows) {
        const std::int64_t count = rows.size(0);
        const auto softcap = static_cast<compute>(options_.softcap);
        auto* const top = tops_.data() + slice * most_rows_;
        auto* const total = totals_.data() + slice * most_rows_;
        std::fill_n(top, count, -std::numeric_limits<compute>::infinity());
        std::fill_n(total, count, compute(0));
        each_block(slice, [&](std::int64_t begin, std::int64_t end) {
            auto logits = block(begin, end, count);
            at::mm_out(logits, rows, weight_.narrow(0, begin, end - begin).t());
            const auto* const values = data<Storage>(logits);
            for (std::int64_t r = 0; r < count; ++r) {
                kernels_.add_logits(values + r * (end - begin), end - begin, softcap,
                                    top + r, total + r);
            }
        });
    }

    /// Statistics of this rank's tokens: see over_vocabulary.
    [[nodiscard]] at::Tensor statistics(std::int64_t count) const {
        auto part = at::empty({count, 3}, at::kDouble);
        auto* const row = part.template data_ptr<double>();
        for (std::int64_t r = 0; r < count; ++r) {
            double top = -std::numeric_limits<double>::infinity();
            for (std::int64_t s = 0; s < loss_slices; ++s)
                top = std::max(top, double{tops_[index(s, r)]});
            double total = 0;
            for (std::int64_t s = 0; s < loss_slices; ++s) {
                if (slice_begin(s) == slice_begin(s + 1)) continue;
                total += totals_[index(s, r)] * std::exp(tops_[index(s, r)] - top);
            }
            row[3 * r] = top;
            row[3 * r + 1] = total;
            row[3 * r + 2] = target_logit(r, count);
        }
        return part;
    }

    [[nodiscard]] std::size_t index(std::int64_t slice, std::int64_t row) const {
        return static_cast<std::size_t>(slice * most_rows_ + row);
    }

    [[nodiscard]] double target_logit(std::int64_t row, std::int64_t count) const {
        const std::int64_t place = places_[static_cast<std::size_t>(row)];
        if (place < 0 || place >= tokens_) return 0;
        std::int64_t slice = 0;
        while (slice_begin(slice + 1) <= place)
            ++slice;
        double found = 0;
        each_block(slice, [&](std::int64_t begin, std::int64_t end) {
            if (place < begin || place >= end) return;
            found = static_cast<double>(static_cast<compute>(data<Storage>(
                logits_)[begin * count + row * (end - begin) + place - begin]));
        });
        return options_.softcap > 0
                   ? options_.softcap * std::tanh(found / options_.softcap)
                   : found;
    }

    void differentiate(std::int64_t slice, const at::Tensor& rows, const double* whole,
                       const at::Tensor& weight_gradient, bool first_chunk) const {
        const std::int64_t count = rows.size(0);
        const auto softcap = static_cast<compute>(options_.softcap);
        bool first_block = true;
        each_block(slice, [&](std::int64_t begin, std::int64_t end) {
            const auto gradient = block(begin, end, count);
            auto* const values = data<Storage>(gradient);
            for (std::int64_t r = 0; r < count; ++r) {
                kernels_.write_gradient(values + r * (end - begin), end - begin, softcap,
                                        static_cast<compute>(whole[3 * r]),
                                        static_cast<compute>(1.0 / whole[3 * r + 1]),
                                        places_[static_cast<std::size_t>(r)] - begin);
            }
            if (wanted_.x) {
                add_product(
                    x_sums_[slice].narrow(0, 0, count * hidden_).view({count, hidden_}),
                    gradient, weight_.narrow(0, begin, end - begin), first_block);
            }
            if (wanted_.weight) {
                add_product(weight_gradient.narrow(0, begin, end - begin), gradient.t(),
                            rows, first_chunk);
            }
            first_block = false;
        });
    }

    /// sum = a b, or sum += a b.
    void add_product(at::Tensor sum, const at::Tensor& a, const at::Tensor& b,
                     bool first) const {
        if constexpr (std::is_same_v<Storage, compute>) {
            if (first) {
                at::mm_out(sum, a, b);
            } else {
                at::addmm_out(sum, sum, a, b);
            }
        } else {
            thread_local std::vector<Storage> memory;
            const auto needed = static_cast<std::size_t>(sum.numel());
            if (memory.size() < needed) memory.resize(needed);
            auto product = at::from_blob(memory.data(), sum.sizes(), weight_.options());
            at::mm_out(product, a, b);
            kernels_.add_narrow(memory.data(), data<compute>(sum), sum.numel(), first);
        }
    }

    /// The gradient of the rows, from that of each slice, in their order.
    void add_up(const std::int64_t* rows, std::int64_t count, Storage* gradient) const {
        auto* const sums = data<compute>(x_sums_);
        const std::int64_t stride = most_rows_ * hidden_;
        at::parallel_for(0, count, 16, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t s = 0; s < loss_slices; ++s) {
                if (slice_begin(s) < slice_begin(s + 1)) {
                    if (s > 0) {
                        add(sums + begin * hidden_, sums + s * stride + begin * hidden_,
                            (end - begin) * hidden_);
                    }
                } else if (s == 0) {
                    std::fill(sums + begin * hidden_, sums + end * hidden_, compute(0));
                }
            }
            for (std::int64_t r = begin; r < end; ++r) {
                for (std::int64_t i = 0; i < hidden_; ++i) {
                    gradient[rows[r] * hidden_ + i] =
                        static_cast<Storage>(sums[r * hidden_ + i]);
                }
            }
        });
    }

    static void add(compute* to, const compute* from, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i)
            to[i] += from[i];
    }

    const at::Tensor& weight_;
    const linear_cross_entropy_options& options_;
    wanted_gradients wanted_;
    const token_loss_kernels<Storage>& kernels_;
    std::int64_t tokens_, hidden_, most_rows_;
    at::Tensor x_;       ///< the chunk's rows
    at::Tensor logits_;  ///< of the chunk, then their gradient
    at::Tensor x_sums_;  ///< gradient of the rows from each slice
    std::vector<compute> tops_, totals_;
    std::vector<std::int64_t> places_;  ///< targets, from this rank's first token
};

template <class Storage>
chunked_loss chunked_loss_by(
    const at::Tensor& x, const at::Tensor& weight, const at::Tensor& targets,
    const linear_cross_entropy_options& options, wanted_gradients wanted,
    const token_loss_kernels<Storage>& kernels = best_loss_kernels<Storage>()) {
    const auto rows = rows_with_target(
        targets, split_vocabulary(options) ? options.vocab_size : weight.size(0),
        options.ignore_index);
    const auto count = static_cast<std::int64_t>(rows.size());
    chunked_loss result;
    if (wanted.x)
        result.x_gradient = count < x.size(0) ? at::zeros_like(x) : at::empty_like(x);
    if (wanted.weight) {
        const memory_scope scope(memory_use::gradients);
        const auto as = weight.options().dtype(wide_dtype(weight));
        result.weight_gradient =
            count == 0 ? at::zeros(weight.sizes(), as) : at::empty(weight.sizes(), as);
    }
    cpu_chunks<Storage> chunks(weight, options, wanted,
                               std::min(options.chunk_rows, count), kernels);
    double sum = 0;
    const std::int64_t sent = split_vocabulary(options) ? x.size(0) : count;
    for (std::int64_t begin = 0; begin < sent; begin += options.chunk_rows) {
        const std::int64_t end = std::min(begin + options.chunk_rows, sent);
        sum +=
            chunks(x, targets, rows.data() + std::min(begin, count),
                   rows.data() + std::min(end, count), end - begin, result, begin == 0);
    }
    result.sum = at::full({}, sum, at::kDouble);
    return result;
}

[[nodiscard]] inline chunked_loss chunked_loss_on_cpu(
    const at::Tensor& x, const at::Tensor& weight, const at::Tensor& targets,
    const linear_cross_entropy_options& options, wanted_gradients wanted) {
    switch (x.scalar_type()) {
        case at::kFloat:
            return chunked_loss_by<float>(x, weight, targets, options, wanted);
        case at::kDouble:
            return chunked_loss_by<double>(x, weight, targets, options, wanted);
        case at::kBFloat16:
            return chunked_loss_by<bf16>(x, weight, targets, options, wanted);
        default:
            throw invalid_argument(
                std::string("linear_cross_entropy on the CPU: dtype is ") +
                c10::toString(x.scalar_type()) +
                ", expected float32, float64 or bfloat16");
    }
}

}  // namespace packkit::lt::detail
