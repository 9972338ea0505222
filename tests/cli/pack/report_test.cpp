// SPDX-License-Identifier: Apache-2.0
// Parts of the report that no run of the program shows by themselves.
#include <svg.hpp>

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <string>
#include <vector>

namespace app = packkit::app;

BOOST_AUTO_TEST_CASE(round_ticks_are_round_and_inside) {
    BOOST_TEST(
        app::round_ticks(0, 4000, 4) == (std::vector<double>{0, 1000, 2000, 3000, 4000}),
        boost::test_tools::per_element());
    BOOST_TEST(
        app::round_ticks(10, 4000, 4) == (std::vector<double>{1000, 2000, 3000, 4000}),
        boost::test_tools::per_element());
    BOOST_TEST(app::round_ticks(5, 5, 4).size() == 1u);
    for (double to = 1e-4; to < 1e12; to *= 3.7) {
        const auto ticks = app::round_ticks(0, to, 5);
        BOOST_TEST((ticks.size() >= 3 && ticks.size() <= 6), to);
        BOOST_TEST((ticks.front() == 0 && ticks.back() <= to * (1 + 1e-6)));
        const double step = ticks[1];
        const double leading =
            step / std::pow(10.0, std::floor(std::log10(step * 1.0001)));
        BOOST_TEST((std::abs(leading - 1) < 1e-6 || std::abs(leading - 2) < 1e-6 ||
                    std::abs(leading - 5) < 1e-6),
                   step);
    }
}

BOOST_AUTO_TEST_CASE(charts_escape_their_texts) {
    const std::string svg = app::bar_chart("<a> & \"b\"", {{"x<y", 1, "'1'", "packed"}});
    BOOST_TEST((svg.find("<a>") == std::string::npos));
    BOOST_TEST((svg.find("&lt;a&gt; &amp; &quot;b&quot;") != std::string::npos));
    BOOST_TEST((svg.find("x&lt;y: &#39;1&#39;") != std::string::npos));
}

BOOST_AUTO_TEST_CASE(charts_of_extreme_values_stay_inside) {
    const std::vector<std::vector<app::chart_mark>> cases = {
        {},
        {{"a", 0, "0", "packed"}},
        {{"a", -1, "-1", "packed"}, {"b", 1, "1", "packed"}},
        {{"a", 1e18, "1e18", "packed"}, {"b", 1e-18, "1e-18", "packed"}},
        std::vector<app::chart_mark>(5000, {"a", 1, "1", "packed"})};
    for (const auto& marks : cases) {
        const std::string svg =
            app::column_chart("title", marks, {0, 10, "x", false}, false) +
            app::bar_chart("title", marks);
        for (const char* text : {"nan", "inf", "width=\"-", "height=\"-"}) {
            BOOST_TEST((svg.find(text) == std::string::npos), text);
        }
    }
}
