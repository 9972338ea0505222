// SPDX-License-Identifier: Apache-2.0
/// @file
/// Which samples each rank trains on in every step of every epoch, as a function of the
/// lengths, a seed and the step: each rank derives the same plan, nothing is
/// communicated, and there is no state to save but the step's number.
///
/// - Any packing. Bins come from first-fit decreasing by lengths, or from what any policy
///   packed; where their order is kept, bins and samples stay as they were packed.
/// - Equal work. Every rank has the same number of rows: bins are split until their
///   number is a multiple of the global batch (`equal_bins`), or the last step has empty
///   rows, or is dropped.
/// - Fresh bins. Each epoch assigns the samples of one length in another order, by a
///   permutation keyed by (seed, epoch, length), and takes the bins in another order.
///   Which lengths share a bin stays: samples of lengths that occur once stay together.
/// - Balance. Full bins of equal tokens differ in cost. Inside a window of steps the bins
///   are sorted by cost, neighbours form a step, and the steps are shuffled: the rows of
///   a step cost about the same, and no bin changes.
/// - Elasticity. The global batch of a step depends on (seed, epoch, step) alone. The
///   number of ranks only decides which rank takes which bin, so a run may go on with
///   another.
#pragma once

#include <packkit/bin_list.hpp>
#include <packkit/concepts.hpp>
#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>
#include <packkit/lengths/length_counts.hpp>
#include <packkit/lengths/samples_by_length.hpp>
#include <packkit/model/document_cost.hpp>
#include <packkit/packing/first_fit_decreasing.hpp>
#include <packkit/packing/packing_plan.hpp>
#include <packkit/packing/plan_from_bins.hpp>
#include <packkit/sampling/cursor.hpp>
#include <packkit/sampling/distributed_plan_options.hpp>
#include <packkit/sampling/split_to_multiple.hpp>
#include <packkit/utility/hash.hpp>
#include <packkit/utility/permutation.hpp>
#include <packkit/utility/random.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace packkit {

/// The bins of some neighbouring steps, each step's together: by falling cost or tokens
/// where the plan balances, otherwise in the order of the epoch.
struct plan_window {
    std::uint64_t epoch = 0;
    std::size_t first_step = 0;
    std::size_t steps = 0;
    std::vector<std::uint32_t> bins;  ///< steps * global_batch numbers of bins

    [[nodiscard]] bool holds(cursor at) const {
        return at.epoch == epoch && at.step >= first_step && at.step - first_step < steps;
    }
};

/// The plan of a whole training. Immutable: any number of threads may ask it. A reader
/// (`plan_reader`) keeps the window it is in.
///
/// @tparam Cost what bins are balanced by: by length, or by sample
template <bin_cost Cost = attention_cost>
class distributed_plan {
public:
    /// `counts`, `plan` and `samples` belong to the same lengths.
    /// @throws invalid_argument for a global batch or window of 0, 2^32 bins or more, or
    ///   costs that are negative or exceed int64
    distributed_plan(length_counts counts, packing_plan plan, samples_by_length samples,
                     distributed_plan_options options, Cost cost = {})
        : counts_(std::move(counts)),
          plan_(std::move(plan)),
          samples_(std::make_shared<const samples_by_length>(std::move(samples))),
          options_(options),
          cost_(std::move(cost)),
          sample_key_(random_key(options.seed, "distributed_plan.samples")),
          bin_key_(random_key(options.seed, "distributed_plan.bins")),
          step_key_(random_key(options.seed, "distributed_plan.steps")),
          rank_key_(random_key(options.seed, "distributed_plan.ranks")) {
        if (options.global_batch == 0 || options.window == 0) {
            detail::throw_invalid_argument("a plan with a global batch of ",
                                           options.global_batch, " and a window of ",
                                           options.window, ", both must be positive");
        }
        const bool split = options.last == last_step::split;
        bins_ = equal_bins(plan_, split ? options.global_batch : 1);
        const bool partial =
            options.last == last_step::keep && bins_.size() % options.global_batch != 0;
        steps_ = bins_.size() / options.global_batch + (partial ? 1 : 0);
        if constexpr (document_cost<Cost>) {
            std::vector<placement> chain;
            run_costs_.reserve(plan_.runs().size());
            for (const bin_run& run : plan_.runs()) {
                plan_.placements_of(run, chain);
                std::int64_t sum = 0, tokens = 0;
                for (const placement& p : chain) {
                    sum = add_costs(sum, cost_(p.length), p.per_bin);
                    tokens += std::int64_t{p.length} * p.per_bin;
                }
                run_costs_.push_back(add_padding(sum, tokens));
            }
        }
    }

