// SPDX-License-Identifier: Apache-2.0
/// @file
/// Stands for the readers of columns in a build without Arrow.

#include "input.hpp"

#include "common/errors.hpp"

namespace packkit::app {
namespace {

[[noreturn]] void refuse(const input_file& file) {
    throw usage_error(
        file.name(),
        "cannot be read: this packkit-pack was built without Arrow; have "
        "cmake/dependencies.sh fetch it, or set ARROW_ROOT, and build again");
}

}  // namespace

void read_parquet_rows(input_file file, const row_options&, sample_sink&) {
    refuse(file);
}

void read_arrow_rows(input_file file, const row_options&, sample_sink&) {
    refuse(file);
}

}  // namespace packkit::app
