// SPDX-License-Identifier: Apache-2.0
// packkit-plan calibrate: constants from metrics, and estimates that follow them.
#include "plan_program.hpp"

#include <boost/test/tools/floating_point_comparison.hpp>

#include <cmath>

BOOST_AUTO_TEST_SUITE(calibrate_test)

using namespace plan_test;

namespace {

/// Lines of a run whose steps follow the law exactly: 50 GFLOP/s, 0.5 GB/s, 1 ms a
/// collective, 20 ms a step.
std::string metrics(double flops, double bytes, std::int64_t collectives, int steps) {
    std::string text;
    for (int step = 1; step <= steps; ++step) {
        const double work = flops * (1 + 0.1 * (step % 5));
        const double seconds =
            work / 50e9 + bytes / 0.5e9 + 1e-3 * static_cast<double>(collectives) + 0.02;
        const json line = {{"step", step},
                           {"flops", work},
                           {"seconds", {{"step", seconds}}},
                           {"bytes",
                            {{"all_reduce", 0},
                             {"all_gather", static_cast<std::int64_t>(bytes)},
                             {"reduce_scatter", 0},
                             {"all_to_all", 0},
                             {"send_recv", 0}}},
                           {"collectives", collectives}};
        text += line.dump() + "\n";
    }
    return text;
}

struct with_runs {
    temporary_folder folder;
    with_runs() {
        folder.write("a.jsonl", metrics(1e9, 0, 0, 20));
        folder.write("b.jsonl", metrics(2e9, 3e7, 10, 20));
        folder.write("c.jsonl", metrics(4e9, 1e7, 40, 20));
    }
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(the_law_of_the_steps_is_found, with_runs) {
    const json fitted = plan_json_in(folder, "calibrate a.jsonl b.jsonl c.jsonl");
    const auto close = boost::test_tools::tolerance(1e-6);
    BOOST_TEST(fitted["efficiency"].get<double>() * fitted["peak_tflops"].get<double>() ==
                   50e9 / 1e12,
               close);
    BOOST_TEST(fitted["link_gbps"].get<double>() == 0.5, close);
    BOOST_TEST(fitted["latency_us"].get<double>() == 1000, close);
    BOOST_TEST(fitted["fixed_seconds"].get<double>() == 0.02, close);
    BOOST_TEST(fitted["relative_rms"].get<double>() < 1e-9);
    BOOST_TEST(fitted["files"].size() == 3u);
    const auto table = run_plan_in(folder, "calibrate a.jsonl b.jsonl c.jsonl");
    for (const char* text :
         {"0.0500 ± ", "0.500 ± ", "1000.0 ± ", "20.000 ± ", "b.jsonl"}) {
        BOOST_TEST((table.out.find(text) != std::string::npos), text << "\n"
                                                                     << table.out);
    }
}

BOOST_FIXTURE_TEST_CASE(estimates_follow_a_calibration, with_runs) {
    folder.write("config.json", small_llama());
    BOOST_TEST(run_plan_in(folder,
                           "calibrate a.jsonl b.jsonl c.jsonl --format json "
                           "--output machine.json")
                   .exit_code == 0);
    const json plan =
        plan_json_in(folder,
                     "estimate . --gpus 1 --gpu cpu --sequence-len 128 --precision fp32 "
                     "--calibration machine.json");
    // One rank sends nothing: FLOPs and the fixed time of a step.
    const double flops = plan["flops_per_token"].get<double>() * 128;
    BOOST_TEST(plan["seconds"]["step"].get<double>() == flops / 50e9 + 0.02,
               boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(broken_metrics_are_refused) {
    const temporary_folder folder;
    folder.write("broken.jsonl", "{\"step\": 1\n");
    folder.write("short.jsonl", metrics(1e9, 0, 0, 1));
    for (const char* file : {"broken.jsonl", "short.jsonl", "none.jsonl"}) {
        const auto result = run_plan_in(folder, std::string("calibrate ") + file);
        BOOST_TEST(result.exit_code == 2, file);
        BOOST_TEST(result.err.starts_with(std::string("packkit-plan: ") + file),
                   result.err);
    }
}

BOOST_AUTO_TEST_SUITE_END()
