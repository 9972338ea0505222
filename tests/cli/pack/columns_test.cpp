// SPDX-License-Identifier: Apache-2.0
// Columns of Parquet and Arrow files: read in every form, refused with file, column, row
// group and row.
#include "pack_program.hpp"

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/ipc/writer.h>
#include <parquet/arrow/writer.h>

#include <fstream>
#include <memory>

BOOST_AUTO_TEST_SUITE(columns_test)

using namespace pack_test;

namespace {

using column = std::pair<std::string, std::shared_ptr<arrow::Array>>;

template <class Builder, class Value>
std::shared_ptr<arrow::Array> array_of(const std::vector<Value>& values,
                                       std::size_t null_at = std::size_t(-1)) {
    Builder builder;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const auto status =
            i == null_at
                ? builder.AppendNull()
                : builder.Append(static_cast<typename Builder::value_type>(values[i]));
        BOOST_REQUIRE(status.ok());
    }
    return builder.Finish().ValueOrDie();
}

std::shared_ptr<arrow::Array> strings_of(const std::vector<std::string>& values) {
    arrow::StringBuilder builder;
    BOOST_REQUIRE(builder.AppendValues(values).ok());
    return builder.Finish().ValueOrDie();
}

std::shared_ptr<arrow::Array> lists_of(
    const std::vector<std::vector<std::int32_t>>& all) {
    const auto ids = std::make_shared<arrow::Int32Builder>();
    arrow::ListBuilder builder(arrow::default_memory_pool(), ids);
    for (const auto& list : all) {
        BOOST_REQUIRE(builder.Append().ok());
        BOOST_REQUIRE(ids->AppendValues(list).ok());
    }
    return builder.Finish().ValueOrDie();
}

std::shared_ptr<arrow::Table> table_of(const std::vector<column>& columns) {
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    for (const auto& [name, values] : columns) {
        fields.push_back(arrow::field(name, values->type()));
        arrays.push_back(values);
    }
    return arrow::Table::Make(arrow::schema(fields), arrays);
}

/// Row groups of two rows, pages with checksums.
void write_parquet(const temporary_folder& folder, const std::vector<column>& columns,
                   std::int64_t group_rows = 2) {
    const auto file =
        arrow::io::FileOutputStream::Open(folder / "x.parquet").ValueOrDie();
    const auto properties =
        parquet::WriterProperties::Builder().enable_page_checksum()->build();
    const auto arrow_properties =
        parquet::ArrowWriterProperties::Builder().store_schema()->build();
    BOOST_REQUIRE(parquet::arrow::WriteTable(*table_of(columns),
                                             arrow::default_memory_pool(), file,
                                             group_rows, properties, arrow_properties)
                      .ok());
    BOOST_REQUIRE(file->Close().ok());
}

const std::vector<std::int64_t> lengths = {7, 5, 5, 3, 2, 8, 4};

json read_parquet(const std::vector<column>& columns, const std::string& more = "") {
    const temporary_folder folder;
    write_parquet(folder, columns);
    return pack_json(folder, "x.parquet --capacity 10 " + more);
}

void check_refused(const std::vector<column>& columns, const std::string& more,
                   const std::string& message) {
    const temporary_folder folder;
    write_parquet(folder, columns);
    const auto result =
        run_pack_in(folder, "x.parquet --capacity 10 --output out " + more);
    BOOST_TEST(result.exit_code == 2);
    BOOST_TEST(result.err == "packkit-pack: " + message + "\n");
    BOOST_TEST(folder.entries() == 1u);
}

}  // namespace

BOOST_AUTO_TEST_CASE(lengths_of_every_integer_type) {
    const std::vector<std::shared_ptr<arrow::Array>> all = {
        array_of<arrow::Int8Builder>(lengths),  array_of<arrow::UInt8Builder>(lengths),
        array_of<arrow::Int16Builder>(lengths), array_of<arrow::UInt16Builder>(lengths),
        array_of<arrow::Int32Builder>(lengths), array_of<arrow::UInt32Builder>(lengths),
        array_of<arrow::Int64Builder>(lengths), array_of<arrow::UInt64Builder>(lengths)};
    for (const auto& values : all) {
        const json report = read_parquet({{"id", all[0]}, {"n", values}}, "--column n");
        BOOST_TEST(report["samples"] == 7);
        BOOST_TEST(report["tokens"] == 34);
        BOOST_TEST(report["results"][0]["bins"] == 4);
    }
    // The only column needs no name.
    BOOST_TEST(read_parquet({{"n", all[6]}})["tokens"] == 34);
    BOOST_TEST(
        read_parquet({{"n", all[6]}, {"m", all[6]}}, "--length-field m")["tokens"] == 34);
}

