// SPDX-License-Identifier: Apache-2.0
#include <common/command_line.hpp>
#include <common/errors.hpp>

#include <expect.hpp>

#include <CLI/CLI.hpp>
#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(command_line_test)

namespace app = packkit::app;

namespace {

struct parsed {
    std::string capacity;
    std::string model;
    std::vector<std::string> inputs;
};

/// A program with an option and a subcommand.
parsed parse(std::vector<std::string> arguments) {
    parsed result;
    CLI::App program("test", "program");
    program.add_option("--capacity", result.capacity)->type_name("N");
    program.add_option("INPUT", result.inputs);
    program.add_subcommand("estimate")->add_option("--model", result.model);
    arguments.insert(arguments.begin(), "program");
    std::vector<char*> argv;
    for (auto& argument : arguments)
        argv.push_back(argument.data());
    BOOST_TEST(
        !app::parse_command_line(program, static_cast<int>(argv.size()), argv.data()));
    return result;
}

auto parsing(std::vector<std::string> arguments) {
    return [arguments] { parse(arguments); };
}

}  // namespace

BOOST_AUTO_TEST_CASE(good_command_lines) {
    BOOST_TEST(parse({"--capacity", "5", "a", "-"}).capacity == "5");
    BOOST_TEST(parse({"--capacity=-5"}).capacity == "-5");
    BOOST_TEST(parse({"--capacity", "-5"}).capacity == "-5");
    BOOST_TEST(parse({"-"}).inputs.size() == 1u);
    BOOST_TEST(parse({"estimate", "--model", "m"}).model == "m");
}

BOOST_AUTO_TEST_CASE(bad_command_lines_get_suggestions) {
    expect::message_of<app::usage_error>(
        parsing({"--capcity", "5"}),
        "unknown option '--capcity'; did you mean '--capacity'?");
    expect::message_of<app::usage_error>(parsing({"--capcity=5"}), "'--capcity';");
    expect::message_of<app::usage_error>(parsing({"--zzzz"}), "unknown option '--zzzz'");
    expect::message_of<app::usage_error>(parsing({"--capacity"}),
                                         "--capacity: its value is missing");
    expect::message_of<app::usage_error>(
        parsing({"estimate", "--modl", "m"}),
        "unknown option '--modl'; did you mean '--model'?");
}

BOOST_AUTO_TEST_CASE(lists) {
    BOOST_TEST(
        app::split_list("--x", "a,b,c") == (std::vector<std::string>{"a", "b", "c"}),
        boost::test_tools::per_element());
    BOOST_TEST(app::split_list("--x", "a").size() == 1u);
    for (const char* bad : {"", ",", "a,", ",a", "a,,b"}) {
        expect::message_of<app::usage_error>([&] { app::split_list("--x", bad); },
                                             "--x: has an empty part");
    }
}

BOOST_AUTO_TEST_SUITE_END()