    [[nodiscard]] const distributed_plan_options& options() const { return options_; }
    [[nodiscard]] std::size_t global_batch() const { return options_.global_batch; }
    /// Bins that have samples, and those that even splitting left without.
    [[nodiscard]] std::size_t bins() const { return bins_.size(); }
    /// Bins of the packing, before any was split.
    [[nodiscard]] std::size_t packed_bins() const { return bins_.bins(); }
    /// Numbers of bins: those of `bins()`, behind them the empty rows that fill the last
    /// step (`last_step::keep`).
    [[nodiscard]] std::size_t size() const {
        return std::max(bins(), steps_ * options_.global_batch);
    }
    [[nodiscard]] std::size_t samples() const { return counts_.samples; }
    /// Steps an epoch, the same for any number of ranks. 0 without samples.
    [[nodiscard]] std::size_t steps_per_epoch() const { return steps_; }
    /// Bins that an epoch leaves out (`last_step::drop`), others in each epoch where bins
    /// are shuffled.
    [[nodiscard]] std::size_t left_out() const {
        return size() - steps_ * options_.global_batch;
    }

    /// The window that holds a step: its bins' numbers, by step. O(w log w) for its w
    /// bins, and their items for a cost by sample.
    /// @param other for comparisons: what to balance by instead of the plan's choice
    /// @throws invalid_argument for a step past the epoch's end
    [[nodiscard]] plan_window window_at(cursor at,
                                        std::optional<plan_balance> other = {}) const {
        check(at);
        const plan_balance balance = other.value_or(options_.balance);
        const std::size_t batch = options_.global_batch;
        // As few windows as cover the epoch, of sizes that differ by one step at most.
        const std::size_t windows = (steps_ - 1) / options_.window + 1;
        const std::size_t number =
            ((static_cast<std::size_t>(at.step) + 1) * windows - 1) / steps_;
        plan_window window;
        window.epoch = at.epoch;
        window.first_step = number * steps_ / windows;
        window.steps = (number + 1) * steps_ / windows - window.first_step;
        window.bins.resize(window.steps * batch);
        const bool shuffles = options_.order != epoch_order::as_packed;
        const lazy_permutation order(bins(), bin_key_, at.epoch);
        for (std::size_t i = 0; i < window.bins.size(); ++i) {
            const std::size_t place = window.first_step * batch + i;
            window.bins[i] = static_cast<std::uint32_t>(
                shuffles && place < bins() ? order(place) : place);
        }
        if (shuffles && balance != plan_balance::none)
            sort_into_steps(window, number, balance);
        return window;
    }

    /// Appends the samples of a bin in an epoch, in the order of its placements: longest
    /// first for decreasing policies, as packed for bins. O(items + log runs).
    /// @throws invalid_argument for a bin past the last
    void append_samples(std::size_t bin, std::uint64_t epoch,
                        std::vector<std::uint32_t>& out) const {
        for_each_sample(bin, epoch, [&out](std::uint32_t, std::uint32_t sample) {
            out.push_back(sample);
        });
    }

    /// The samples of a bin in an epoch. @throws invalid_argument as above
    [[nodiscard]] std::vector<std::uint32_t> samples_of(std::size_t bin,
                                                        std::uint64_t epoch) const {
        std::vector<std::uint32_t> out;
        append_samples(bin, epoch, out);
        return out;
    }

