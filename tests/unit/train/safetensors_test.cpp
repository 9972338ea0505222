// SPDX-License-Identifier: Apache-2.0
// Files that are whole, and files that are wrong on purpose.
#include <checkpoint/safetensors.hpp>

#include <packkit/error.hpp>

#include <expect.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sys/resource.h>

BOOST_AUTO_TEST_SUITE(safetensors_test)

using namespace packkit::train;
using packkit::invalid_argument;
using train_test::error_of;
using train_test::file_content;

namespace {

const train_test::temporary_folder folder;

std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span<const char>(text));
}

/// A file of that header and data, put together by hand.
std::string file_of(std::string_view header, std::string_view data) {
    std::string text(8, '\0');
    for (std::size_t i = 0; i < 8; ++i) {
        text[i] = static_cast<char>(static_cast<unsigned char>(header.size() >> (8 * i)));
    }
    return text + std::string(header) + std::string(data);
}

safetensors_file opened(std::string_view content) {
    return safetensors_file(folder.write("x.safetensors", content));
}

/// The error of a header above four bytes of data, without the file's name.
std::string header_error(std::string_view header, std::string_view data = "abcd") {
    const std::string error = error_of(folder, [&] { opened(file_of(header, data)); });
    constexpr std::string_view name = "x.safetensors: ";
    return error.starts_with(name) ? error.substr(name.size()) : error;
}

std::string text_of(std::span<const std::byte> data) {
    return {reinterpret_cast<const char*>(data.data()), data.size()};
}

}  // namespace

BOOST_AUTO_TEST_CASE(reads_what_the_reference_writes) {
    // safetensors.numpy.save({"b": float32 [1, 2], "a": int64 [[3]], "e": float16 [0,
    // 2]},
    // {"format": "pt"})
    const std::string header =
        "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"I64\",\"shape\":[1,1],"
        "\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":"
        "[8,"
        "16]},\"e\":{\"dtype\":\"F16\",\"shape\":[0,2],\"data_offsets\":[16,16]}}    ";
    const std::string data("\3\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\x40", 16);
    const safetensors_file file = opened(file_of(header, data));
    BOOST_TEST(file.path() == folder / "x.safetensors");
    BOOST_TEST(file.tensors().size() == 3u);
    BOOST_CHECK((file.info("a") == tensor_info{"I64", {1, 1}, 0, 8}));
    BOOST_CHECK((file.info("b") == tensor_info{"F32", {2}, 8, 16}));
    BOOST_CHECK((file.info("e") == tensor_info{"F16", {0, 2}, 16, 16}));
    BOOST_TEST(file.data("e").empty());
    std::int64_t a = 0;
    std::memcpy(&a, file.data("a").data(), 8);
    BOOST_TEST(a == 3);
    std::vector<float> b(2);
    std::memcpy(b.data(), file.data("b").data(), 8);
    BOOST_TEST(b == (std::vector<float>{1.0F, 2.0F}), boost::test_tools::per_element());
    BOOST_TEST(file.metadata().at("format") == "pt");
    BOOST_TEST(error_of(folder, [&] { static_cast<void>(file.data("A")); }) ==
               "x.safetensors: tensor 'A' is missing; did you mean 'a'?");
}

BOOST_AUTO_TEST_CASE(small_and_odd_files_that_are_right) {
    BOOST_TEST(opened(file_of("{}", "")).tensors().empty());
    const auto scalar = opened(file_of(
        "{\"s\":{\"shape\":[],\"data_offsets\":[0,4],\"dtype\":\"I32\"}}", "abcd"));
    BOOST_TEST(scalar.info("s").shape.empty());
    BOOST_TEST(text_of(scalar.data("s")) == "abcd");
    // Empty tensors may share a place with what follows; the order of names is free.
    const auto shared = opened(
        file_of("{\"z\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
                "\"e\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[2,2]},"
                "\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[2,1],\"data_offsets\":[2,4]}}\n",
                "abcd"));
    BOOST_TEST(text_of(shared.data("a")) == "cd");
    BOOST_TEST(text_of(shared.data("z")) == "ab");
    const auto halves = opened(file_of(
        "{\"h\":{\"dtype\":\"F4\",\"shape\":[8],\"data_offsets\":[0,4]}}", "abcd"));
    BOOST_TEST(halves.data("h").size() == 4u);
    BOOST_TEST(opened(file_of("{\"__metadata__\":{}}", "")).metadata().empty());
}

