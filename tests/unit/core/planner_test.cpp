// SPDX-License-Identifier: Apache-2.0
#include <packkit/planner.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "expect.hpp"
#include "planner_cases.hpp"

BOOST_AUTO_TEST_SUITE(planner_test)

namespace data = boost::unit_test::data;
using namespace planner_cases;

namespace {

/// What every search must be, whatever was asked for.
void check_search(const plan_search& found, std::int64_t gpus) {
    std::multiset<mesh_shape> seen;
    for (const auto& plan : found.plans) {
        seen.insert(plan.setup.mesh);
        BOOST_TEST(plan.fits);
        BOOST_TEST(plan.memory.bytes.total() <= plan.capacity_bytes);
        BOOST_TEST(plan.tokens_per_second_per_gpu > 0.0);
        BOOST_TEST(plan.hfu < 1.0);
        // Full checkpointing computes forward once more, selective no product.
        const double again = plan.setup.checkpointing == packkit::checkpointing_kind::full
                                 ? 4.0 / 3.0
                                 : 1.0;
        BOOST_TEST(plan.hfu == plan.mfu * again, boost::test_tools::tolerance(1e-12));
    }
    for (const auto& rejected : found.rejected) {
        seen.insert(rejected.setup.mesh);
        BOOST_TEST(!rejected.reason.empty());
    }
    const auto all = packkit::factorizations(gpus);
    BOOST_TEST((seen == std::multiset<mesh_shape>(all.begin(), all.end())));
    const auto before = [](const plan_estimate& a, const plan_estimate& b) {
        const auto dimensions = [](const mesh_shape& m) {
            return (m.dp_replicate > 1) + (m.dp_shard > 1) + (m.cp > 1) + (m.tp > 1);
        };
        return std::tuple(-a.tokens_per_second_per_gpu, dimensions(a.setup.mesh),
                          a.setup.mesh) < std::tuple(-b.tokens_per_second_per_gpu,
                                                     dimensions(b.setup.mesh),
                                                     b.setup.mesh);
    };
    BOOST_TEST(std::is_sorted(found.plans.begin(), found.plans.end(), before));
}

/// The obvious search: every combination through `estimate`. Heads and slices of rows as
/// the planner's contract has them.
std::map<mesh_shape, std::optional<plan_estimate>> brute_force_search(
    const model_layout& layout, const device& on, const search_options& options,
    const workload& work) {
    std::map<mesh_shape, std::optional<plan_estimate>> best;
    for (std::int64_t replicate = 1; replicate <= options.gpus; ++replicate)
        for (std::int64_t shard = 1; shard <= options.gpus; ++shard)
            for (std::int64_t cp = 1; cp <= options.gpus; ++cp)
                for (std::int64_t tp = 1; tp <= options.gpus; ++tp) {
                    if (replicate * shard * cp * tp != options.gpus) continue;
                    auto& chosen = best[{replicate, shard, cp, tp}];
                    if (layout.shape().num_attention_heads % tp != 0) continue;
                    if (cp > 1 &&
                        work.computed_tokens_per_row < 2.0 * static_cast<double>(cp))
                        continue;
                    for (const auto sharding : {sharding_kind::ddp, sharding_kind::fsdp})
                        for (const bool reshard : {true, false})
                            for (const auto checkpointing :
                                 {checkpointing_kind::none, checkpointing_kind::selective,
                                  checkpointing_kind::full})
                                for (const bool sequence_parallel : {false, true})
                                    for (const std::int64_t micro_batch_size :
                                         {1, 2, 4, 8, 16}) {
                                        const bool ddp = sharding == sharding_kind::ddp;
                                        if (ddp ? shard > 1 || !reshard : shard * cp == 1)
                                            continue;
                                        if (sequence_parallel && tp == 1) continue;
                                        if (options.one_row_with_cp && cp > 1 &&
                                            micro_batch_size > 1)
                                            continue;
                                        training_setup setup;
                                        setup.mesh = {replicate, shard, cp, tp};
                                        setup.sequence_len = options.sequence_len;
                                        setup.micro_batch_size = micro_batch_size;
                                        setup.sharding = sharding;
                                        setup.reshard_after_forward = reshard;
                                        setup.checkpointing = checkpointing;
                                        setup.sequence_parallel = sequence_parallel;
                                        setup.gpus_per_node = options.gpus_per_node;
                                        if (options.global_batch_size) {
                                            const std::int64_t rows =
                                                micro_batch_size * replicate * shard;
                                            if (*options.global_batch_size % rows != 0)
                                                continue;
                                            setup.gradient_accumulation_steps =
                                                *options.global_batch_size / rows;
                                        }
                                        const auto plan = packkit::estimate(
                                            layout, setup, on, work, options.estimates);
                                        if (!plan.fits) continue;
                                        if (!chosen ||
                                            plan.tokens_per_second_per_gpu >
                                                chosen->tokens_per_second_per_gpu ||
                                            (plan.tokens_per_second_per_gpu ==
                                                 chosen->tokens_per_second_per_gpu &&
                                             plan.memory.bytes.total() <
                                                 chosen->memory.bytes.total())) {
                                            chosen = plan;
                                        }
                                    }
                }
    return best;
}

}  // namespace

