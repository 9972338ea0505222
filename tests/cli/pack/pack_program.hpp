// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Runs packkit-pack.

#include <run_process.hpp>

#include <nlohmann/json.hpp>

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace pack_test {

using nlohmann::json;
using packkit::test::file_content;
using packkit::test::process_options;
using packkit::test::process_result;
using packkit::test::temporary_folder;

/// Runs the program with arguments split at spaces.
inline process_result run_pack(const std::string& arguments,
                               const process_options& options = {}) {
    std::vector<std::string> command = {PACKKIT_PACK_PROGRAM};
    std::istringstream words(arguments);
    for (std::string word; words >> word;)
        command.push_back(word);
    return packkit::test::run_process(command, options);
}

/// Runs it in a folder.
inline process_result run_pack_in(const temporary_folder& folder,
                                  const std::string& arguments) {
    process_options options;
    options.folder = folder.path().string();
    return run_pack(arguments, options);
}

/// Runs it in a folder with --format json; it must succeed and say nothing on stderr.
inline json pack_json(const temporary_folder& folder, const std::string& arguments) {
    const process_result result = run_pack_in(folder, arguments + " --format json");
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, arguments << ": " << result.err);
    BOOST_TEST(result.err == "");
    return json::parse(result.out);
}

/// A length a line.
inline std::string lines_of(const std::vector<std::int64_t>& lengths) {
    std::string text;
    for (const std::int64_t length : lengths)
        text += std::to_string(length) + "\n";
    return text;
}

/// The bins of a file written by --bins.
inline std::vector<std::vector<std::uint32_t>> bins_of(const std::string& path) {
    std::istringstream lines(file_content(path));
    std::vector<std::vector<std::uint32_t>> bins;
    for (std::string line; std::getline(lines, line);) {
        bins.push_back(json::parse(line).get<std::vector<std::uint32_t>>());
    }
    return bins;
}

/// A .npy file with this header dictionary.
inline std::string npy_file(std::string header, std::string_view data, int major = 1) {
    const std::size_t before = major == 1 ? 10 : 12;
    while ((before + header.size() + 1) % 64 != 0)
        header += ' ';
    header += '\n';
    std::string file = "\x93NUMPY";
    file += static_cast<char>(major);
    file += '\0';
    for (std::size_t i = 0; i < before - 8; ++i) {
        file += static_cast<char>(header.size() >> (8 * i) & 0xFFU);
    }
    return file + header + std::string(data);
}

/// A .npy file as numpy.save writes it.
template <class Integer>
std::string npy_of(const std::vector<Integer>& values, const std::string& descr,
                   int major = 1, bool big_endian = false) {
    std::string data;
    for (const Integer value : values) {
        for (std::size_t i = 0; i < sizeof(Integer); ++i) {
            const std::size_t byte = big_endian ? sizeof(Integer) - 1 - i : i;
            data += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * byte) &
                                      0xFFU);
        }
    }
    return npy_file("{'descr': '" + descr + "', 'fortran_order': False, 'shape': (" +
                        std::to_string(values.size()) + ",), }",
                    data, major);
}

}  // namespace pack_test
