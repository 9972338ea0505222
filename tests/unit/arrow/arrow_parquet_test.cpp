// SPDX-License-Identifier: Apache-2.0
/// @file
/// The Arrow that the find module finds works from C++: a column of lengths there and
/// back, and a damaged page is noticed when checksums are asked for.

#include "run_process.hpp"

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <string>

BOOST_AUTO_TEST_SUITE(arrow_parquet_test)

namespace {

void write_lengths(const std::string& path, std::int64_t rows) {
    arrow::Int64Builder builder;
    for (std::int64_t i = 0; i < rows; ++i) {
        BOOST_TEST_REQUIRE(builder.Append(i * i).ok());
    }
    const auto column = builder.Finish().ValueOrDie();
    const auto table = arrow::Table::Make(
        arrow::schema({arrow::field("length", arrow::int64())}), {column});
    const auto file = arrow::io::FileOutputStream::Open(path).ValueOrDie();
    const auto properties = parquet::WriterProperties::Builder()
                                .enable_page_checksum()
                                ->disable_dictionary()
                                ->build();
    BOOST_TEST_REQUIRE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(),
                                                  file, 1 << 20, properties)
                           .ok());
    BOOST_TEST_REQUIRE(file->Close().ok());
}

arrow::Result<std::shared_ptr<arrow::Table>> read_table(const std::string& path) {
    ARROW_ASSIGN_OR_RAISE(const auto file, arrow::io::ReadableFile::Open(path));
    auto properties = parquet::default_reader_properties();
    properties.set_page_checksum_verification(true);
    parquet::arrow::FileReaderBuilder builder;
    ARROW_RETURN_NOT_OK(builder.Open(file, properties));
    std::unique_ptr<parquet::arrow::FileReader> reader;
    ARROW_RETURN_NOT_OK(builder.Build(&reader));
    return reader->ReadTable();
}

}  // namespace

BOOST_AUTO_TEST_CASE(lengths_there_and_back) {
    const packkit::test::temporary_folder folder;
    const auto path = (folder.path() / "lengths.parquet").string();
    write_lengths(path, 1000);
    const auto table = read_table(path).ValueOrDie();
    BOOST_TEST(table->num_rows() == 1000);
    const auto chunk =
        std::static_pointer_cast<arrow::Int64Array>(table->column(0)->chunk(0));
    BOOST_TEST(chunk->Value(999) == 999 * 999);
}

BOOST_AUTO_TEST_CASE(a_damaged_page_is_noticed) {
    const packkit::test::temporary_folder folder;
    const auto path = (folder.path() / "lengths.parquet").string();
    write_lengths(path, 1000);
    {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekg(2000);
        const char byte = static_cast<char>(file.get() ^ 1);
        file.seekp(2000);
        file.put(byte);
    }
    BOOST_TEST(!read_table(path).ok());
}

BOOST_AUTO_TEST_SUITE_END()