BOOST_AUTO_TEST_CASE(ids_and_texts) {
    const auto ids = lists_of({{1, 2, 3}, {}, {4}, {5, 6}});
    const json lists =
        read_parquet({{"input_ids", ids}, {"labels", ids}}, "--vocab-size 7");
    BOOST_TEST(lists["samples"] == 3);
    BOOST_TEST(lists["tokens"] == 6);
    BOOST_TEST(lists["skipped"]["empty"] == 1);
    const json texts = read_parquet({{"t", strings_of({"abc", "", "ä", "abc"})}},
                                    "--column t --tokenizer bytes");
    BOOST_TEST(texts["samples"] == 3);
    BOOST_TEST(texts["tokens"] == 5 + 4 + 5);
    BOOST_TEST(texts["skipped"]["empty"] == 1);
    const auto coded = arrow::DictionaryArray::FromArrays(
                           array_of<arrow::Int32Builder>(std::vector<int>{0, 1, 0}),
                           strings_of({"abc", "x"}))
                           .ValueOrDie();
    BOOST_TEST(read_parquet({{"t", coded}}, "--column t --tokenizer bytes")["tokens"] ==
               5 + 3 + 5);
}

BOOST_AUTO_TEST_CASE(a_field_of_a_struct_and_a_name_with_a_point) {
    const auto values = array_of<arrow::Int64Builder>(lengths);
    const auto inner = arrow::StructArray::Make(arrow::ArrayVector{values, values},
                                                std::vector<std::string>{"other", "n"});
    const auto outer = arrow::StructArray::Make(arrow::ArrayVector{inner.ValueOrDie()},
                                                std::vector<std::string>{"b"})
                           .ValueOrDie();
    BOOST_TEST(read_parquet({{"a", outer}, {"c", values}}, "--column a.b.n")["tokens"] ==
               34);
    BOOST_TEST(read_parquet({{"c", values}, {"a.b", values}}, "--column a.b")["tokens"] ==
               34);
    check_refused({{"a", outer}, {"c", values}}, "--column a.b.m",
                  "x.parquet: no column 'a.b.m'; the file has other, n; did you mean "
                  "'n'?");
    check_refused({{"a", outer}, {"c", values}}, "--column c.n",
                  "x.parquet: column 'c.n': 'c' holds int64 and has no fields");
}

BOOST_AUTO_TEST_CASE(wrong_values_are_named) {
    auto wrong = lengths;
    wrong[5] = -8;
    check_refused({{"n", array_of<arrow::Int64Builder>(wrong)}}, "--column n",
                  "x.parquet: column 'n', row group 2, row 1: length -8 is negative; "
                  "expected a whole number ≥ 1");
    wrong[5] = 0;
    check_refused({{"n", array_of<arrow::Int32Builder>(wrong)}}, "--column n",
                  "x.parquet: column 'n', row group 2, row 1: length 0 is zero; expected "
                  "a whole number ≥ 1");
    check_refused({{"n", array_of<arrow::Int64Builder>(lengths, 3)}}, "--column n",
                  "x.parquet: column 'n', row group 1, row 1: null; expected a length: a "
                  "whole number ≥ 1");
    check_refused({{"input_ids", lists_of({{1}, {2}, {3, 9}})}}, "--vocab-size 9",
                  "x.parquet: column 'input_ids', row group 1, row 0[1]: id 9 is outside "
                  "the vocabulary of 9; expected an id below");
    check_refused({{"input_ids", lists_of({{1}, {-2}})}}, "",
                  "x.parquet: column 'input_ids', row group 0, row 1[0]: id -2 is "
                  "negative; expected a whole number ≥ 0");
    check_refused(
        {{"n", array_of<arrow::DoubleBuilder>(lengths)}}, "--column n",
        "x.parquet: column 'n': holds double; expected integers (lengths), lists "
        "of integers (token ids) or strings (text)");
    check_refused({{"t", strings_of({"a"})}}, "--column t",
                  "--tokenizer: is missing: column 't' of x.parquet holds text, as in "
                  "--tokenizer bytes");
    const auto two = array_of<arrow::Int64Builder>(lengths);
    check_refused({{"length", two}, {"id", two}}, "--column lenght",
                  "x.parquet: no column 'lenght'; the file has length, id; did you mean "
                  "'length'?");
    check_refused({{"length", two}, {"id", two}}, "",
                  "x.parquet: no column 'input_ids'; the file has length, id; --column "
                  "names one");
}