    /// Cost of a bin in an epoch, with its padding; by length it is the same in all
    /// epochs. @throws invalid_argument for a bin past the last, or a sum beyond int64
    [[nodiscard]] std::int64_t cost_of(std::size_t bin, std::uint64_t epoch) const {
        std::int64_t sum = 0;
        if constexpr (document_cost<Cost>) {
            std::int64_t tokens = 0;
            for_each_group(
                bin,
                [&](const bin_run& run, bool whole) {
                    if (whole)
                        sum = run_costs_[static_cast<std::size_t>(&run -
                                                                  plan_.runs().data())];
                    return !whole;
                },
                [&](std::uint32_t length, std::uint32_t, std::uint32_t count) {
                    sum = add_costs(sum, cost_(length), count);
                    tokens += std::int64_t{length} * count;
                });
            return add_padding(sum, tokens);
        } else {
            for_each_sample(bin, epoch, [&](std::uint32_t length, std::uint32_t sample) {
                sum = add_costs(sum, cost_(length, sample), 1);
            });
            return sum;
        }
    }

    /// Tokens of a bin, without padding. @throws invalid_argument for a bin past the last
    [[nodiscard]] std::int64_t tokens_of(std::size_t bin) const {
        std::int64_t tokens = 0;
        for_each_group(
            bin, [](const bin_run&, bool) { return true; },
            [&](std::uint32_t length, std::uint32_t, std::uint32_t count) {
                tokens += std::int64_t{length} * count;
            });
        return tokens;
    }

    /// The rank from which a step's bins are assigned: another from step to step.
    [[nodiscard]] std::uint64_t turn_of(cursor at) const {
        return options_.order == epoch_order::as_packed
                   ? 0
                   : random_bits(rank_key_, at.step, at.epoch)[0];
    }

    /// Hash of everything that decides the plan: which sample has which length, the bins,
    /// the options, the costs. Equal on all machines for equal plans. O(samples + runs).
    [[nodiscard]] std::uint64_t hash() const {
        word_hash hash;
        hash.add(options_.global_batch).add(options_.seed).add(options_.window);
        hash.add(static_cast<std::uint64_t>(options_.order) |
                 static_cast<std::uint64_t>(options_.balance) << 8 |
                 static_cast<std::uint64_t>(options_.last) << 16 |
                 std::uint64_t{options_.padded_row} << 32);
        hash.add(counts_.samples);
        for (std::size_t length = 0; length < counts_.count.size(); ++length) {
            if (counts_.count[length] == 0) continue;
            hash.add(length).add(counts_.count[length]);
            const std::uint32_t* samples = samples_->of(length);
            std::uint64_t sum = 0;  // of independent words, so that they overlap
            for (std::uint64_t k = 0; k < counts_.count[length]; ++k) {
                sum += detail::mix64((k << 32 | samples[k]) + detail::golden_step);
                if constexpr (!document_cost<Cost>) {
                    sum += detail::mix64(k ^ detail::mix64(static_cast<std::uint64_t>(
                                                 cost_of_sample(length, samples[k]))));
                }
            }
            hash.add(sum);
            if constexpr (document_cost<Cost>) {
                const auto price = cost_(static_cast<std::int64_t>(length));
                hash.add(static_cast<std::uint64_t>(price));
            }
        }
        add_bins(hash);
        return hash.value();
    }

private:
    static std::int64_t add_costs(std::int64_t sum, std::int64_t cost,
                                  std::uint32_t times) {
        if (cost < 0) {
            detail::throw_invalid_argument("a cost of ", cost,
                                           ", costs must not be negative");
        }
        const char* what = "the cost of a bin";
        return detail::checked_add(sum, detail::checked_multiply(cost, times, what),
                                   what);
    }

    /// The cost of a bin's documents and of its padding. An empty row is not padded.
    [[nodiscard]] std::int64_t add_padding(std::int64_t sum, std::int64_t tokens) const {
        if constexpr (document_cost<Cost>) {
            if (tokens > 0 && tokens < options_.padded_row)
                return add_costs(sum, cost_(options_.padded_row - tokens), 1);
        }
        return sum;
    }