// ---- Against the obvious search

BOOST_DATA_TEST_CASE(the_search_finds_what_trying_everything_finds,
                     data::make({1, 2, 6, 8, 12, 16}) *
                         data::make({"llama-3-8b", "llama-3.2-1b"}) *
                         data::make({"h100-80gb", "a100-40gb"}),
                     gpus, name, on) {
    const model_layout layout = model(name);
    search_options options = options_for(gpus, 4096);
    options.gpus_per_node = 4;
    for (const bool batch : {false, true}) {
        if (batch) options.global_batch_size = 48;
        const workload work = packkit::packed_rows(
            some_counts(4096), 4096, {.cost = packkit::training_flops(layout.shape())});
        const plan_search found = packkit::search(layout, gpu(on), options, work);
        check_search(found, gpus);
        for (const auto& [mesh, best] :
             brute_force_search(layout, gpu(on), options, work)) {
            const plan_estimate* plan = plan_for(found, mesh);
            BOOST_TEST_CONTEXT(to_string(mesh)) {
                BOOST_TEST((plan != nullptr) == best.has_value());
                if (plan == nullptr || !best) continue;
                BOOST_TEST((plan->setup == best->setup));
                BOOST_TEST(plan->tokens_per_second_per_gpu ==
                           best->tokens_per_second_per_gpu);
                BOOST_TEST(plan->mfu == best->mfu);
                BOOST_TEST((plan->memory.bytes == best->memory.bytes));
                BOOST_TEST((plan->communication == best->communication));
                BOOST_TEST(plan->warnings == best->warnings,
                           boost::test_tools::per_element());
            }
        }
    }
}

BOOST_DATA_TEST_CASE(every_mesh_is_a_plan_or_refused_once,
                     data::make({1, 7, 24, 60, 96, 1000, 4096}), gpus) {
    const model_layout layout = model("llama-3-8b");
    const auto options = options_for(gpus, 8192);
    const auto work = packkit::full_rows(8192);
    const plan_search found = packkit::search(layout, gpu("h100-80gb"), options, work);
    check_search(found, gpus);
    const plan_search again = packkit::search(layout, gpu("h100-80gb"), options, work);
    BOOST_TEST(found.plans.size() == again.plans.size());
    for (std::size_t i = 0; i < found.plans.size(); ++i)
        BOOST_TEST((found.plans[i].setup == again.plans[i].setup));
    for (std::size_t i = 0; i < found.rejected.size(); ++i)
        BOOST_TEST(found.rejected[i].reason == again.rejected[i].reason);
}

// ---- Reasons

