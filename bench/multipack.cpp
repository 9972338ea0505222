// SPDX-License-Identifier: Apache-2.0
/// @file
/// Packing in any order, the longest first: first-fit, best-fit and worst-fit decreasing,
/// and what is stronger. With sample ids in new memory, into memory used again
/// (`NAME_into`), and the plan alone (`NAME_plan`); beside them FFD and BFD item by item.

#include "item_by_item.hpp"
#include "packing.hpp"

#include <packkit/lengths/length_counts.hpp>
#include <packkit/packing/assign_samples.hpp>
#include <packkit/packing/packing_plan.hpp>
#include <packkit/packing/pattern_fit.hpp>

#include <memory>

namespace {

using packkit::bin_list;

template <class Policy>
void register_into() {
    struct memory {
        bin_list<> bins;
        packkit::pack_workspace workspace;
    };
    bench::register_packing(std::string(Policy::name) + "_into",
                            [kept = std::make_shared<memory>()](
                                const bench::lengths& values, std::int64_t capacity) {
                                packkit::pack_into(kept->bins, kept->workspace, values,
                                                   capacity, Policy{});
                                benchmark::DoNotOptimize(kept->bins.items().data());
                                return kept->bins.size();
                            });
}

/// `plan(counts, capacity)` of counted lengths, counting included.
template <class Plan>
void register_plan(const std::string& name, Plan plan) {
    bench::register_packing(
        name, [plan](const bench::lengths& values, std::int64_t capacity) {
            const auto counts =
                packkit::count_lengths(std::span<const std::int32_t>(values), capacity);
            const packkit::packing_plan made =
                plan(counts, static_cast<std::uint32_t>(capacity));
            benchmark::DoNotOptimize(made.runs().data());
            return made.size();
        });
}

template <class Pack>
void register_item_by_item(const std::string& name, Pack pack) {
    bench::register_packing("item_by_item_" + name, [pack](const bench::lengths& values,
                                                           std::int64_t capacity) {
        const bench::csr packed = pack(std::span<const std::int32_t>(values),
                                       static_cast<std::uint32_t>(capacity));
        benchmark::DoNotOptimize(packed.items.data());
        return packed.size();
    });
}

}  // namespace

int main(int argc, char** argv) {
    bench::register_policy<packkit::best_fit_decreasing>();
    bench::register_policy<packkit::first_fit_decreasing>();
    register_into<packkit::best_fit_decreasing>();
    register_into<packkit::first_fit_decreasing>();
    register_plan("best_fit_decreasing_plan", [](const auto& counts, auto capacity) {
        return packkit::plan_best_fit_decreasing(counts, capacity);
    });
    register_plan("first_fit_decreasing_plan", [](const auto& counts, auto capacity) {
        return packkit::plan_first_fit_decreasing(counts, capacity);
    });
    bench::register_policy<packkit::pattern_fit>();
    bench::register_policy<packkit::worst_fit_decreasing>();
    register_item_by_item("best_fit_decreasing", [](auto lengths, auto capacity) {
        return bench::best_fit_decreasing(lengths, capacity);
    });
    register_item_by_item("best_fit_decreasing_any_tie", [](auto lengths, auto capacity) {
        return bench::best_fit_decreasing<bench::residual_tree, bench::latest_bin>(
            lengths, capacity);
    });
    register_item_by_item(
        "best_fit_decreasing_bits_any_tie", [](auto lengths, auto capacity) {
            return bench::best_fit_decreasing<bench::residual_bits, bench::latest_bin>(
                lengths, capacity);
        });
    register_item_by_item("first_fit_decreasing", [](auto lengths, auto capacity) {
        return bench::first_fit_decreasing(lengths, capacity);
    });
    return bench::run(argc, argv);
}
