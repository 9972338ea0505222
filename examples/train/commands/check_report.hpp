// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What `packkit-train check` tells of a configuration without a problem.

#include "common/table.hpp"
#include "config/checked_config.hpp"
#include "data/dataset.hpp"

#include <cstddef>
#include <string>

namespace packkit::train {

/// How check reports.
struct check_options {
    std::size_t show = 0;  ///< samples to print
    app::output_format format = app::output_format::table;
};

/// The settings in effect with their origins, what became of the data, and the first
/// samples with the tokens that are trained marked.
/// \details JSON: {"summary", "settings": {key: {"value", "from", "line"}}, "data": {…},
/// "samples": [{"text", "ids", "labels"}]}; "from" is "file", "command line", "default"
/// or "other keys", where other keys decide. For people trained tokens are green on a
/// terminal (`in_colour`), and stand in [[ ]] elsewhere.
/// \param tokens the run's tokenizer, or nullptr for ids alone, which are printed then
/// \param summary the line that says that there is no problem
/// \throws app::usage_error for formats other than table and json
[[nodiscard]] std::string check_report(const checked_config& checked,
                                       const token_store& samples,
                                       const tokenizer* tokens,
                                       const std::string& summary,
                                       const check_options& options, bool in_colour);

}  // namespace packkit::train
