// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Small plots as inline SVG. Colours are classes, so that the page's style decides them
/// in light and dark; every mark has a title that shows its value.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::app {

/// One bar or column. `style`: a class of the page ("best", "packed", "unpacked").
struct chart_mark {
    std::string label;
    double value = 0;
    std::string text;  ///< the value for people
    std::string style = "packed";
};

/// Bars from the left, a row each, from 0 to `largest` (0: the largest value).
std::string bar_chart(std::string_view title, const std::vector<chart_mark>& marks,
                      double largest = 0);

/// What the horizontal axis of a column chart means.
struct chart_axis {
    double from = 0;
    double to = 1;
    std::string name;
    bool percent = false;         ///< ticks as percent of 1
    bool whole = false;           ///< ticks at whole numbers only
    bool logarithmic = false;     ///< needs `edges` and a positive `from`
    std::vector<double> edges{};  ///< of the columns, one more than they; none: even
    double line = 0;              ///< a value to mark with a line; 0: none
    std::string line_name{};
};

/// Size of a chart in user units; it scales with the page.
struct chart_size {
    int width = 720;
    int height = 240;
};

/// Columns side by side over the axis. Values below 0 hang from the zero line.
/// @param percent_values ticks of the vertical axis as percent of 1
/// @param largest end of the vertical axis, 0: the largest value
std::string column_chart(std::string_view title, const std::vector<chart_mark>& marks,
                         const chart_axis& axis, bool percent_values, double largest = 0,
                         chart_size size = {});

/// One bar of parts side by side, and a limit that they should stay below.
struct stacked_bar {
    std::string label;
    std::vector<chart_mark> parts;
    std::string text;  ///< what they come to
    double limit = 0;
    std::string limit_text;
};

/// Bars from the left, a row each, of one scale. The parts of the first are the legend; a
/// line marks its limit.
std::string stacked_chart(std::string_view title, const std::vector<stacked_bar>& bars);

/// Rows of parts that fill the width together, without labels: `size` parts are 1.
std::string row_chart(std::string_view title,
                      const std::vector<std::vector<chart_mark>>& rows, double size);

/// Round numbers from `from` to `to`, about `count` of them: 0, 500, 1000.
std::vector<double> round_ticks(double from, double to, std::size_t count);

}  // namespace packkit::app
