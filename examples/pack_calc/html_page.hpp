// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The frame of a report as a self-contained page: style, headline figures, sections,
/// tables. It needs neither scripts nor a network, and follows light and dark.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::app {

/// The whole page. @param body HTML, the rest is plain text
std::string html_page(std::string_view title, const std::string& body,
                      std::string_view footer);

/// A number and what it is, for a row of them: `html_figures`.
std::string html_figure(std::string_view value, std::string_view name);
std::string html_figures(const std::string& figures);

/// A card with a heading and a sentence. @param content HTML
std::string html_section(std::string_view title, std::string_view text,
                         const std::string& content);

/// A table whose first column is to the left. @param marked a row in bold; none when
/// there are fewer
std::string html_table(const std::vector<std::string>& names,
                       const std::vector<std::vector<std::string>>& rows,
                       std::size_t marked);

}  // namespace packkit::app
