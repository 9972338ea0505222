// SPDX-License-Identifier: Apache-2.0
#include <packkit/estimate/throughput_claim.hpp>
#include <packkit/model/presets.hpp>

#include <algorithm>
#include <cmath>
#include <string>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"
#include "published/published_rows.hpp"

BOOST_AUTO_TEST_SUITE(throughput_claim_test)

namespace {

using packkit::check_claim;
using packkit::checkpointing_kind;
using packkit::claim_figure;
using packkit::flop_convention;
using packkit::invalid_argument;
using packkit::model_layout;
using packkit::throughput_claim;

constexpr double a100 = 312e12;
constexpr double h100 = 989.5e12;
constexpr double h100_fp8 = 1979e12;

model_layout named(std::string_view name) {
    return model_layout(packkit::find_model(name)->shape);
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_impossible_rate_is_named_with_its_mfu) {
    const auto check = check_claim(named("llama-3-70b"), {1800, 2048}, a100);
    BOOST_TEST(!check.possible());
    BOOST_TEST(!check.consistent());
    // C: 6 (70,553,706,496 - 1,050,673,152) + 6 x 80 x 8,192 x 2,048 a token.
    BOOST_TEST(check.required_mfu == 425071263744.0 * 1800 / a100,
               boost::test_tools::tolerance(1e-12));
    BOOST_TEST(check.mfu[0] == 439428366336.0 * 1800 / a100,
               boost::test_tools::tolerance(1e-12));
    BOOST_TEST(std::floor(check.tokens_per_second_limit) == 733);
    BOOST_REQUIRE(check.contradictions.size() == 1u);
    BOOST_TEST((check.contradictions[0].figure == claim_figure::rate));
    for (const char* part : {"impossible", "1800", "245.2 %", "733"})
        BOOST_TEST(check.contradictions[0].text.find(part) != std::string::npos);
    BOOST_TEST(check_claim(named("llama-3-70b"), {700, 2048}, a100).possible());
}

BOOST_AUTO_TEST_CASE(the_convention_is_recognized) {
    throughput_claim claim{2904, 8192};
    claim.mfu = 0.568;
    auto check = check_claim(named("llama-3-8b"), claim, a100, 0.001);
    BOOST_TEST(check.consistent());
    BOOST_TEST((check.convention == flop_convention::A));
    claim = {5762, 8192};
    claim.mfu = 0.337;
    check = check_claim(named("llama-3-8b"), claim, h100, 0.002);
    BOOST_TEST((check.convention == flop_convention::B));
    // Model TFLOP/s of NVIDIA's NeMo framework, performance summary of 24.09 and 25.02.
    const auto nemo = [](const char* model, double s, double rate, double tera) {
        throughput_claim row{rate, s};
        row.model_flops = tera * 1e12;
        const auto found = check_claim(named(model), row, h100_fp8, 0.005);
        return found.consistent() ? found.convention : std::nullopt;
    };
    BOOST_TEST((nemo("llama-2-7b", 4096, 16934, 780) == flop_convention::B));
    BOOST_TEST((nemo("llama-2-13b", 4096, 8715, 760) == flop_convention::B));
    BOOST_TEST((nemo("llama-2-70b", 4096, 1728, 768) == flop_convention::B));
    BOOST_TEST((nemo("llama-3-8b", 8192, 12273, 711) == flop_convention::B));
    BOOST_TEST((nemo("llama-3-70b", 8192, 1524, 734) == flop_convention::B));
}

BOOST_AUTO_TEST_CASE(every_published_row_of_llm_foundry_agrees_with_itself) {
    int rows = 0;
    for (const auto& row : published::read_throughput(PACKKIT_PUBLISHED_THROUGHPUT)) {
        if (row.source != "llm-foundry") continue;
        throughput_claim claim{row.tokens_per_second_per_gpu,
                               static_cast<double>(row.setup.sequence_len),
                               row.setup.checkpointing};
        claim.mfu = row.mfu;
        claim.hfu = row.hfu;
        // Rates are printed as whole numbers, shares to a hundredth of a percent.
        const double rounding = 0.5 / row.tokens_per_second_per_gpu + 0.001;
        const auto check =
            check_claim(published::layout_of(row), claim,
                        packkit::find_device(row.gpu)->peak_flops_bf16, rounding);
        BOOST_TEST(check.consistent(), row.text);
        BOOST_TEST((check.convention == flop_convention::A), row.text);
        ++rows;
    }
    BOOST_TEST(rows == 209);
}

BOOST_AUTO_TEST_CASE(published_runs_are_possible_and_set_what_is_plausible) {
    double highest = 0;
    for (const auto& row : published::read_throughput(PACKKIT_PUBLISHED_THROUGHPUT)) {
        const auto* const device = packkit::find_device(row.gpu);
        if (device == nullptr) continue;  // h100-96gb, of which there are seven rows
        const auto check = check_claim(
            published::layout_of(row),
            {row.tokens_per_second_per_gpu, static_cast<double>(row.setup.sequence_len),
             row.setup.checkpointing},
            device->peak_flops_bf16);
        BOOST_TEST((check.verdict() == packkit::claim_verdict::possible), row.text);
        highest = std::max(highest, check.required_mfu);
    }
    BOOST_TEST(highest == 0.625, boost::test_tools::tolerance(0.005));
    BOOST_TEST(highest < packkit::highest_plausible_share);
    BOOST_TEST(highest > packkit::highest_plausible_share * 0.95);
}

BOOST_AUTO_TEST_CASE(the_least_work_knows_masks_and_windows) {
    const auto layout = named("llama-3-8b");
    BOOST_TEST(packkit::least_flops_per_token(layout, 8192) ==
                   packkit::flops_per_token(layout, flop_convention::C, 8192),
               boost::test_tools::tolerance(1e-12));
    BOOST_TEST(packkit::least_flops_per_token(layout, 8192, checkpointing_kind::full) ==
                   packkit::hardware_flops_per_token(layout, flop_convention::C, 8192,
                                                     checkpointing_kind::full),
               boost::test_tools::tolerance(1e-12));
    const auto windowed = named("mistral-7b");  // windows of 4,096 in all layers
    const double keys = 4096 - 4096.0 * 4096 / (2 * 16384);
    BOOST_TEST(packkit::least_flops_per_token(windowed, 16384) ==
                   packkit::flops_per_token(windowed, flop_convention::C, 2 * keys),
               boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(a_row_that_contradicts_itself) {
    // fms-fsdp, README.md: the table prints 0.61 for 13B on A100 at 2,150 tokens/s, the
    // text below it "only 0.48 MFU".
    throughput_claim claim{2150, 4096};
    claim.mfu = 0.61;
    BOOST_TEST(check_claim(named("llama-2-13b"), claim, a100).consistent());
    claim.mfu = 0.48;
    auto check = check_claim(named("llama-2-13b"), claim, a100);
    BOOST_REQUIRE(check.contradictions.size() == 1u);
    BOOST_TEST((check.contradictions[0].figure == claim_figure::mfu));
    BOOST_TEST(!check.convention.has_value());
    for (const char* part : {"48 %", "60.8 % (A)", "60.1 % (B)"})
        BOOST_TEST(check.contradictions[0].text.find(part) != std::string::npos,
                   check.contradictions[0].text);
    BOOST_TEST(check.possible());
    // The same table: 70B on A100 at 410 tokens/s with 0.55.
    claim = {410, 4096};
    claim.mfu = 0.55;
    BOOST_TEST(!check_claim(named("llama-2-70b"), claim, a100).consistent());
}

BOOST_AUTO_TEST_CASE(each_figure_is_checked) {
    const auto figures = [](const throughput_claim& claim) {
        std::string found;
        for (const auto& c : check_claim(named("llama-3-8b"), claim, a100).contradictions)
            found += std::string(to_string(c.figure)) + " ";
        return found;
    };
    throughput_claim claim{2904, 8192, checkpointing_kind::full};
    claim.mfu = 0.568;
    claim.hfu = 0.568 * 4 / 3;
    claim.model_flops = 0.568 * a100;
    claim.tokens_per_second = 2904 * 64;
    claim.gpus = 64;
    BOOST_TEST(figures(claim) == "");
    auto wrong = claim;
    wrong.hfu = 0.6;
    BOOST_TEST(figures(wrong) == "hfu ");
    wrong.hfu = 0.5;
    BOOST_TEST(figures(wrong) == "hfu hfu_below_mfu ");
    wrong = claim;
    wrong.model_flops = 100e12;
    BOOST_TEST(figures(wrong) == "model_flops mfu_of_flops ");
    wrong = claim;
    wrong.gpus = 32;
    BOOST_TEST(figures(wrong) == "total ");
    // The rate of another row.
    wrong = claim;
    wrong.tokens_per_second_per_gpu = 2000;
    BOOST_TEST(figures(wrong) == "mfu hfu model_flops total ");
}

BOOST_AUTO_TEST_CASE(bad_claims) {
    const model_layout llama = named("llama-3-8b");
    const auto message = [&](const throughput_claim& claim, const char* part,
                             double tolerance = 0.02) {
        expect::message_of<invalid_argument>(
            [&] { (void)check_claim(llama, claim, a100, tolerance); }, part);
    };
    message({0, 8192}, "tokens_per_second_per_gpu is 0");
    message({-3, 8192}, "tokens_per_second_per_gpu is -3");
    message({100, -1}, "attention_length is -1");
    message({100, 1}, "tolerance is 0", 0);
    throughput_claim claim{100, 8192};
    claim.mfu = -0.5;
    message(claim, "mfu is -0.5");
    claim = {100, 8192};
    claim.hfu = 0;
    message(claim, "hfu is 0");
    claim = {100, 8192};
    claim.model_flops = 0;
    message(claim, "model_flops is 0");
    claim = {100, 8192};
    claim.tokens_per_second = 800;
    message(claim, "gpus is 0");
}

BOOST_AUTO_TEST_SUITE_END()
