// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What files with rows hold, for `packkit-train inspect`.

#include "common/column_rows.hpp"
#include "common/json.hpp"

#include <string>

namespace packkit::train {

/// A JSON object a line.
app::ordered_json inspect_jsonl(const std::string& path);
/// One JSON document. \param document what the file holds.
app::ordered_json inspect_json(const app::json& document);
/// A Parquet or Arrow file; columns of types that no row can hold are named, not read.
app::ordered_json inspect_columns(const std::string& path, app::column_format format);
/// Lines of text.
app::ordered_json inspect_text(const std::string& path);
/// What `preprocess` has written.
app::ordered_json inspect_prepared(const std::string& path);

}  // namespace packkit::train
