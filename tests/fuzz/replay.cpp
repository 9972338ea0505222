// SPDX-License-Identifier: Apache-2.0
/// @file
/// Runs a fuzz target over stored inputs without a fuzzing engine, so that every compiler
/// and sanitizer replays the corpus in the test suite.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

/// The files below a folder, by name, or the file itself.
std::vector<fs::path> files_of(const fs::path& path) {
    std::vector<fs::path> files;
    if (fs::is_directory(path)) {
        for (const auto& entry : fs::recursive_directory_iterator(path)) {
            if (entry.is_regular_file()) files.push_back(entry.path());
        }
        std::sort(files.begin(), files.end());
    } else {
        files.push_back(path);
    }
    return files;
}

int replay(int argc, char** argv) {
    std::size_t count = 0;
    for (int i = 1; i < argc; ++i) {
        for (const fs::path& file : files_of(argv[i])) {
            std::ifstream in(file, std::ios::binary);
            if (!in) {
                std::fprintf(stderr, "%s: cannot be read\n", file.c_str());
                return 1;
            }
            const std::vector<char> content{std::istreambuf_iterator<char>(in),
                                            std::istreambuf_iterator<char>()};
            // Named before it runs: after a crash the last line tells the input.
            std::printf("%s\n", file.filename().c_str());
            std::fflush(stdout);
            // An exact copy of its own, so that a read beyond the end is found.
            const std::vector<std::uint8_t> bytes(content.begin(), content.end());
            LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
            ++count;
        }
    }
    if (count == 0) {
        std::fprintf(stderr, "no inputs: expected folders or files as arguments\n");
        return 1;
    }
    std::printf("%zu inputs\n", count);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return replay(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "escaped exception: %s\n", error.what());
        return 1;
    }
}
