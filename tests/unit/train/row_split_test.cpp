// SPDX-License-Identifier: Apache-2.0
#include "batch/row_split.hpp"

#include "plan/data_plan.hpp"

#include <packkit/utility/random.hpp>

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <vector>

BOOST_AUTO_TEST_SUITE(row_split_test)

using namespace packkit;
using namespace packkit::train;

namespace {

token_store make_samples(std::size_t count) {
    token_store samples;
    for (std::size_t i = 0; i < count; ++i) {
        std::vector<std::int32_t> tokens(1 + packkit::random_below(60, 7, i));
        for (std::size_t j = 0; j < tokens.size(); ++j)
            tokens[j] = static_cast<std::int32_t>(i * 100 + j);
        samples.append(tokens);
    }
    return samples;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_token_and_target_is_on_one_rank) {
    const auto samples = make_samples(60);
    for (const bool packing : {true, false}) {
        for (const bool pads : {true, false}) {
            train_config config;
            config.sequence_len = 64;
            config.sample_packing = packing;
            config.pad_to_sequence_len = pads;
            config.micro_batch_size = 2;
            const data_plan plan(samples, config, {.dp_shard = 3, .cp = 4}, {100, 1});
            for (std::int64_t step = 0; step < plan.steps_per_epoch(); ++step) {
                for (std::int64_t rank = 0; rank < 3; ++rank) {
                    const auto row = plan.micro_batch(step, 0, rank);
                    BOOST_TEST(plan.content(step, 0, rank).cu_seqlens == row.cu_seqlens,
                               boost::test_tools::per_element());
                    const auto split = split_row(row.cu_seqlens, 4);
                    std::vector<int> times(row.input_ids.size(), 0);
                    for (std::size_t r = 0; r < 4; ++r) {
                        const auto part = part_of(row, split, r);
                        const auto places = split.row_positions(r);
                        BOOST_REQUIRE(part.input_ids.size() == places.size());
                        BOOST_REQUIRE(part.targets.size() == places.size());
                        BOOST_REQUIRE(part.position_ids.size() == places.size());
                        BOOST_TEST(!part.input_ids.empty());
                        for (std::size_t i = 0; i < places.size(); ++i) {
                            const auto at = static_cast<std::size_t>(places[i]);
                            if (at >= times.size()) {
                                BOOST_TEST(part.targets[i] == -100);
                                BOOST_TEST(part.input_ids.size() == 1u);
                                continue;
                            }
                            ++times[at];
                            BOOST_TEST(part.input_ids[i] == row.input_ids[at]);
                            BOOST_TEST(part.targets[i] == row.targets[at]);
                            BOOST_TEST(part.position_ids[i] == row.position_ids[at]);
                            BOOST_TEST(part.token_numbers[i] == row.token_numbers[at]);
                        }
                    }
                    BOOST_TEST(times == std::vector<int>(times.size(), 1),
                               boost::test_tools::per_element());
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_row_of_one_token_gives_the_others_padding) {
    const std::vector<std::int32_t> boundaries{0, 1};
    const packed_row row{{42}, {7}, {0}, boundaries};
    const auto split = split_row(boundaries, 3);
    BOOST_TEST(split.cu_seqlens().size() == 4u);
    BOOST_TEST(split.cu_seqlens().back() == 3);
    std::int64_t targets = 0;
    for (std::size_t rank = 0; rank < 3; ++rank) {
        const auto part = part_of(row, split, rank);
        BOOST_TEST(part.input_ids.size() == 1u);
        BOOST_TEST(part.position_ids[0] == 0);
        BOOST_TEST((part.cu_seqlens == std::vector<std::int32_t>{0, 1}));
        targets += part.targets[0] != -100 ? 1 : 0;
    }
    BOOST_TEST(targets == 1);
}

BOOST_AUTO_TEST_SUITE_END()
