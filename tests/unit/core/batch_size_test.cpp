// SPDX-License-Identifier: Apache-2.0
#include <packkit/utility/batch_size.hpp>

#include <cstdint>
#include <limits>
#include <optional>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(batch_size_test)

using packkit::batch_size;
using packkit::invalid_argument;
using packkit::resolve_batch_size;

namespace {

constexpr std::optional<std::int64_t> unset = std::nullopt;

}  // namespace

BOOST_AUTO_TEST_CASE(the_global_batch_is_the_product) {
    BOOST_TEST((batch_size{2, 4, 8}.global() == 64));
    BOOST_TEST((resolve_batch_size(2, 4, unset, 8) == batch_size{2, 4, 8}));
    BOOST_TEST((resolve_batch_size(2, unset, 8, 8) == batch_size{2, 4, 8}));
    BOOST_TEST((resolve_batch_size(8, unset, 8, 1) == batch_size{8, 1, 1}));
}

BOOST_AUTO_TEST_CASE(rules_are_axolotls) {
    constexpr auto two =
        "At least two of micro_batch_size, gradient_accumulation_steps, "
        "batch_size must be set";
    constexpr auto one =
        "please set only one of gradient_accumulation_steps or batch_size";
    expect::message_of<invalid_argument>(
        [] { (void)resolve_batch_size(unset, unset, unset, 1); }, two);
    expect::message_of<invalid_argument>(
        [] { (void)resolve_batch_size(2, unset, unset, 1); }, two);
    expect::message_of<invalid_argument>(
        [] { (void)resolve_batch_size(unset, 2, unset, 1); }, two);
    expect::message_of<invalid_argument>(
        [] { (void)resolve_batch_size(unset, unset, 2, 1); }, two);
    expect::message_of<invalid_argument>([] { (void)resolve_batch_size(unset, 2, 8, 1); },
                                         one);
    expect::message_of<invalid_argument>([] { (void)resolve_batch_size(4, 2, 8, 1); },
                                         one, "gradient_accumulation_steps is 2",
                                         "batch_size is 8");
}

BOOST_AUTO_TEST_CASE(sizes_must_be_positive_and_divide) {
    expect::message_of<invalid_argument>([] { (void)resolve_batch_size(0, 2, unset, 1); },
                                         "micro_batch_size is 0");
    expect::message_of<invalid_argument>(
        [] { (void)resolve_batch_size(1, -2, unset, 1); },
        "gradient_accumulation_steps is -2");
    expect::message_of<invalid_argument>([] { (void)resolve_batch_size(1, unset, 0, 1); },
                                         "batch_size is 0");
    expect::message_of<invalid_argument>([] { (void)resolve_batch_size(1, 1, unset, 0); },
                                         "data_parallel_size is 0");
    expect::message_of<invalid_argument>([] { (void)resolve_batch_size(3, unset, 8, 1); },
                                         "batch_size is 8", "micro_batch_size 3", "be 6");
    expect::message_of<invalid_argument>([] { (void)resolve_batch_size(9, unset, 8, 1); },
                                         "be 9");
    expect::message_of<invalid_argument>(
        [] {
            constexpr std::int64_t huge = std::numeric_limits<std::int64_t>::max() / 2;
            (void)resolve_batch_size(huge, 2, unset, 2);
        },
        "global batch");
}

BOOST_AUTO_TEST_CASE(accumulation_for_a_wanted_batch) {
    BOOST_TEST(packkit::accumulation_for(192, 32, 2) == 3);
    BOOST_TEST(packkit::accumulation_for(64, 32, 2) == 1);
    expect::message_of<invalid_argument>(
        [] { (void)packkit::accumulation_for(200, 32, 2); }, "200", "= 64",
        "nearest: 192 or 256");
    expect::message_of<invalid_argument>(
        [] { (void)packkit::accumulation_for(10, 32, 2); }, "nearest: 64 or 128");
    expect::message_of<invalid_argument>(
        [] { (void)packkit::accumulation_for(0, 32, 2); }, "global_batch_size is 0");
}

