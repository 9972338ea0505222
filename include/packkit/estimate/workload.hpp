// SPDX-License-Identifier: Apache-2.0
/// @file
/// What the rows of a training step hold, from a histogram of sample lengths: packed,
/// padded, or full of one document. All that a planner needs to know about the data.
///
/// Packing is planned on counts of lengths, so the histogram of ten million samples takes
/// about a millisecond.
#pragma once

#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>
#include <packkit/estimate/cost_distribution.hpp>
#include <packkit/estimate/training_setup.hpp>
#include <packkit/lengths/excess_length.hpp>
#include <packkit/lengths/fitted_counts.hpp>
#include <packkit/lengths/length_counts.hpp>
#include <packkit/lengths/squared_lengths.hpp>
#include <packkit/model/document_cost.hpp>
#include <packkit/packing/best_fit_decreasing.hpp>
#include <packkit/packing/first_fit_decreasing.hpp>
#include <packkit/packing/packing_plan.hpp>
#include <packkit/sequence/context_split.hpp>
#include <packkit/utility/batch_size.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace packkit {

/// The rows of a training: means over an epoch, and how unequal they are.
///
/// Counts (samples, tokens, rows, Σ l²) are exact, as packed; the imbalances are
/// estimates, see `dp_imbalance_of` and `cp_imbalance_of`.
struct workload {
    double tokens_per_row = 0;   ///< real tokens, without padding
    double squared_per_row = 0;  ///< Σ l² over the documents of a row, without padding
    /// Tokens that go through the model, padding included: what FLOPs are spent on.
    double computed_tokens_per_row = 0;
    /// Σ l² with the padding of a row as a document of its own, as packkit-train has it.
    double computed_squared_per_row = 0;
    double rows_per_epoch = 0;  ///< 0: not known
    std::int64_t samples = 0;   ///< in those rows; pieces of a split sample count each
    std::int64_t tokens = 0;    ///< in those rows
    double efficiency = 1;      ///< real / computed tokens
    double dp_imbalance = 1;    ///< max / mean work of the data-parallel ranks
    double cp_imbalance = 1;    ///< max / mean work of the ranks that share a row

    std::int64_t dropped_samples = 0;  ///< above the capacity, left out
    std::int64_t dropped_tokens = 0;
    std::int64_t cut_tokens = 0;  ///< cut off by `excess_length_strategy::truncate`

    attention_cost cost;  ///< what `rows` and the imbalances are measured by
    row_costs rows;       ///< of single rows; empty: all alike
    /// Some rows of the packing, as boundaries of documents, spread evenly over the bins.
    std::vector<std::vector<std::int32_t>> sampled_rows;

    /// Σ l² / Σ l: the s that attention FLOPs per real token take.
    [[nodiscard]] double attention_length() const {
        return document_sums{tokens_per_row, squared_per_row}.attention_length();
    }
    /// The same per computed token, padding included.
    [[nodiscard]] double computed_attention_length() const {
        return document_sums{computed_tokens_per_row, computed_squared_per_row}
            .attention_length();
    }
    /// Optimizer steps of an epoch; the last may be smaller, as packkit-train has it, or
    /// is dropped. 0 if rows are not known.
    /// @throws invalid_argument for a global batch below 1
    [[nodiscard]] std::int64_t steps_per_epoch(std::int64_t global_rows,
                                               bool drop_last = false) const {
        return packkit::steps_per_epoch(static_cast<std::int64_t>(rows_per_epoch),
                                        global_rows, drop_last);
    }
};

/// Rows that one document fills: the usual benchmark, and pre-training on long text.
/// @throws invalid_argument unless the length is positive
[[nodiscard]] inline workload full_rows(std::int64_t sequence_len) {
    detail::check_positive("sequence_len", sequence_len);
    const auto length = static_cast<double>(sequence_len);
    workload work;
    work.tokens_per_row = work.computed_tokens_per_row = length;
    work.squared_per_row = work.computed_squared_per_row = length * length;
    if (sequence_len <= std::numeric_limits<std::int32_t>::max())
        work.sampled_rows = {{0, static_cast<std::int32_t>(sequence_len)}};
    return work;
}

