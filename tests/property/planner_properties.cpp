// SPDX-License-Identifier: Apache-2.0
#include <packkit/model/presets.hpp>
#include <packkit/packing/pack.hpp>
#include <packkit/planner.hpp>

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include <rapidcheck/boost_test.h>

BOOST_AUTO_TEST_SUITE(planner_properties)

using packkit::checkpointing_kind;
using packkit::mesh_shape;
using packkit::sharding_kind;

namespace {

template <class T>
std::vector<T> some_of(const std::vector<T>& all) {
    return *rc::gen::suchThat(
        rc::gen::container<std::vector<T>>(rc::gen::elementOf(all)),
        [](const std::vector<T>& list) { return !list.empty() && list.size() < 6; });
}

/// A small model, a device and what to search for.
struct any_search {
    packkit::model_layout layout{
        packkit::find_model(*rc::gen::element("llama-3.2-1b", "llama-3-8b", "gpt2",
                                              "mixtral-8x7b", "gemma-2-2b"))
            ->shape};
    packkit::device on = *packkit::find_device(*rc::gen::element("h100-80gb", "a10g"));
    packkit::search_options options;
    packkit::workload work;

    any_search() {
        on.memory_bytes = *rc::gen::inRange<std::int64_t>(1, 200) << 30;
        options.gpus = *rc::gen::inRange<std::int64_t>(1, 65);
        options.gpus_per_node = *rc::gen::inRange<std::int64_t>(1, 17);
        options.sequence_len = *rc::gen::element<std::int64_t>(128, 1000, 4096, 32768);
        options.precision = *rc::gen::element(packkit::precision_kind::fp32,
                                              packkit::precision_kind::bf16_mixed);
        options.offload_optimizer = *rc::gen::arbitrary<bool>();
        options.micro_batch_sizes = some_of<std::int64_t>({1, 2, 3, 4, 8});
        options.shardings =
            some_of<sharding_kind>({sharding_kind::ddp, sharding_kind::zero1,
                                    sharding_kind::zero2, sharding_kind::fsdp});
        options.checkpointings = some_of<checkpointing_kind>(
            {checkpointing_kind::none, checkpointing_kind::selective,
             checkpointing_kind::full});
        options.one_row_with_cp = *rc::gen::arbitrary<bool>();
        if (*rc::gen::inRange(0, 4) == 0)
            options.global_batch_size = 48 * *rc::gen::inRange<std::int64_t>(1, 41);
        if (*rc::gen::inRange(0, 4) == 0)
            options.max_global_tokens = *rc::gen::inRange<std::int64_t>(1 << 16, 1 << 24);
        if (*rc::gen::inRange(0, 4) == 0)
            options.fixed.tp = *rc::gen::inRange<std::int64_t>(1, 5);
        work = packkit::full_rows(options.sequence_len);
    }
    [[nodiscard]] packkit::plan_search find() const {
        return packkit::search(layout, on, options, work);
    }
};

}  // namespace

RC_BOOST_PROP(each_mesh_is_a_plan_or_refused, ()) {
    const any_search given;
    const auto found = given.find();
    std::multiset<mesh_shape> seen;
    for (const auto& plan : found.plans)
        seen.insert(plan.setup.mesh);
    for (const auto& rejected : found.rejected) {
        seen.insert(rejected.setup.mesh);
        RC_ASSERT(!rejected.reason.empty());
    }
    const auto all = packkit::factorizations(given.options.gpus);
    RC_ASSERT(seen == std::multiset<mesh_shape>(all.begin(), all.end()));
    RC_ASSERT(std::is_sorted(
        found.plans.begin(), found.plans.end(), [](const auto& a, const auto& b) {
            return a.tokens_per_second_per_gpu > b.tokens_per_second_per_gpu;
        }));
}

