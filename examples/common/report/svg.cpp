// SPDX-License-Identifier: Apache-2.0
#include "svg.hpp"

#include "common/html.hpp"
#include "common/numbers.hpp"
#include "common/table.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace packkit::app {
namespace {

std::string attribute(std::string_view name, double value) {
    std::string text(1, ' ');
    return text.append(name).append("=\"").append(fixed(value, 1)).append("\"");
}

std::string open_svg(std::string_view title, chart_size size) {
    const std::string name = html_escaped(title);
    return "<svg viewBox=\"0 0 " + std::to_string(size.width) + " " +
           std::to_string(size.height) + "\" role=\"img\" aria-label=\"" + name +
           "\"><title>" + name + "</title>\n";
}

/// @param anchor start, middle or end: which part of the text is at x
std::string text_at(double x, double y, std::string_view text, std::string_view anchor,
                    std::string_view style = "tick") {
    return "<text" + attribute("x", x) + attribute("y", y) + " text-anchor=\"" +
           std::string(anchor) + "\" class=\"" + std::string(style) + "\">" +
           html_escaped(text) + "</text>\n";
}

std::string line_between(double x1, double y1, double x2, double y2,
                         std::string_view style) {
    return "<line" + attribute("x1", x1) + attribute("y1", y1) + attribute("x2", x2) +
           attribute("y2", y2) + " class=\"" + std::string(style) + "\"/>\n";
}

std::string rectangle(double x, double y, double width, double height, double radius,
                      const chart_mark& mark) {
    return "<rect" + attribute("x", x) + attribute("y", y) + attribute("width", width) +
           attribute("height", height) + attribute("rx", radius) + " class=\"" +
           mark.style + "\"><title>" + html_escaped(mark.label + ": " + mark.text) +
           "</title></rect>\n";
}

std::string tick_text(double value, double step, bool percent) {
    if (percent) {
        const double shown = step * 100.0;
        return fixed(value * 100.0, shown < 0.1 ? 2 : shown < 1.0 ? 1 : 0) + " %";
    }
    if (step < 1.0) return fixed(value, 2);
    const auto whole = static_cast<std::int64_t>(std::llround(value));
    return whole < 10'000 ? grouped(whole)
                          : short_count(static_cast<std::uint64_t>(whole));
}

double sum_of(const std::vector<chart_mark>& marks) {
    double sum = 0;
    for (const chart_mark& mark : marks)
        sum += mark.value;
    return sum;
}

double step_of(const std::vector<double>& ticks) {
    return ticks.size() > 1 ? ticks[1] - ticks[0] : 1.0;
}

}  // namespace

std::vector<double> round_ticks(double from, double to, std::size_t count) {
    const double rough =
        (to - from) / static_cast<double>(std::max<std::size_t>(count, 1));
    if (!(rough > 0.0)) return {from};
    const double decade = std::pow(10.0, std::floor(std::log10(rough)));
    double step = 10.0 * decade;
    for (const double factor : {1.0, 2.0, 5.0}) {
        if (factor * decade >= rough * 0.999) {
            step = factor * decade;
            break;
        }
    }
    std::vector<double> ticks;
    for (double k = std::ceil(from / step - 1e-9); k * step <= to + step * 1e-6; ++k) {
        ticks.push_back(k * step);
    }
    return ticks;
}

