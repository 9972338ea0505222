// SPDX-License-Identifier: Apache-2.0
// Tensors in pieces: the index, whole and broken, and slices read across pieces.
#include <checkpoint/shard_index.hpp>
#include <checkpoint/weight_files.hpp>

#include <packkit/error.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <span>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(shard_index_test)

using namespace packkit;
using namespace packkit::train;
using train_test::error_of;

namespace {

const train_test::temporary_folder folder;

/// Writes pieces of a matrix whose element (r, c) is r * columns + c, and the index.
void write_pieces(std::int64_t rows, std::int64_t columns,
                  const std::vector<std::vector<tensor_slice>>& of_files) {
    shard_index index;
    stored_tensor tensor{"F64", {rows, columns}, {}};
    const auto count = static_cast<std::int64_t>(of_files.size());
    for (std::size_t i = 0; i < of_files.size(); ++i) {
        const auto name = shard_file_name(static_cast<std::int64_t>(i) + 1, count);
        std::vector<tensor_spec> list;
        std::vector<double> values;
        for (const auto& part : of_files[i]) {
            list.push_back({"m", "F64", {part.rows.size(), part.columns.size()}});
            for (auto row = part.rows.begin; row < part.rows.end; ++row) {
                for (auto column = part.columns.begin; column < part.columns.end;
                     ++column)
                    values.push_back(static_cast<double>(row * columns + column));
            }
            tensor.pieces.push_back({i, part});
        }
        safetensors_writer file((folder.path() / name).string(), list);
        file.write(std::as_bytes(std::span<const double>(values)));
        file.finish();
        index.files.push_back({name, file.checksum()});
    }
    index.tensors.emplace("m", tensor);
    folder.write(shard_index_name, to_json_text(index));
}

/// The error of an index with these pieces of a 4 x 6 tensor, without the place and the
/// name of the tensor, which is in the second line.
std::string error_with(const std::string& pieces, const std::string& dtype = "F32",
                       const std::string& shape = "[4, 6]") {
    const auto path = folder.write(
        "x.json", R"({"format": "packkit shards", "version": 1, "files": {"a": "0", "b":
            "0"}, "tensors": {"m": {"dtype": ")" +
                      dtype + R"(", "shape": )" + shape + R"(, "pieces": [)" + pieces +
                      "]}}}");
    const auto error = error_of(folder, [&] { (void)read_shard_index(path); });
    constexpr std::string_view name = "x.json:2: tensors.m";
    return error.starts_with(name) ? error.substr(name.size()) : error;
}

std::string error_of_text(const std::string& text) {
    const auto path = folder.write("x.json", text);
    return error_of(folder, [&] { (void)read_shard_index(path); });
}

std::string piece(const std::string& file, const std::string& rows,
                  const std::string& columns) {
    return R"({"file": ")" + file + R"(", "rows": )" + rows + R"(, "columns": )" +
           columns + "}";
}

}  // namespace

BOOST_AUTO_TEST_CASE(names_of_files) {
    BOOST_TEST(shard_file_name(2, 16) == "shard-00002-of-00016.safetensors");
}

BOOST_AUTO_TEST_CASE(matrices_of_shapes) {
    const auto whole = [](std::vector<std::int64_t> shape) { return whole_slice(shape); };
    BOOST_CHECK((whole({3, 4, 5}) == tensor_slice{{0, 3}, {0, 20}}));
    BOOST_CHECK((whole({7}) == tensor_slice{{0, 7}, {0, 1}}));
    BOOST_CHECK((whole({}) == tensor_slice{{0, 1}, {0, 1}}));
    BOOST_TEST(whole({0, 1LL << 62, 4}).elements() == 0);
    BOOST_TEST(whole({1, 1LL << 62, 2, 0}).elements() == 0);
}

BOOST_AUTO_TEST_CASE(what_is_written_is_read) {
    shard_index index;
    index.files = {{"a", "0123"}, {"b", "4567"}};
    index.tensors["m"] = {
        "F32",
        {4, 2, 3},
        {{0, {{0, 3}, {0, 5}}}, {1, {{3, 4}, {0, 5}}}, {1, {{0, 4}, {5, 6}}}}};
    index.tensors["empty"] = {"F64", {0, 3}, {}};
    const auto found = read_shard_index(folder.write("x.json", to_json_text(index)));
    BOOST_CHECK(found.files == index.files);
    BOOST_CHECK(found.tensors == index.tensors);
}

BOOST_AUTO_TEST_CASE(slices_across_pieces) {
    // Two bands of columns with other rows, as tp and dp_shard make them.
    write_pieces(
        7, 5,
        {{{{0, 4}, {0, 3}}}, {{{0, 2}, {3, 5}}}, {{{4, 7}, {0, 3}}}, {{{2, 7}, {3, 5}}}});
    const auto files = weight_files::open_folder(folder.path().string());
    BOOST_TEST(files.place_of("m").ends_with(shard_index_name));
    std::size_t slices = 0;
    for (std::int64_t top = 0; top <= 7; ++top) {
        for (std::int64_t bottom = top; bottom <= 7; ++bottom) {
            for (std::int64_t left = 0; left <= 5; ++left) {
                for (std::int64_t right = left; right <= 5; ++right) {
                    const tensor_slice slice{{top, bottom}, {left, right}};
                    std::vector<double> expected;
                    for (auto row = top; row < bottom; ++row) {
                        for (auto column = left; column < right; ++column)
                            expected.push_back(static_cast<double>(row * 5 + column));
                    }
                    std::vector<double> found(expected.size(), -1);
                    files.read("m", slice, std::as_writable_bytes(std::span(found)));
                    BOOST_TEST(found == expected);
                    ++slices;
                }
            }
        }
    }
    BOOST_TEST(slices == 36u * 21u);
    std::vector<double> row(5);
    const auto into = std::as_writable_bytes(std::span(row));
    BOOST_CHECK_THROW(files.read("m", {{7, 8}, {0, 5}}, into), invalid_argument);
    BOOST_CHECK_THROW(files.read("m", {{0, 1}, {1, 6}}, into), invalid_argument);
    BOOST_CHECK_THROW(files.read("m", {{0, 1}, {0, 4}}, into), invalid_argument);
    BOOST_CHECK_THROW(files.read("m", {{1, 0}, {0, 5}}, {}), invalid_argument);
}

BOOST_AUTO_TEST_CASE(pieces_that_do_not_cover) {
    const auto a = [](const std::string& rows, const std::string& columns = "[0, 6]") {
        return piece("a", rows, columns);
    };
    BOOST_TEST(error_with(a("[0, 4]")) == "no error");
    BOOST_TEST(error_with(a("[1, 4]") + "," + a("[0, 1]")) == "no error");
    BOOST_TEST(error_with(a("[0, 4]", "[0, 2]") + "," + a("[0, 4]", "[2, 6]")) ==
               "no error");
    const std::string hole = ".pieces: overlap or leave a hole before ";
    BOOST_TEST(error_with(a("[0, 2]") + "," + a("[1, 4]")) ==
               hole + "rows [1, 4], columns [0, 6]");
    BOOST_TEST(error_with(a("[0, 2]") + "," + a("[3, 4]")) ==
               hole + "rows [3, 4], columns [0, 6]");
    BOOST_TEST(error_with(a("[0, 4]") + "," + a("[0, 4]")) ==
               hole + "rows [0, 4], columns [0, 6]");
    BOOST_TEST(error_with(a("[0, 4]", "[0, 2]") + "," + a("[0, 4]", "[3, 6]")) ==
               hole + "rows [0, 4], columns [3, 6]");
    BOOST_TEST(error_with(a("[0, 2]", "[0, 2]") + "," + a("[2, 4]", "[0, 3]") + "," +
                          a("[0, 4]", "[3, 6]")) == hole + "rows [2, 4], columns [0, 3]");
    const std::string short_of = ".pieces: do not cover the tensor: they end at row ";
    BOOST_TEST(error_with(a("[0, 3]")) == short_of + "3 of columns [0, 6]");
    BOOST_TEST(error_with(a("[0, 4]", "[0, 5]")) == short_of + "4 of columns [0, 5]");
    BOOST_TEST(error_with("") == short_of + "4 of columns [0, 0]");
    BOOST_TEST(error_with(a("[0, 5]")) == ".pieces[0].rows: [0, 5] is no part of [0, 4]");
    BOOST_TEST(error_with(a("[2, 2]")) == ".pieces[0].rows: [2, 2] is no part of [0, 4]");
    BOOST_TEST(error_with(a("[0, 4]", "[0, 7]")) ==
               ".pieces[0].columns: [0, 7] is no part of [0, 6]");
}

BOOST_AUTO_TEST_CASE(an_index_that_is_wrong) {
    BOOST_TEST(error_of_text("[]") == "x.json:1: expected an object, found an array");
    BOOST_TEST(error_of_text("{}") ==
               "x.json:1: expected an index of format 'packkit shards'");
    BOOST_TEST(error_of_text(R"({"format": "packkit shards", "version": 2})") ==
               "x.json:1: version: 2 is not known; expected 1");
    BOOST_TEST(error_of_text(R"({"format": "packkit shards", "version": 1})") ==
               "x.json:1: key 'files' is missing");
    BOOST_TEST(
        error_of_text(
            R"({"format": "packkit shards", "version": 1, "files": {"../a": "0"}})") ==
        "x.json:1: files.../a: is no name of a file beside the index");
    BOOST_TEST(error_of_text(
                   R"({"format": "packkit shards", "version": 1, "files": {"a": 3}})") ==
               "x.json:1: files.a: expected a string, found 3");
    BOOST_TEST(error_with(piece("c", "[0, 4]", "[0, 6]")) ==
               ".pieces[0].file: 'c' is not in the list of files");
    BOOST_TEST(error_with(R"({"file": "a", "rows": [0, 4]})") ==
               ".pieces[0]: key 'columns' is missing");
    BOOST_TEST(error_with(piece("a", "[0, -4]", "[0, 6]")) ==
               ".pieces[0].rows[1]: expected a whole number >= 0, found -4");
    BOOST_TEST(error_with(piece("a", "[0]", "[0, 6]")) ==
               ".pieces[0].rows: expected [begin, end], found an array");
    BOOST_TEST(error_with("", "F31") ==
               ": [4,6] elements of dtype 'F31' take no possible number of bytes");
    BOOST_TEST(
        error_with("", "F32", "[4611686018427387904, 8]") ==
        ": [4611686018427387904,8] elements of dtype 'F32' take no possible number of "
        "bytes");
}

BOOST_AUTO_TEST_CASE(files_that_do_not_fit_the_index) {
    const auto opened = [] {
        return error_of(folder,
                        [] { weight_files::open_folder(folder.path().string()); });
    };
    write_pieces(4, 6, {{{{0, 2}, {0, 6}}}, {{{2, 4}, {0, 6}}}});
    BOOST_TEST(opened() == "no error");
    const auto second = folder.path() / shard_file_name(2, 2);
    const std::vector<double> zeros(12);
    {
        safetensors_writer file(second.string(), {{"m", "F64", {1, 6}}});
        file.write(std::as_bytes(std::span(zeros).first(6)));
        file.finish();
    }
    BOOST_TEST(opened() ==
               "shard-00002-of-00002.safetensors: tensor m has 6 elements of F64, "
               "shards.index.json says 12 of F64");
    {
        safetensors_writer file(second.string(), {{"n", "F64", {2, 6}}});
        file.write(std::as_bytes(std::span(zeros)));
        file.finish();
    }
    BOOST_TEST(opened() ==
               "shard-00002-of-00002.safetensors: has no tensor m, of which "
               "shards.index.json says it holds a part");
    std::filesystem::remove(second);
    BOOST_TEST(opened() ==
               "shard-00002-of-00002.safetensors: cannot be opened: No such file or "
               "directory");
}

BOOST_AUTO_TEST_SUITE_END()
