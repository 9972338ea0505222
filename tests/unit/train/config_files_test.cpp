// SPDX-License-Identifier: Apache-2.0
// Overrides and files that are no configuration.
#include <config/config.hpp>
#include <config/schema.hpp>

#include "config_cases.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <string_view>

BOOST_AUTO_TEST_SUITE(config_files_test)

using namespace config_cases;
using namespace packkit::train;

BOOST_AUTO_TEST_CASE(overrides_that_make_no_sense) {
    BOOST_TEST(override_error("seed") ==
               "command line: 'seed' is no setting; expected "
               "key=value");
    BOOST_TEST(override_error("=1") ==
               "command line: '=1' is no setting; expected key=value");
    BOOST_TEST(override_error("seed.=1") ==
               "command line: 'seed.=1' has an empty part between points");
    BOOST_TEST(override_error("fsdp_config..x=1") ==
               "command line: 'fsdp_config..x=1' has an empty part between points");
    BOOST_TEST(override_error("learning_rate.x=1") ==
               "command line: learning_rate.x: no key 'x' inside the value '1.0e-3'");
    BOOST_TEST(
        override_error("datasets.2.path=x") ==
        "command line: datasets.2.path: '2' is no entry of a list of 1; entries count "
        "from 0");
    BOOST_TEST(
        override_error("datasets.path=x") ==
        "command line: datasets.path: 'path' is no entry of a list of 1; entries count "
        "from 0");
    BOOST_TEST(
        override_error("seed=[1").starts_with("command line: seed: broken YAML: "));
    BOOST_TEST(override_error("seed=\xff") ==
               "command line: seed: bytes that are not UTF-8");
}

BOOST_AUTO_TEST_CASE(files_that_are_no_config) {
    const auto error = [](std::string_view content) {
        const std::string path = run.write(content);
        return error_of(run.folder, [&] { load_config(path); });
    };
    BOOST_TEST(error("") == "config.yaml: expected a map of keys, found nothing");
    BOOST_TEST(error("# only this\n") ==
               "config.yaml: expected a map of keys, found nothing");
    BOOST_TEST(error("abc") == "config.yaml: expected a map of keys, found 'abc'");
    BOOST_TEST(error("- a\n") == "config.yaml: expected a map of keys, found a list");
    BOOST_TEST(error(std::string((1U << 20U) + 1, '#')) ==
               "config.yaml: has more than 1.00 MiB");
    BOOST_TEST(error_of(run.folder, [] { load_config(run.folder / "none.yaml"); }) ==
               "none.yaml: cannot be opened: No such file or directory");
    BOOST_TEST(error_of(run.folder, [] {
                   load_config(run.folder.path().string());
               }).ends_with(": is a folder; expected a file"));
}

BOOST_AUTO_TEST_SUITE_END()
