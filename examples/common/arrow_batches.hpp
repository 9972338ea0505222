// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Parquet and Arrow files piece by piece. Included only where Arrow is.

#include "common/errors.hpp"
#include "common/input_file.hpp"
#include "common/utf8.hpp"

#include <arrow/api.h>
#include <arrow/io/interfaces.h>
#include <arrow/visit_array_inline.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace packkit::app {

/// A column, or a field of the structs in it, by the numbers of its fields: column 2, in
/// it field 0.
using field_path = std::vector<int>;

/// The rows of a file in their order, some at a time.
class arrow_batches {
public:
    arrow_batches(const arrow_batches&) = delete;
    arrow_batches& operator=(const arrow_batches&) = delete;
    virtual ~arrow_batches() = default;

    [[nodiscard]] const std::string& file() const { return file_; }
    [[nodiscard]] const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }

    /// From now on only what lies in these fields is read, where the file allows it; to
    /// be called once, before next(). @param subject for messages, "column 'text'" or ""
    /// @throws input_error
    void select(const std::vector<field_path>& fields, const std::string& subject);

    /// The next rows, nullptr at the end. Row i of them is row first_row() + i of part().
    /// @throws input_error with file, part and row
    virtual std::shared_ptr<arrow::RecordBatch> next() = 0;

    /// "row group 2" or "record batch 0".
    [[nodiscard]] const std::string& part() const { return part_; }
    [[nodiscard]] std::int64_t first_row() const { return first_row_; }

    /// How much of total() is read, in what the file counts: rows, batches or bytes.
    [[nodiscard]] virtual std::uint64_t done() const = 0;
    [[nodiscard]] virtual std::uint64_t total() const = 0;
    /// The rows that the file announces, 0 when it does not.
    [[nodiscard]] virtual std::uint64_t announced_rows() const { return 0; }

protected:
    explicit arrow_batches(std::string file) : file_(std::move(file)) {}

    virtual void select_fields(const std::vector<field_path>& fields) = 0;
    /// "x.parquet: column 'text', row group 2".
    [[nodiscard]] std::string place() const;

    std::string file_;
    std::string subject_;
    std::shared_ptr<arrow::Schema> schema_;
    std::string part_;
    std::int64_t first_row_ = 0;
};

/// A Parquet file, row group after row group; page checksums are verified where the file
/// has them. @throws input_error
[[nodiscard]] std::unique_ptr<arrow_batches> open_parquet(input_file file);

/// An Arrow IPC file or stream; what a batch holds is checked, as it has no checksums.
/// @throws input_error
[[nodiscard]] std::unique_ptr<arrow_batches> open_arrow(input_file file);

/// Throws an input_error with `place` and what Arrow says, in one line.
[[noreturn]] void refuse_status(const std::string& place, const arrow::Status& status);

constexpr bool holds_text(arrow::Type::type type) {
    using enum arrow::Type::type;
    return type == STRING || type == LARGE_STRING || type == STRING_VIEW;
}

/// Bytes without the mark that they are UTF-8, as some writers leave texts.
constexpr bool holds_bytes(arrow::Type::type type) {
    using enum arrow::Type::type;
    return type == BINARY || type == LARGE_BINARY || type == BINARY_VIEW;
}

constexpr bool holds_list(arrow::Type::type type) {
    using enum arrow::Type::type;
    return type == LIST || type == LARGE_LIST || type == FIXED_SIZE_LIST;
}

template <class Function>
struct array_visitor {
    const Function& f;

    template <class Array>
    arrow::Status Visit(const Array& values) {
        f.template operator()<Array::TypeClass::type_id>(values);
        return arrow::Status::OK();
    }
};

/// Calls f<type>(values) with the array as that of its own type.
template <class Function>
void with_type(const arrow::Array& values, const Function& f) {
    array_visitor<Function> visitor{f};
    (void)arrow::VisitArrayInline(values, &visitor);
}

/// @throws input_error with `place()` for a text that is not UTF-8
template <class Place>
void check_utf8(std::string_view text, const Place& place) {
    if (const std::size_t at = first_broken_utf8(text); at != text.npos)
        throw input_error(place(), "the text is not UTF-8 at byte " + std::to_string(at));
}

inline void require_ok(const arrow::Status& status, const std::string& place) {
    if (!status.ok()) refuse_status(place, status);
}

template <class Value>
Value value_or_refuse(arrow::Result<Value> result, const std::string& place) {
    if (!result.ok()) refuse_status(place, result.status());
    return std::move(result).ValueUnsafe();
}

}  // namespace packkit::app
