// SPDX-License-Identifier: Apache-2.0
#include "evaluate.hpp"

#include "algorithms.hpp"

#include "common/errors.hpp"
#include "common/numbers.hpp"
#include "common/progress.hpp"

#include <packkit/lower_bound.hpp>
#include <packkit/random.hpp>

#include <algorithm>
#include <chrono>
#include <limits>
#include <tuple>
#include <utility>

namespace packkit::app {
namespace {

constexpr std::size_t histogram_buckets = 20;

/// The order of a sampler: a permutation by the seed alone.
void shuffle(sample_table& samples, std::uint64_t seed) {
    const auto order = seeded_permutation(samples.lengths.size(), seed, 0);
    sample_table shuffled;
    shuffled.lengths.reserve(order.size());
    shuffled.index.reserve(order.size());
    for (const auto i : order) {
        shuffled.lengths.push_back(samples.lengths[i]);
        shuffled.index.push_back(samples.index[i]);
    }
    shuffled.empty = samples.empty;
    samples = std::move(shuffled);
}

/// Splitting a length like 10^18 would not end: pieces are counted first.
void check_pieces(const sample_table& samples, std::int64_t capacity) {
    std::int64_t pieces = 0;
    for (const std::int64_t length : samples.lengths)
        pieces += (length - 1) / capacity + 1;
    if (pieces > std::int64_t{std::numeric_limits<std::uint32_t>::max()}) {
        throw input_error("--excess-length-strategy",
                          "split into rows of " + std::to_string(capacity) + " makes " +
                              std::to_string(pieces) + " pieces, more than 4294967295");
    }
}

excess_report describe_excess(const sample_table& samples, const fitted_lengths& fitted,
                              std::int64_t capacity, excess_length_strategy strategy) {
    excess_report excess{.strategy = strategy,
                         .dropped_tokens = fitted.dropped_tokens,
                         .cut_tokens = fitted.cut_tokens};
    for (const std::int64_t length : samples.lengths) {
        if (length <= capacity) continue;
        ++excess.samples;
        excess.longest = std::max(excess.longest, length);
    }
    return excess;
}

/// Tokens and attention of each rank, and how full the bins are.
void describe_bins(const bin_list<>& bins, const std::vector<std::int64_t>& lengths,
                   std::int64_t capacity, std::size_t ranks, algorithm_result& result) {
    result.rank_tokens.assign(ranks, 0.0);
    result.rank_attention.assign(ranks, 0.0);
    for (std::size_t bin = 0; bin < bins.size(); ++bin) {
        std::int64_t load = 0;
        double attention = 0;
        for (const std::uint32_t item : bins[bin]) {
            load += lengths[item];
            attention +=
                static_cast<double>(lengths[item]) * static_cast<double>(lengths[item]);
        }
        result.rank_tokens[bin % ranks] += static_cast<double>(load);
        result.rank_attention[bin % ranks] += attention;
        const double share = static_cast<double>(load) / static_cast<double>(capacity);
        const auto bucket = static_cast<std::size_t>(share * fill_buckets);
        ++result.fill[std::min(bucket, fill_buckets - 1)];
    }
}

std::size_t lower_bound_of(const std::vector<std::int64_t>& lengths,
                           std::int64_t capacity, const settings& options) {
    std::size_t bound = best_lower_bound(lengths, capacity);
    if (const std::size_t limit = options.bin_size.value_or(0); limit > 0) {
        bound = std::max(bound, (lengths.size() - 1) / limit + 1);
    }
    return bound;
}

algorithm_result measure(const std::string& name, const capacity_report& capacity,
                         const std::vector<std::int64_t>& lengths,
                         std::size_t lower_bound, const settings& options,
                         bin_list<>& bins) {
    const algorithm_options how{options.group_size, options.bin_size, options.sequential};
    const auto start = std::chrono::steady_clock::now();
    bins = run_algorithm(name, lengths, capacity.capacity, how);
    const std::chrono::duration<double> elapsed =
        std::chrono::steady_clock::now() - start;

    algorithm_result result;
    result.algorithm = name;
    result.bins = bins.size();
    result.efficiency =
        packing_efficiency(capacity.tokens, bins.size(), capacity.capacity);
    result.padding_tokens =
        padding_tokens(capacity.tokens, bins.size(), capacity.capacity);
    result.lower_bound = lower_bound;
    result.gap_bins = bins.size() - lower_bound;
    result.optimal = result.gap_bins == 0;
    result.seconds = elapsed.count();
    result.ns_per_sample = elapsed.count() * 1e9 / static_cast<double>(lengths.size());
    result.rank_imbalance = rank_imbalance(bins, lengths, options.ranks);
    result.attention_imbalance = attention_imbalance(bins, lengths, options.ranks);
    describe_bins(bins, lengths, capacity.capacity, options.ranks, result);
    return result;
}

/// The bins in the numbering of the inputs.
bin_list<> in_input_order(const bin_list<>& bins, const fitted_lengths& fitted,
                          const sample_table& samples) {
    bin_list<> named;
    named.reserve(bins.size(), bins.items().size());
    std::vector<std::uint32_t> row;
    for (const auto bin : bins) {
        row.clear();
        for (const std::uint32_t item : bin)
            row.push_back(samples.index[fitted.sample[item]]);
        named.append(row);
    }
    return named;
}

capacity_report evaluate_capacity(const sample_table& samples, std::int64_t capacity,
                                  const settings& options, bin_list<>& first_bins) {
    if (options.excess == excess_length_strategy::split) check_pieces(samples, capacity);
    const fitted_lengths fitted =
        apply_excess_length(samples.lengths, capacity, options.excess);
    capacity_report result;
    result.capacity = capacity;
    result.skipped_overlong = fitted.dropped.size();
    result.skipped_empty = static_cast<std::size_t>(samples.empty);
    result.samples = samples.lengths.size() - fitted.dropped.size();
    result.items = fitted.lengths.size();
    result.excess = describe_excess(samples, fitted, capacity, options.excess);
    if (result.items == 0) {
        throw input_error("--capacity " + std::to_string(capacity),
                          "no sample is left to pack: " + grouped(samples.empty) +
                              " are empty, " +
                              grouped(std::uint64_t{result.excess.samples}) +
                              " longer than the capacity");
    }
    result.lengths = summarize(fitted.lengths);
    result.tokens = result.lengths.tokens;
    result.histogram = length_histogram(fitted.lengths, histogram_buckets);
    result.pad_to_capacity = padded_to_capacity_efficiency(fitted.lengths, capacity);
    result.pad_to_longest =
        padded_to_longest_efficiency(fitted.lengths, options.micro_batch_size);
    const std::size_t bound = lower_bound_of(fitted.lengths, capacity, options);
    for (const auto& name : options.algorithms) {
        bin_list<> bins;
        result.results.push_back(
            measure(name, result, fitted.lengths, bound, options, bins));
        if (result.results.size() == 1 && !options.bins_path.empty()) {
            first_bins = in_input_order(bins, fitted, samples);
        }
    }
    result.advice = advise(result, options);
    return result;
}

/// Fewest samples cut or dropped, then the fullest rows, then the shortest.
std::size_t recommend(const std::vector<capacity_report>& capacities) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < capacities.size(); ++i) {
        const auto key = [&](std::size_t k) {
            const capacity_report& one = capacities[k];
            return std::tuple(one.excess.samples, -best_result(one).efficiency,
                              one.capacity);
        };
        if (key(i) < key(best)) best = i;
    }
    return best;
}

}  // namespace

const algorithm_result& best_result(const capacity_report& capacity) {
    return *std::min_element(capacity.results.begin(), capacity.results.end(),
                             [](const algorithm_result& a, const algorithm_result& b) {
                                 return a.bins < b.bins;
                             });
}

report evaluate(sample_table samples, const settings& options) {
    if (options.seed) shuffle(samples, *options.seed);
    report result;
    std::vector<bin_list<>> bins(options.capacities.size());
    progress_bar progress("packing", options.capacities.size());
    for (std::size_t i = 0; i < options.capacities.size(); ++i) {
        progress.set(i);
        result.capacities.push_back(
            evaluate_capacity(samples, options.capacities[i], options, bins[i]));
    }
    result.recommended = recommend(result.capacities);
    result.chosen = options.main_capacity_given ? 0 : result.recommended;
    result.bins = std::move(bins[result.chosen]);
    return result;
}

}  // namespace packkit::app
