// SPDX-License-Identifier: Apache-2.0
#include "arrow_column.hpp"

#include "common/errors.hpp"
#include "common/progress.hpp"

namespace packkit::app {
namespace {

void read_rows(arrow_batches& batches, const row_options& rows, sample_sink& sink) {
    const std::string& name = batches.file();
    column_reader column(find_column(*batches.schema(), rows, name), rows, name, sink);
    batches.select({column.column().fields}, "column " + in_quotes(column.column().name));
    sink.expect(batches.announced_rows());
    progress_bar progress("reading " + name, batches.total());
    while (const auto batch = batches.next()) {
        column.read(*batch, batches.part(), batches.first_row());
        progress.set(batches.done());
    }
}

}  // namespace

void read_parquet_rows(input_file file, const row_options& rows, sample_sink& sink) {
    read_rows(*open_parquet(std::move(file)), rows, sink);
}

void read_arrow_rows(input_file file, const row_options& rows, sample_sink& sink) {
    read_rows(*open_arrow(std::move(file)), rows, sink);
}

}  // namespace packkit::app