BOOST_AUTO_TEST_CASE(dtypes) {
    for (const char* const name : {"BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"}) {
        BOOST_TEST(safetensors_dtype_bits(name) == 8u);
    }
    for (const char* const name : {"I16", "U16", "F16", "BF16"}) {
        BOOST_TEST(safetensors_dtype_bits(name) == 16u);
    }
    for (const char* const name : {"I32", "U32", "F32"}) {
        BOOST_TEST(safetensors_dtype_bits(name) == 32u);
    }
    for (const char* const name : {"F64", "I64", "U64", "C64"}) {
        BOOST_TEST(safetensors_dtype_bits(name) == 64u);
    }
    BOOST_TEST(safetensors_dtype_bits("f32") == 0u);
    const auto size = [](std::string_view dtype, std::vector<std::int64_t> shape) {
        return safetensors_bytes(dtype, shape);
    };
    BOOST_TEST(size("BF16", {3, 5}).value() == 30u);
    BOOST_TEST(size("F64", {}).value() == 8u);
    BOOST_TEST(size("F4", {2}).value() == 1u);
    BOOST_CHECK(!size("F4", {3}));
    BOOST_CHECK(!size("F6_E2M3", {2}));
    BOOST_TEST(size("F6_E2M3", {4}).value() == 3u);
    BOOST_CHECK(!size("F32", {-1}));
    BOOST_CHECK(!size("X", {1}));
    BOOST_CHECK(!size("F32", {INT64_MAX, 4}));
    BOOST_CHECK(!size("U8", {INT64_MAX}));
}

BOOST_AUTO_TEST_CASE(files_that_are_too_short_or_long) {
    const auto error = [](std::string_view content) {
        return error_of(folder, [&] { opened(content); });
    };
    BOOST_TEST(error("") ==
               "x.safetensors: has 0 bytes; a safetensors file has at least 10");
    BOOST_TEST(error("1234567") ==
               "x.safetensors: has 7 bytes; a safetensors file has at least 10");
    BOOST_TEST(error(std::string(8, '\0')) ==
               "x.safetensors: the header does not begin with '{'");
    BOOST_TEST(
        error(std::string("\x10\0\0\0\0\0\0\0{}", 10)) ==
        "x.safetensors: the header has 16 bytes, the file only 2 after its length: it is "
        "cut short");
    BOOST_TEST(
        error(std::string(9, '\xff')) ==
        "x.safetensors: the header has 18446744073709551615 bytes; at most 100000000 "
        "are allowed");
    BOOST_TEST(error_of(folder, [] { safetensors_file(folder / "none"); }) ==
               "none: cannot be opened: No such file or directory");
    BOOST_TEST(error_of(folder, [] {
                   safetensors_file(folder.path().string());
               }).ends_with(": is no regular file"));
}

