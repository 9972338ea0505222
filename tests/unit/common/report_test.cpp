// SPDX-License-Identifier: Apache-2.0
// One report in all its forms, and its plots.
#include <common/report/report.hpp>
#include <common/report/svg.hpp>

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(report_test)

namespace app = packkit::app;

namespace {

app::table shown() {
    app::table rows({{"name", app::alignment::left},
                     {"count"},
                     {"share", app::alignment::left, true}});
    rows.add_row({"a|<b>", "1", "██"});
    rows.add_row({"c", "20", "█"});
    rows.mark_row(1);
    return rows;
}

app::printed_report sample() {
    return {.title = "A & B",
            .headline = "Headline <x>",
            .lines = {"below"},
            .figures = {{"12", "dozen <y>"}},
            .sections = {{.title = "All",
                          .caption = "Caption",
                          .lines = {"line"},
                          .plots = "<svg></svg>\n",
                          .tables = {shown()},
                          .items = {"one", "two & three"}},
                         {.title = "Text", .lines = {"t"}, .where = app::shown_in::text},
                         {.title = "Page",
                          .lines = {"p"},
                          .where = app::shown_in::page,
                          .tone = app::section_tone::bad},
                         {.title = "", .lines = {"never"}},
                         app::item_section("None", {})},
            .footer = "foot"};
}

std::string html_body() {
    const std::string html = to_html(sample());
    const std::size_t begin = html.find("<main>\n") + 7;
    return html.substr(begin, html.find("</main>") - begin);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_report_as_text) {
    BOOST_TEST(to_text(sample()) ==
               "Headline <x>\nbelow\n"
               "\nAll\n  line\n"
               "name   count  share\n"
               "─────  ─────  ─────\n"
               "a|<b>      1  ██\n"
               "c         20  █\n"
               "- one\n- two & three\n"
               "\nText\n  t\n");
}

BOOST_AUTO_TEST_CASE(a_report_as_markdown) {
    BOOST_TEST(to_markdown(sample()) ==
               "# Headline <x>\n\nbelow\n"
               "\n## All\n\nline\n\n"
               "| name | count | share |\n|:--|--:|:--|\n"
               "| a\\|<b> | 1 | ██ |\n| c | 20 | █ |\n"
               "\n- one\n- two & three\n"
               "\n## Text\n\nt\n");
}

BOOST_AUTO_TEST_CASE(a_report_as_a_page) {
    BOOST_TEST(
        html_body() ==
        "<h1>A &amp; B</h1>\n<p class=\"soft\">Headline &lt;x&gt;</p>\n"
        "<p class=\"soft\">below</p>\n"
        "<div class=\"figures\">\n"
        "<div class=\"figure\"><b>12</b><span>dozen &lt;y&gt;</span></div>\n</div>\n"
        "<section><h2>All</h2>\n<p class=\"soft\">Caption</p>\n<p>line</p>\n"
        "<svg></svg>\n"
        "<div class=\"scroll\"><table><thead><tr><th scope=\"col\" "
        "class=\"left\">name</th>"
        "<th scope=\"col\">count</th></tr></thead><tbody>\n"
        "<tr><td class=\"left\">a|&lt;b&gt;</td><td>1</td></tr>\n"
        "<tr class=\"best\"><td class=\"left\">c</td><td>20</td></tr>\n"
        "</tbody></table></div>\n"
        "<ul>\n<li>one</li>\n<li>two &amp; three</li>\n</ul>\n</section>\n"
        "<section class=\"bad\"><h2>Page</h2>\n<p>p</p>\n</section>\n"
        "<footer>foot</footer>\n");
}

BOOST_AUTO_TEST_CASE(each_form_makes_only_what_it_shows) {
    std::string made;
    const auto render = [&](app::output_format format) {
        made.clear();
        return app::render(
            format,
            [&] {
                made += 'j';
                return app::ordered_json{{"b", 1}, {"a", 2}};
            },
            [&] {
                made += 'c';
                return std::string("b,a\n");
            },
            [&] {
                made += 'r';
                return sample();
            });
    };
    BOOST_TEST(render(app::output_format::json) == "{\n  \"b\": 1,\n  \"a\": 2\n}\n");
    BOOST_TEST(made == "j");
    BOOST_TEST(render(app::output_format::csv) == "b,a\n");
    BOOST_TEST(made == "c");
    BOOST_TEST(render(app::output_format::table) == to_text(sample()));
    BOOST_TEST(render(app::output_format::markdown) == to_markdown(sample()));
    BOOST_TEST(made == "r");
}

BOOST_AUTO_TEST_CASE(csv_of_objects) {
    BOOST_TEST(app::csv_of(app::ordered_json::array()) == "");
    BOOST_TEST(app::csv_of(app::ordered_json::array(
                   {{{"z", "a,b"}, {"n", nullptr}, {"l", {1, 2}}},
                    {{"z", "c"}, {"n", 0.5}, {"l", app::ordered_json::array()}}})) ==
               "z,n,l\n\"a,b\",,\"[1,2]\"\nc,0.5,[]\n");
}

BOOST_AUTO_TEST_CASE(stacked_bars_share_a_scale) {
    const app::stacked_bar small{
        "s", {{"p", 1, "1 B", "segment0"}}, "1 B", 4, "limit 4 B"};
    app::stacked_bar large = small;
    large.parts = {{"p", 2, "2 B", "segment0"}, {"q<", 6, "6 B", "segment1"}};
    const std::string svg = app::stacked_chart("Memory", {large, small});
    // The parts of the first bar are the legend.
    for (const char* text : {">p</text>", ">q&lt;</text>", "p: 2 B", "q&lt;: 6 B",
                             "p: 1 B", ">limit 4 B</text>"})
        BOOST_TEST((svg.find(text) != std::string::npos), text);
    const auto width_of = [&](const std::string& title) {
        const std::size_t begin = svg.rfind("<rect", svg.rfind(title));
        const std::size_t at = svg.find(" width=\"", begin) + 8;
        return std::stod(svg.substr(at));
    };
    BOOST_TEST(std::abs(width_of("p: 2 B") - 2 * width_of("p: 1 B")) < 0.2);
    BOOST_TEST(std::abs(width_of("q&lt;: 6 B") - 6 * width_of("p: 1 B")) < 0.4);
    BOOST_TEST(app::stacked_chart("none", {}) == "");
}

BOOST_AUTO_TEST_CASE(rows_of_parts_fill_the_width) {
    const std::string svg = app::row_chart(
        "Rows", {{{"row 1", 3, "three", "segment1"}, {"row 1", 1, "padding", "padding"}}},
        4);
    BOOST_TEST((svg.find("x=\"0.0\" y=\"1.0\" width=\"539.3\"") != std::string::npos));
    BOOST_TEST((svg.find("x=\"540.0\" y=\"1.0\" width=\"179.3\"") != std::string::npos));
    BOOST_TEST((svg.find("row 1: three") != std::string::npos));
}

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

BOOST_AUTO_TEST_SUITE_END()