BOOST_AUTO_TEST_CASE(reasons_of_shape) {
    const model_layout layout = model("llama-3-8b");
    auto options = options_for(24, 4096);
    const auto work = packkit::full_rows(4096);
    plan_search found = packkit::search(layout, gpu("h100-80gb"), options, work);
    BOOST_TEST(reason_for(found, {8, 1, 1, 3}) ==
               "tp 3 does not divide 32 attention heads; tp can be one of 1, 2, 4, 8");
    options.gpus = 64;
    found = packkit::search(layout, gpu("h100-80gb"), options, work);
    BOOST_TEST(reason_for(found, {1, 1, 1, 64}) ==
               "tp 64 does not divide 32 attention heads; tp can be one of 1, 2, 4, 8, "
               "16, 32");
    options.gpus = 16;

    options.fixed.tp = 2;
    found = packkit::search(layout, gpu("h100-80gb"), options, work);
    BOOST_TEST(reason_for(found, {4, 1, 1, 4}) == "tp is 4, asked for is 2");
    for (const auto& plan : found.plans)
        BOOST_TEST(plan.setup.mesh.tp == 2);
    check_search(found, 16);

    options = options_for(64, 60);
    found = packkit::search(layout, gpu("h100-80gb"), options, packkit::full_rows(60));
    BOOST_TEST(contains(reason_for(found, {1, 1, 64, 1}),
                        "cp 64 is more than rows of 60 tokens hold"));
    BOOST_TEST(contains(reason_for(found, {1, 1, 64, 1}), "cp at most 30"));
    BOOST_TEST(reason_for(found, {1, 4, 16, 1}) == "");
}

BOOST_AUTO_TEST_CASE(reasons_of_sharding) {
    const model_layout layout = model("llama-3.2-1b");
    auto options = options_for(8, 2048);
    options.shardings = {sharding_kind::ddp};
    const auto work = packkit::full_rows(2048);
    plan_search found = packkit::search(layout, gpu("h100-80gb"), options, work);
    check_search(found, 8);
    BOOST_TEST(contains(reason_for(found, {2, 4, 1, 1}),
                        "ddp shards nothing: dp_shard 4 would be as many replicas; use "
                        "dp_replicate 8 x dp_shard 1"));
    options.shardings = {sharding_kind::fsdp};
    found = packkit::search(layout, gpu("h100-80gb"), options, work);
    BOOST_TEST(contains(reason_for(found, {8, 1, 1, 1}), "nothing to shard over"));
}

BOOST_AUTO_TEST_CASE(reasons_of_batch) {
    const model_layout layout = model("llama-3.2-1b");
    auto options = options_for(64, 2048);
    options.global_batch_size = 96;
    const auto work = packkit::full_rows(2048);
    plan_search found = packkit::search(layout, gpu("h100-80gb"), options, work);
    check_search(found, 64);
    BOOST_TEST(reason_for(found, {1, 64, 1, 1}) ==
               "a global batch of 96 rows is not reachable: 64 data-parallel ranks with "
               "micro-batches of 1 take 64 rows; nearest 64 or 128");
    const plan_estimate* plan = plan_for(found, {1, 32, 1, 2});
    BOOST_REQUIRE(plan != nullptr);
    BOOST_TEST(plan->setup.global_rows() == 96);

    // At most 65,536 tokens a step of rows of 2,048: 32 data-parallel ranks.
    options = options_for(64, 2048);
    options.max_global_tokens = 65536;
    found = packkit::search(layout, gpu("h100-80gb"), options, work);
    check_search(found, 64);
    BOOST_TEST(reason_for(found, {64, 1, 1, 1}) ==
               "its smallest step, 64 rows of 2,048 tokens, is 131,072 tokens, above the "
               "65,536 allowed: at most 32 data-parallel ranks");
    for (const auto& p : found.plans)
        BOOST_TEST(p.setup.global_rows() * 2048 <= 65536);

    // At least 4 M tokens: accumulation rounds up.
    options = options_for(8, 2048);
    options.min_global_tokens = 4'000'000;
    found = packkit::search(layout, gpu("h100-80gb"), options, work);
    for (const auto& p : found.plans) {
        BOOST_TEST(p.setup.global_rows() * 2048 >= 4'000'000);
        const std::int64_t micro =
            p.setup.micro_batch_size * p.setup.mesh.data_parallel_size() * 2048;
        BOOST_TEST(p.setup.global_rows() * 2048 < 4'000'000 + micro);
    }
}

