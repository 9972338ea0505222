// SPDX-License-Identifier: Apache-2.0
#include "arrow_column.hpp"

#include "common/errors.hpp"
#include "common/progress.hpp"

#include <arrow/ipc/reader.h>

namespace packkit::app {
namespace {

/// Checks a batch of a file without checksums, so that no offset leads out of it.
void read_batch(const arrow::RecordBatch& batch, std::int64_t number,
                column_reader& column, const std::string& file) {
    const std::string part = "record batch " + std::to_string(number);
    if (const auto status = batch.ValidateFull(); !status.ok()) {
        refuse_status(file + ": " + part, status);
    }
    column.read(batch, part, 0);
}

}  // namespace

void read_arrow_rows(input_file file, const row_options& rows, sample_sink& sink) {
    const std::string name = file.name();
    if (file.peek(1).empty()) {
        throw input_error(name, "the file is empty; expected an Arrow file");
    }
    const bool random_access = file.peek(6) == "ARROW1";
    const auto source = open_for_arrow(file);
    auto options = arrow::ipc::IpcReadOptions::Defaults();
    options.use_threads = false;
    const auto place = [&](std::int64_t batch) {
        return name + ": record batch " + std::to_string(batch);
    };
    if (!random_access) {
        const auto stream = value_or_refuse(
            arrow::ipc::RecordBatchStreamReader::Open(source, options), name);
        column_reader column(find_column(*stream->schema(), rows, name), rows, name,
                             sink);
        progress_bar progress("reading " + name);
        for (std::int64_t i = 0;; ++i) {
            std::shared_ptr<arrow::RecordBatch> batch;
            if (const auto status = stream->ReadNext(&batch); !status.ok()) {
                refuse_status(place(i), status);
            }
            if (batch == nullptr) break;
            read_batch(*batch, i, column, name);
            progress.set(sink.samples());
        }
        return;
    }
    auto reader =
        value_or_refuse(arrow::ipc::RecordBatchFileReader::Open(source, options), name);
    const column_path column_place = find_column(*reader->schema(), rows, name);
    // Opened once more, for the one column.
    options.included_fields = {column_place.fields.front()};
    reader =
        value_or_refuse(arrow::ipc::RecordBatchFileReader::Open(source, options), name);
    column_reader column(column_place, rows, name, sink);
    const int batches = reader->num_record_batches();
    progress_bar progress("reading " + name, static_cast<std::uint64_t>(batches));
    for (int i = 0; i < batches; ++i) {
        read_batch(*value_or_refuse(reader->ReadRecordBatch(i), place(i)), i, column,
                   name);
        progress.set(static_cast<std::uint64_t>(i) + 1);
    }
}

}  // namespace packkit::app