/// A plan keeps to what was asked for, and its figures are those of `estimate`.
RC_BOOST_PROP(plans_keep_to_the_options, ()) {
    const any_search given;
    const auto& options = given.options;
    const auto found = given.find();
    RC_CLASSIFY(!found.plans.empty(), "has plans");
    const auto has = [](const auto& list, auto value) {
        return std::find(list.begin(), list.end(), value) != list.end();
    };
    for (const auto& plan : found.plans) {
        const auto& setup = plan.setup;
        RC_ASSERT(has(options.shardings, setup.sharding));
        RC_ASSERT(has(options.checkpointings, setup.checkpointing));
        RC_ASSERT(has(options.micro_batch_sizes, setup.micro_batch_size));
        RC_ASSERT(!options.fixed.tp || setup.mesh.tp == *options.fixed.tp);
        RC_ASSERT(!options.global_batch_size ||
                  setup.global_rows() == *options.global_batch_size);
        RC_ASSERT(!options.max_global_tokens ||
                  setup.global_rows() * setup.sequence_len <= *options.max_global_tokens);
        RC_ASSERT(setup.offload_optimizer == options.offload_optimizer);
        RC_ASSERT(plan.fits);
        RC_ASSERT(plan.hfu <= 1.0);
        const auto again = packkit::estimate(given.layout, setup, given.on, given.work,
                                             options.estimates);
        RC_ASSERT(again.memory.bytes == plan.memory.bytes);
        RC_ASSERT(again.communication == plan.communication);
        RC_ASSERT(again.tokens_per_second_per_gpu == plan.tokens_per_second_per_gpu);
        RC_ASSERT(again.warnings == plan.warnings);
    }
}

RC_BOOST_PROP(more_memory_removes_no_plan_and_slows_none, ()) {
    any_search given;
    const auto before = given.find();
    given.on.memory_bytes += *rc::gen::inRange<std::int64_t>(0, 100) << 30;
    const auto after = given.find();
    for (const auto& plan : before.plans) {
        const auto same = std::find_if(
            after.plans.begin(), after.plans.end(),
            [&](const auto& other) { return other.setup.mesh == plan.setup.mesh; });
        RC_ASSERT(same != after.plans.end());
        RC_ASSERT(same->tokens_per_second_per_gpu >= plan.tokens_per_second_per_gpu);
    }
}

/// What a suggestion promises, a search with that change finds.
RC_BOOST_PROP(suggestions_fit, ()) {
    any_search given;
    given.on.memory_bytes = std::int64_t{2} << 30;
    given.options.gpus = *rc::gen::inRange<std::int64_t>(1, 9);
    const auto suggestions =
        packkit::suggest(given.layout, given.on, given.options, given.work);
    RC_ASSERT(given.find().plans.empty() || suggestions.empty());
    for (const auto& suggestion : suggestions)
        RC_ASSERT(suggestion.plan.memory.bytes.total() <= suggestion.plan.capacity_bytes);
}

RC_BOOST_PROP(packed_rows_hold_every_sample_that_fits, ()) {
    const auto capacity = *rc::gen::inRange<std::int64_t>(1, 200);
    const auto lengths = *rc::gen::container<std::vector<std::int64_t>>(
        rc::gen::inRange<std::int64_t>(1, 400));
    const auto counts =
        packkit::count_lengths(std::span<const std::int64_t>(lengths), 400);
    const auto strategy = *rc::gen::element(packkit::excess_length_strategy::drop,
                                            packkit::excess_length_strategy::truncate,
                                            packkit::excess_length_strategy::split);
    const auto rows = packkit::packed_rows(
        counts, capacity, {.excess = strategy, .cost = {.linear = 7, .quadratic = 1}});
    const auto fitted = packkit::apply_excess_length(lengths, capacity, strategy);
    const auto bins =
        packkit::pack(fitted.lengths, capacity, packkit::first_fit_decreasing{});
    RC_ASSERT(rows.rows_per_epoch == static_cast<double>(bins.size()));
    std::int64_t tokens = 0;
    for (const std::int64_t l : lengths)
        tokens += l;
    RC_ASSERT(rows.tokens + rows.dropped_tokens + rows.cut_tokens == tokens);
    RC_ASSERT(rows.efficiency <= 1.0);
    double last = 1;
    for (const std::int64_t ranks : {1, 2, 3, 8, 64, 4096}) {
        const double imbalance = rows.rows.shuffled_imbalance(ranks);
        RC_ASSERT(imbalance >= last * (1 - 1e-12));
        last = imbalance;
    }
    RC_ASSERT(rows.rows.balanced_imbalance() <= last * (1 + 1e-3));
}

BOOST_AUTO_TEST_SUITE_END()
