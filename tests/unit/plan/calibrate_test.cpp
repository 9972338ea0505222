// SPDX-License-Identifier: Apache-2.0
#include "calibrate.hpp"
#include "calibration.hpp"

#include "common/errors.hpp"

#include <packkit/estimate/communication.hpp>
#include <packkit/estimate/step_time.hpp>
#include <packkit/model/presets.hpp>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(calibrate_test)

namespace {

using packkit::app::input_error;
using packkit::plan::calibration;
using packkit::plan::fit;
using packkit::plan::measured_run;
using packkit::plan::measured_step;
using packkit::plan::read_metrics;
using packkit::plan::term;
using packkit::plan::warm_up_steps;

const auto exactly = boost::test_tools::tolerance(1e-9);

/// The constants of a machine that does not exist.
struct machine {
    double per_flop = 1 / 5e10;
    double per_byte = 1 / 2e9;
    double per_collective = 80e-6;
    double fixed = 0.004;

    double seconds(const measured_step& step) const {
        return step.flops * per_flop + step.bytes * per_byte +
               step.collectives * per_collective + fixed;
    }
};

/// Steps of one mesh and model: FLOPs vary as packed rows do, bytes and collectives not.
measured_run run_of(const machine& on, const std::string& path, double flops,
                    double bytes, double collectives, std::size_t steps, double noise = 0,
                    unsigned seed = 1) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> spread(0.8, 1.2);
    std::normal_distribution<double> jitter(1.0, noise > 0 ? noise : 1.0);
    measured_run run;
    run.path = path;
    for (std::size_t i = 0; i < steps; ++i) {
        measured_step step;
        step.step = static_cast<std::int64_t>(i + 1);
        step.flops = flops * spread(random);
        step.bytes = bytes;
        step.collectives = collectives;
        step.seconds = on.seconds(step) * (noise > 0 ? jitter(random) : 1.0);
        run.steps.push_back(step);
    }
    return run;
}

/// Meshes and models that tell all four apart.
std::vector<measured_run> good_runs(const machine& on, double noise = 0,
                                    std::size_t steps = 40) {
    return {run_of(on, "one.jsonl", 4e9, 0, 0, steps, noise, 1),
            run_of(on, "dp2.jsonl", 4e9, 2e7, 60, steps, noise, 2),
            run_of(on, "dp4.jsonl", 4e9, 3e7, 60, steps, noise, 3),
            run_of(on, "wide.jsonl", 1.6e10, 8e7, 60, steps, noise, 4),
            run_of(on, "accumulated.jsonl", 8e9, 4e7, 120, steps, noise, 5)};
}

bool warned(const calibration& fitted, const char* part) {
    for (const std::string& warning : fitted.warnings) {
        if (warning.find(part) != std::string::npos) return true;
    }
    return false;
}

/// A file that goes away.
struct temporary_file {
    std::filesystem::path path;
    explicit temporary_file(const std::string& text) {
        static int count = 0;
        path = std::filesystem::temp_directory_path() /
               ("packkit_calibrate_" + std::to_string(::getpid()) + "_" +
                std::to_string(count++) + ".jsonl");
        std::ofstream(path) << text;
    }
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;
    ~temporary_file() { std::filesystem::remove(path); }
};

std::string metrics_line(int step, double seconds, const std::string& rest) {
    return R"({"step":)" + std::to_string(step) + R"(,"seconds":{"step":)" +
           std::to_string(seconds) + "}" + rest + "}\n";
}

const std::string good_rest =
    R"(,"flops":2e9,"bytes":{"all_reduce":100,"all_gather":20},"collectives":7)";

}  // namespace

