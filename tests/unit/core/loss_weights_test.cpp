// SPDX-License-Identifier: Apache-2.0
#include <packkit/sequence/loss_weights.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(loss_weights_test)

using packkit::invalid_argument;
using cu = std::vector<std::int32_t>;
using targets = std::vector<std::int64_t>;
using weights = std::vector<double>;

namespace {

double sum(const weights& values) {
    return std::accumulate(values.begin(), values.end(), 0.0);
}

constexpr std::array<int, 3> row = {5, -100, 6};
static_assert(packkit::token_loss_weights(row)[0] == 0.5);

}  // namespace

BOOST_AUTO_TEST_CASE(valid_targets_weigh_alike) {
    const targets row = {5, -100, 6, 7, -100, 8};
    BOOST_TEST(
        (packkit::token_loss_weights(row) == weights{0.25, 0, 0.25, 0.25, 0, 0.25}));
    BOOST_TEST(sum(packkit::token_loss_weights(row)) == 1.0);
    // Two rows of one global batch: 4 + 12 targets.
    BOOST_TEST(sum(packkit::token_loss_weights(row, 16)) == 0.25);
    BOOST_TEST((packkit::token_loss_weights(targets{-100, -100}) == weights{0, 0}));
    BOOST_TEST((packkit::token_loss_weights(targets{1, 2}, 0, std::int64_t{2}) ==
                weights{1, 0}));
    expect::message_of<invalid_argument>(
        [&] { (void)packkit::token_loss_weights(row, 3); }, "4 valid targets",
        "batch of 3");
}

BOOST_AUTO_TEST_CASE(sequences_weigh_alike) {
    // Documents of 4, 1, 0 valid targets, one without tokens, and padding.
    const targets row = {1, 2, 3, 4, 9, -100, -100, -100, -100, 77};
    const cu boundaries = {0, 4, 6, 6, 9};
    BOOST_TEST(packkit::count_supervised_sequences(row, boundaries) == 2);
    const weights wanted = {0.125, 0.125, 0.125, 0.125, 0.5, 0, 0, 0, 0, 0};
    BOOST_TEST((packkit::sequence_loss_weights(row, boundaries) == wanted));
    BOOST_TEST(sum(packkit::sequence_loss_weights(row, boundaries, 4)) == 0.5);
    expect::message_of<invalid_argument>(
        [&] { (void)packkit::sequence_loss_weights(row, boundaries, 1); },
        "2 supervised sequences", "batch of 1");
    expect::message_of<invalid_argument>(
        [&] { (void)packkit::sequence_loss_weights(targets{1}, boundaries); },
        "row of 1 tokens");
}

// Counts that are no powers of two: each weight is the double nearest to its fraction, so
// the sum is 1 but for the rounding of n weights and n additions.
BOOST_AUTO_TEST_CASE(weights_sum_to_one) {
    constexpr double half_ulp = std::numeric_limits<double>::epsilon() / 2;
    for (int n = 1; n <= 300; ++n) {
        targets row;
        cu boundaries = {0};
        int valid = 0;
        for (int d = 0; d < n; ++d) {
            for (int i = 0; i <= d % 7; ++i) {
                const bool ignored = (d + i) % 5 == 0;
                row.push_back(ignored ? -100 : d);
                valid += ignored ? 0 : 1;
            }
            boundaries.push_back(static_cast<std::int32_t>(row.size()));
        }
        if (valid == 0) continue;
        const auto by_token = packkit::token_loss_weights(row);
        const auto by_sequence = packkit::sequence_loss_weights(row, boundaries);
        const double bound = 2 * static_cast<double>(valid) * half_ulp;
        BOOST_TEST(std::abs(sum(by_token) - 1) <= bound);
        BOOST_TEST(std::abs(sum(by_sequence) - 1) <= bound);
        // In integers: each sequence's targets are exactly one share.
        std::int64_t sequences = 0;
        for (std::size_t d = 1; d < boundaries.size(); ++d) {
            std::int64_t of_document = 0;
            double weight = 0;
            for (auto i = static_cast<std::size_t>(boundaries[d - 1]);
                 i < static_cast<std::size_t>(boundaries[d]); ++i) {
                BOOST_TEST((by_token[i] == (row[i] == -100 ? 0.0 : 1.0 / valid)));
                of_document += row[i] != -100 ? 1 : 0;
                weight = std::max(weight, by_sequence[i]);
            }
            if (of_document == 0) continue;
            ++sequences;
            BOOST_TEST(std::llround(1 / (weight * static_cast<double>(of_document))) ==
                       packkit::count_supervised_sequences(row, boundaries));
        }
        BOOST_TEST(sequences == packkit::count_supervised_sequences(row, boundaries));
    }
}

BOOST_AUTO_TEST_SUITE_END()
