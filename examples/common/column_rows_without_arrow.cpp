// SPDX-License-Identifier: Apache-2.0
/// @file
/// Stands for the reader of columns in a build without Arrow.

#include "column_rows.hpp"

#include "common/errors.hpp"

namespace packkit::app {

struct column_row_reader::state {};

column_row_reader::column_row_reader(const std::string& path, column_format /*format*/) {
    throw usage_error(
        path,
        "cannot be read: this program was built without Arrow; have "
        "cmake/dependencies.sh fetch it, or set ARROW_ROOT, and build again");
}

column_row_reader::~column_row_reader() = default;

// No object ever is, so none of these is called.
const std::vector<std::string>& column_row_reader::columns() const {
    static const std::vector<std::string> none;
    return none;
}
bool column_row_reader::has_column(const std::string& /*name*/) const {
    return false;
}
void column_row_reader::select(std::span<const std::string> /*names*/) {}
bool column_row_reader::next(json& /*row*/) {
    return false;
}
std::string column_row_reader::place() const {
    return {};
}
std::uint64_t column_row_reader::bytes_read() const {
    return 0;
}

}  // namespace packkit::app