std::string bar_chart(std::string_view title, const std::vector<chart_mark>& marks,
                      double largest) {
    constexpr double row = 30;
    constexpr double bar = 18;
    constexpr double character = 7.4;  // of the label's font, at most
    constexpr double space_for_value = 90;
    const chart_size size{720,
                          static_cast<int>(row * static_cast<double>(marks.size())) + 4};
    std::size_t longest = 0;
    for (const chart_mark& mark : marks) {
        longest = std::max(longest, display_width(mark.label));
    }
    if (largest <= 0) {
        for (const chart_mark& mark : marks)
            largest = std::max(largest, mark.value);
    }
    const double left = static_cast<double>(longest) * character + 12;
    const double room = size.width - left - space_for_value;
    std::string svg = open_svg(title, size);
    for (std::size_t i = 0; i < marks.size(); ++i) {
        const chart_mark& mark = marks[i];
        const double top = row * static_cast<double>(i) + (row - bar) / 2;
        const double width =
            largest > 0 ? std::clamp(mark.value / largest, 0.0, 1.0) * room : 0;
        svg += text_at(left - 10, top + bar - 5, mark.label, "end", "label");
        svg += rectangle(left, top, std::max(width, 1.0), bar, 3, mark);
        svg += text_at(left + width + 8, top + bar - 5, mark.text, "start", "value");
    }
    return svg + "</svg>\n";
}

std::string stacked_chart(std::string_view title, const std::vector<stacked_bar>& bars) {
    if (bars.empty()) return {};
    constexpr double row = 34, bar = 20, width = 720, legend = 46, right = 92;
    constexpr std::size_t first_line = 4;  // parts in the first line of the legend
    std::size_t longest = 0;
    double largest = 0;
    for (const stacked_bar& one : bars) {
        longest = std::max(longest, display_width(one.label));
        largest = std::max({largest, sum_of(one.parts), one.limit});
    }
    const double left = longest == 0 ? 4 : static_cast<double>(longest) * 7.2 + 14;
    const double scale = largest > 0 ? (width - left - right) / largest : 0;
    const double bottom = legend + row * static_cast<double>(bars.size());
    std::string svg =
        open_svg(title, {static_cast<int>(width), static_cast<int>(bottom) + 24});
    double x = 4;
    for (std::size_t i = 0; i < bars.front().parts.size(); ++i) {
        const chart_mark& part = bars.front().parts[i];
        if (i == first_line) x = 4;
        const double y = i < first_line ? 4 : 24;
        svg += rectangle(x, y, 12, 12, 2, part);
        svg += text_at(x + 17, y + 10.5, part.label, "start", "label");
        x += static_cast<double>(display_width(part.label)) * 6.6 + 36;
    }
    for (std::size_t i = 0; i < bars.size(); ++i) {
        const stacked_bar& one = bars[i];
        const double top = legend + row * static_cast<double>(i) + (row - bar) / 2;
        if (!one.label.empty())
            svg += text_at(left - 10, top + bar - 5, one.label, "end", "label");
        svg += rectangle(left, top, one.limit * scale, bar, 0,
                         {"limit", one.limit, one.limit_text, "padding"});
        double at = left;
        for (const chart_mark& part : one.parts) {
            if (part.value > 0)
                svg +=
                    rectangle(at, top, std::max(part.value * scale, 0.4), bar, 0, part);
            at += part.value * scale;
        }
        svg += text_at(std::max(at, left + one.limit * scale) + 8, top + bar - 5,
                       one.text, "start", "value");
    }
    const double line = left + bars.front().limit * scale;
    svg += line_between(line, legend - 2, line, bottom + 4, "mark");
    svg += text_at(line, bottom + 18, bars.front().limit_text, "end", "label");
    return svg + "</svg>\n";
}

std::string row_chart(std::string_view title,
                      const std::vector<std::vector<chart_mark>>& rows, double size) {
    constexpr double row_height = 11, width = 720;
    std::string svg = open_svg(
        title, {static_cast<int>(width),
                static_cast<int>(row_height * static_cast<double>(rows.size())) + 2});
    for (std::size_t k = 0; k < rows.size(); ++k) {
        double x = 0;
        for (const chart_mark& mark : rows[k]) {
            const double wide = mark.value * width / size;
            // A gap tells neighbours apart where there is room for it.
            svg += rectangle(x, static_cast<double>(k) * row_height + 1,
                             std::max(wide > 1.5 ? wide - 0.7 : wide, 0.2), 9, 0, mark);
            x += wide;
        }
    }
    return svg + "</svg>\n";
}

