// SPDX-License-Identifier: Apache-2.0
#include "json_rows.hpp"

#include "common/errors.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace packkit::app {
namespace {

constexpr std::string_view white_space = " \t\r\n";
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// Whether a file begins with an array of objects, or with an empty array.
bool begins_array(std::string_view head) {
    if (head.starts_with(byte_order_mark)) head.remove_prefix(byte_order_mark.size());
    const std::size_t open = head.find_first_not_of(white_space);
    if (open == std::string_view::npos || head[open] != '[') return false;
    const std::size_t first = head.find_first_not_of(white_space, open + 1);
    return first != std::string_view::npos && (head[first] == '{' || head[first] == ']');
}

}  // namespace

json_row_reader::json_row_reader(input_file file) : name_(file.name()) {
    constexpr std::size_t head_bytes = 4096;
    if (!begins_array(file.peek(head_bytes))) {
        lines_.emplace(std::move(file));
        return;
    }
    text_ = read_file(file);
    bytes_ = file.source() != nullptr ? file.source()->bytes_taken() : text_.size();
    if (text_.starts_with(byte_order_mark)) at_ = byte_order_mark.size();
    skip_space();
    ++at_;  // the bracket
}

void json_row_reader::refuse(std::size_t line, const std::string& what) const {
    throw input_error(name_ + ":" + std::to_string(line), what);
}

void json_row_reader::skip_space() {
    const std::size_t next =
        std::min(text_.find_first_not_of(white_space, at_), text_.size());
    const auto from = text_.begin() + static_cast<std::ptrdiff_t>(at_);
    const auto to = text_.begin() + static_cast<std::ptrdiff_t>(next);
    line_ += static_cast<std::size_t>(std::count(from, to, '\n'));
    at_ = next;
}

/// The byte behind the element at at_: the comma or bracket of the array, or the end of
/// the text.
std::size_t json_row_reader::end_of_element() const {
    std::size_t depth = 0;
    bool quoted = false;
    for (std::size_t i = at_; i < text_.size(); ++i) {
        const char c = text_[i];
        if (quoted) {
            if (c == '\\') ++i;
            quoted = c != '"';
            continue;
        }
        if (c == '"') quoted = true;
        if (depth == 0 && (c == ',' || c == ']')) return i;
        if (c == '{' || c == '[') ++depth;
        if ((c == '}' || c == ']') && depth > 0) --depth;
    }
    return text_.size();
}

bool json_row_reader::next_element(json& row) {
    if (closed_) return false;
    skip_space();
    if (row_line_ == 0 && at_ < text_.size() && text_[at_] == ']') {
        close(at_);
        return false;
    }
    const std::size_t end = end_of_element();
    row_line_ = line_;
    if (end == text_.size()) {
        closed_ = true;
        refuse(row_line_, "the array is not closed");
    }
    const auto element = std::string_view(text_).substr(at_, end - at_);
    line_ += static_cast<std::size_t>(std::count(element.begin(), element.end(), '\n'));
    at_ = end + 1;
    if (text_[end] == ']') close(end);
    if (element.find_first_not_of(white_space) == std::string_view::npos)
        refuse(row_line_, "the array has a comma without a row behind it");
    row = parse_json(element, name_, row_line_);
    return true;
}

/// Ends the array at its closing bracket, behind which only white space may be.
void json_row_reader::close(std::size_t bracket) {
    closed_ = true;
    at_ = bracket + 1;
    skip_space();
    if (at_ < text_.size()) refuse(line_, "text follows the array");
}

bool json_row_reader::next(json& row) {
    if (lines_) return lines_->next(row);
    return next_element(row);
}

std::string json_row_reader::place() const {
    return lines_ ? lines_->place() : name_ + ":" + std::to_string(row_line_);
}

std::size_t json_row_reader::line_number() const {
    return lines_ ? lines_->line_number() : row_line_;
}

std::uint64_t json_row_reader::bytes_read() const {
    if (lines_) return lines_->bytes_read();
    return text_.empty() ? bytes_ : bytes_ * at_ / text_.size();
}

}  // namespace packkit::app
