// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// A short result as a list of named values, in all forms of `--format`.

// Before the alias json: an enumerator of that name would shadow it.
#include "common/table.hpp"

#include "common/json.hpp"

#include <string>
#include <vector>

namespace packkit::plan {

/// One value: for programs under a key, for people under a label. Without a key it is
/// shown only to people, without a label only to programs.
struct fact {
    std::string key;
    app::ordered_json value;
    std::string label;
    std::string text;
};

/// @param title heads the table
/// @param sentences below the table; under "notes" in JSON, if there are any
std::string render_facts(const std::vector<fact>& facts, const std::string& title,
                         const std::vector<std::string>& sentences,
                         app::output_format format);

/// A value of CSV: the text of a string, anything else as JSON writes it; nothing for
/// null.
std::string csv_text(const app::ordered_json& value);

/// A list of rows under one key of a document, and in the other forms as a table whose
/// columns are the keys of the first row (CSV; nothing without rows) or `shown`.
std::string render_rows(const std::string& key, const app::ordered_json& rows,
                        const app::table& shown, app::output_format format);

}  // namespace packkit::plan