/// How samples become rows.
struct packed_rows_options {
    excess_length_strategy excess = excess_length_strategy::drop;
    bool best_fit = false;         ///< best-fit decreasing; else first-fit decreasing
    bool pad_to_capacity = true;   ///< as packkit-train does unless told otherwise
    std::uint32_t bin_size = 0;    ///< most samples a row, 0 for as many as fit
    attention_cost cost = {1, 0};  ///< `training_flops(model)`, for the imbalances
    std::size_t sampled_rows = 16;
};

namespace detail {

[[nodiscard]] inline workload workload_of(const fitted_counts& fitted,
                                          const attention_cost& cost) {
    workload work;
    work.cost = cost;
    work.samples = to_int64(fitted.counts.samples);
    work.dropped_samples = fitted.dropped_samples;
    work.dropped_tokens = fitted.dropped_tokens;
    work.cut_tokens = fitted.cut_tokens;
    for (std::size_t length = 1; length < fitted.counts.count.size(); ++length) {
        work.tokens =
            checked_add(work.tokens,
                        checked_multiply(fitted.counts.count[length], to_int64(length),
                                         "the sum of lengths"),
                        "the sum of lengths");
    }
    return work;
}

/// Σ l and Σ l² over all samples.
[[nodiscard]] inline document_sums sums_of(const length_counts& counts) {
    document_sums sums;
    for (std::size_t length = 1; length < counts.count.size(); ++length)
        sums.add(static_cast<double>(length), counts.count[length]);
    return sums;
}

}  // namespace detail

/// Rows packed by first-fit (or best-fit) decreasing: what the trainer packs, as counts.
/// No samples: a workload of 0 rows. O(capacity + placements × log runs).
///
/// packkit-train packs a micro-batch of several rows as one row of micro_batch_size x
/// sequence_len tokens unless `multipack_real_batches` is set; such rows are a little
/// fuller than these.
/// @throws invalid_argument as `fit_counts`, or for a capacity beyond 2^31 - 1
[[nodiscard]] inline workload packed_rows(const length_counts& counts,
                                          std::int64_t capacity,
                                          const packed_rows_options& options = {}) {
    if (capacity > std::numeric_limits<std::int32_t>::max()) {
        detail::throw_invalid_argument("capacity is ", capacity, ", at most 2147483647");
    }
    const fitted_counts fitted = fit_counts(counts, capacity, options.excess);
    workload work = detail::workload_of(fitted, options.cost);
    if (work.samples == 0) return work;
    const auto room = static_cast<std::uint32_t>(capacity);
    const packing_plan plan =
        options.best_fit
            ? plan_best_fit_decreasing(fitted.counts, room, options.bin_size)
            : plan_first_fit_decreasing(fitted.counts, room, options.bin_size);
    const auto rows = static_cast<double>(plan.size());
    work.rows_per_epoch = rows;
    work.tokens_per_row = static_cast<double>(work.tokens) / rows;
    work.squared_per_row = detail::sums_of(fitted.counts).squared / rows;

    std::vector<std::pair<double, double>> costs;
    costs.reserve(plan.runs().size());
    std::vector<placement> chain;
    double padded_squares = 0;
    for (const bin_run& run : plan.runs()) {
        plan.placements_of(run, chain);
        document_sums row;
        for (const placement& p : chain)
            row.add(static_cast<double>(p.length), p.per_bin);
        if (options.pad_to_capacity) {
            const double padding = static_cast<double>(capacity) - row.tokens;
            row.add(padding);
            padded_squares += padding * padding * run.bins;
        }
        costs.emplace_back(row.cost(options.cost), run.bins);
    }
    work.rows = row_costs(std::move(costs));
    work.computed_tokens_per_row =
        options.pad_to_capacity ? static_cast<double>(capacity) : work.tokens_per_row;
    work.computed_squared_per_row = work.squared_per_row + padded_squares / rows;
    work.efficiency = work.tokens_per_row / work.computed_tokens_per_row;

    const std::size_t sampled = std::min(options.sampled_rows, plan.size());
    for (std::size_t i = 0; i < sampled; ++i) {
        // The middle of the i-th of `sampled` equal parts.
        const std::size_t bin = (2 * i + 1) * plan.size() / (2 * sampled);
        plan.placements_of(plan.run_of(bin), chain);
        std::vector<std::int32_t> cu_seqlens(1, 0);
        for (const placement& p : chain) {
            for (std::uint32_t k = 0; k < p.per_bin; ++k) {
                cu_seqlens.push_back(cu_seqlens.back() +
                                     static_cast<std::int32_t>(p.length));
            }
        }
        const auto end = static_cast<std::int32_t>(capacity);
        if (options.pad_to_capacity && cu_seqlens.back() < end) cu_seqlens.push_back(end);
        work.sampled_rows.push_back(std::move(cu_seqlens));
    }
    return work;
}

