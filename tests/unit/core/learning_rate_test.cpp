// SPDX-License-Identifier: Apache-2.0
#include <packkit/utility/learning_rate.hpp>

#include <boost/test/unit_test.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

BOOST_AUTO_TEST_SUITE(learning_rate_test)

using namespace packkit;

namespace {

const std::map<std::string, decay_shape> shapes = {
    {"constant", decay_shape::constant},
    {"constant_with_warmup", decay_shape::constant_with_warmup},
    {"linear", decay_shape::linear},
    {"cosine", decay_shape::cosine},
    {"cosine_with_restarts", decay_shape::cosine_with_restarts},
    {"cosine_with_min_lr", decay_shape::cosine_with_min_lr},
    {"cosine_warmup_with_min_lr", decay_shape::cosine_warmup_with_min_lr},
    {"polynomial", decay_shape::polynomial},
    {"inverse_sqrt", decay_shape::inverse_sqrt},
    {"warmup_stable_decay", decay_shape::warmup_stable_decay},
    {"rex", decay_shape::rex}};
const std::map<std::string, ramp_shape> ramps = {{"linear", ramp_shape::linear},
                                                 {"cosine", ramp_shape::cosine},
                                                 {"1-sqrt", ramp_shape::one_minus_sqrt}};
constexpr double peak = 3e-4;
constexpr std::array<std::int64_t, 11> steps = {0, 1, 5, 9, 10, 11, 50, 70, 90, 98, 99};

void set(learning_rate_schedule& schedule, const std::string& name,
         const std::string& value) {
    auto& of = schedule.arguments;
    const auto number = [&] { return std::stod(value); };
    if (name == "shape") {
        schedule.shape = shapes.at(value);
    } else if (name == "warmup") {
        schedule.warmup_steps = std::stoll(value);
    } else if (name == "num_cycles") {
        of.num_cycles = number();
    } else if (name == "min_lr") {
        of.min_lr_ratio = number() / peak;
    } else if (name == "min_lr_rate" || name == "min_lr_ratio") {
        of.min_lr_ratio = number();
    } else if (name == "constant_lr_ratio") {
        of.constant_lr_ratio = number();
    } else if (name == "quadratic") {
        of.quadratic_warmup = true;
    } else if (name == "warmup_lr_rate") {
        of.warmup_lr_rate = number();
    } else if (name == "power") {
        of.power = number();
    } else if (name == "lr_end") {
        of.lr_end = number();
    } else if (name == "timescale") {
        of.timescale = std::stoll(value);
    } else if (name == "num_decay_steps") {
        of.num_decay_steps = std::stoll(value);
    } else if (name == "num_stable_steps") {
        of.num_stable_steps = std::stoll(value);
    } else if (name == "warmup_type") {
        of.warmup_type = ramps.at(value);
    } else if (name == "decay_type") {
        of.decay_type = ramps.at(value);
    } else {
        BOOST_FAIL("unknown argument " + name);
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(rates_are_those_of_transformers) {
    std::ifstream file(PACKKIT_SCHEDULES);
    BOOST_REQUIRE(file.is_open());
    int lines = 0;
    for (std::string line; std::getline(file, line); ++lines) {
        std::istringstream words(line);
        learning_rate_schedule schedule{peak, 0, 100};
        for (std::string word; words >> word && word != "|";) {
            const auto sign = word.find('=');
            set(schedule, word.substr(0, sign), word.substr(sign + 1));
        }
        BOOST_TEST_CONTEXT(line) {
            for (const auto step : steps) {
                double expected = -1;
                BOOST_REQUIRE(words >> expected);
                BOOST_TEST(std::abs(schedule(step) - expected) <= 1e-12 * peak,
                           "step " << step << ": " << schedule(step) << ", expected "
                                   << expected);
            }
        }
    }
    BOOST_TEST(lines == 72);
}

BOOST_AUTO_TEST_CASE(constant_has_no_warmup_and_the_other_one_has) {
    learning_rate_schedule schedule{1e-3, 2, 4, decay_shape::constant};
    BOOST_TEST(schedule(0) == 1e-3);
    schedule.shape = decay_shape::constant_with_warmup;
    BOOST_TEST(schedule(0) == 0.0);
    BOOST_TEST(schedule(1) == 5e-4);
    BOOST_TEST(schedule(2) == 1e-3);
}

BOOST_AUTO_TEST_CASE(factors_do_not_need_a_peak) {
    const learning_rate_schedule schedule{0.0, 0, 4, decay_shape::linear};
    BOOST_TEST(schedule.factor(1) == 0.75);
    BOOST_TEST(schedule(1) == 0.0);
    BOOST_CHECK_THROW((void)schedule.factor(-1), invalid_argument);
}

BOOST_AUTO_TEST_CASE(warmup_over_all_steps_divides_by_nothing) {
    for (const auto& [name, shape] : shapes) {
        BOOST_TEST_CONTEXT(name) {
            learning_rate_schedule schedule{peak, 4, 4, shape};
            for (std::int64_t step = 0; step <= 5; ++step)
                BOOST_TEST(std::isfinite(schedule(step)));
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