BOOST_AUTO_TEST_CASE(exact_without_noise) {
    const machine on;
    const calibration fitted = fit(good_runs(on));
    BOOST_TEST(fitted[term::flops].value == on.per_flop, exactly);
    BOOST_TEST(fitted[term::bytes].value == on.per_byte, exactly);
    BOOST_TEST(fitted[term::collectives].value == on.per_collective, exactly);
    BOOST_TEST(fitted[term::fixed].value == on.fixed, exactly);
    for (const auto& coefficient : fitted.terms) {
        BOOST_TEST(coefficient.fitted);
        BOOST_TEST(coefficient.standard_error < 1e-9 * coefficient.value);
    }
    BOOST_TEST(fitted.r_squared == 1.0, exactly);
    BOOST_TEST(fitted.relative_rms < 1e-12);
    BOOST_TEST(fitted.steps == 200u);
    BOOST_TEST(fitted.outliers == 0u);
    BOOST_TEST(!fitted.non_negative);
    BOOST_TEST(fitted.warnings.empty());
    BOOST_REQUIRE(fitted.runs.size() == 5u);
    BOOST_TEST(fitted.runs[3].path == "wide.jsonl");
    BOOST_TEST(fitted.runs[3].mean_fitted_seconds == fitted.runs[3].mean_seconds,
               exactly);
    const auto law = packkit::plan::machine_of(fitted);
    BOOST_TEST(law.flops_per_second == 5e10, exactly);
    BOOST_TEST(law.seconds_per_byte == on.per_byte, exactly);
    BOOST_TEST(law.seconds_per_collective == on.per_collective, exactly);
    BOOST_TEST(law.fixed_seconds == on.fixed, exactly);
}

BOOST_AUTO_TEST_CASE(noise_stays_within_its_standard_errors) {
    const machine on;
    // Of 20 fits of 4 constants, 2 standard errors hold 95 %: at least 64 of 80 (below
    // that the chance is under 1e-5).
    int within = 0;
    for (unsigned trial = 0; trial < 20; ++trial) {
        auto runs = good_runs(on, 0.0);
        std::mt19937 random(100 + trial);
        std::normal_distribution<double> jitter(1.0, 0.02);
        for (auto& run : runs) {
            for (auto& step : run.steps)
                step.seconds *= jitter(random);
        }
        const calibration fitted = fit(runs);
        const double truth[] = {on.per_flop, on.per_byte, on.per_collective, on.fixed};
        for (std::size_t i = 0; i < 4; ++i) {
            BOOST_TEST(fitted.terms[i].standard_error > 0);
            within += std::abs(fitted.terms[i].value - truth[i]) <=
                      2 * fitted.terms[i].standard_error;
        }
        BOOST_TEST(fitted.relative_rms == 0.02, boost::test_tools::tolerance(0.25));
        BOOST_TEST(fitted[term::flops].value == on.per_flop,
                   boost::test_tools::tolerance(0.02));
    }
    BOOST_TEST(within >= 64);
}

BOOST_AUTO_TEST_CASE(standard_errors_by_hand) {
    // Seconds in proportion to FLOPs, ratios 1.1, 0.9: rate 1 of relative least squares
    // is Σx/Σx² with x = flops / seconds.
    measured_run run;
    run.path = "two";
    run.steps = {{1, 1.1, 1.0, 0, 0}, {2, 0.9, 1.0, 0, 0}, {3, 1.0, 1.0, 0, 0}};
    const calibration fitted = fit({run});
    const double x[] = {1 / 1.1, 1 / 0.9, 1.0};
    double sum = 0;
    double squares = 0;
    for (const double v : x) {
        sum += v;
        squares += v * v;
    }
    const double rate = sum / squares;
    double residual = 0;
    for (const double v : x)
        residual += (1 - rate * v) * (1 - rate * v);
    BOOST_TEST(fitted[term::flops].value == rate, exactly);
    BOOST_TEST(fitted[term::flops].standard_error == std::sqrt(residual / 2 / squares),
               exactly);
    BOOST_TEST(fitted.relative_rms == std::sqrt(residual / 3), exactly);
    // The same FLOPs in every step: fixed seconds cannot be told.
    BOOST_TEST(!fitted[term::fixed].fitted);
    BOOST_TEST(warned(fitted, "another micro_batch_size or sequence_len"));
    BOOST_TEST(warned(fitted, "on more ranks"));
}

BOOST_AUTO_TEST_CASE(one_mesh_does_not_tell_bandwidth) {
    const machine on;
    const calibration fitted = fit({run_of(on, "dp2.jsonl", 4e9, 2e7, 60, 50)});
    BOOST_TEST(fitted[term::flops].value == on.per_flop, exactly);
    BOOST_TEST(fitted[term::fixed].fitted);
    // Everything that does not vary is in what a step costs beside.
    BOOST_TEST(fitted[term::fixed].value == on.fixed + 2e7 * on.per_byte + 0.0048,
               exactly);
    for (const term t : {term::bytes, term::collectives}) {
        BOOST_TEST(!fitted[t].fitted);
        BOOST_TEST(fitted[t].value == 0);
    }
    BOOST_TEST(warned(fitted, "another dp_shard_size"));
    BOOST_TEST(warned(fitted, "another gradient_accumulation_steps"));
    BOOST_TEST(fitted.r_squared == 1.0, exactly);
}

