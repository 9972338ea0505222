// SPDX-License-Identifier: Apache-2.0
#include "data/data_plan.hpp"

#include "common/errors.hpp"

#include <packkit/random.hpp>

#include <boost/test/unit_test.hpp>

#include <map>
#include <set>

using namespace packkit;
using namespace packkit::train;

namespace {

/// Samples of 1 to 40 tokens; the first token of each is its number, so rows can be
/// traced back.
token_store make_samples(std::size_t count) {
    token_store samples;
    for (std::size_t i = 0; i < count; ++i) {
        std::vector<std::int32_t> tokens(1 + packkit::random_below(40, 5, i));
        for (std::size_t j = 0; j < tokens.size(); ++j) {
            tokens[j] = static_cast<std::int32_t>(j == 0 ? i : 1000 + j);
        }
        samples.append(tokens);
    }
    return samples;
}

train_config settings() {
    train_config config;
    config.sequence_len = 64;
    config.sample_packing = true;
    config.gradient_accumulation_steps = 2;
    config.num_epochs = 1;
    return config;
}

/// The samples of a row, by the first token of each document that is not padding.
std::vector<std::int64_t> samples_in(const packed_row& row, const token_store& samples) {
    std::vector<std::int64_t> found;
    for (std::size_t d = 0; d + 1 < row.cu_seqlens.size(); ++d) {
        const auto begin = static_cast<std::size_t>(row.cu_seqlens[d]);
        const auto length = static_cast<std::size_t>(row.cu_seqlens[d + 1]) - begin;
        const auto id = static_cast<std::size_t>(row.input_ids[begin]);
        if (id < samples.size() && samples.tokens(id).size() == length &&
            (length == 1 || row.input_ids[begin + 1] == 1001)) {
            found.push_back(static_cast<std::int64_t>(id));
        }
    }
    return found;
}

/// All rows of a step in the order of the global batch.
std::vector<packed_row> rows_of(const data_plan& plan, std::int64_t step,
                                std::int64_t ranks) {
    std::vector<packed_row> rows;
    for (std::int64_t micro = 0; micro < plan.micro_steps(); ++micro) {
        for (std::int64_t rank = 0; rank < ranks; ++rank) {
            rows.push_back(plan.micro_batch(step, micro, rank));
        }
    }
    return rows;
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_epoch_holds_every_sample_once) {
    const auto samples = make_samples(97);
    for (const bool packing : {true, false}) {
        for (const std::int64_t ranks : {1, 2, 3, 8}) {
            auto config = settings();
            config.sample_packing = packing;
            const data_plan plan(samples, config, {.dp_replicate = ranks});
            for (std::int64_t epoch = 0; epoch < 2; ++epoch) {
                std::multiset<std::uint32_t> seen;
                std::int64_t targets = 0;
                for (std::int64_t s = 0; s < plan.steps_per_epoch(); ++s) {
                    const auto step = epoch * plan.steps_per_epoch() + s;
                    std::int64_t counted = 0;
                    for (std::int64_t micro = 0; micro < plan.micro_steps(); ++micro) {
                        for (std::int64_t rank = 0; rank < ranks; ++rank) {
                            for (const auto sample : plan.samples_of(step, micro, rank)) {
                                seen.insert(sample);
                            }
                            const auto row = plan.micro_batch(step, micro, rank);
                            for (const auto target : row.targets) {
                                counted += target != -100 ? 1 : 0;
                            }
                        }
                    }
                    BOOST_TEST(plan.step(step).valid_targets == counted);
                    targets += counted;
                }
                BOOST_TEST(seen.size() == samples.size());
                BOOST_TEST(std::set<std::uint32_t>(seen.begin(), seen.end()).size() ==
                           samples.size());
                std::int64_t expected = 0;
                for (const auto valid : samples.valid_targets())
                    expected += valid;
                BOOST_TEST(targets == expected);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(the_global_batch_does_not_depend_on_its_split) {
    const auto samples = make_samples(150);
    auto config = settings();
    config.gradient_accumulation_steps = 8;
    const data_plan alone(samples, config, {});
    for (const std::int64_t ranks : {2, 4, 8}) {
        config.gradient_accumulation_steps = 8 / ranks;
        const data_plan split(samples, config, {.dp_shard = ranks});
        BOOST_TEST(split.hash() == alone.hash());
        BOOST_TEST_REQUIRE(split.steps_per_epoch() == alone.steps_per_epoch());
        for (std::int64_t step = 0; step < 2 * alone.steps_per_epoch(); ++step) {
            const auto a = rows_of(alone, step, 1);
            const auto b = rows_of(split, step, ranks);
            BOOST_TEST_REQUIRE(a.size() == b.size());
            for (std::size_t i = 0; i < a.size(); ++i) {
                BOOST_TEST((a[i].input_ids == b[i].input_ids));
                BOOST_TEST((a[i].token_numbers == b[i].token_numbers));
                BOOST_TEST(a[i].step == step);
                BOOST_TEST(b[i].step == step);
            }
            // Every token has a number of its own.
            std::set<std::int64_t> numbers;
            std::size_t tokens = 0;
            for (const auto& row : a) {
                numbers.insert(row.token_numbers.begin(), row.token_numbers.end());
                tokens += row.input_ids.size();
            }
            BOOST_TEST(numbers.size() == tokens);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_row_is_made_of_its_documents) {
    const auto samples = make_samples(40);
    auto config = settings();
    for (const bool pad : {false, true}) {
        config.pad_to_sequence_len = pad;
        const data_plan plan(samples, config, {});
        for (std::int64_t step = 0; step < plan.steps_per_epoch(); ++step) {
            const auto numbers = plan.samples_of(step, 0, 0);
            const auto row = plan.micro_batch(step, 0, 0);
            BOOST_TEST(row.cu_seqlens.front() == 0);
            BOOST_TEST(static_cast<std::size_t>(row.cu_seqlens.back()) ==
                       row.input_ids.size());
            BOOST_TEST(row.input_ids.size() == row.targets.size());
            BOOST_TEST(row.input_ids.size() == row.position_ids.size());
            if (pad) BOOST_TEST(row.input_ids.size() == 64U);
            std::size_t at = 0;
            for (const auto number : numbers) {
                const auto tokens = samples.tokens(number);
                for (std::size_t j = 0; j < tokens.size(); ++j, ++at) {
                    BOOST_TEST(row.input_ids[at] == tokens[j]);
                    BOOST_TEST(row.position_ids[at] == static_cast<std::int64_t>(j));
                    BOOST_TEST(row.targets[at] ==
                               (j + 1 < tokens.size() ? tokens[j + 1] : -100));
                }
            }
            for (; at < row.targets.size(); ++at)
                BOOST_TEST(row.targets[at] == -100);
            BOOST_TEST(samples_in(row, samples).size() >= numbers.size());
        }
    }
}

BOOST_AUTO_TEST_CASE(labels_are_shifted_inside_the_document) {
    token_store samples;
    samples.append(std::vector<std::int32_t>{1, 2, 3, 4},
                   std::vector<std::int32_t>{-100, -100, 3, 4});
    const data_plan plan(samples, settings(), {});
    const auto row = plan.micro_batch(0, 0, 0);
    const std::vector<std::int64_t> expected{-100, 3, 4, -100};
    BOOST_TEST(row.targets == expected, boost::test_tools::per_element());
    BOOST_TEST(plan.step(0).valid_targets == 2);
}

BOOST_AUTO_TEST_CASE(an_empty_share_still_takes_part) {
    const auto samples = make_samples(1);
    auto config = settings();
    config.sample_packing = false;
    const data_plan plan(samples, config, {.dp_replicate = 4});
    BOOST_TEST(plan.steps_per_epoch() == 1);
    const auto row = plan.micro_batch(0, 1, 3);
    BOOST_TEST(row.input_ids.size() == 1U);
    BOOST_TEST(row.targets[0] == -100);
}

BOOST_AUTO_TEST_CASE(file_order_is_kept_when_asked_for) {
    const auto samples = make_samples(30);
    auto config = settings();
    config.shuffle_data = false;
    config.sample_packing_sequentially = true;
    const data_plan plan(samples, config, {});
    std::uint32_t next = 0;
    for (std::int64_t step = 0; step < plan.steps_per_epoch(); ++step) {
        for (std::int64_t micro = 0; micro < plan.micro_steps(); ++micro) {
            for (const auto sample : plan.samples_of(step, micro, 0)) {
                BOOST_TEST(sample == next);
                ++next;
            }
        }
    }
    BOOST_TEST(next == 30U);
}

BOOST_AUTO_TEST_CASE(steps_follow_from_epochs_or_are_given) {
    const auto samples = make_samples(60);
    auto config = settings();
    config.num_epochs = 2.5;
    const data_plan epochs(samples, config, {});
    BOOST_TEST(epochs.total_steps() == (5 * epochs.steps_per_epoch() + 1) / 2);
    config.max_steps = 7;
    BOOST_TEST(data_plan(samples, config, {}).total_steps() == 7);
    BOOST_CHECK_THROW(data_plan(token_store{}, config, {}), app::input_error);
}
