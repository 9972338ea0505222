// SPDX-License-Identifier: Apache-2.0
// When checkpoints are saved and lines are logged, as Axolotl and Transformers count.
#include <config/schema.hpp>
#include <plan/step_events.hpp>

#include "config_cases.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(saving_test)

using namespace config_cases;
using namespace packkit::train;

namespace {

using steps = std::vector<std::int64_t>;

/// Steps after which a run of `total` steps saves, with epochs of `epoch` steps.
steps saved(const std::string& keys, std::int64_t total, std::int64_t epoch) {
    const auto schedule = save_schedule_of(loaded(keys), total, epoch);
    steps due;
    for (std::int64_t done = 1; done <= total; ++done) {
        if (schedule.is_due(done)) due.push_back(done);
    }
    return due;
}

bool warns(const train_config& config, const std::string& part) {
    return std::any_of(config.warnings.begin(), config.warnings.end(),
                       [&](const auto& text) { return text.find(part) != text.npos; });
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_checkpoint_each_epoch_unless_a_key_says_otherwise) {
    BOOST_TEST(saved("", 10, 4) == steps({4, 8, 10}));
    BOOST_TEST(saved("save_strategy: epoch", 10, 4) == steps({4, 8, 10}));
    BOOST_TEST(saved("save_strategy: no", 10, 4) == steps({10}));
    BOOST_TEST(saved("save_strategy: \"no\"", 10, 4) == steps({10}));
    BOOST_TEST(saved("save_steps: 0", 10, 4) == steps({10}));
    BOOST_TEST(saved("save_steps: 3", 10, 4) == steps({3, 6, 9, 10}));
    BOOST_TEST(saved("save_steps: 3\nsave_strategy: steps", 7, 4) == steps({3, 6, 7}));
    BOOST_TEST(saved("save_strategy: steps", 1200, 4) == steps({500, 1000, 1200}));
    BOOST_TEST(saved("save_strategy: no\nsave_first_step: true", 10, 4) ==
               steps({1, 10}));
}

BOOST_AUTO_TEST_CASE(shares_of_the_run_are_rounded_up) {
    BOOST_TEST(saved("save_steps: 0.25", 10, 4) == steps({3, 6, 9, 10}));
    BOOST_TEST(saved("save_steps: .5", 9, 4) == steps({5, 9}));
    // A share of a step is a step.
    BOOST_TEST(saved("save_steps: 0.01", 3, 4) == steps({1, 2, 3}));
}

BOOST_AUTO_TEST_CASE(saves_per_epoch_is_a_share_of_the_run) {
    BOOST_TEST(saved("saves_per_epoch: 2\nnum_epochs: 3", 30, 10) ==
               steps({5, 10, 15, 20, 25, 30}));
    BOOST_TEST(saved("saves_per_epoch: 1\nnum_epochs: 3", 30, 10) == steps({10, 20, 30}));
    // ceil(15 / 2), then twice that is beyond the end.
    BOOST_TEST(saved("saves_per_epoch: 2", 15, 15) == steps({8, 15}));
    BOOST_TEST(saved("saves_per_epoch: 4\nmax_steps: 20", 20, 7) ==
               steps({5, 10, 15, 20}));
    // One an epoch of one epoch is no share: save_strategy counts, and its default.
    BOOST_TEST(saved("saves_per_epoch: 1", 10, 10) == steps({10}));
    BOOST_TEST(saved("saves_per_epoch: 1\nmax_steps: 25", 25, 10) == steps({10, 20, 25}));
    BOOST_TEST(saved("saves_per_epoch: 0", 10, 4) == steps({4, 8, 10}));
    BOOST_TEST(warns(loaded("saves_per_epoch: 3\nsave_strategy: epoch"),
                     "`save_strategy: epoch` has no effect"));
    BOOST_TEST(
        !warns(loaded("saves_per_epoch: 3\nsave_strategy: steps"), "save_strategy"));
}

BOOST_AUTO_TEST_CASE(keys_of_saving_that_contradict_each_other) {
    BOOST_TEST(error_with("saves_per_epoch: 2\nsave_steps: 5") ==
               "config.yaml:1: save_steps and saves_per_epoch are mutually exclusive and "
               "cannot be used together.");
    BOOST_TEST(error_with("save_strategy: epoch\nsave_steps: 0.5") ==
               "config.yaml:1: save_strategy and save_steps mismatch. Please set "
               "save_strategy to 'steps' or remove save_steps.");
    BOOST_TEST(error_with("save_strategy: best") ==
               "config.yaml:1: save_strategy: 'best' is not supported: nothing is "
               "evaluated while training; expected one of no, epoch, steps");
    const std::string expected =
        "config.yaml:1: save_steps: expected a whole number >= 0, or a share of all "
        "steps "
        "> 0 and < 1, found ";
    for (const char* const wrong : {"1.5", "-0.5", "abc", "-1"}) {
        BOOST_TEST(error_with("save_steps: " + std::string(wrong)) ==
                   expected + "'" + wrong + "'");
    }
}

BOOST_AUTO_TEST_CASE(lines_are_logged_as_by_axolotl) {
    const auto every = [](const std::string& keys, std::int64_t total) {
        return logging_interval(loaded(keys), total);
    };
    BOOST_TEST(every("", 20) == 1);
    BOOST_TEST(every("", 399) == 1);
    BOOST_TEST(every("", 400) == 2);
    BOOST_TEST(every("", 1999) == 9);
    BOOST_TEST(every("", 100000) == 10);
    BOOST_TEST(every("logging_steps: 25", 20) == 25);
    BOOST_TEST(every("logging_steps: 0.1", 95) == 10);
}

BOOST_AUTO_TEST_CASE(steps_that_are_not_set) {
    for (const char* const none : {"-1", "0"}) {
        const auto config = loaded("num_epochs: 2\nmax_steps: " + std::string(none));
        BOOST_CHECK(!config.max_steps);
    }
    BOOST_TEST(error_with("max_steps: -2") ==
               "config.yaml:1: max_steps: expected a whole number >= -1, found '-2'");
}

BOOST_AUTO_TEST_CASE(where_a_run_goes_on_and_saves) {
    const auto newest = loaded("resume_from_checkpoint: true");
    BOOST_TEST(newest.resume_from_newest);
    BOOST_TEST(newest.resume_from_checkpoint == "");
    BOOST_TEST(!loaded("resume_from_checkpoint: false").resume_from_newest);
    const auto named = loaded("resume_from_checkpoint: out/checkpoint-5");
    BOOST_TEST(!named.resume_from_newest);
    BOOST_TEST(named.resume_from_checkpoint == in_folder("out/checkpoint-5"));
    BOOST_TEST(loaded("output_dir:").output_dir == in_folder("model-out"));
}

BOOST_AUTO_TEST_SUITE_END()
