// SPDX-License-Identifier: Apache-2.0
#include <common/progress.hpp>
#include <common/table.hpp>

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <string>

BOOST_AUTO_TEST_SUITE(progress_test)

namespace app = packkit::app;
using seconds = std::chrono::duration<double>;

BOOST_AUTO_TEST_CASE(line_of_a_known_total) {
    BOOST_TEST(app::progress_line("reading", 42, 100, seconds(42), 60) ==
               "reading  42% [" +
                   app::padded(app::text_bar(0.42, 25), 25, app::alignment::left) +
                   "] 42/100  00:58 left");
    BOOST_TEST(app::progress_line("x", 0, 100, seconds(5), 30).find("left") ==
               std::string::npos);
    const std::string done = app::progress_line("x", 100, 100, seconds(5), 60);
    BOOST_TEST(done.find("100%") != std::string::npos);
    BOOST_TEST(done.find("left") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(not_done_is_never_called_100_percent) {
    BOOST_TEST(app::progress_line("x", 999'999, 1'000'000, seconds(5), 60).find(" 99%") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(fits_the_terminal) {
    for (int columns = 1; columns < 200; ++columns) {
        const auto line =
            app::progress_line("reading", 1, 3'000'000, seconds(1), columns);
        BOOST_TEST(app::display_width(line) <= static_cast<std::size_t>(columns));
    }
    // Too narrow for a bar: the figures alone.
    BOOST_TEST(app::progress_line("r", 1, 2, seconds(1), 25) ==
               "r  50%  1/2  00:01 left");
}

BOOST_AUTO_TEST_CASE(long_labels_are_cut_between_code_points) {
    BOOST_TEST(app::progress_line("lesen größe", 1, 2, seconds(1), 9) == "lesen grö");
    BOOST_TEST(app::progress_line("lesen größe", 1, 0, seconds(1), 9) == "lesen grö");
}

BOOST_AUTO_TEST_CASE(unknown_total_and_long_times) {
    BOOST_TEST(app::progress_line("reading", 4'200'000, 0, seconds(7), 80) ==
               "reading  4.20M  00:07");
    BOOST_TEST(app::progress_line("x", 1, 2, seconds(3723), 30).find("1:02:03 left") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(nothing_is_drawn_without_a_terminal) {
    // Tests run with stderr in a pipe or on a terminal; either way this must not fail.
    app::progress_bar bar("work", 10);
    for (std::uint64_t i = 0; i <= 10; ++i)
        bar.set(i);
    bar.finish();
    bar.set(11);
}

BOOST_AUTO_TEST_SUITE_END()