    [[nodiscard]] std::int64_t cost_of_sample(std::size_t length,
                                              std::uint32_t sample) const {
        return cost_(static_cast<std::int64_t>(length), sample);
    }

    void check(cursor at) const {
        if (at.step >= steps_per_epoch()) {
            detail::throw_invalid_argument("step is ", at.step, ", an epoch has ",
                                           steps_per_epoch());
        }
    }

    /// Makes steps of bins that cost alike, and shuffles the steps.
    void sort_into_steps(plan_window& window, std::size_t number,
                         plan_balance balance) const {
        struct priced {
            std::int64_t price;
            std::uint32_t place;  // in the epoch's order: breaks ties
            std::uint32_t bin;
        };
        std::vector<priced> all(window.bins.size(), priced{});
        for (std::size_t i = 0; i < all.size(); ++i) {
            const std::uint32_t bin = window.bins[i];
            all[i] = {balance == plan_balance::cost ? cost_of(bin, window.epoch)
                                                    : tokens_of(bin),
                      static_cast<std::uint32_t>(i), bin};
        }
        std::sort(all.begin(), all.end(), [](const priced& a, const priced& b) {
            return a.price != b.price ? a.price > b.price : a.place < b.place;
        });
        const std::size_t batch = options_.global_batch;
        const lazy_permutation shuffled(window.steps, step_key_, window.epoch, number);
        for (std::size_t step = 0; step < window.steps; ++step) {
            const std::size_t from = shuffled(step) * batch;
            for (std::size_t i = 0; i < batch; ++i)
                window.bins[step * batch + i] = all[from + i].bin;
        }
    }

    /// Calls group(length, first, count): samples [first, first + count) of that length,
    /// if begin(run, whole) says so. Calls nothing for an empty row.
    template <class Begin, class Group>
    void for_each_group(std::size_t number, Begin begin, Group group) const {
        if (number >= size()) {
            detail::throw_invalid_argument("bin ", number, " of a plan of ", size(),
                                           " bins");
        }
        if (number >= bins()) return;
        const bin_piece piece = bins_.piece(number, plan_);
        if (piece.first == piece.last) return;
        const bin_run& run = plan_.run_of(piece.bin);
        if (!begin(run, piece.first == 0 && piece.last == run.items)) return;
        std::uint32_t item = 0;
        for (const placement& p : plan_.placements_of(run)) {
            const std::uint32_t from = std::max(item, piece.first);
            const std::uint32_t to = std::min(item + p.per_bin, piece.last);
            if (from < to) {
                group(p.length,
                      p.start + (piece.bin - p.first_bin) * p.per_bin + (from - item),
                      to - from);
            }
            item += p.per_bin;
        }
    }

    /// Calls use(length, sample) for the samples of a bin.
    template <class Use>
    void for_each_sample(std::size_t number, std::uint64_t epoch, Use use) const {
        for_each_group(
            number, [](const bin_run&, bool) { return true; },
            [&](std::uint32_t length, std::uint32_t first, std::uint32_t count) {
                const std::uint32_t* samples = samples_->of(length);
                if (options_.order != epoch_order::fresh_bins) {
                    for (std::uint32_t k = first; k < first + count; ++k)
                        use(length, samples[k]);
                    return;
                }
                const lazy_permutation order(counts_.count[length], sample_key_, epoch,
                                             length);
                for (std::uint32_t k = first; k < first + count; ++k)
                    use(length, samples[order(k)]);
            });
    }

    /// Hashes which bins there are. Runs that continue each other are one: how a plan is
    /// put down does not matter.
    void add_bins(word_hash& hash) const {
        struct group {
            std::uint32_t length, per_bin, start;
        };
        std::vector<group> groups;  // of the bins not hashed yet
        std::uint64_t bins = 0;
        std::vector<placement> chain;
        const auto flush = [&] {
            hash.add(bins).add(groups.size());
            for (const group& g : groups)
                hash.add(g.length).add(g.per_bin).add(g.start);
            groups.clear();
            bins = 0;
        };
        for (const bin_run& run : plan_.runs()) {
            plan_.placements_of(run, chain);
            const auto start = [&run](const placement& p) {
                return p.start + (run.first_bin - p.first_bin) * p.per_bin;
            };
            const bool goes_on =
                std::equal(groups.begin(), groups.end(), chain.begin(), chain.end(),
                           [&](const group& g, const placement& p) {
                               return g.length == p.length && g.per_bin == p.per_bin &&
                                      g.start + bins * g.per_bin == start(p);
                           });
            if (!goes_on) {
                if (bins > 0) flush();
                for (const placement& p : chain)
                    groups.push_back({p.length, p.per_bin, start(p)});
            }
            bins += run.bins;
        }
        flush();
    }

