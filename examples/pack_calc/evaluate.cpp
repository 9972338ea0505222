// SPDX-License-Identifier: Apache-2.0
#include "evaluate.hpp"

#include "algorithms.hpp"
#include "packed_rows.hpp"
#include "run_tasks.hpp"

#include "common/errors.hpp"
#include "common/lengths/sample_histogram.hpp"
#include "common/numbers.hpp"
#include "common/progress.hpp"

#include <packkit/lengths/length_counts.hpp>
#include <packkit/packing/bound/lower_bound.hpp>
#include <packkit/packing/certificate.hpp>
#include <packkit/packing/efficiency.hpp>
#include <packkit/packing/packing_plan.hpp>
#include <packkit/sampling/imbalance.hpp>
#include <packkit/utility/random.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <tuple>
#include <utility>

namespace packkit::app {
namespace {

constexpr std::size_t histogram_buckets = 20;
constexpr std::size_t plotted_buckets = 48;

/// Micro-batch to show padding with where the one set is a single sample.
constexpr std::size_t telling_batch = 8;

using clock = std::chrono::steady_clock;

double seconds_since(clock::time_point start) {
    return std::chrono::duration<double>(clock::now() - start).count();
}

/// What all algorithms at one capacity start from.
struct packing_task {
    const settings& options;
    capacity_report report;
    fitted_samples fitted;
    length_counts counts;  ///< none when the lengths are too long to be counted
    double counting_seconds = 0;
    named_bound lower_bound;
    bool keep_bins = false;  ///< of the first algorithm

    [[nodiscard]] algorithm_options how() const {
        return {options.group_size, options.bin_size, options.sequential};
    }