BOOST_AUTO_TEST_CASE(steps_and_hours_of_the_published_example) {
    const std::int64_t steps = packkit::steps_per_epoch(10'000'000, 32 * 3 * 2, true);
    BOOST_TEST(steps == 52'083);
    BOOST_TEST(packkit::steps_per_epoch(10'000'000, 32 * 3 * 2, false) == 52'084);
    BOOST_TEST(packkit::steps_per_epoch(192, 192, false) == 1);
    BOOST_TEST(packkit::steps_per_epoch(0, 192, false) == 0);
    BOOST_TEST(packkit::steps_per_epoch(191, 192, true) == 0);
    BOOST_TEST(
        (packkit::steps_of_epoch(10'000'000, 192) == packkit::epoch_steps{52'083, 64}));
    BOOST_TEST((packkit::steps_of_epoch(191, 192) == packkit::epoch_steps{0, 191}));
    BOOST_TEST((packkit::steps_of_epoch(384, 192) == packkit::epoch_steps{2, 0}));
    BOOST_TEST(packkit::hours(steps, 0.5) == 7.23, boost::test_tools::tolerance(1e-3));
    BOOST_TEST(packkit::hours(steps, 0.8) == 11.57, boost::test_tools::tolerance(1e-3));
    BOOST_CHECK_THROW((void)packkit::steps_per_epoch(-1, 192, true), invalid_argument);
    BOOST_CHECK_THROW((void)packkit::steps_per_epoch(1, 0, true), invalid_argument);
}

BOOST_AUTO_TEST_CASE(steps_of_parts_of_epochs) {
    BOOST_TEST(packkit::steps_of_epochs(52'084, 3) == 156'252);
    BOOST_TEST(packkit::steps_of_epochs(3, 1.5) == 5);
    BOOST_TEST(packkit::steps_of_epochs(3, 0) == 0);
    BOOST_TEST(packkit::steps_of_epochs(7, 0.01) == 1);
    // Tenths of an epoch are no binary fractions: k of 10 q steps are k q all the same.
    for (const std::int64_t tenth : {1, 7, 99'991, 1'000'003}) {
        for (std::int64_t k = 0; k <= 100; ++k) {
            BOOST_TEST_REQUIRE(packkit::steps_of_epochs(
                                   10 * tenth, static_cast<double>(k) / 10) == k * tenth);
        }
    }
    for (const auto& [steps, epochs] :
         {std::pair{-1L, 1.0}, {1L, -1.0}, {1L << 49, 3.0}, {1L, std::nan("")}}) {
        BOOST_CHECK_THROW((void)packkit::steps_of_epochs(steps, epochs),
                          invalid_argument);
    }
}

BOOST_AUTO_TEST_CASE(estimated_steps_are_axolotls) {
    // Values of Python's int(math.floor(0.99 * tokens / eff / len // batch) - 1) *
    // epochs.
    BOOST_TEST(packkit::estimated_steps(1000000, 1.0, 512, 8, 1) == 240);
    BOOST_TEST(packkit::estimated_steps(123456789, 0.97, 4096, 64, 3) == 1437);
    BOOST_TEST(packkit::estimated_steps(4096000, 0.99, 4096, 10, 2) == 198);
    BOOST_TEST(packkit::estimated_steps(5000, 0.9, 4096, 8, 1) == 0);
    BOOST_TEST(packkit::estimated_steps(623348347957, 0.89, 512, 16, 1) == 84642026);
    BOOST_TEST(packkit::estimated_steps(835352532923, 0.61, 8192, 48, 1) == 3447814);
    BOOST_TEST(packkit::estimated_steps(532980068556, 0.32, 2048, 48, 1) == 16773549);
    BOOST_TEST(packkit::estimated_steps(492615851160, 0.49, 512, 1, 2) == 3887832368);
    BOOST_TEST(packkit::estimated_steps(0, 1.0, 4096, 8) == 0);
    expect::message_of<invalid_argument>(
        [] { (void)packkit::estimated_steps(100, 0.0, 4096, 8); },
        "sample_packing_eff_est is 0");
    expect::message_of<invalid_argument>(
        [] { (void)packkit::estimated_steps(100, 1.5, 4096, 8); }, "1.5");
}

BOOST_AUTO_TEST_CASE(measured_efficiency_is_rounded_up) {
    BOOST_TEST(packkit::rounded_efficiency(0.981) == 0.99);
    BOOST_TEST(packkit::rounded_efficiency(1.0) == 1.0);
    BOOST_TEST(packkit::rounded_efficiency(0.5) == 0.5);
    BOOST_CHECK_THROW((void)packkit::rounded_efficiency(0.0), invalid_argument);
    BOOST_CHECK_THROW((void)packkit::rounded_efficiency(1.01), invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()