/// To which length a row of one sample is padded.
enum class row_padding : std::uint8_t {
    to_capacity,  ///< all rows alike
    to_longest,   ///< of the micro-batch, drawn at random
};

/// How samples are padded.
struct padded_rows_options {
    excess_length_strategy excess = excess_length_strategy::drop;
    row_padding padding = row_padding::to_capacity;
    std::int64_t micro_batch_size = 1;  ///< rows among which the longest is found
    attention_cost cost = {1, 0};       ///< `training_flops(model)`, for the imbalances
};

/// One sample a row, padded: training without packing. Attention is counted over the
/// documents and the padding apart, as a varlen kernel computes it.
///
/// With `to_longest` the means are expectations over micro-batches drawn with
/// replacement: with F the distribution of lengths, E[max] = Σ v (F(v)^m − F(v−1)^m).
/// `rows` then holds those longest rows as if drawn one by one, though the rows of a
/// micro-batch are equally long: with more than one the imbalance is a little more.
/// O(longest).
/// @throws invalid_argument as `fit_counts`, or for a micro-batch below 1
[[nodiscard]] inline workload padded_rows(const length_counts& counts,
                                          std::int64_t capacity,
                                          const padded_rows_options& options = {}) {
    detail::check_positive("micro_batch_size", options.micro_batch_size);
    const fitted_counts fitted = fit_counts(counts, capacity, options.excess);
    workload work = detail::workload_of(fitted, options.cost);
    if (work.samples == 0) return work;
    const auto rows = static_cast<double>(work.samples);
    work.rows_per_epoch = rows;
    work.tokens_per_row = static_cast<double>(work.tokens) / rows;
    work.squared_per_row = detail::sums_of(fitted.counts).squared / rows;

    std::vector<std::pair<double, double>> costs;
    const auto micro = static_cast<double>(options.micro_batch_size);
    const bool longest = options.padding == row_padding::to_longest;
    double share = 0;    // of samples up to this length
    double partial = 0;  // E[l; l <= this length]
    double power = 0;    // share^micro: P(the longest is at most this)
    double product = 0;  // E[Σ l; the longest is at most this]
    double padded = 0;   // E[longest]
    double squares = 0;  // E[Σ (longest - l)²] / micro, without the E[l²]
    for (std::size_t length = 1; length < fitted.counts.count.size(); ++length) {
        const double samples = fitted.counts.count[length];
        if (samples == 0) continue;
        const auto l = static_cast<double>(length);
        if (longest) {
            share += samples / rows;
            partial += l * samples / rows;
            const double next = std::pow(std::min(share, 1.0), micro);
            const double sum =
                micro * partial * std::pow(std::min(share, 1.0), micro - 1);
            const double is_longest = next - std::exchange(power, next);
            const double with_sum = sum - std::exchange(product, sum);
            padded += l * is_longest;
            squares += l * l * is_longest - 2.0 * l * with_sum / micro;
            // The cost of a row of its micro-batch: that of the longest.
            costs.emplace_back(document_sums{l, l * l}.cost(options.cost),
                               is_longest * rows);
        } else {
            const double padding = static_cast<double>(capacity) - l;
            squares += padding * padding * samples / rows;
            document_sums row{l, l * l};
            row.add(padding);
            costs.emplace_back(row.cost(options.cost), samples);
        }
    }
    if (longest) {
        work.computed_tokens_per_row = padded;
        work.computed_squared_per_row = squares + 2 * work.squared_per_row;
    } else {
        work.computed_tokens_per_row = static_cast<double>(capacity);
        work.computed_squared_per_row = work.squared_per_row + squares;
    }
    work.rows = row_costs(std::move(costs));
    work.efficiency = work.tokens_per_row / work.computed_tokens_per_row;
    if (capacity <= std::numeric_limits<std::int32_t>::max()) {
        const auto mean = static_cast<std::int32_t>(std::lround(work.tokens_per_row));
        const auto end =
            static_cast<std::int32_t>(std::lround(work.computed_tokens_per_row));
        work.sampled_rows = {{0, mean}};
        if (mean < end) work.sampled_rows.front().push_back(end);
    }
    return work;
}

