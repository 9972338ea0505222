// SPDX-License-Identifier: Apache-2.0
// The readers under fire: damaged files are read or refused with a place, and nothing
// else ever happens. Run with the sanitizers this is a small fuzzer with a fixed seed.
#include <common/lengths/input.hpp>
#include <common/lengths/npy_header.hpp>

#include <common/errors.hpp>

#include <expect.hpp>
#include <run_process.hpp>

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(readers_test)

namespace app = packkit::app;
using packkit::test::temporary_folder;

namespace {

const temporary_folder folder;

std::string npy(const std::string& header, const std::string& data) {
    std::string file("\x93NUMPY\x01\x00", 8);
    file += static_cast<char>(header.size());
    file += '\0';
    return file + header + data;
}

struct sample_file {
    std::string name;
    std::string content;
    app::row_options rows;
};

const std::vector<sample_file> files = {
    {"x.txt", "900\n3000\r\n1500\n 2000 \n700\n\n", {}},
    {"x.json", "[900, 3000,\n1500, 2000, 700]\n", {}},
    {"x.npy",
     npy("{'descr': '<i2', 'fortran_order': False, 'shape': (5,), }\n",
         std::string("\x84\x03\xb8\x0b\xdc\x05\xd0\x07\xbc\x02", 10)),
     {}},
    {"x.jsonl",
     "{\"input_ids\": [1, 2, 3]}\n{\"input_ids\": []}\r\n{\"input_ids\": [7], \"a\": {}}",
     {}},
    {"x.jsonl",
     "{\"a\": {\"b\": \"x\\u00e4\\n\"}}\n{\"a\": {\"b\": \"\"}}\n",
     {app::row_content::text, {"a.b"}, "bytes", {}, "", true}},
    {"x.jsonl",
     "{\"n\": 5, \"text\": \"abc\"}\n{\"n\": 6}\n",
     {app::row_content::length, {"n"}, "", {}, "", true}},
};

app::sample_table read(const sample_file& file, const std::string& content) {
    app::sample_sink sink;
    app::read_input(folder.write(file.name, content), "", file.rows, sink);
    return std::move(sink).take();
}

/// Read or refused; true when read. Whatever was read keeps the rules.
bool survives(const sample_file& file, const std::string& content) {
    try {
        const app::sample_table table = read(file, content);
        BOOST_REQUIRE(table.lengths.size() + table.empty.size() > 0);
        for (const std::uint32_t length : table.lengths)
            BOOST_REQUIRE(length >= 1);
        return true;
    } catch (const app::input_error& error) {
        BOOST_REQUIRE(std::string(error.what()).starts_with(folder / file.name));
        return false;
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_files_themselves_are_read) {
    const std::vector<std::uint32_t> lengths = {900, 3000, 1500, 2000, 700};
    for (int i = 0; i < 3; ++i) {
        BOOST_TEST(read(files[static_cast<std::size_t>(i)],
                        files[static_cast<std::size_t>(i)].content)
                           .lengths == lengths,
                   boost::test_tools::per_element());
    }
    const auto ids = read(files[3], files[3].content);
    BOOST_TEST(ids.lengths == (std::vector<std::uint32_t>{3, 1}),
               boost::test_tools::per_element());
    BOOST_TEST(ids.index_of(0) == 0u);
    BOOST_TEST(ids.index_of(1) == 2u);
    BOOST_TEST(ids.empty.size() == 1u);
    BOOST_TEST(read(files[4], files[4].content).lengths == std::vector<std::uint32_t>{6},
               boost::test_tools::per_element());
    BOOST_TEST(
        read(files[5], files[5].content).lengths == (std::vector<std::uint32_t>{5, 6}),
        boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(files_cut_at_every_byte) {
    for (const sample_file& file : files) {
        for (std::size_t length = 0; length < file.content.size(); ++length) {
            survives(file, file.content.substr(0, length));
        }
    }
    // A NumPy file cut anywhere is refused.
    for (std::size_t length = 0; length < files[2].content.size(); ++length) {
        BOOST_TEST(!survives(files[2], files[2].content.substr(0, length)));
    }
}

BOOST_AUTO_TEST_CASE(files_with_random_damage) {
    std::mt19937 random(9);
    std::string special = "\n\r\"'{}[](),:-+.eE0123456789\\u \x80\xff";
    special.push_back('\0');
    std::size_t read_count = 0;
    std::size_t refused_count = 0;
    for (int round = 0; round < 2500; ++round) {
        const sample_file& file = files[random() % files.size()];
        std::string content = file.content;
        for (auto edits = random() % 3 + 1; edits > 0; --edits) {
            const std::size_t at = random() % content.size();
            const char byte = random() % 4 == 0 ? static_cast<char>(random() % 256)
                                                : special[random() % special.size()];
            switch (random() % 4) {
                case 0:
                    content[at] = byte;
                    break;
                case 1:
                    content.insert(at, 1, byte);
                    break;
                case 2:
                    content.erase(at, 1);
                    break;
                default:
                    content.insert(at, content.substr(at, random() % 9));
                    break;
            }
            if (content.empty()) content = "x";
        }
        (survives(file, content) ? read_count : refused_count) += 1;
    }
    BOOST_TEST(read_count > 100u);
    BOOST_TEST(refused_count > 800u);
}

BOOST_AUTO_TEST_CASE(npy_headers_with_random_damage) {
    std::mt19937 random(10);
    const std::string header =
        "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }\n";
    for (int round = 0; round < 20'000; ++round) {
        std::string text = header;
        for (auto edits = random() % 4 + 1; edits > 0; --edits) {
            const std::size_t at = random() % text.size();
            if (random() % 2 == 0) {
                text[at] = header[random() % header.size()];
            } else {
                text.erase(at, random() % 3);
            }
            if (text.empty()) text = "{";
        }
        try {
            const auto parsed = app::parse_npy_header(text, "x.npy");
            app::parse_npy_integer(parsed.descr, "x.npy");
        } catch (const app::input_error& error) {
            BOOST_REQUIRE(std::string(error.what()).starts_with("x.npy: "));
        }
    }
}

BOOST_AUTO_TEST_CASE(npy_integer_types) {
    const auto big = app::parse_npy_integer(">u4", "x");
    BOOST_TEST(big.bytes == 4u);
    BOOST_TEST(!big.is_signed);
    BOOST_CHECK(big.order == std::endian::big);
    const auto native = app::parse_npy_integer("=i8", "x");
    BOOST_TEST(native.is_signed);
    BOOST_CHECK(native.order == std::endian::native);
    for (const char* bad :
         {"", "i8", "<i3", "<c16", "<U5", "|S3", "|V8", "<M8[ns]", "|i8"}) {
        expect::message_of<app::input_error>([&] { app::parse_npy_integer(bad, "x"); },
                                             "expected integers");
    }
}

BOOST_AUTO_TEST_SUITE_END()