BOOST_AUTO_TEST_CASE(headers_that_are_wrong) {
    const auto tensor = [](std::string_view dtype, std::string_view shape,
                           std::string_view offsets) {
        return "{\"t\":{\"dtype\":\"" + std::string(dtype) +
               "\",\"shape\":" + std::string(shape) +
               ",\"data_offsets\":" + std::string(offsets) + "}}";
    };
    BOOST_TEST(header_error(tensor("F32", "[1]", "[0,4]")) == "no error");
    BOOST_TEST(header_error(" {}") == "the header does not begin with '{'");
    BOOST_TEST(header_error("[1]") == "the header does not begin with '{'");
    BOOST_TEST(header_error("{").starts_with("header:1: not valid JSON"));
    BOOST_TEST(header_error("{}x").starts_with("header:1: not valid JSON"));
    BOOST_TEST(header_error("{\"\xff\":{}}").starts_with("header:1: not valid JSON"));
    BOOST_TEST(header_error(std::string_view("{}\0x", 4), "") ==
               "header:1: not valid JSON: a NUL byte");
    BOOST_TEST(header_error(tensor("F99", "[1]", "[0,4]")) ==
               "header:1: t.dtype: 'F99' is unknown");
    BOOST_TEST(
        header_error("{\"t\":{\"dtype\":5,\"shape\":[],\"data_offsets\":[0,4]}}") ==
        "header:1: t.dtype: expected a string, found 5");
    BOOST_TEST(header_error("{\"t\":5}") == "header:1: t: expected an object, found 5");
    BOOST_TEST(header_error("{\"t\":{\"dtype\":\"F32\",\"shape\":[1]}}") ==
               "header:1: t: key 'data_offsets' is missing");
    BOOST_TEST(
        header_error("{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],"
                     "\"x\":1}}") == "header:1: t: key 'x' is not supported");
    BOOST_TEST(header_error(tensor("F32", "1", "[0,4]")) ==
               "header:1: t.shape: expected an array, found 1");
    BOOST_TEST(header_error(tensor("F32", "[-1]", "[0,4]")) ==
               "header:1: t.shape[0]: expected a whole number >= 0, found -1");
    BOOST_TEST(header_error(tensor("F32", "[1.0]", "[0,4]")) ==
               "header:1: t.shape[0]: expected a whole number >= 0, found 1.0");
    BOOST_TEST(header_error(tensor("F32", "[18446744073709551615]", "[0,4]")) ==
               "header:1: t.shape[0]: expected a whole number >= 0, found "
               "18446744073709551615");
    BOOST_TEST(
        header_error(tensor("F32", "[9223372036854775807,4]", "[0,4]")) ==
        "header:1: t: F32 of shape [9223372036854775807, 4] takes no possible number of "
        "bytes, data_offsets hold 4");
    BOOST_TEST(header_error(tensor("F32", "[2]", "[0,4]")) ==
               "header:1: t: F32 of shape [2] takes 8 bytes, data_offsets hold 4");
    BOOST_TEST(
        header_error(tensor("F4", "[7]", "[0,4]")) ==
        "header:1: t: F4 of shape [7] takes no possible number of bytes, data_offsets "
        "hold 4");
    BOOST_TEST(header_error(tensor("F32", "[1]", "[0]")) ==
               "header:1: t.data_offsets: expected two whole numbers, found an array");
    BOOST_TEST(header_error(tensor("F32", "[1]", "[0,\"4\"]")) ==
               "header:1: t.data_offsets[1]: expected a whole number >= 0, found '4'");
    BOOST_TEST(
        header_error(tensor("F32", "[1]", "[4,0]")) ==
        "header:1: t.data_offsets: [4, 0] lie outside the 4 bytes of data in the file");
    BOOST_TEST(
        header_error(tensor("F32", "[1]", "[1,5]")) ==
        "header:1: t.data_offsets: [1, 5] lie outside the 4 bytes of data in the file");
    BOOST_TEST(header_error(tensor("F32", "[1]", "[18446744073709551615,3]")) ==
               "header:1: t.data_offsets[0]: expected a whole number >= 0, found "
               "18446744073709551615");
    BOOST_TEST(header_error("{\"__metadata__\":[]}") ==
               "header:1: __metadata__: expected an object, found an array");
    BOOST_TEST(header_error("{\"__metadata__\":{\"a\":1}}") ==
               "header:1: __metadata__.a: expected a string, found 1");
    std::string deep = "{\"t\":";
    deep += std::string(100, '[');
    BOOST_TEST(header_error(deep) == "header:1: nested deeper than 64 levels");
}

