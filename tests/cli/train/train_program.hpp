// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// How packkit-train rejects, and its golden files.

#include "training_run.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

namespace train_program {

namespace fs = std::filesystem;
namespace test = packkit::test;

/// What a program says on stderr without its notes and warnings.
inline std::string errors_in(const std::string& err) {
    std::string errors;
    std::istringstream lines(err);
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("note: ") && !line.starts_with("warning: "))
            errors += line + "\n";
    }
    return errors;
}

/// One error on stderr that starts with the program's name and holds `part`; exit status
/// 2; nothing written.
inline void check_refused(const test::training_folder& folder,
                          const std::vector<std::string>& words,
                          const std::string& part) {
    const auto result = folder.run(words);
    BOOST_TEST(result.exit_code == 2, result.err);
    const std::string error = errors_in(result.err);
    BOOST_TEST(error.starts_with("packkit-train: "), error);
    BOOST_TEST(error.find('\n') == error.size() - 1, error);
    BOOST_TEST(error.find(part) != std::string::npos, error);
    BOOST_TEST(!fs::exists(folder.path("out")));
}

inline std::string golden(const std::string& name) {
    return PACKKIT_GOLDEN "/llama_untied/" + name;
}

}  // namespace train_program
