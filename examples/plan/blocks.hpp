// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// A report for people as a list of blocks: the same for the terminal and for Markdown.

#include "report.hpp"

#include "common/table.hpp"

#include <optional>
#include <string>
#include <vector>

namespace packkit::plan {

/// A heading with lines, a table and items below it; what is empty is left out.
struct block {
    std::string title;
    std::vector<std::string> lines;
    std::optional<app::table> shown;
    std::vector<std::string> items;
};

/// @param headline the first line; in Markdown the document's heading
std::string blocks_text(const std::string& headline, const std::vector<block>& blocks);
std::string blocks_markdown(const std::string& headline,
                            const std::vector<block>& blocks);

/// Sentences as items under a title; the block is empty where there are none.
block item_block(const std::string& title, const std::vector<std::string>& items);

/// Blocks that say everything about one plan.
std::vector<block> plan_blocks(const plan_subject& subject, const plan_estimate& plan);

/// Packed and padded next to each other; empty where lengths are not known.
block arrangements_block(const estimate_report& report);

/// "llama-3-8b (8,030,261,248 parameters) on 64 x h100-80gb"
std::string headline_of(const plan_subject& subject);

/// "1.23 s" or "45.6 ms"; "0 s" for nothing.
std::string seconds_text(double seconds);
/// "1,234" above a hundred, "12.3" below.
std::string rate_text(double value);
/// In seconds, minutes, hours or days.
std::string hours_text(double hours);
/// "1 epoch", "2.5 epochs".
std::string epochs_text(double epochs);

}  // namespace packkit::plan