    length_counts counts_;
    packing_plan plan_;
    std::shared_ptr<const samples_by_length> samples_;
    distributed_plan_options options_;
    Cost cost_;
    std::uint64_t sample_key_, bin_key_, step_key_, rank_key_;
    equal_bins bins_;
    std::size_t steps_ = 0;
    std::vector<std::int64_t> run_costs_;  // of each run's bins, for a cost by length
};

/// First-fit-decreasing bins of at most `capacity` tokens as a distributed plan.
/// O(N + plan).
/// @throws invalid_argument for a length outside [1, capacity], 2^32 samples or tokens a
///   bin or more, or as `distributed_plan`
template <class Lengths, bin_cost Cost = attention_cost>
    requires length_range<const Lengths&>
[[nodiscard]] distributed_plan<Cost> make_distributed_plan(
    const Lengths& lengths, std::int64_t capacity, distributed_plan_options options,
    Cost cost = {}, std::uint32_t bin_size = 0) {
    std::identity same;
    const auto held = detail::contiguous_integers(lengths, same);
    const std::span all(held.data(), held.size());
    detail::check_capacity(capacity);
    constexpr auto most = std::numeric_limits<std::uint32_t>::max();
    if (capacity >= most || all.size() >= most) {
        detail::throw_invalid_argument(all.size(), " samples in bins of ", capacity,
                                       ", both must be below 2^32 - 1");
    }
    using length = std::remove_const_t<typename decltype(all)::element_type>;
    const std::span<const length> values(all);
    length_counts counts = count_lengths(values, capacity);
    packing_plan plan =
        plan_first_fit_decreasing(counts, static_cast<std::uint32_t>(capacity), bin_size);
    samples_by_length samples(values, counts);
    return {std::move(counts), std::move(plan), std::move(samples), options,
            std::move(cost)};
}

/// Bins of any policy as a distributed plan: those of `pack`, samples one behind the
/// other, or a sample a bin. O(N + longest length + plan).
/// @throws invalid_argument unless the bins hold every sample exactly once, for a length
///   below 1, or as `plan_from_bins` or `distributed_plan`
template <class Lengths, class Index, bin_cost Cost = attention_cost>
    requires length_range<const Lengths&>
[[nodiscard]] distributed_plan<Cost> make_distributed_plan(
    const Lengths& lengths, const bin_list<Index>& bins, distributed_plan_options options,
    Cost cost = {}) {
    std::identity same;
    const auto held = detail::contiguous_lengths(lengths, same);
    const std::span<const std::int64_t> all(held);
    packing_plan plan = plan_from_bins(bins, all);
    std::vector<bool> seen(all.size(), false);
    for (const Index item : bins.items()) {
        if (seen[static_cast<std::size_t>(item)])
            detail::throw_invalid_argument("the bins hold sample ", item, " twice");
        seen[static_cast<std::size_t>(item)] = true;
    }
    if (const auto missing = std::find(seen.begin(), seen.end(), false);
        missing != seen.end()) {
        detail::throw_invalid_argument("no bin holds sample ", missing - seen.begin());
    }
    const auto longest = std::max_element(all.begin(), all.end());
    length_counts counts = count_lengths(
        all, longest == all.end() ? 1 : std::max<std::int64_t>(1, *longest));
    samples_by_length samples(all, counts);
    return {std::move(counts), std::move(plan), std::move(samples), options,
            std::move(cost)};
}

}  // namespace packkit
