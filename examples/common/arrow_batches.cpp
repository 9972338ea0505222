// SPDX-License-Identifier: Apache-2.0
#include "arrow_batches.hpp"

#include "common/errors.hpp"

#include <arrow/io/file.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>

#include <algorithm>

#include <unistd.h>

namespace packkit::app {
namespace {

constexpr std::int64_t io_buffer_bytes = std::int64_t{1} << 20U;
/// What a batch of rows may decode to, roughly.
constexpr std::int64_t batch_bytes = std::int64_t{8} << 20U;
constexpr std::int64_t largest_batch_rows = 65536;

/// The file for Arrow's readers: read in place when it is a regular one, else held in
/// memory.
std::shared_ptr<arrow::io::RandomAccessFile> open_for_arrow(input_file& file) {
    if (file.descriptor() >= 0 && file.size_hint() > 0) {
        auto opened = value_or_refuse(
            arrow::io::ReadableFile::Open(::dup(file.descriptor())), file.name());
        // Back to before what was read ahead to tell the kind of file.
        require_ok(opened->Seek(0), file.name());
        return opened;
    }
    return std::make_shared<arrow::io::BufferReader>(
        arrow::Buffer::FromString(read_file(file)));
}

/// Calls f; Parquet's own exceptions become those of this program, at `place()`.
template <class Place, class Function>
decltype(auto) guarded(const Place& place, const Function& f) {
    try {
        return f();
    } catch (const parquet::ParquetException& error) {
        throw input_error(place(), std::string("cannot be read: ") + error.what());
    }
}

/// The leaves under a field: what has to be read for it.
void add_leaves(const parquet::arrow::SchemaField& field, std::vector<int>& leaves) {
    if (field.is_leaf()) leaves.push_back(field.column_index);
    for (const auto& child : field.children)
        add_leaves(child, leaves);
}

void add_leaves(const field_path& path, const parquet::arrow::SchemaManifest& manifest,
                std::vector<int>& leaves) {
    const auto* level = &manifest.schema_fields;
    const parquet::arrow::SchemaField* field = nullptr;
    for (const int at : path) {
        field = &(*level)[static_cast<std::size_t>(at)];
        level = &field->children;
    }
    add_leaves(*field, leaves);
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

class parquet_batches final : public arrow_batches {
public:
    explicit parquet_batches(input_file file) : arrow_batches(file.name()) {
        guarded([&] { return file_; }, [&] { open(file); });
    }

    std::shared_ptr<arrow::RecordBatch> next() override {
        return guarded([&] { return place(); }, [&] { return next_batch(); });
    }

    [[nodiscard]] std::uint64_t done() const override {
        return static_cast<std::uint64_t>(rows_before_ + row_);
    }
    [[nodiscard]] std::uint64_t total() const override {
        return static_cast<std::uint64_t>(
            std::max<std::int64_t>(metadata_->num_rows(), 0));
    }
    [[nodiscard]] std::uint64_t announced_rows() const override { return total(); }

protected:
    void select_fields(const std::vector<field_path>& fields) override {
        guarded([&] { return place(); },
                [&] {
                    leaves_.clear();
                    for (const field_path& path : fields)
                        add_leaves(path, reader_->manifest(), leaves_);
                    std::sort(leaves_.begin(), leaves_.end());
                    reader_->set_batch_size(rows_a_batch(*metadata_, leaves_));
                });
    }

private:
    void open(input_file& file) {
        if (file.peek(1).empty()) {
            throw input_error(file_, "the file is empty; expected a Parquet file");
        }
        parquet::ReaderProperties properties;
        properties.set_page_checksum_verification(true);
        properties.enable_buffered_stream();
        properties.set_buffer_size(io_buffer_bytes);
        parquet::ArrowReaderProperties arrow_properties;
        arrow_properties.set_pre_buffer(false);
        arrow_properties.set_use_threads(false);
        parquet::arrow::FileReaderBuilder builder;
        require_ok(builder.Open(open_for_arrow(file), properties), file_);
        metadata_ = builder.raw_reader()->metadata();
        require_ok(builder.properties(arrow_properties)->Build(&reader_), file_);
        require_ok(reader_->GetSchema(&schema_), file_);
    }

    std::shared_ptr<arrow::RecordBatch> next_batch() {
        while (group_ < metadata_->num_row_groups()) {
            if (batches_ == nullptr) {
                part_ = "row group " + std::to_string(group_);
                batches_ = value_or_refuse(
                    reader_->GetRecordBatchReader({group_}, leaves_), place());
            }
            std::shared_ptr<arrow::RecordBatch> batch;
            if (const auto status = batches_->ReadNext(&batch); !status.ok()) {
                refuse_status(place() + ", from row " + std::to_string(row_), status);
            }
            if (batch != nullptr) {
                first_row_ = row_;
                row_ += batch->num_rows();
                return batch;
            }
            end_group();
        }
        return nullptr;
    }

    void end_group() {
        const std::int64_t announced = metadata_->RowGroup(group_)->num_rows();
        if (row_ != announced) {
            throw input_error(place(), "has " + std::to_string(row_) +
                                           " rows, but the file announces " +
                                           std::to_string(announced));
        }
        rows_before_ += row_;
        row_ = 0;
        batches_ = nullptr;
        ++group_;
    }

    std::shared_ptr<parquet::FileMetaData> metadata_;
    std::unique_ptr<parquet::arrow::FileReader> reader_;
    std::vector<int> leaves_;
    std::unique_ptr<arrow::RecordBatchReader> batches_;  // of the row group group_
    int group_ = 0;
    std::int64_t row_ = 0;  // rows read of it
    std::int64_t rows_before_ = 0;
};

arrow::ipc::IpcReadOptions one_thread() {
    auto options = arrow::ipc::IpcReadOptions::Defaults();
    options.use_threads = false;
    return options;
}

/// A batch without checksums: no offset may lead out of it.
std::shared_ptr<arrow::RecordBatch> checked(std::shared_ptr<arrow::RecordBatch> batch,
                                            const std::string& place) {
    require_ok(batch->ValidateFull(), place);
    return batch;
}

/// An Arrow file with a table of its batches at the end.
class arrow_file_batches final : public arrow_batches {
public:
    arrow_file_batches(std::string file,
                       std::shared_ptr<arrow::io::RandomAccessFile> source)
        : arrow_batches(std::move(file)), source_(std::move(source)) {
        open(one_thread());
        schema_ = reader_->schema();
    }

    std::shared_ptr<arrow::RecordBatch> next() override {
        if (batch_ == reader_->num_record_batches()) return nullptr;
        part_ = "record batch " + std::to_string(batch_);
        return checked(value_or_refuse(reader_->ReadRecordBatch(batch_++), place()),
                       place());
    }

    [[nodiscard]] std::uint64_t done() const override {
        return static_cast<std::uint64_t>(batch_);
    }
    [[nodiscard]] std::uint64_t total() const override {
        return static_cast<std::uint64_t>(reader_->num_record_batches());
    }

protected:
    void select_fields(const std::vector<field_path>& fields) override {
        auto options = one_thread();
        for (const field_path& path : fields)
            options.included_fields.push_back(path.front());
        open(options);
    }

private:
    void open(const arrow::ipc::IpcReadOptions& options) {
        reader_ = value_or_refuse(
            arrow::ipc::RecordBatchFileReader::Open(source_, options), file_);
    }

    std::shared_ptr<arrow::io::RandomAccessFile> source_;
    std::shared_ptr<arrow::ipc::RecordBatchFileReader> reader_;
    int batch_ = 0;
};

/// An Arrow stream: batches one behind the other, all columns of them.
class arrow_stream_batches final : public arrow_batches {
public:
    arrow_stream_batches(std::string file,
                         std::shared_ptr<arrow::io::RandomAccessFile> source)
        : arrow_batches(std::move(file)),
          source_(std::move(source)),
          reader_(value_or_refuse(
              arrow::ipc::RecordBatchStreamReader::Open(source_, one_thread()), file_)) {
        schema_ = reader_->schema();
    }

    std::shared_ptr<arrow::RecordBatch> next() override {
        part_ = "record batch " + std::to_string(batch_++);
        std::shared_ptr<arrow::RecordBatch> batch;
        require_ok(reader_->ReadNext(&batch), place());
        return batch == nullptr ? nullptr : checked(std::move(batch), place());
    }

    [[nodiscard]] std::uint64_t done() const override {
        return static_cast<std::uint64_t>(source_->Tell().ValueOr(0));
    }
    [[nodiscard]] std::uint64_t total() const override {
        return static_cast<std::uint64_t>(source_->GetSize().ValueOr(0));
    }

protected:
    void select_fields(const std::vector<field_path>& /*fields*/) override {}

private:
    std::shared_ptr<arrow::io::RandomAccessFile> source_;
    std::shared_ptr<arrow::RecordBatchReader> reader_;
    int batch_ = 0;
};

}  // namespace

void arrow_batches::select(const std::vector<field_path>& fields,
                           const std::string& subject) {
    subject_ = subject;
    select_fields(fields);
}

std::string arrow_batches::place() const {
    std::string place = file_;
    if (!subject_.empty()) place += ": " + subject_;
    if (!part_.empty()) place += (subject_.empty() ? ": " : ", ") + part_;
    return place;
}

std::unique_ptr<arrow_batches> open_parquet(input_file file) {
    return std::make_unique<parquet_batches>(std::move(file));
}

std::unique_ptr<arrow_batches> open_arrow(input_file file) {
    const std::string name = file.name();
    if (file.peek(1).empty()) {
        throw input_error(name, "the file is empty; expected an Arrow file");
    }
    const bool has_table = file.peek(6) == "ARROW1";
    auto source = open_for_arrow(file);
    if (has_table) return std::make_unique<arrow_file_batches>(name, std::move(source));
    return std::make_unique<arrow_stream_batches>(name, std::move(source));
}

void refuse_status(const std::string& place, const arrow::Status& status) {
    std::string what = status.message();
    // Arrow's traces have lines of their own.
    what.erase(std::min(what.find('\n'), what.size()));
    throw input_error(place, "cannot be read: " + what);
}

}  // namespace packkit::app