BOOST_AUTO_TEST_CASE(proportional_collectives_do_not_tell_latency) {
    const machine on;
    const calibration fitted = fit({run_of(on, "a", 4e9, 1e7, 30, 20, 0, 1),
                                    run_of(on, "b", 4e9, 2e7, 60, 20, 0, 2),
                                    run_of(on, "c", 4e9, 3e7, 90, 20, 0, 3)});
    BOOST_TEST(fitted[term::bytes].fitted);
    BOOST_TEST(!fitted[term::collectives].fitted);
    BOOST_TEST(fitted[term::fixed].value == on.fixed, exactly);
    // Latency is within the bandwidth: 80 µs for each 1e7 / 30 bytes.
    BOOST_TEST(fitted[term::bytes].value == on.per_byte + on.per_collective * 30 / 1e7,
               exactly);
    BOOST_TEST(warned(fitted, "another hidden_size"));
}

BOOST_AUTO_TEST_CASE(two_meshes_are_a_combination) {
    // Two points: fixed and bytes explain both, collectives nothing more.
    const machine on;
    const calibration fitted = fit({run_of(on, "a", 4e9, 1e7, 30, 20, 0, 1),
                                    run_of(on, "b", 4e9, 5e7, 40, 20, 0, 2)});
    BOOST_TEST(!fitted[term::collectives].fitted);
    BOOST_TEST(warned(fitted, "a combination of the other terms"));
    BOOST_TEST(fitted.relative_rms < 1e-12);
}

BOOST_AUTO_TEST_CASE(no_machine_has_negative_constants) {
    // More bytes, less time: a faster run for other reasons.
    machine odd;
    odd.per_byte = -1 / 4e9;
    const calibration fitted = fit(good_runs(odd, 0.01));
    BOOST_TEST(fitted.non_negative);
    BOOST_TEST(warned(fitted, "taken as zero: bytes"));
    for (const auto& coefficient : fitted.terms)
        BOOST_TEST(coefficient.value >= 0);
    BOOST_TEST(fitted[term::flops].value > 0);
}

BOOST_AUTO_TEST_CASE(compute_always_takes_time) {
    // Slower with fewer FLOPs: all that is left is the mean rate.
    measured_run run;
    run.path = "odd.jsonl";
    run.steps = {{1, 1.1, 1, 0, 0}, {2, 1.0, 1.1, 0, 0}, {3, 0.9, 1.2, 0, 0}};
    const calibration fitted = fit({run});
    BOOST_TEST(fitted.non_negative);
    BOOST_TEST(warned(fitted, "taken as zero: fixed"));
    BOOST_TEST(!fitted[term::fixed].fitted);
    const double x[] = {1 / 1.1, 1.1, 1.2 / 0.9};
    BOOST_TEST(fitted[term::flops].value ==
                   (x[0] + x[1] + x[2]) / (x[0] * x[0] + x[1] * x[1] + x[2] * x[2]),
               exactly);
}

BOOST_AUTO_TEST_CASE(a_checkpoint_in_between_is_left_out) {
    const machine on;
    auto runs = good_runs(on, 0.01);
    runs[1].steps[20].seconds *= 5;
    runs[3].steps[7].seconds *= 3;
    const calibration fitted = fit(runs);
    BOOST_TEST(fitted.outliers == 2u);
    BOOST_TEST(fitted.steps == 198u);
    BOOST_TEST(fitted[term::flops].value == on.per_flop,
               boost::test_tools::tolerance(0.02));
    BOOST_TEST(warned(fitted, "2 steps far off"));
    // They stand in the residuals of their file.
    BOOST_TEST(fitted.runs[1].largest.step == 21);
    BOOST_TEST(fitted.runs[3].largest.step == 8);
}

BOOST_AUTO_TEST_CASE(constants_hardly_told_are_said) {
    const machine on;
    auto runs = good_runs(on, 0.2, 6);
    const calibration fitted = fit(runs);
    BOOST_TEST(warned(fitted, "hardly tell it"));
}

