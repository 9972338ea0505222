// SPDX-License-Identifier: Apache-2.0
#include "csv.hpp"

#include "common/errors.hpp"
#include "common/problems.hpp"
#include "common/utf8.hpp"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

namespace packkit::app {
namespace {

constexpr std::size_t csv_chunk_bytes = std::size_t{1} << 18U;
constexpr int end_of_file = -1;

}  // namespace

csv_reader::csv_reader(input_file file) : file_(std::move(file)) {
    if (file_.peek(3) == "\xEF\xBB\xBF") {
        char mark[3];
        static_cast<void>(file_.read(mark));
    }
    if (!read_fields()) throw input_error(file_.name(), "is empty; expected a header");
    columns_ = fields_;
    for (auto name = columns_.begin(); name != columns_.end(); ++name) {
        if (name->empty()) throw input_error(place(), "a column has no name");
        if (std::find(columns_.begin(), name, *name) != name) {
            throw input_error(place(),
                              "column " + in_quotes(*name) + " is there more than once");
        }
    }
}

bool csv_reader::fill() {
    buffer_.resize(csv_chunk_bytes);
    at_ = 0;
    buffer_.resize(file_.read(std::span<char>(buffer_.data(), buffer_.size())));
    bytes_read_ += buffer_.size();
    return !buffer_.empty();
}

int csv_reader::peek() {
    if (at_ == buffer_.size() && !fill()) return end_of_file;
    return static_cast<unsigned char>(buffer_[at_]);
}

int csv_reader::get() {
    const int c = peek();
    if (c == end_of_file) return c;
    ++at_;
    if (c == '\n') ++line_;
    return c;
}

std::string csv_reader::place() const {
    return file_.name() + ":" + std::to_string(row_line_);
}

std::uint64_t csv_reader::bytes_read() const {
    return file_.source() != nullptr ? file_.source()->bytes_taken() : bytes_read_;
}

/// Reads a field between quotes, whose first quote is read, and returns what follows the
/// last one.
int csv_reader::read_quoted() {
    std::string& field = fields_.back();
    while (true) {
        const int c = get();
        if (c == end_of_file) throw input_error(place(), "a quoted field is not closed");
        if (c != '"') {
            field += static_cast<char>(c);
        } else if (peek() == '"') {
            field += static_cast<char>(get());
        } else {
            return get();
        }
    }
}

/// Reads one field, of which `first` is the first byte, and what ends it.
void csv_reader::read_field(int first) {
    std::string& field = fields_.emplace_back();
    int c = first;
    const bool quoted = c == '"';
    if (quoted) c = read_quoted();
    for (;; c = get()) {
        const bool line_ends = c == '\r' && peek() == '\n';
        if (line_ends) c = get();
        row_ended_ = c == '\n' || c == end_of_file;
        if (row_ended_ || c == ',') break;
        if (quoted) {
            throw input_error(place(), "text follows the quote that closes field " +
                                           std::to_string(fields_.size()) +
                                           "; a quote inside a field is doubled");
        }
        field += static_cast<char>(c);
    }
    if (const std::size_t at = first_broken_utf8(field); at != std::string_view::npos) {
        throw input_error(place(), "field " + std::to_string(fields_.size()) +
                                       " is not UTF-8 at byte " + std::to_string(at));
    }
}

/// Reads the next row that is not blank; false at the end.
bool csv_reader::read_fields() {
    fields_.clear();
    int c = 0;
    do {
        row_line_ = line_;
        c = get();
        if (c == '\r' && peek() == '\n') c = get();
    } while (c == '\n');
    if (c == end_of_file) return false;
    read_field(c);
    while (!row_ended_)
        read_field(get());
    return true;
}

bool csv_reader::next(json& row) {
    if (!read_fields()) return false;
    if (fields_.size() != columns_.size()) {
        const auto count = static_cast<std::int64_t>(fields_.size());
        throw input_error(place(), "has " + counted(count, "field") +
                                       ", the header has " +
                                       std::to_string(columns_.size()));
    }
    row = json::object();
    for (std::size_t i = 0; i < columns_.size(); ++i)
        row[columns_[i]] = std::move(fields_[i]);
    return true;
}

}  // namespace packkit::app
