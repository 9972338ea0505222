// SPDX-License-Identifier: Apache-2.0
/// @file
/// A report as a self-contained page: it needs neither scripts nor a network, and follows
/// light and dark.

#include "common/html.hpp"
#include "report.hpp"
#include "svg.hpp"

namespace packkit::app {
namespace {

constexpr std::string_view page_style = R"css(
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
section.good { border-left: 5px solid var(--best); }
section.bad { border-left: 5px solid var(--over); }
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
th.left, td.left { text-align: left; }
th { color: var(--soft); font-weight: 600; }
tr.best td { font-weight: 650; }
code { font-size: .92em; }
footer { color: var(--soft); font-size: .85rem; margin-top: 24px; }
)css";

std::string paragraphs(const std::vector<std::string>& lines, const char* begin,
                       const char* end) {
    std::string html;
    for (const std::string& line : lines)
        html += begin + html_escaped(line) + end;
    return html;
}

std::string html_of(const report_section& section) {
    const char* const begin =
        section.tone == section_tone::good  ? "<section class=\"good\">"
        : section.tone == section_tone::bad ? "<section class=\"bad\">"
                                            : "<section>";
    std::string html = begin + ("<h2>" + html_escaped(section.title)) + "</h2>\n";
    if (!section.caption.empty())
        html += "<p class=\"soft\">" + html_escaped(section.caption) + "</p>\n";
    html += paragraphs(section.lines, "<p>", "</p>\n") + section.plots;
    for (const table& shown : section.tables)
        html += shown.to_html();
    if (!section.items.empty())
        html += "<ul>\n" + paragraphs(section.items, "<li>", "</li>\n") + "</ul>\n";
    return html + "</section>\n";
}

}  // namespace

std::string to_html(const printed_report& report) {
    const std::string title = html_escaped(report.title);
    std::string html =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, "
        "initial-scale=1\">\n<title>" +
        title + "</title>\n<style>" + std::string(page_style) +
        "</style>\n</head>\n<body>\n<main>\n<h1>" + title + "</h1>\n" +
        paragraphs({report.headline}, "<p class=\"soft\">", "</p>\n") +
        paragraphs(report.lines, "<p class=\"soft\">", "</p>\n") +
        "<div class=\"figures\">\n";
    for (const headline_figure& one : report.figures) {
        html += "<div class=\"figure\"><b>" + html_escaped(one.value) + "</b><span>" +
                html_escaped(one.name) + "</span></div>\n";
    }
    html += "</div>\n";
    for (const report_section& one : report.sections) {
        if (!one.title.empty() && one.where != shown_in::text) html += html_of(one);
    }
    return html + "<footer>" + html_escaped(report.footer) +
           "</footer>\n</main>\n</body>\n</html>\n";
}

}  // namespace packkit::app
