// SPDX-License-Identifier: Apache-2.0
#include "arrow_column.hpp"

#include "common/errors.hpp"
#include "common/progress.hpp"

#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>

#include <algorithm>

namespace packkit::app {
namespace {

constexpr std::int64_t io_buffer_bytes = std::int64_t{1} << 20U;
/// What a batch of rows may decode to, roughly.
constexpr std::int64_t batch_bytes = std::int64_t{8} << 20U;
constexpr std::int64_t largest_batch_rows = 65536;

/// The leaves under a field: what has to be read for it.
void add_leaves(const parquet::arrow::SchemaField& field, std::vector<int>& leaves) {
    if (field.is_leaf()) leaves.push_back(field.column_index);
    for (const auto& child : field.children)
        add_leaves(child, leaves);
}

std::vector<int> leaves_of(const column_path& column,
                           const parquet::arrow::SchemaManifest& manifest) {
    const auto* level = &manifest.schema_fields;
    const parquet::arrow::SchemaField* field = nullptr;
    for (const int at : column.fields) {
        field = &(*level)[static_cast<std::size_t>(at)];
        level = &field->children;
    }
    std::vector<int> leaves;
    add_leaves(*field, leaves);
    return leaves;
}

/// Rows a batch, so that long texts and lists of ids do not fill the memory.
std::int64_t rows_a_batch(const parquet::FileMetaData& metadata,
                          const std::vector<int>& leaves) {
    std::int64_t bytes_a_row = 1;
    for (int group = 0; group < metadata.num_row_groups(); ++group) {
        const auto part = metadata.RowGroup(group);
        const std::int64_t rows = std::max<std::int64_t>(part->num_rows(), 1);
        for (const int leaf : leaves) {
            const auto chunk = part->ColumnChunk(leaf);
            // Encoded values may be much smaller than the eight bytes of a decoded one.
            const std::int64_t values = std::max<std::int64_t>(chunk->num_values(), 0);
            const std::int64_t bytes =
                std::max(chunk->total_uncompressed_size() / rows, values / rows * 8);
            bytes_a_row = std::max(bytes_a_row, bytes);
        }
    }
    return std::clamp<std::int64_t>(batch_bytes / bytes_a_row, 16, largest_batch_rows);
}

void read_row_group(parquet::arrow::FileReader& reader, int group,
                    const std::vector<int>& leaves, const std::string& file,
                    column_reader& column, progress_bar& progress,
                    std::int64_t rows_before) {
    const std::string part = "row group " + std::to_string(group);
    const std::string place =
        file + ": column " + in_quotes(column.column().name) + ", " + part;
    const auto batches =
        value_or_refuse(reader.GetRecordBatchReader({group}, leaves), place);
    std::int64_t row = 0;
    while (true) {
        std::shared_ptr<arrow::RecordBatch> batch;
        const std::string from = place + ", from row " + std::to_string(row);
        if (const auto status = batches->ReadNext(&batch); !status.ok()) {
            refuse_status(from, status);
        }
        if (batch == nullptr) break;
        column.read(*batch, part, row);
        row += batch->num_rows();
        progress.set(static_cast<std::uint64_t>(rows_before + row));
    }
    const std::int64_t announced =
        reader.parquet_reader()->metadata()->RowGroup(group)->num_rows();
    if (row != announced) {
        throw input_error(place, "has " + std::to_string(row) +
                                     " rows, but the file announces " +
                                     std::to_string(announced));
    }
}

void read_rows(input_file& file, const row_options& rows, sample_sink& sink) {
    if (file.peek(1).empty()) {
        throw input_error(file.name(), "the file is empty; expected a Parquet file");
    }
    parquet::ReaderProperties properties;
    properties.set_page_checksum_verification(true);
    properties.enable_buffered_stream();
    properties.set_buffer_size(io_buffer_bytes);
    parquet::ArrowReaderProperties arrow_properties;
    arrow_properties.set_pre_buffer(false);
    arrow_properties.set_use_threads(false);

    parquet::arrow::FileReaderBuilder builder;
    if (const auto status = builder.Open(open_for_arrow(file), properties);
        !status.ok()) {
        refuse_status(file.name(), status);
    }
    const auto metadata = builder.raw_reader()->metadata();
    std::unique_ptr<parquet::arrow::FileReader> reader;
    if (const auto status = builder.properties(arrow_properties)->Build(&reader);
        !status.ok()) {
        refuse_status(file.name(), status);
    }
    std::shared_ptr<arrow::Schema> schema;
    if (const auto status = reader->GetSchema(&schema); !status.ok()) {
        refuse_status(file.name(), status);
    }
    column_reader column(find_column(*schema, rows, file.name()), rows, file.name(),
                         sink);
    const std::vector<int> leaves = leaves_of(column.column(), reader->manifest());
    reader->set_batch_size(rows_a_batch(*metadata, leaves));

    const std::int64_t all = std::max<std::int64_t>(metadata->num_rows(), 0);
    sink.expect(static_cast<std::uint64_t>(all));
    progress_bar progress("reading " + file.name(), static_cast<std::uint64_t>(all));
    std::int64_t rows_before = 0;
    for (int group = 0; group < metadata->num_row_groups(); ++group) {
        read_row_group(*reader, group, leaves, file.name(), column, progress,
                       rows_before);
        rows_before += metadata->RowGroup(group)->num_rows();
    }
}

}  // namespace

void read_parquet_rows(input_file file, const row_options& rows, sample_sink& sink) {
    try {
        read_rows(file, rows, sink);
    } catch (const parquet::ParquetException& error) {
        throw input_error(file.name(), std::string("cannot be read: ") + error.what());
    }
}

}  // namespace packkit::app