BOOST_AUTO_TEST_CASE(batches_beyond_reason) {
    const model_layout layout = model("llama-3.2-1b");
    const auto work = packkit::full_rows(2048);
    auto options = options_for(8, 2048);
    options.global_batch_size = std::int64_t{1} << 50;
    const plan_search found = packkit::search(layout, gpu("h100-80gb"), options, work);
    check_search(found, 8);
    BOOST_TEST(found.plans.empty());
    BOOST_TEST(contains(reason_for(found, {8, 1, 1, 1}),
                        "gradient accumulation steps, more than the 100,000"));
    options = options_for(8, 2048);
    options.min_global_tokens = std::numeric_limits<std::int64_t>::max();
    BOOST_TEST(packkit::search(layout, gpu("h100-80gb"), options, work).plans.empty());
    options = options_for(8, 2048);
    options.micro_batch_sizes = {std::int64_t{1} << 62};
    expect::message_of<invalid_argument>(
        [&] { (void)packkit::search(layout, gpu("h100-80gb"), options, work); },
        "exceeds 64 bits");
}

/// A refusal by memory names a change; that change does what it says.
BOOST_AUTO_TEST_CASE(reasons_of_memory_hold) {
    const model_layout layout = model("llama-3-70b");
    const auto options = options_for(64, 8192);
    const auto work = packkit::full_rows(8192);
    const device& on = gpu("h100-80gb");
    const plan_search found = packkit::search(layout, on, options, work);
    packkit::plan_evaluator evaluate(layout, on, work, options.estimates);
    int by_memory = 0;
    int helped = 0;
    for (const auto& rejected : found.rejected) {
        if (!contains(rejected.reason, "needs ")) continue;
        ++by_memory;
        const auto memory = evaluate.memory(rejected.setup).bytes.total();
        BOOST_TEST(memory > evaluate.capacity_bytes());
        BOOST_TEST(contains(rejected.reason,
                            "needs " + packkit::detail::byte_text(memory) + " of " +
                                packkit::detail::byte_text(evaluate.capacity_bytes())));
        for (const auto& change : packkit::remedies(rejected.setup)) {
            const auto changed = evaluate.memory(change.setup).bytes.total();
            if (changed > evaluate.capacity_bytes()) continue;
            BOOST_TEST(
                contains(rejected.reason, ": " + change.what + " would bring it to " +
                                              packkit::detail::byte_text(changed)));
            ++helped;
            break;
        }
    }
    BOOST_TEST(by_memory > 5);
    BOOST_TEST(helped > 5);
    BOOST_TEST(contains(reason_for(found, {64, 1, 1, 1}), "optimizer state"));
}

BOOST_AUTO_TEST_CASE(wrong_options_are_refused) {
    const model_layout layout = model("llama-3.2-1b");
    const auto work = packkit::full_rows(2048);
    const auto run = [&](const search_options& options) {
        return [&, options] {
            (void)packkit::search(layout, gpu("h100-80gb"), options, work);
        };
    };
    expect::message_of<invalid_argument>(run(options_for(0, 2048)), "gpus is 0");
    expect::message_of<invalid_argument>(run(options_for(8, -1)), "sequence_len is -1");
    auto options = options_for(8, 2048);
    options.micro_batch_sizes = {};
    expect::message_of<invalid_argument>(run(options), "micro_batch_sizes");
    options = options_for(8, 2048);
    options.fixed.tp = 0;
    expect::message_of<invalid_argument>(run(options), "tp is 0");
    options = options_for(8, 2048);
    options.estimates.memory_share = 1.5;
    expect::message_of<invalid_argument>(run(options), "memory_share is 1.5");
    training_setup setup;
    expect::message_of<invalid_argument>(
        [&] { (void)packkit::estimate(layout, setup, gpu("h100-80gb"), work); },
        "sequence_len is 0");
}

// ---- Properties

BOOST_AUTO_TEST_CASE(more_memory_removes_no_plan) {
    const model_layout layout = model("llama-3-8b");
    const auto options = options_for(48, 8192);
    const auto work = packkit::full_rows(8192);
    device on = gpu("h100-80gb");
    std::set<mesh_shape> before;
    std::size_t least = 0;
    for (const std::int64_t gib : {10, 20, 40, 80, 160, 320}) {
        on.memory_bytes = gib << 30;
        const plan_search found = packkit::search(layout, on, options, work);
        std::set<mesh_shape> now;
        for (const auto& plan : found.plans)
            now.insert(plan.setup.mesh);
        BOOST_TEST(std::includes(now.begin(), now.end(), before.begin(), before.end()));
        if (before.empty()) least = now.size();
        before = std::move(now);
    }
    BOOST_TEST(before.size() > least);
}