BOOST_AUTO_TEST_CASE(the_warm_up_rule) {
    const auto steps = [](std::vector<double> seconds) {
        std::vector<measured_step> result;
        for (const double s : seconds)
            result.push_back({0, s, 1e9, 0, 0});
        return result;
    };
    BOOST_TEST(warm_up_steps(steps({})) == 0u);
    BOOST_TEST(warm_up_steps(steps({1})) == 1u);
    // Always the first.
    BOOST_TEST(warm_up_steps(steps({1, 1, 1, 1})) == 1u);
    BOOST_TEST(warm_up_steps(steps({9, 4, 2, 1.2, 1, 1, 1, 1, 1, 1})) == 3u);
    // A slow step later is no warm-up.
    BOOST_TEST(warm_up_steps(steps({9, 1, 4, 1, 1, 1, 1, 1})) == 1u);
    // Seconds a FLOP, not seconds: full rows take longer.
    auto mixed = steps({2, 4, 1, 1, 1, 1});
    mixed[1].flops = 4e9;
    BOOST_TEST(warm_up_steps(mixed) == 1u);
    // No FLOPs at all: seconds.
    auto without = steps({9, 9, 1, 1, 1, 1});
    for (auto& step : without)
        step.flops = 0;
    BOOST_TEST(warm_up_steps(without) == 2u);
}

BOOST_AUTO_TEST_CASE(metrics_are_read) {
    std::string text;
    for (int i = 1; i <= 5; ++i)
        text += metrics_line(i, i == 1 ? 3.0 : 0.5, good_rest);
    const temporary_file file(text);
    const measured_run run = read_metrics(file.path.string());
    BOOST_TEST(run.warm_up == 1u);
    BOOST_TEST(run.counts_collectives);
    BOOST_REQUIRE(run.steps.size() == 4u);
    BOOST_TEST(run.steps[0].step == 2);
    BOOST_TEST(run.steps[0].seconds == 0.5);
    BOOST_TEST(run.steps[0].flops == 2e9);
    BOOST_TEST(run.steps[0].bytes == 120);
    BOOST_TEST(run.steps[0].collectives == 7);
}

BOOST_AUTO_TEST_CASE(lines_without_collectives_are_read) {
    std::string text;
    for (int i = 1; i <= 5; ++i)
        text +=
            metrics_line(i, 0.5 + 0.01 * i, R"(,"flops":2e9,"bytes":{"all_reduce":5})");
    const temporary_file file(text);
    const measured_run run = read_metrics(file.path.string());
    BOOST_TEST(!run.counts_collectives);
    BOOST_TEST(warned(fit({run}), "without \"collectives\""));
}

BOOST_AUTO_TEST_CASE(bad_lines) {
    const auto message = [](const std::string& line, const char* part) {
        const temporary_file file(metrics_line(1, 1, good_rest) + line);
        expect::message_of<input_error>([&] { (void)read_metrics(file.path.string()); },
                                        file.path.string() + ":2", part);
    };
    message("{broken", "");
    message("[1]\n", "expected an object, found");
    message(R"({"seconds":{"step":1}})", ": step: is missing");
    message(R"({"step":2})", "key 'seconds' is missing");
    message(R"({"step":2,"seconds":3})", "seconds: expected an object, found 3");
    message(R"({"step":2,"seconds":{}})", "seconds.step: is missing");
    message(R"({"step":2,"seconds":{"step":0}})",
            "seconds.step: is 0, expected a number > 0");
    message(R"({"step":2,"seconds":{"step":-1}})",
            "seconds.step: expected a number >= 0, found -1");
    message(R"({"step":2,"seconds":{"step":"1"}})", "seconds.step: expected a number");
    message(R"({"step":2,"seconds":{"step":1}})", "flops: is missing");
    message(R"({"step":2,"seconds":{"step":1},"flops":-3})",
            "flops: expected a number >= 0, found -3");
    message(R"({"step":2,"seconds":{"step":1},"flops":3})", "key 'bytes' is missing");
    message(R"({"step":2,"seconds":{"step":1},"flops":3,"bytes":{"all_reduce":null}})",
            "bytes.all_reduce: is missing");
    message(R"({"step":2,"seconds":{"step":1},"flops":3,"bytes":{"all_reduce":"1"}})",
            "bytes.all_reduce: expected a number >= 0, found '1'");
    message(R"({"step":2,"seconds":{"step":1},"flops":3,"bytes":{},"collectives":-1})",
            "collectives: expected a number >= 0, found -1");
}