BOOST_AUTO_TEST_CASE(layouts_that_are_wrong) {
    const auto two = [](int begin_a, int end_a, int begin_b, int end_b) {
        const auto tensor = [](const char* name, int begin, int end) {
            return std::string("\"") + name + "\":{\"dtype\":\"U8\",\"shape\":[" +
                   std::to_string(end - begin) + "],\"data_offsets\":[" +
                   std::to_string(begin) + "," + std::to_string(end) + "]}";
        };
        return header_error("{" + tensor("a", begin_a, end_a) + "," +
                            tensor("b", begin_b, end_b) + "}");
    };
    BOOST_TEST(two(0, 1, 1, 4) == "no error");
    BOOST_TEST(two(3, 4, 0, 3) == "no error");
    BOOST_TEST(
        two(0, 2, 1, 4) ==
        "tensor 'b': begins at byte 1 of the data, the tensors before it end at 2: they "
        "overlap");
    BOOST_TEST(
        two(0, 4, 0, 4) ==
        "tensor 'b': begins at byte 0 of the data, the tensors before it end at 4: they "
        "overlap");
    BOOST_TEST(
        two(0, 1, 2, 4) ==
        "tensor 'b': begins at byte 2 of the data, the tensors before it end at 1: a "
        "hole");
    BOOST_TEST(
        two(1, 2, 2, 4) ==
        "tensor 'a': begins at byte 1 of the data, the tensors before it end at 0: a "
        "hole");
    BOOST_TEST(two(0, 1, 1, 3) ==
               "the tensors end at byte 3 of the data, the file has 4");
    BOOST_TEST(header_error("{}") ==
               "the tensors end at byte 0 of the data, the file has 4");
    BOOST_TEST(
        header_error("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
                     "\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}") ==
        "header:1: key 'a' appears twice, first in line 1");
    BOOST_TEST(header_error("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"shape\":[4],"
                            "\"data_offsets\":[0,4]}}") ==
               "header:1: key 'shape' appears twice, first in line 1");
}

BOOST_AUTO_TEST_CASE(what_is_written_reads_back) {
    const std::string path = folder / "w.safetensors";
    const std::vector<tensor_spec> tensors = {{"z", "F32", {2, 1}},
                                              {"a \"\xC3\xA9", "I64", {}},
                                              {"empty", "BF16", {0, 7}},
                                              {"last", "U8", {3}}};
    std::string checksum;
    {
        safetensors_writer writer(path, tensors);
        BOOST_TEST(!std::filesystem::exists(path));
        writer.write(bytes("12345"));
        writer.write(bytes("678abcdefghxy"));
        writer.write({});
        writer.write(bytes("z"));
        writer.finish();
        checksum = writer.checksum();
        BOOST_TEST(writer.file_bytes() == std::filesystem::file_size(path));
    }
    const std::string content = file_content(path);
    BOOST_TEST(checksum == file_checksum(path));
    BOOST_TEST(content.ends_with("12345678abcdefghxyz"));
    BOOST_TEST((content.size() - 19) % 8 == 0u);
    const safetensors_file file(path);
    BOOST_TEST(file.tensors().size() == 4u);
    BOOST_CHECK((file.info("z") == tensor_info{"F32", {2, 1}, 0, 8}));
    BOOST_CHECK((file.info("empty") == tensor_info{"BF16", {0, 7}, 16, 16}));
    BOOST_TEST(text_of(file.data("a \"\xC3\xA9")) == "abcdefgh");
    BOOST_TEST(text_of(file.data("last")) == "xyz");
    BOOST_CHECK((file.metadata() == safetensors_metadata{{"format", "pt"}}));
}

BOOST_AUTO_TEST_CASE(files_without_tensors_and_large_ones) {
    const std::string path = folder / "w.safetensors";
    safetensors_writer nothing(path, {}, {});
    nothing.finish();
    BOOST_TEST(safetensors_file(path).tensors().empty());
    const std::string large(2'500'003, 'q');
    safetensors_writer writer(path, {{"q", "U8", {2'500'003}}});
    writer.write(bytes(large));
    writer.finish();
    BOOST_CHECK(text_of(safetensors_file(path).data("q")) == large);
    BOOST_TEST(writer.checksum() == file_checksum(path));
}

