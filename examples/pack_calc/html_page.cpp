// SPDX-License-Identifier: Apache-2.0
#include "html_page.hpp"

#include "svg.hpp"

namespace packkit::app {
namespace {

constexpr std::string_view style = R"css(
:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1b2330; --soft: #5d6878; --rule: #dfe3e9;
  --accent: #2f6fde; --best: #14876b; --muted: #a7b0bd; --over: #c2552d; }
@media (prefers-color-scheme: dark) { :root {
  --page: #12161c; --card: #1b2129; --ink: #e8ecf2; --soft: #9aa6b6; --rule: #303946;
  --accent: #6ea3ff; --best: #3fc7a2; --muted: #566274; --over: #f08d62; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1000px; margin: 0 auto; padding: 32px 20px 56px; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 1.15rem; margin: 0 0 4px; }
p { margin: 4px 0 12px; }
.soft { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--rule); border-radius: 12px;
  padding: 20px 24px; margin-top: 20px; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr));
  gap: 14px; margin-top: 22px; }
.figure { background: var(--card); border: 1px solid var(--rule); border-radius: 12px;
  padding: 14px 18px; }
.figure b { display: block; font-size: 1.75rem; line-height: 1.25;
  font-variant-numeric: tabular-nums; }
.figure span { color: var(--soft); font-size: .88rem; }
.advice { border-left: 5px solid var(--best); }
.advice.no { border-left-color: var(--over); }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(270px, 1fr)); gap: 14px; }
h3 { font-size: .95rem; margin: 6px 0 0; }
svg { display: block; width: 100%; height: auto; margin-top: 8px; }
svg text { font: 12.5px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  fill: var(--soft); font-variant-numeric: tabular-nums; }
svg .label, svg .value { fill: var(--ink); }
svg .gridline { stroke: var(--rule); stroke-width: 1; }
svg .axis { stroke: var(--soft); stroke-width: 1; }
svg .mark { stroke: var(--over); stroke-width: 1.5; stroke-dasharray: 5 4; }
svg rect.packed { fill: var(--accent); } svg rect.best { fill: var(--best); }
svg rect.segment0 { fill: #4477aa; } svg rect.segment1 { fill: #66ccee; }
svg rect.segment2 { fill: #228833; } svg rect.segment3 { fill: #ccbb44; }
svg rect.segment4 { fill: #aa6699; } svg rect.segment5 { fill: #ee6677; }
svg rect.segment6 { fill: #997755; } svg rect.padding { fill: var(--rule); }
svg rect.unpacked { fill: var(--muted); } svg rect.above { fill: var(--over); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; text-align: right; border-bottom: 1px solid var(--rule);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
th { color: var(--soft); font-weight: 600; }
tr.best td { font-weight: 650; }
code { font-size: .92em; }
footer { color: var(--soft); font-size: .85rem; margin-top: 24px; }
)css";

}  // namespace

std::string html_page(std::string_view title, const std::string& body,
                      std::string_view footer) {
    return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, "
           "initial-scale=1\">\n<title>" +
           html_escaped(title) + "</title>\n<style>" + std::string(style) +
           "</style>\n</head>\n<body>\n<main>\n" + body + "<footer>" +
           html_escaped(footer) + "</footer>\n</main>\n</body>\n</html>\n";
}

std::string html_figure(std::string_view value, std::string_view name) {
    return "<div class=\"figure\"><b>" + html_escaped(value) + "</b><span>" +
           html_escaped(name) + "</span></div>\n";
}

std::string html_figures(const std::string& figures) {
    return "<div class=\"figures\">\n" + figures + "</div>\n";
}

std::string html_section(std::string_view title, std::string_view text,
                         const std::string& content) {
    return "<section><h2>" + html_escaped(title) + "</h2>\n<p class=\"soft\">" +
           html_escaped(text) + "</p>\n" + content + "</section>\n";
}

std::string html_table(const std::vector<std::string>& names,
                       const std::vector<std::vector<std::string>>& rows,
                       std::size_t marked) {
    std::string html = "<div class=\"scroll\"><table><thead><tr>";
    for (const std::string& name : names)
        html += "<th scope=\"col\">" + html_escaped(name) + "</th>";
    html += "</tr></thead><tbody>\n";
    for (std::size_t i = 0; i < rows.size(); ++i) {
        html += i == marked ? "<tr class=\"best\">" : "<tr>";
        for (const std::string& cell : rows[i])
            html += "<td>" + html_escaped(cell) + "</td>";
        html += "</tr>\n";
    }
    return html + "</tbody></table></div>\n";
}

}  // namespace packkit::app