BOOST_AUTO_TEST_CASE(too_few_steps) {
    const temporary_file one(metrics_line(1, 1, good_rest) +
                             metrics_line(2, 1, good_rest));
    expect::message_of<input_error>([&] { (void)read_metrics(one.path.string()); },
                                    "has 1 steps after a warm-up of 1");
    expect::message_of<input_error>([&] { (void)read_metrics("no/such/file.jsonl"); },
                                    "no/such/file.jsonl");
    expect::message_of<input_error>([] { (void)fit({}); }, "there are no steps");
    measured_run idle;
    idle.path = "idle.jsonl";
    idle.steps = {{1, 1, 0, 5, 1}, {2, 1, 0, 5, 1}};
    expect::message_of<input_error>([&] { (void)fit({idle}); }, "idle.jsonl",
                                    "flops is 0");
}

BOOST_AUTO_TEST_CASE(a_calibration_comes_back_as_a_device) {
    const machine on;
    const calibration fitted = fit(good_runs(on));
    const auto document =
        packkit::plan::to_json(fitted, 2e11, packkit::precision_kind::fp32);
    BOOST_TEST(document["efficiency"].get<double>() == 0.25, exactly);
    BOOST_TEST(document["peak_tflops"].get<double>() == 0.2, exactly);
    BOOST_TEST(document["link_gbps"].get<double>() == 2.0, exactly);
    BOOST_TEST(document["latency_us"].get<double>() == 80.0, exactly);
    BOOST_TEST(document["fixed_seconds"].get<double>() == 0.004, exactly);
    BOOST_TEST(document["files"].size() == 5u);
    const temporary_file file(document.dump());
    packkit::device gpu = *packkit::find_device("cpu");
    packkit::plan::apply_calibration(file.path.string(), gpu);
    BOOST_TEST(gpu.peak_flops_fp32 == 2e11, exactly);
    BOOST_TEST(gpu.efficiency == 0.25, exactly);
    BOOST_TEST(gpu.calibrated);
    BOOST_REQUIRE(gpu.measured.has_value());
    // The estimate follows the law that was fitted.
    const packkit::model_layout model(packkit::find_model("gpt2")->shape);
    packkit::training_setup setup;
    setup.mesh.dp_shard = 4;
    setup.sequence_len = 512;
    setup.precision = packkit::precision_kind::fp32;
    const auto work = packkit::full_rows(512);
    const auto sent = packkit::estimate_communication(model, setup, work);
    measured_step step;
    step.flops = packkit::flops_per_token(model, packkit::flop_convention::A, 512) * 512;
    step.bytes = static_cast<double>(sent.total().total());
    step.collectives = static_cast<double>(sent.total().collectives);
    BOOST_TEST(packkit::estimate_step_time(model, setup, gpu, work, sent).step ==
                   on.seconds(step),
               exactly);
}

BOOST_AUTO_TEST_CASE(a_file_of_an_efficiency_alone) {
    packkit::device gpu = *packkit::find_device("a100-80gb");
    const temporary_file file(R"({"efficiency":0.6,"latency_us":7})");
    packkit::plan::apply_calibration(file.path.string(), gpu);
    BOOST_TEST(gpu.efficiency == 0.6);
    BOOST_TEST(gpu.collective_latency_seconds == 7e-6, exactly);
    BOOST_TEST(!gpu.measured.has_value());
}

BOOST_AUTO_TEST_CASE(broken_calibrations) {
    const auto message = [](const std::string& text, const char* part) {
        const temporary_file file(text);
        packkit::device gpu = *packkit::find_device("cpu");
        expect::message_of<input_error>(
            [&] { packkit::plan::apply_calibration(file.path.string(), gpu); },
            file.path.string(), part);
    };
    message("[]", "expected an object");
    message("{}", "efficiency is missing");
    message(R"({"efficiency":"x"})", "efficiency: expected a number");
    message(R"({"efficiency":1.5})", "not above 0 and at most 1");
    message(R"({"efficiency":-1})", "1: efficiency: expected a number >= 0, found -1");
    message(R"({"efficiency":0.5,"latency_us":-2})",
            "latency_us: expected a number >= 0, found -2");
    message(R"({"efficiency":0.5,"link_gbps":0})",
            "link_gbps: expected a number > 0, found 0");
    message(R"({"efficiency":0.5,"peak_tflops":0})",
            "peak_tflops: expected a number > 0, found 0");
    message(R"({"efficiency":0.5,"peak_tflops":1})", "precision is missing");
    message(R"({"efficiency":0.5,"peak_tflops":1,"precision":"fp31"})", "fp31");
}

BOOST_AUTO_TEST_SUITE_END()
