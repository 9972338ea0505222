// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// How packkit-train rejects, and its golden files.

#include "training_run.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace train_program {

namespace fs = std::filesystem;
namespace test = packkit::test;

/// One line on stderr that starts with the program's name and holds `part`; exit status
/// 2; nothing written.
inline void check_refused(const test::training_folder& folder,
                          const std::vector<std::string>& words,
                          const std::string& part) {
    const auto result = folder.run(words);
    BOOST_TEST(result.exit_code == 2, result.err);
    BOOST_TEST(result.err.starts_with("packkit-train: "), result.err);
    BOOST_TEST(result.err.find('\n') == result.err.size() - 1, result.err);
    BOOST_TEST(result.err.find(part) != std::string::npos, result.err);
    BOOST_TEST(!fs::exists(folder.path("out")));
}

inline std::string golden(const std::string& name) {
    return PACKKIT_GOLDEN "/llama_untied/" + name;
}

}  // namespace train_program
