// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// A result for people as a list of sections, written once: for the terminal, as
/// Markdown, and as a self-contained HTML page with plots.

#include "common/table.hpp"

// After table.hpp: an enumerator of output_format has the name of its alias json.
#include "common/json.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace packkit::app {

/// Where a section is shown.
enum class shown_in { all, text, page };

/// How a section looks on a page.
enum class section_tone { plain, good, bad };

/// A heading with what is below it, in this order; what is empty is left out. A section
/// without a title is not shown.
struct report_section {
    std::string title{};
    std::string caption{};  ///< a sentence that explains the plots; on a page only
    std::vector<std::string> lines{};
    std::string plots{};  ///< HTML, on a page only (svg.hpp)
    std::vector<table> tables{};
    std::vector<std::string> items{};
    shown_in where = shown_in::all;
    section_tone tone = section_tone::plain;
};

/// A section of items; not shown when there are none.
[[nodiscard]] report_section item_section(std::string title,
                                          std::vector<std::string> items);

/// A number and what it is.
struct headline_figure {
    std::string value;
    std::string name;
};

struct printed_report {
    std::string title;                       ///< of a page
    std::string headline;                    ///< the first line
    std::vector<std::string> lines{};        ///< below the headline
    std::vector<headline_figure> figures{};  ///< a row of them on a page
    std::vector<report_section> sections{};
    std::string footer{};  ///< of a page
};

/// For a terminal: aligned tables, each line ended by a line feed.
[[nodiscard]] std::string to_text(const printed_report& report);
/// GitHub Markdown; the headline is the document's heading.
[[nodiscard]] std::string to_markdown(const printed_report& report);
/// A page that needs neither scripts nor a network.
[[nodiscard]] std::string to_html(const printed_report& report);

/// A result in the form of `--format`, each part made only when it is wanted.
/// @param values the document of JSON: ordered_json()
/// @param rows the text of CSV: std::string()
/// @param report printed_report()
template <class Values, class Rows, class Report>
[[nodiscard]] std::string render(output_format format, Values values, Rows rows,
                                 Report report) {
    switch (format) {
        case output_format::json:
            return values().dump(2) + "\n";
        case output_format::csv:
            return rows();
        case output_format::markdown:
            return to_markdown(report());
        case output_format::table:
            break;
    }
    return to_text(report());
}

/// One value of a short result: for programs under a key, for people under a label.
/// Without a key it is shown only to people, without a label only to programs.
struct fact {
    std::string key;
    ordered_json value;
    std::string label;
    std::string text;
};

/// Facts in the form of `--format`.
/// @param title heads the table
/// @param sentences below the table; under "notes" in JSON
[[nodiscard]] std::string render_facts(const std::vector<fact>& facts,
                                       const std::string& title,
                                       const std::vector<std::string>& sentences,
                                       output_format format);

/// A list of rows under one key of a document, and in the other forms as a table whose
/// columns are the keys of the first row (CSV; nothing without rows) or `shown`.
[[nodiscard]] std::string render_rows(const std::string& key, const ordered_json& rows,
                                      const table& shown, output_format format);

/// CSV of an array of objects: a row each, the columns are the keys of the first.
[[nodiscard]] std::string csv_of(const ordered_json& rows);

}  // namespace packkit::app