/// In which order rows reach the ranks.
enum class row_dealing : std::uint8_t {
    shuffled,  ///< at random
    balanced,  ///< rows of a step cost about the same: `distributed_plan`, packkit-train
};

/// Rows that a rank gets before all ranks wait for each other: a micro-batch with FSDP,
/// whose collectives all ranks join, else those of a step.
[[nodiscard]] constexpr std::int64_t rows_between_waits(const training_setup& setup) {
    return setup.sharding == sharding_kind::fsdp
               ? setup.micro_batch_size
               : setup.micro_batch_size * setup.gradient_accumulation_steps;
}

/// Max / mean work of the data-parallel ranks, each time they wait for each other.
/// Estimated from the costs of the rows, as `row_costs` states. 1 if rows are all alike.
/// @throws invalid_argument for sizes below 1
[[nodiscard]] inline double dp_imbalance_of(const workload& work,
                                            const training_setup& setup,
                                            row_dealing dealing = row_dealing::shuffled) {
    const double shuffled = work.rows.shuffled_imbalance(setup.mesh.data_parallel_size(),
                                                         rows_between_waits(setup));
    return dealing == row_dealing::shuffled
               ? shuffled
               : std::min(shuffled, work.rows.balanced_imbalance());
}

/// Max / mean work of `cp` ranks that share each row: of the sampled rows, split as the
/// strategy does, Σ max / Σ mean. An estimate where rows are sampled; of cp above 64
/// fewer rows are looked at. O(rows × cp × documents).
/// @throws invalid_argument for cp below 1
template <context_strategy Strategy = balanced_split>
[[nodiscard]] double cp_imbalance_of(const workload& work, std::int64_t cp,
                                     const Strategy& strategy = {}) {
    detail::check_positive("cp", cp);
    if (cp == 1) return 1.0;
    double maxima = 0;
    double sums = 0;
    const auto ranks = static_cast<std::size_t>(cp);
    std::vector<std::vector<document_slice>> slices;
    const std::size_t rows = work.sampled_rows.size();
    const std::size_t every =
        std::clamp<std::size_t>(rows * ranks / 1024, 1, std::max<std::size_t>(rows, 1));
    for (std::size_t r = 0; r < rows; r += every) {
        const auto& row = work.sampled_rows[r];
        slices.assign(ranks, {});
        strategy(row, slices);
        double most = 0;
        for (const auto& of_rank : slices) {
            document_sums held;
            for (const document_slice& slice : of_rank) {
                held.tokens += slice.tokens();
                // A document's l² is twice its causal pairs, to its own l.
                held.squared += 2.0 * static_cast<double>(slice.causal_pairs());
            }
            const double cost = held.cost(work.cost);
            most = std::max(most, cost);
            sums += cost;
        }
        maxima += most;
    }
    return sums > 0 ? std::max(1.0, maxima * static_cast<double>(cp) / sums) : 1.0;
}

/// The workload with the imbalances of a mesh filled in.
/// @throws invalid_argument for sizes below 1
[[nodiscard]] inline workload on_mesh(workload work, const training_setup& setup,
                                      row_dealing dealing = row_dealing::shuffled) {
    work.dp_imbalance = dp_imbalance_of(work, setup, dealing);
    work.cp_imbalance = cp_imbalance_of(work, setup.mesh.cp);
    return work;
}

}  // namespace packkit