std::string column_chart(std::string_view title, const std::vector<chart_mark>& marks,
                         const chart_axis& axis, bool percent_values, double largest,
                         chart_size size) {
    double smallest = 0;
    const bool fixed_end = largest > 0;
    for (const chart_mark& mark : marks) {
        smallest = std::min(smallest, mark.value);
        if (!fixed_end) largest = std::max(largest, mark.value);
    }
    if (largest <= smallest) largest = smallest + 1;
    const auto ticks = round_ticks(smallest, largest, size.height < 160 ? 2 : 4);
    const double left = 62;
    const double right = size.width - 22.0;
    const double top = 12;
    const double bottom = size.height - (axis.name.empty() ? 24.0 : 42.0);
    const auto x_of = [&](double share) { return left + share * (right - left); };
    const auto y_of = [&](double value) {
        return bottom - (value - smallest) / (largest - smallest) * (bottom - top);
    };

    // Where a value of the horizontal axis lies.
    const auto x_at = [&](double value) {
        return x_of(axis.logarithmic
                        ? std::log(value / axis.from) / std::log(axis.to / axis.from)
                        : (value - axis.from) / (axis.to - axis.from));
    };

    std::string svg = open_svg(title, size);
    for (const double tick : ticks) {
        svg += line_between(left, y_of(tick), right, y_of(tick), "gridline");
        svg += text_at(left - 8, y_of(tick) + 4,
                       tick_text(tick, step_of(ticks), percent_values), "end");
    }
    const auto count = static_cast<double>(marks.size());
    const double gap = count > 60 ? 0.0 : 1.5;
    for (std::size_t i = 0; i < marks.size(); ++i) {
        const double value = std::min(marks[i].value, largest);
        const double x1 = axis.edges.empty() ? x_of(static_cast<double>(i) / count)
                                             : x_at(axis.edges[i]);
        const double x2 = axis.edges.empty() ? x_of((static_cast<double>(i) + 1) / count)
                                             : x_at(axis.edges[i + 1]);
        // What exists is drawn, however small.
        const double height =
            value == 0 ? 0 : std::max(std::abs(y_of(value) - y_of(0)), 0.8);
        const double y = value >= 0 ? y_of(0) - height : y_of(0);
        svg += rectangle(x1 + gap / 2, y, std::max(x2 - x1 - gap, 0.3), height, gap,
                         marks[i]);
    }
    svg += line_between(left, y_of(0), right, y_of(0), "axis");
    std::vector<double> along =
        round_ticks(axis.from, axis.to, size.width <= 400 ? 2 : 6);
    if (axis.logarithmic) {
        along.clear();
        const bool few = axis.to / axis.from < 3000;
        for (double decade = 1; decade <= axis.to; decade *= 10) {
            for (const double factor : {1.0, 2.0, 5.0}) {
                const double tick = decade * factor;
                if (tick >= axis.from && tick <= axis.to && (few || factor == 1.0)) {
                    along.push_back(tick);
                }
            }
        }
    }
    const double along_step = axis.whole ? 1.0 : axis.logarithmic ? 1.0 : step_of(along);
    for (const double tick : along) {
        if (axis.whole && tick != std::round(tick)) continue;
        svg += text_at(x_at(tick), bottom + 16, tick_text(tick, along_step, axis.percent),
                       "middle");
    }
    if (axis.line > 0 && axis.line > axis.from && axis.line <= axis.to) {
        const double x = x_at(axis.line);
        svg += line_between(x, top, x, bottom, "mark");
        svg += text_at(x - 6, top + 10, axis.line_name, "end", "label");
    }
    if (!axis.name.empty()) {
        svg += text_at(x_of(0.5), size.height - 6.0, axis.name, "middle", "label");
    }
    return svg + "</svg>\n";
}

}  // namespace packkit::app