BOOST_AUTO_TEST_CASE(data_is_aligned_whatever_the_names) {
    for (std::size_t length = 1; length <= 16; ++length) {
        const std::string path = folder / "w.safetensors";
        safetensors_writer writer(path, {{std::string(length, 'n'), "F64", {1}}});
        writer.write(bytes("12345678"));
        writer.finish();
        BOOST_TEST(writer.file_bytes() % 8 == 0u);
        BOOST_TEST(text_of(safetensors_file(path).data(std::string(length, 'n'))) ==
                   "12345678");
    }
}

BOOST_AUTO_TEST_CASE(a_moved_file_keeps_its_data) {
    safetensors_file file = opened(file_of(
        "{\"s\":{\"shape\":[4],\"data_offsets\":[0,4],\"dtype\":\"U8\"}}", "abcd"));
    safetensors_file other = std::move(file);
    BOOST_TEST(text_of(other.data("s")) == "abcd");
    safetensors_file third(folder.write("y.safetensors", file_of("{}", "")));
    third = std::move(other);
    BOOST_TEST(text_of(third.data("s")) == "abcd");
}

BOOST_AUTO_TEST_CASE(wrong_use_of_the_writer) {
    const train_test::temporary_folder empty;
    const std::string path = empty / "w.safetensors";
    const auto making = [&](std::vector<tensor_spec> tensors) {
        return
            [&path, tensors = std::move(tensors)] { safetensors_writer(path, tensors); };
    };
    expect::message_of<invalid_argument>(making({{"a", "U8", {1}}, {"a", "U8", {1}}}),
                                         "w.safetensors: tensor 'a': appears twice");
    expect::message_of<invalid_argument>(making({{"a", "X8", {1}}}),
                                         "tensor 'a': dtype 'X8' is unknown");
    expect::message_of<invalid_argument>(
        making({{"a", "U8", {-1}}}),
        "tensor 'a': its shape has no possible number of bytes");
    expect::message_of<invalid_argument>(
        making({{"a", "U8", {INT64_MAX / 8}}, {"b", "U8", {INT64_MAX / 8, 8}}}),
        "tensor 'b': its shape has no possible number of bytes");
    expect::message_of<invalid_argument>(making({{"__metadata__", "U8", {1}}}),
                                         "tensor '__metadata__': the name is reserved");
    expect::message_of<invalid_argument>(making({{"\xff", "U8", {1}}}),
                                         "a name or a text of the metadata is not UTF-8");
    {
        safetensors_writer writer(path,
                                  {{"a", "U8", {2}}, {"b", "U8", {3}}, {"c", "U8", {0}}});
        writer.write(bytes("123"));
        expect::message_of<invalid_argument>(
            [&] { writer.write(bytes("456")); },
            "w.safetensors: 3 bytes more, but the tensors have 5 and 3 are written");
        expect::message_of<invalid_argument>(
            [&] { writer.finish(); },
            "tensor 'b': not complete: 3 of 5 bytes are written, it ends at 5");
    }
    BOOST_TEST(empty.entries() == 0u);
    expect::message_of<std::runtime_error>(
        [&] { safetensors_writer(empty / "none/w.safetensors", {}); },
        "none/w.safetensors: cannot be written: No such file or directory");
}

BOOST_AUTO_TEST_CASE(a_disk_that_takes_no_more) {
    const train_test::temporary_folder empty;
    const std::string path = empty / "w.safetensors";
    const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
    rlimit old_limit{};
    ::getrlimit(RLIMIT_FSIZE, &old_limit);
    rlimit limit = old_limit;
    limit.rlim_cur = 1'000'000;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    expect::message_of<std::runtime_error>(
        [&] {
            safetensors_writer writer(path, {{"q", "U8", {2'000'000}}});
            writer.write(bytes(std::string(2'000'000, 'q')));
            writer.finish();
        },
        "w.safetensors: cannot be written: File too large (the file needs 2000",
        " bytes, ", " are free)");
    ::setrlimit(RLIMIT_FSIZE, &old_limit);
    std::signal(SIGXFSZ, old_handler);
    BOOST_TEST(empty.entries() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
