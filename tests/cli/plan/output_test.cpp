// SPDX-License-Identifier: Apache-2.0
// What packkit-plan writes, where, and what happens when it cannot be.
#include "plan_program.hpp"

#include <csignal>
#include <filesystem>

#include <sys/resource.h>

BOOST_AUTO_TEST_SUITE(output_test)

using namespace plan_test;

namespace {

const std::string e = "estimate llama-3-8b --gpus 8 --gpu h100-80gb ";

/// Elements that are opened and not closed, void elements aside.
std::string unclosed_tag(const std::string& html) {
    std::vector<std::string> open;
    for (std::size_t at = 0; (at = html.find('<', at)) != std::string::npos; ++at) {
        if (html[at + 1] == '!') continue;
        const std::size_t end = html.find('>', at);
        const bool closing = html[at + 1] == '/';
        const std::size_t first = at + (closing ? 2 : 1);
        const std::string name =
            html.substr(first, html.find_first_of(" >/", first) - first);
        if (closing) {
            if (open.empty() || open.back() != name) return "</" + name;
            open.pop_back();
        } else if (html[end - 1] != '/' && name != "meta" && name != "br") {
            open.push_back(name);
        }
    }
    return open.empty() ? "" : open.back();
}

}  // namespace

BOOST_AUTO_TEST_CASE(results_in_files) {
    const temporary_folder folder;
    const auto shown = run_plan_in(folder, e + "--format json");
    const auto result =
        run_plan_in(folder, e + "--format json --output plan.json --html plan.html");
    BOOST_TEST(result.exit_code == 0);
    BOOST_TEST(result.out == "");
    BOOST_TEST(result.err == "");
    BOOST_TEST(file_content(folder / "plan.json") == shown.out);
    BOOST_TEST(folder.entries() == 2u);
}

BOOST_AUTO_TEST_CASE(the_page_stands_alone) {
    const temporary_folder folder;
    std::string lines;
    for (int i = 0; i < 300; ++i)
        lines += "400\n1200\n2496\n";
    folder.write("<b>.txt", lines);
    for (const std::string command :
         {"estimate llama-3-8b --gpus 8 --gpu h100-80gb --tensor-parallel-size 2"
          " --offload-optimizer ",
          "search llama-3-8b --gpus 8 --gpu h100-80gb ",
          "search llama-3-70b --gpus 2 --gpu a100-40gb "}) {
        const auto result = run_plan_in(
            folder, command + "--sequence-len 4096 --lengths <b>.txt --html page.html");
        BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.err);
        const std::string html = file_content(folder / "page.html");
        BOOST_TEST(unclosed_tag(html) == "");
        BOOST_TEST(html.find("http") == std::string::npos);
        BOOST_TEST(html.find("<script") == std::string::npos);
        BOOST_TEST(html.find("<b>.txt") == std::string::npos);
        BOOST_TEST(html.find("nan") == std::string::npos);
        BOOST_TEST(html.starts_with("<!DOCTYPE html>"));
    }
    const auto result = run_plan_in(folder, e + "--html page.html");
    const std::string html = file_content(folder / "page.html");
    for (const char* text : {"capacity 75.1 GiB", "activations", "exposed communication",
                             "dp_shard (8)", "tokens/s a GPU"}) {
        BOOST_TEST((html.find(text) != std::string::npos), text);
    }
}

BOOST_AUTO_TEST_CASE(numbers_have_a_point_in_every_locale) {
    // de_DE.UTF-8 may not be installed; then this is the C locale and shows nothing.
    process_options german;
    german.environment = {{"LC_ALL", "de_DE.UTF-8"}, {"LANG", "de_DE.UTF-8"}};
    for (const std::string& arguments :
         {e + "--format json", e + "--efficiency 0.45",
          std::string("steps --samples 1000 --global-batch-size 10 --seconds-per-step "
                      "0.5-0.8 --format csv"),
          std::string("mfu llama-3-8b --gpu a100-80gb --sequence-len 8192 "
                      "--tokens-per-second-per-gpu 2904.5")}) {
        const auto there = run_plan(arguments, german);
        BOOST_TEST(there.exit_code == 0);
        BOOST_TEST(there.out == run_plan(arguments).out);
    }
    const auto comma = run_plan(e + "--efficiency 0,45", german);
    BOOST_TEST(comma.exit_code == 2);
}

BOOST_AUTO_TEST_CASE(the_same_command_gives_the_same_bytes) {
    const std::string search =
        "search llama-3-8b --gpus 32 --gpu a100-80gb --format json";
    BOOST_TEST(run_plan(search).out == run_plan(search).out);
}

BOOST_AUTO_TEST_CASE(nothing_half_written_is_left) {
    const temporary_folder folder;
    folder.write("plan.json", "before");
    folder.write("config.json", small_llama());
    // The page is larger than a file may get here: neither file appears.
    const struct rlimit small = {2048, 2048};
    struct rlimit before = {};
    ::getrlimit(RLIMIT_FSIZE, &before);
    const auto old = std::signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limited = {small.rlim_cur, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limited);
    const auto result =
        run_plan_in(folder,
                    "estimate . --gpus 2 --gpu cpu --sequence-len 64 --precision fp32 "
                    "--format json --output plan.json --html page.html --yaml run.yaml");
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, old);
    BOOST_TEST(result.exit_code == 1);
    BOOST_TEST(result.err.find("packkit-plan: ") == 0u);
    BOOST_TEST(folder.entries() == 2u);
    BOOST_TEST(file_content(folder / "plan.json") == "before");
}

BOOST_AUTO_TEST_CASE(a_full_device_is_an_error) {
    process_options full;
    full.stdout_path = "/dev/full";
    const auto result = run_plan(e, full);
    BOOST_TEST(result.exit_code == 1);
    BOOST_TEST(result.err ==
               "packkit-plan: standard output: cannot be written: No space left on "
               "device\n");
}

BOOST_AUTO_TEST_CASE(csv_is_a_row_a_plan) {
    const auto result =
        run_plan("search llama-3-8b --gpus 8 --gpu h100-80gb --top 2 --format csv");
    std::istringstream lines(result.out);
    std::vector<std::string> all;
    for (std::string line; std::getline(lines, line);)
        all.push_back(line);
    BOOST_TEST(all.size() == 3u);
    BOOST_TEST(all[0].starts_with("model.name,model.parameters,"));
    BOOST_TEST((all[0].find("memory_bytes.total") != std::string::npos));
    const auto commas = [](const std::string& line) {
        return std::count(line.begin(), line.end(), ',');
    };
    BOOST_TEST(commas(all[0]) == commas(all[1]));
    BOOST_TEST(commas(all[0]) == commas(all[2]));
}

BOOST_AUTO_TEST_SUITE_END()
