// SPDX-License-Identifier: Apache-2.0
#include <common/did_you_mean.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <string_view>

BOOST_AUTO_TEST_SUITE(did_you_mean_test)

namespace app = packkit::app;

namespace {

/// The definition, read aloud.
std::size_t slow_distance(std::string_view a, std::string_view b) {
    if (a.empty()) return b.size();
    if (b.empty()) return a.size();
    const auto a_rest = a.substr(0, a.size() - 1);
    const auto b_rest = b.substr(0, b.size() - 1);
    std::size_t best = std::min(slow_distance(a_rest, b), slow_distance(a, b_rest)) + 1;
    best = std::min(best, slow_distance(a_rest, b_rest) + (a.back() == b.back() ? 0 : 1));
    if (a.size() > 1 && b.size() > 1 && a.back() == b[b.size() - 2] &&
        a[a.size() - 2] == b.back()) {
        best = std::min(
            best,
            slow_distance(a.substr(0, a.size() - 2), b.substr(0, b.size() - 2)) + 1);
    }
    return best;
}

constexpr std::array<std::string_view, 4> algorithms = {
    "first_fit", "first_fit_decreasing", "best_fit", "next_fit"};

}  // namespace

BOOST_AUTO_TEST_CASE(edit_distance_of_known_pairs) {
    BOOST_TEST(app::edit_distance("", "") == 0u);
    BOOST_TEST(app::edit_distance("", "abc") == 3u);
    BOOST_TEST(app::edit_distance("kitten", "sitting") == 3u);
    BOOST_TEST(app::edit_distance("capcity", "capacity") == 1u);
    BOOST_TEST(app::edit_distance("capaicty", "capacity") == 1u);
    BOOST_TEST(app::edit_distance("ca", "abc") == 3u);  // optimal string alignment
}

BOOST_AUTO_TEST_CASE(edit_distance_equals_its_definition) {
    std::mt19937 random(7);
    const auto word = [&] {
        std::string text(random() % 7, ' ');
        for (char& c : text)
            c = static_cast<char>('a' + random() % 3);
        return text;
    };
    for (int i = 0; i < 300; ++i) {
        const std::string a = word();
        const std::string b = word();
        BOOST_TEST(app::edit_distance(a, b) == slow_distance(a, b), a << " " << b);
    }
}

BOOST_AUTO_TEST_CASE(suggestions_are_near_or_none) {
    BOOST_TEST(app::did_you_mean("best_fti", algorithms) == "; did you mean 'best_fit'?");
    BOOST_TEST(app::did_you_mean("Best-Fit", algorithms) == "; did you mean 'best_fit'?");
    BOOST_TEST(app::closest_name("first_fit_decresing", algorithms) ==
               "first_fit_decreasing");
    BOOST_TEST(app::closest_name("next", algorithms) == "next_fit");
    BOOST_TEST(app::closest_name("FIRST", algorithms) == "first_fit");
    BOOST_TEST(app::did_you_mean("ne", algorithms) == "");
    BOOST_TEST(app::did_you_mean("banana", algorithms) == "");
    BOOST_TEST(app::did_you_mean("", algorithms) == "");
    BOOST_TEST(app::closest_name("x", std::array<std::string, 0>{}) == "");
}

BOOST_AUTO_TEST_CASE(lists_of_names) {
    BOOST_TEST(app::name_list(algorithms) ==
               "first_fit, first_fit_decreasing, best_fit, next_fit");
    BOOST_TEST(app::name_list(std::array<std::string, 0>{}) == "");
}

BOOST_AUTO_TEST_SUITE_END()