BOOST_AUTO_TEST_CASE(damage_is_found) {
    const temporary_folder folder;
    std::vector<std::int64_t> many;
    for (std::int64_t i = 0; i < 20'000; ++i)
        many.push_back(i * 7919 % 4096 + 1);
    write_parquet(folder, {{"n", array_of<arrow::Int64Builder>(many)}}, 5000);
    const std::string good = file_content(folder / "x.parquet");
    const std::string arguments = "x.parquet --capacity 4096 --column n --output out";
    BOOST_TEST(run_pack_in(folder, arguments).exit_code == 0);
    std::filesystem::remove(folder.path() / "out");
    std::string damaged = good;
    damaged[good.size() / 2] = static_cast<char>(damaged[good.size() / 2] ^ 1);
    folder.write("x.parquet", damaged);
    const auto corrupt = run_pack_in(folder, arguments);
    BOOST_TEST(corrupt.exit_code == 2);
    BOOST_TEST(
        (corrupt.err.starts_with("packkit-pack: x.parquet: column 'n', row group ") &&
         corrupt.err.find("CRC") != std::string::npos),
        corrupt.err);
    for (const std::size_t size : {std::size_t{0}, std::size_t{4}, std::size_t{100},
                                   good.size() / 2, good.size() - 1}) {
        folder.write("x.parquet", good.substr(0, size));
        const auto cut = run_pack_in(folder, arguments);
        BOOST_TEST(cut.exit_code == 2);
        BOOST_TEST((cut.err.starts_with("packkit-pack: x.parquet: ") &&
                    cut.err.find('\n') == cut.err.size() - 1),
                   cut.err);
    }
    BOOST_TEST(folder.entries() == 1u);
}

BOOST_AUTO_TEST_CASE(arrow_files_and_streams_and_standard_input) {
    const temporary_folder folder;
    const auto table = table_of({{"id", array_of<arrow::Int8Builder>(lengths)},
                                 {"n", array_of<arrow::Int64Builder>(lengths)}});
    for (const bool stream : {false, true}) {
        const auto file =
            arrow::io::FileOutputStream::Open(folder / "x.arrow").ValueOrDie();
        const auto writer =
            stream ? arrow::ipc::MakeStreamWriter(file, table->schema()).ValueOrDie()
                   : arrow::ipc::MakeFileWriter(file, table->schema()).ValueOrDie();
        BOOST_REQUIRE(writer->WriteTable(*table, 3).ok());
        BOOST_REQUIRE(writer->Close().ok());
        BOOST_REQUIRE(file->Close().ok());
        BOOST_TEST(pack_json(folder, "x.arrow --capacity 10 --column n")["tokens"] == 34);
        process_options options;
        options.input = file_content(folder / "x.arrow");
        const auto sniffed =
            run_pack("- --capacity 10 --column n --format json", options);
        BOOST_TEST(sniffed.exit_code == 0);
        BOOST_TEST(json::parse(sniffed.out)["tokens"] == 34);
    }
    write_parquet(folder, {{"n", array_of<arrow::Int64Builder>(lengths)}});
    process_options options;
    options.input = file_content(folder / "x.parquet");
    const auto sniffed = run_pack("- --capacity 10 --column n --format json", options);
    BOOST_TEST(json::parse(sniffed.out)["tokens"] == 34);
}

BOOST_AUTO_TEST_SUITE_END()
