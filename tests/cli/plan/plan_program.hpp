// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Runs packkit-plan.

#include <run_process.hpp>

#include <nlohmann/json.hpp>

#include <boost/test/unit_test.hpp>

#include <sstream>
#include <string>
#include <vector>

namespace plan_test {

using nlohmann::json;
using packkit::test::file_content;
using packkit::test::process_options;
using packkit::test::process_result;
using packkit::test::temporary_folder;

/// Runs the program with arguments split at spaces.
inline process_result run_plan(const std::string& arguments,
                               const process_options& options = {}) {
    std::vector<std::string> command = {PACKKIT_PLAN_PROGRAM};
    std::istringstream words(arguments);
    for (std::string word; words >> word;)
        command.push_back(word);
    return packkit::test::run_process(command, options);
}

/// Runs it in a folder.
inline process_result run_plan_in(const temporary_folder& folder,
                                  const std::string& arguments) {
    process_options options;
    options.folder = folder.path().string();
    return run_plan(arguments, options);
}

/// Runs it with --format json; it must succeed and say nothing on stderr.
inline json plan_json(const std::string& arguments) {
    const process_result result = run_plan(arguments + " --format json");
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, arguments << ": " << result.err);
    BOOST_TEST(result.err == "");
    return json::parse(result.out);
}
inline json plan_json_in(const temporary_folder& folder, const std::string& arguments) {
    const process_result result = run_plan_in(folder, arguments + " --format json");
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, arguments << ": " << result.err);
    BOOST_TEST(result.err == "");
    return json::parse(result.out);
}

/// The keys of an object, in their order.
inline std::vector<std::string> keys_of(const nlohmann::ordered_json& object) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : object.items())
        keys.push_back(key);
    return keys;
}

/// Whether some item of a list of sentences holds a text.
inline bool says(const json& sentences, const std::string& text) {
    for (const json& sentence : sentences) {
        if (sentence.get<std::string>().find(text) != std::string::npos) return true;
    }
    return false;
}

/// A small Llama as a config.json.
inline std::string small_llama(const std::string& more = "") {
    return R"({"model_type": "llama", "vocab_size": 259, "hidden_size": 32,
 "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
 "num_key_value_heads": 2, "max_position_embeddings": 512)" +
           more + "}";
}

}  // namespace plan_test