    /// Lengths alone are packed where samples are many and nobody asked for the bins.
    [[nodiscard]] bool by_lengths(const algorithm& one, bool wants_bins) const {
        return one.plan != nullptr && !wants_bins && report.items > many_samples &&
               !counts.count.empty() && options.group_size.value_or(0) == 0 &&
               report.capacity / 4 < static_cast<std::int64_t>(report.items);
    }
};

/// Equal buckets, or ones that grow by the same factor when the lengths span much.
std::vector<histogram_bucket> plotted_lengths(const sample_histogram& histogram,
                                              bool& logarithmic) {
    std::int64_t shortest = 0;
    histogram.for_each([&](std::int64_t length, std::uint64_t) {
        if (shortest == 0) shortest = length;
    });
    const std::int64_t longest = histogram.longest();
    logarithmic = longest / shortest >= 30;
    std::vector<histogram_bucket> buckets;
    const double ratio = static_cast<double>(longest + 1) / static_cast<double>(shortest);
    for (std::int64_t lo = shortest; lo <= longest;) {
        const auto k = static_cast<double>(buckets.size() + 1) /
                       static_cast<double>(plotted_buckets);
        const double span = static_cast<double>(longest + 1 - shortest);
        const double edge = logarithmic
                                ? static_cast<double>(shortest) * std::pow(ratio, k)
                                : static_cast<double>(shortest) + span * k;
        // The last edge is the end, and a bucket holds one length at least.
        const std::int64_t hi =
            k >= 1.0
                ? longest + 1
                : std::clamp(
                      static_cast<std::int64_t>(std::llround(std::min(edge, 9.2e18))),
                      lo + 1, longest + 1);
        buckets.push_back({lo, hi, 0});
        lo = hi;
    }
    std::size_t at = 0;
    histogram.for_each([&](std::int64_t length, std::uint64_t count) {
        while (buckets[at].hi <= length)
            ++at;
        buckets[at].count += count;
    });
    return buckets;
}

excess_report describe_excess(const fitted_samples& fitted,
                              excess_length_strategy strategy) {
    return {.strategy = strategy,
            .samples = static_cast<std::size_t>(fitted.overlong),
            .longest = fitted.longest,
            .dropped_tokens = fitted.dropped_tokens,
            .cut_tokens = fitted.cut_tokens};
}

named_bound lower_bound_of(const packing_task& task) {
    const std::size_t limit = task.options.bin_size.value_or(0);
    if (!task.counts.count.empty()) {
        return best_named_bound(task.counts, task.report.capacity, limit);
    }
    const certificate proven = certify(task.fitted.lengths, task.report.items,
                                       task.report.capacity, {.bin_size = limit});
    return {proven.lower_bound, proven.bound};
}

packing_task prepare(const sample_table& samples, const sample_histogram& histogram,
                     std::int64_t capacity, const settings& options) {
    packing_task task{
        .options = options, .report = {}, .fitted = {}, .counts = {}, .lower_bound = {}};
    task.fitted = fit_samples(samples, histogram, capacity, options.excess);
    const fitted_samples& fitted = task.fitted;
    capacity_report& result = task.report;
    result.capacity = capacity;
    result.items = fitted.lengths.size();
    result.skipped_empty = samples.empty.size();
    result.excess = describe_excess(fitted, options.excess);
    result.skipped_overlong =
        options.excess == excess_length_strategy::drop ? fitted.overlong : 0;
    result.samples = samples.lengths.size() - result.skipped_overlong;
    if (result.items == 0) {
        throw input_error(
            "--capacity " + std::to_string(capacity),
            "no sample is left to pack: " + grouped(std::uint64_t{result.skipped_empty}) +
                " are empty, " + grouped(fitted.overlong) + " longer than the capacity");
    }
    result.tokens = fitted.tokens;
    const auto start = clock::now();
    task.counts = fitted_counts(histogram, capacity, options.excess);
    task.counting_seconds = seconds_since(start);
    if (task.counts.count.empty()) {
        result.lengths = summarize(fitted.lengths);
        result.histogram = length_histogram(fitted.lengths, histogram_buckets);
    } else {
        result.lengths = summarize(task.counts);
        result.histogram = length_histogram(task.counts, histogram_buckets);
    }
    result.pad_to_capacity = packing_efficiency(result.tokens, result.items, capacity);
    result.shown_batch =
        options.micro_batch_size > 1 ? options.micro_batch_size : telling_batch;
    result.pad_to_longest_shown =
        padded_to_longest_efficiency(fitted.lengths, result.shown_batch);
    result.pad_to_longest =
        options.micro_batch_size > 1 ? result.pad_to_longest_shown : 1.0;
    task.lower_bound = lower_bound_of(task);
    return task;
}

/// Everything about rows that does not ask which samples are in them.
void describe_rows(const std::vector<packed_row>& rows, const packing_task& task,
                   algorithm_result& result) {
    const capacity_report& capacity = task.report;
    result.bins = rows.size();
    result.efficiency =
        packing_efficiency(capacity.tokens, rows.size(), capacity.capacity);
    result.padding_tokens =
        padding_tokens(capacity.tokens, rows.size(), capacity.capacity);
    result.lower_bound = task.lower_bound.bins;
    result.bound = task.lower_bound.name;
    result.gap_bins = rows.size() - result.lower_bound;
    result.optimal = result.gap_bins == 0;
    for (const packed_row& row : rows) {
        const double share =
            static_cast<double>(row.tokens) / static_cast<double>(capacity.capacity);
        const auto bucket = static_cast<std::size_t>(share * fill_buckets);
        ++result.fill[std::min(bucket, fill_buckets - 1)];
    }
    const std::size_t ranks = task.options.ranks;
    result.dealt = deal_rows(rows, ranks);
    result.rank_imbalance = imbalance_of(result.dealt.tokens);
    result.attention_imbalance = imbalance_of(result.dealt.attention);
    if (ranks == 1) return;
    // Rows lie sorted, which hides what a sampler's order brings.
    const auto order = seeded_permutation(rows.size(), task.options.seed.value_or(0));
    std::vector<packed_row> shuffled;
    shuffled.reserve(rows.size());
    for (const std::uint32_t i : order)
        shuffled.push_back(rows[i]);
    result.shuffled = deal_rows(shuffled, ranks);
    result.balanced = balance_rows(std::move(shuffled), ranks);
}

algorithm_result measure(const algorithm& one, const packing_task& task, bool wants_bins,
                         bin_list<>& bins) {
    const capacity_report& capacity = task.report;
    algorithm_result result;
    result.algorithm = one.name;
    std::vector<packed_row> rows;
    const auto start = clock::now();
    if (task.by_lengths(one, wants_bins)) {
        const packing_plan plan =
            one.plan(task.counts, static_cast<std::uint32_t>(capacity.capacity),
                     static_cast<std::uint32_t>(std::min<std::size_t>(
                         task.options.bin_size.value_or(0),
                         std::numeric_limits<std::uint32_t>::max())));
        result.seconds = task.counting_seconds + seconds_since(start);
        result.sample_indices = false;
        rows = rows_of(plan, result.drawn);
    } else {
        bin_list<> packed = one.run(task.fitted.lengths, capacity.capacity, task.how());
        result.seconds = seconds_since(start);
        rows = rows_of(packed, task.fitted.lengths, result.drawn);
        if (wants_bins) bins = std::move(packed);
    }
    result.ns_per_sample = result.seconds * 1e9 / static_cast<double>(capacity.items);
    describe_rows(rows, task, result);
    return result;
}

/// The bins in the numbering of the inputs.
bin_list<> in_input_order(bin_list<> bins, const fitted_samples& fitted,
                          const sample_table& samples) {
    if (fitted.sample.empty() && samples.empty.empty() && samples.order.empty()) {
        return bins;  // numbered so already
    }
    std::vector<std::uint32_t> items(bins.items().begin(), bins.items().end());
    for (std::uint32_t& item : items)
        item = samples.index_of(fitted.sample_of(item));
    std::vector<std::size_t> offsets(bins.offsets().begin(), bins.offsets().end());
    return bin_list<>::from_csr(std::move(items), std::move(offsets));
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

/// The algorithms named; without a name all of them, or the quick ones of many samples.
std::vector<const algorithm*> chosen_algorithms(const settings& options,
                                                std::size_t samples,
                                                std::vector<std::string_view>& left_out) {
    std::vector<const algorithm*> chosen;
    for (const auto& name : options.algorithms)
        chosen.push_back(&find_algorithm(name));
    if (!chosen.empty()) return chosen;
    for (const algorithm& one : all_algorithms()) {
        if (samples <= many_samples || one.quick) {
            chosen.push_back(&one);
        } else {
            left_out.push_back(one.name);
        }
    }
    return chosen;
}

}  // namespace

const algorithm_result& best_result(const capacity_report& capacity) {
    return *std::min_element(capacity.results.begin(), capacity.results.end(),
                             [](const algorithm_result& a, const algorithm_result& b) {
                                 return a.bins < b.bins;
                             });
}

report evaluate(sample_table samples, const settings& options) {
    if (options.seed) samples.shuffle(*options.seed);
    const auto start = clock::now();
    const sample_histogram histogram = count_samples(samples);
    const double counting_seconds = seconds_since(start);
    report result;
    if (!samples.lengths.empty()) {
        result.all_lengths = plotted_lengths(histogram, result.log_lengths);
    }
    const auto algorithms =
        chosen_algorithms(options, samples.lengths.size(), result.left_out);
    const std::size_t tasks = options.capacities.size() * algorithms.size();
    const bool one_capacity = options.capacities.size() == 1;
    const bool wants_bins = !options.bins_path.empty();
    progress_bar progress("packing", tasks);
    for (std::size_t i = 0; i < options.capacities.size(); ++i) {
        packing_task task = prepare(samples, histogram, options.capacities[i], options);
        task.counting_seconds += counting_seconds;
        std::vector<algorithm_result> results(algorithms.size());
        bin_list<> bins;
        run_tasks(
            algorithms.size(), options.threads,
            [&](std::size_t k) {
                results[k] = measure(*algorithms[k], task,
                                     wants_bins && one_capacity && k == 0, bins);
            },
            [&](std::size_t done) { progress.set(i * algorithms.size() + done); });
        task.report.results = std::move(results);
        task.report.advice = advise(task.report, options);
        result.capacities.push_back(std::move(task.report));
        if (wants_bins && one_capacity) {
            result.bins = in_input_order(std::move(bins), task.fitted, samples);
        }
    }
    result.recommended = recommend(result.capacities);
    result.chosen = options.main_capacity_given ? 0 : result.recommended;
    if (wants_bins && !one_capacity) {
        // Packed once more: which capacity is reported is known only now.
        const packing_task task =
            prepare(samples, histogram, result.main().capacity, options);
        result.bins =
            in_input_order(algorithms.front()->run(task.fitted.lengths,
                                                   task.report.capacity, task.how()),
                           task.fitted, samples);
    }
    return result;
}

}  // namespace packkit::app
