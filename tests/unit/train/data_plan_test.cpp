// SPDX-License-Identifier: Apache-2.0
#include "plan/data_plan.hpp"

#include "common/errors.hpp"

#include <packkit/utility/random.hpp>

#include <boost/test/unit_test.hpp>

#include <map>
#include <set>

BOOST_AUTO_TEST_SUITE(data_plan_test)

using namespace packkit;
using namespace packkit::train;

namespace {

constexpr attention_cost some_cost = {100, 1};

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
    // First-fit decreasing, long rows or several; next-fit; a sample a row.
    for (const int kind : {0, 1, 2, 3, 4, 5}) {
        for (const std::int64_t ranks : {1, 2, 3, 8}) {
            auto config = settings();
            config.sample_packing = kind < 4;
            config.multipack_real_batches = kind == 1;
            config.sample_packing_sequentially = kind == 2 || kind == 3;
            config.shuffle_data = kind != 3 && kind != 5;
            config.micro_batch_size = kind == 0 || kind == 1 || kind == 4 ? 2 : 1;
            config.pad_to_sequence_len = kind % 2 == 1;
            config.sample_packing_balance =
                kind == 2 ? plan_balance::tokens
                          : (kind == 4 ? plan_balance::none : plan_balance::cost);
            const data_plan plan(samples, config, {.dp_replicate = ranks}, some_cost);
            for (std::int64_t epoch = 0; epoch < 2; ++epoch) {
                std::multiset<std::uint32_t> seen;
                std::int64_t targets = 0;
                for (std::int64_t s = 0; s < plan.steps_per_epoch(); ++s) {
                    const auto step = epoch * plan.steps_per_epoch() + s;
                    std::int64_t counted = 0;
                    for (std::int64_t micro = 0; micro < plan.micro_steps(); ++micro) {
                        for (std::int64_t rank = 0; rank < ranks; ++rank) {
                            for (const auto sample :
                                 plan.content(step, micro, rank).samples()) {
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
    for (const bool canonical : {false, true}) {
        auto config = settings();
        config.canonical_reduction = canonical;
        config.gradient_accumulation_steps = 8;
        const data_plan alone(samples, config, {}, some_cost);
        for (const std::int64_t ranks : {2, 4, 8}) {
            config.gradient_accumulation_steps = 8 / ranks;
            const data_plan split(samples, config, {.dp_shard = ranks}, some_cost);
            BOOST_TEST(split.plan().hash() == alone.plan().hash());
            BOOST_TEST_REQUIRE(split.steps_per_epoch() == alone.steps_per_epoch());
            for (std::int64_t step = 0; step < 2 * alone.steps_per_epoch(); ++step) {
                auto a = rows_of(alone, step, 1);
                auto b = rows_of(split, step, ranks);
                BOOST_TEST_REQUIRE(a.size() == b.size());
                // Reproducible sums need them in one order as well.
                if (!canonical) {
                    const auto by_number = [](const packed_row& x, const packed_row& y) {
                        return x.token_numbers < y.token_numbers;
                    };
                    std::sort(a.begin(), a.end(), by_number);
                    std::sort(b.begin(), b.end(), by_number);
                }
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
}

BOOST_AUTO_TEST_CASE(a_micro_batch_follows_from_its_content) {
    const auto samples = make_samples(60);
    auto config = settings();
    config.multipack_real_batches = true;
    config.micro_batch_size = 3;
    for (const bool pad : {false, true}) {
        config.pad_to_sequence_len = pad;
        const data_plan plan(samples, config, {.dp_shard = 2}, some_cost);
        std::int64_t padding = 0;
        for (std::int64_t step = 0; step < plan.steps_per_epoch(); ++step) {
            batch_work sum;
            for (std::int64_t micro = 0; micro < 2; ++micro) {
                for (std::int64_t rank = 0; rank < 2; ++rank) {
                    const auto content = plan.content(step, micro, rank);
                    const auto row = plan.micro_batch(step, micro, rank);
                    BOOST_TEST(content.step == step);
                    BOOST_TEST((content.cu_seqlens == row.cu_seqlens));
                    BOOST_TEST(content.tokens() ==
                               static_cast<std::int64_t>(row.input_ids.size()));
                    batch_work work;
                    for (const auto sample : content.samples()) {
                        const auto length =
                            static_cast<std::int64_t>(samples.tokens(sample).size());
                        work.real_tokens += length;
                        work.squared_lengths += length * length;
                    }
                    for (const auto target : row.targets)
                        work.valid_targets += target != -100 ? 1 : 0;
                    BOOST_TEST(content.work.real_tokens == work.real_tokens);
                    BOOST_TEST(content.work.squared_lengths == work.squared_lengths);
                    BOOST_TEST(content.work.valid_targets == work.valid_targets);
                    padding += content.tokens() - work.real_tokens;
                    sum += work;
                }
            }
            const auto all = plan.step(step);
            BOOST_TEST(all.real_tokens == sum.real_tokens);
            BOOST_TEST(all.squared_lengths == sum.squared_lengths);
            BOOST_TEST(all.valid_targets == sum.valid_targets);
        }
        BOOST_TEST((padding > 0) == pad);
    }
}

BOOST_AUTO_TEST_CASE(epochs_have_fresh_bins_unless_the_order_counts) {
    const auto samples = make_samples(400);
    // The sets of samples that share a row in an epoch.
    const auto rows_in = [&](const train_config& config, std::int64_t epoch) {
        const data_plan plan(samples, config, {}, some_cost);
        std::set<std::vector<std::uint32_t>> rows;
        for (std::int64_t s = 0; s < plan.steps_per_epoch(); ++s) {
            for (std::int64_t micro = 0; micro < plan.micro_steps(); ++micro) {
                auto row =
                    plan.content(epoch * plan.steps_per_epoch() + s, micro, 0).samples();
                std::sort(row.begin(), row.end());
                rows.insert(row);
            }
        }
        return rows;
    };
    auto config = settings();
    BOOST_TEST((rows_in(config, 0) != rows_in(config, 1)));
    config.sample_packing_sequentially = true;
    BOOST_TEST((rows_in(config, 0) == rows_in(config, 1)));
    for (const auto& row : rows_in(config, 0)) {
        for (std::size_t i = 1; i < row.size(); ++i)
            BOOST_TEST(row[i] == row[i - 1] + 1);  // neighbours in the file
    }
}

BOOST_AUTO_TEST_CASE(the_last_step_is_dropped_when_asked_for) {
    const auto samples = make_samples(97);
    auto config = settings();
    config.sample_packing = false;
    const data_plan keep(samples, config, {.dp_shard = 4}, some_cost);
    BOOST_TEST(keep.steps_per_epoch() == 13);  // of 8 rows
    BOOST_TEST(keep.plan().left_out() == 0u);
    config.dataloader_drop_last = true;
    const data_plan drop(samples, config, {.dp_shard = 4}, some_cost);
    BOOST_TEST(drop.steps_per_epoch() == 12);
    BOOST_TEST(drop.plan().left_out() == 1u);
    std::set<std::uint32_t> seen;
    for (std::int64_t step = 0; step < 12; ++step) {
        for (std::int64_t micro = 0; micro < 2; ++micro) {
            for (std::int64_t rank = 0; rank < 4; ++rank) {
                const auto row = drop.content(step, micro, rank).samples();
                BOOST_TEST_REQUIRE(row.size() == 1u);
                BOOST_TEST(seen.insert(row.front()).second);
            }
        }
    }
    BOOST_TEST(seen.size() == 96u);
    try {
        const data_plan none(samples, config, {.dp_shard = 49}, some_cost);
        BOOST_ERROR("a plan without a step");
    } catch (const app::input_error& error) {
        const std::string text = error.what();
        BOOST_TEST(text.find("a step takes 98 rows, an epoch has 97") !=
                   std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(balanced_ranks_are_less_idle) {
    const auto samples = make_samples(3000);
    auto config = settings();
    config.gradient_accumulation_steps = 1;
    const auto idle = [&](plan_balance balance, const mesh_shape& mesh) {
        config.sample_packing_balance = balance;
        return data_plan(samples, config, mesh, {1, 1}).idle();
    };
    const auto by_cost = idle(plan_balance::cost, {.dp_shard = 8});
    const auto by_none = idle(plan_balance::none, {.dp_shard = 8});
    BOOST_TEST(by_cost.planned < 0.2 * by_cost.unbalanced);
    BOOST_TEST(by_none.planned == by_none.unbalanced);
    BOOST_TEST(by_none.unbalanced == by_cost.unbalanced);
    BOOST_TEST(idle(plan_balance::cost, {}).planned == 0.0);
    // Replicas wait once a step, shards after every micro-step.
    config.gradient_accumulation_steps = 4;
    BOOST_TEST(idle(plan_balance::none, {.dp_replicate = 8}).planned <
               idle(plan_balance::none, {.dp_shard = 8}).planned);
}

BOOST_AUTO_TEST_CASE(a_row_is_made_of_its_documents) {
    const auto samples = make_samples(40);
    auto config = settings();
    for (const bool pad : {false, true}) {
        config.pad_to_sequence_len = pad;
        const data_plan plan(samples, config, {}, some_cost);
        for (std::int64_t step = 0; step < plan.steps_per_epoch(); ++step) {
            const auto numbers = plan.content(step, 0, 0).samples();
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
    const data_plan plan(samples, settings(), {}, some_cost);
    const auto row = plan.micro_batch(0, 0, 0);
    const std::vector<std::int64_t> expected{-100, 3, 4, -100};
    BOOST_TEST(row.targets == expected, boost::test_tools::per_element());
    BOOST_TEST(plan.step(0).valid_targets == 2);
}

BOOST_AUTO_TEST_CASE(an_empty_share_still_takes_part) {
    const auto samples = make_samples(1);
    auto config = settings();
    config.sample_packing = false;
    const data_plan plan(samples, config, {.dp_replicate = 4}, some_cost);
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
    const data_plan plan(samples, config, {}, some_cost);
    std::uint32_t next = 0;
    for (std::int64_t step = 0; step < plan.steps_per_epoch(); ++step) {
        for (std::int64_t micro = 0; micro < plan.micro_steps(); ++micro) {
            for (const auto sample : plan.content(step, micro, 0).samples()) {
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
    const data_plan epochs(samples, config, {}, some_cost);
    BOOST_TEST(epochs.total_steps() == (5 * epochs.steps_per_epoch() + 1) / 2);
    config.max_steps = 7;
    BOOST_TEST(data_plan(samples, config, {}, some_cost).total_steps() == 7);
    BOOST_CHECK_THROW(data_plan(token_store{}, config, {}, some_cost), app::input_error);
}

BOOST_AUTO_TEST_SUITE_END()