BOOST_AUTO_TEST_CASE(a_step_of_4096_gpus_is_searched_over_455_meshes) {
    const plan_search found =
        packkit::search(model("llama-3.1-405b"), gpu("h100-80gb"),
                        options_for(4096, 8192), packkit::full_rows(8192));
    BOOST_TEST(found.plans.size() + found.rejected.size() == 455U);
    BOOST_TEST(found.variants > 4000);
    BOOST_TEST(!found.plans.empty());
}

// ---- Published runs fit

namespace {

struct published {
    const char* name;
    const char* on;
    std::int64_t gpus;
    std::int64_t sequence_len;
    mesh_shape mesh;
};

std::ostream& operator<<(std::ostream& out, const published& run) {
    return out << run.name << " on " << run.gpus << " x " << run.on << ", "
               << to_string(run.mesh);
}

// Runs that others report: torchtitan's and Llama's meshes (arXiv 2410.06511, tables 1 to
// 3; arXiv 2407.21783, table 4 without its pipeline), fine-tuning recipes of 8 GPUs.
const published runs[] = {
    {"llama-3-8b", "h100-80gb", 8, 8192, {1, 8, 1, 1}},
    {"llama-3-8b", "h100-80gb", 128, 8192, {1, 128, 1, 1}},
    {"llama-3-8b", "a100-80gb", 8, 8192, {1, 8, 1, 1}},
    {"llama-2-7b", "a100-40gb", 8, 4096, {1, 8, 1, 1}},
    {"llama-2-13b", "a100-80gb", 8, 4096, {1, 8, 1, 1}},
    {"mistral-7b", "a100-80gb", 8, 8192, {1, 8, 1, 1}},
    {"llama-3-70b", "h100-80gb", 256, 8192, {1, 32, 1, 8}},
    {"llama-3-70b", "h100-80gb", 128, 8192, {1, 128, 1, 1}},
    {"llama-3-70b", "h100-80gb", 64, 8192, {1, 8, 1, 8}},
    {"llama-2-70b", "a100-80gb", 128, 4096, {1, 128, 1, 1}},
    {"llama-3.1-405b", "h100-80gb", 512, 8192, {1, 64, 1, 8}},
    {"mpt-7b", "a100-40gb", 8, 2048, {1, 8, 1, 1}},
    {"mpt-30b", "a100-40gb", 128, 2048, {1, 128, 1, 1}},
    {"mpt-70b", "h100-80gb", 64, 2048, {1, 64, 1, 1}},
};

}  // namespace

BOOST_DATA_TEST_CASE(published_runs_are_not_refused, data::make(runs), run) {
    const plan_search found = packkit::search(model(run.name), gpu(run.on),
                                              options_for(run.gpus, run.sequence_len),
                                              packkit::full_rows(run.sequence_len));
    BOOST_TEST(reason_for(found, run.mesh) == "");
    BOOST_TEST(plan_for(found, run.mesh) != nullptr);
}

// A bf16 model with Adam needs 16 bytes a parameter: no way around it.
BOOST_AUTO_TEST_CASE(what_cannot_fit_is_refused) {
    const auto layout = model("llama-3-70b");
    const plan_search found = packkit::search(
        layout, gpu("h100-80gb"), options_for(8, 8192), packkit::full_rows(8192));
    BOOST_TEST(found.plans.empty());
    for (const auto& rejected : found.rejected) {
        packkit::plan_evaluator evaluate(layout, gpu("h100-80gb"),
                                         packkit::full_rows(8192));
        BOOST_TEST(evaluate.memory(rejected.setup).bytes.total() >=
                   16 * layout.parameters() / 8);
    }
}

// ---- Warnings

BOOST_AUTO_TEST_SUITE_END()
