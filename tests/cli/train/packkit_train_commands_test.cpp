// SPDX-License-Identifier: Apache-2.0
// Commands of packkit-train besides train, plan and check.
#include "train_program.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>

BOOST_AUTO_TEST_SUITE(packkit_train_commands_test)

using namespace train_program;
using namespace packkit;

BOOST_AUTO_TEST_CASE(logits_are_those_of_the_reference) {
    const test::training_folder folder;
    const auto figures = app::read_json_file(golden("golden.json"));
    folder.write("tokens.json", app::json{{"documents", figures["documents"]}}.dump());
    const auto result =
        folder.run({"logits", std::string(PACKKIT_GOLDEN) + "/llama_untied",
                    "tokens.json", "--dtype", "float64"});
    BOOST_TEST_REQUIRE(result.exit_code == 0, result.err);
    const auto found = app::parse_json(result.out, "stdout")["logits"];
    double worst = 0;
    for (std::size_t d = 0; d < 3; ++d) {
        BOOST_TEST_REQUIRE(found[d].size() == figures["documents"][d].size());
        for (std::size_t t = 0; t < found[d].size(); ++t) {
            for (std::size_t v = 0; v < 67; ++v) {
                worst =
                    std::max(worst, std::abs(found[d][t][v].get<double>() -
                                             figures["logits"][d][t][v].get<double>()));
            }
        }
    }
    BOOST_TEST(worst <= 1e-12);
    folder.write("tokens.json", "{\"documents\": [[1, 67]]}");
    check_refused(
        folder, {"logits", std::string(PACKKIT_GOLDEN) + "/llama_untied", "tokens.json"},
        "documents[0][1]: expected a token id from 0 to 66, found 67");
}

BOOST_AUTO_TEST_CASE(lines_become_ids) {
    const test::training_folder folder;
    folder.write("lines.txt", "Hello world\r\n\nHello world");
    const std::string tokenizer =
        PACKKIT_GOLDEN "/../unit/common/tokenizers/byte_level_gpt2.json";
    const auto result = folder.run({"tokenize", tokenizer, "lines.txt"});
    const std::string ids = "[40, 69, 307, 79, 408, 79, 82, 76, 68]\n";
    BOOST_TEST(result.exit_code == 0, result.err);
    BOOST_TEST(result.out == ids + "[]\n" + ids);
    check_refused(folder, {"tokenize", "nowhere.json", "lines.txt"},
                  "nowhere.json: there is no such tokenizer");
}

BOOST_AUTO_TEST_CASE(help_and_version) {
    const test::training_folder folder;
    const auto help = folder.run({"--help"});
    BOOST_TEST(help.exit_code == 0);
    BOOST_TEST(help.out.find("Examples:") != std::string::npos);
    BOOST_TEST(folder.run({"--version"}).out == "packkit-train 0.1.0\n");
}

BOOST_AUTO_TEST_SUITE_END()
