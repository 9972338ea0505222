// SPDX-License-Identifier: Apache-2.0
// What is written, where, and what happens when it cannot be.
#include "pack_program.hpp"

#include <algorithm>

BOOST_AUTO_TEST_SUITE(output_test)

using namespace pack_test;

namespace {

/// A folder with lengths in x.txt.
struct with_lengths {
    temporary_folder folder;
    with_lengths() { folder.write("x.txt", "900\n1500\n3000\n2000\n500\n5000\n"); }
};

std::vector<std::string> keys_of(const nlohmann::ordered_json& object) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : object.items())
        keys.push_back(key);
    return keys;
}

using names = std::vector<std::string>;

/// The same text with times left out, which differ from run to run.
std::string without_times(json report) {
    for (json& result : report["results"]) {
        result.erase("seconds");
        result.erase("ns_per_sample");
    }
    return report.dump();
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(json_has_the_stable_keys, with_lengths) {
    const auto result = run_pack_in(folder, "x.txt --capacity 4096 --format json");
    const auto report = nlohmann::ordered_json::parse(result.out);
    BOOST_TEST((keys_of(report) == names{"capacity", "samples", "tokens", "skipped",
                                         "excess_length", "lengths", "results",
                                         "unpacked", "advice"}));
    BOOST_TEST((keys_of(report["skipped"]) == names{"overlong", "empty"}));
    BOOST_TEST((keys_of(report["lengths"]) ==
                names{"min", "max", "mean", "std", "median", "p90", "p99", "histogram"}));
    for (const auto& one : report["results"]) {
        BOOST_TEST((keys_of(one) ==
                    names{"algorithm", "bins", "efficiency", "padding_tokens",
                          "lower_bound", "bound", "gap_bins", "optimal", "seconds",
                          "ns_per_sample", "rank_imbalance", "attention_imbalance",
                          "sample_indices", "step_idle", "step_idle_balanced"}));
        BOOST_TEST(one["efficiency"].is_number_float());
        BOOST_TEST(one["bins"].is_number_integer());
        BOOST_TEST(one["optimal"].is_boolean());
    }
    BOOST_TEST(
        (keys_of(report["unpacked"]) == names{"pad_to_capacity", "pad_to_longest"}));
    BOOST_TEST(
        (keys_of(report["advice"]) ==
         names{"sample_packing", "sample_packing_eff_est", "sequence_len",
               "steps_per_epoch", "axolotl_estimated_steps", "algorithm", "reason"}));
    for (const auto& bucket : report["lengths"]["histogram"]) {
        BOOST_TEST(bucket.size() == 3u);
    }
}

BOOST_FIXTURE_TEST_CASE(table_for_people, with_lengths) {
    const auto result = run_pack_in(folder, "x.txt --capacity 4096");
    BOOST_TEST(result.exit_code == 0);
    BOOST_TEST(result.err == "");
    for (const char* text :
         {"5 samples, 7,900 tokens, capacity 4,096",
          "1 longer than the capacity (longest 5,000): dropped, 5,000 tokens", "median",
          "█", "first_fit_decreasing", "axolotl", "96.44 %", "padded to the capacity",
          "38.57 %", "sample_packing_eff_est  0.97", "sequence_len            4096"}) {
        BOOST_TEST((result.out.find(text) != std::string::npos), text);
    }
    // Neither colours nor a progress bar where there is no terminal.
    BOOST_TEST((result.out.find('\x1b') == std::string::npos));
}

BOOST_FIXTURE_TEST_CASE(csv_has_a_row_an_algorithm, with_lengths) {
    const auto result = run_pack_in(folder,
                                    "x.txt --capacities 4096,8192 --algorithm "
                                    "next_fit,first_fit_decreasing --format csv");
    BOOST_TEST(result.exit_code == 0);
    std::istringstream lines(result.out);
    std::string header;
    std::getline(lines, header);
    BOOST_TEST(
        header ==
        "capacity,samples,tokens,skipped_overlong,skipped_empty,algorithm,bins,"
        "efficiency,padding_tokens,lower_bound,gap_bins,optimal,seconds,ns_per_sample,"
        "rank_imbalance,attention_imbalance");
    std::vector<std::string> rows;
    for (std::string line; std::getline(lines, line);) {
        BOOST_TEST(std::count(line.begin(), line.end(), ',') ==
                   std::count(header.begin(), header.end(), ','));
        std::size_t end = 0;
        for (int cell = 0; cell < 7; ++cell)
            end = line.find(',', end) + 1;
        rows.push_back(line.substr(0, end - 1));
    }
    BOOST_TEST((rows == names{"4096,5,7900,1,0,next_fit,3",
                              "4096,5,7900,1,0,first_fit_decreasing,2",
                              "8192,6,12900,0,0,next_fit,2",
                              "8192,6,12900,0,0,first_fit_decreasing,2"}));
}

BOOST_FIXTURE_TEST_CASE(markdown_has_tables, with_lengths) {
    const auto result = run_pack_in(folder, "x.txt --capacity 4096 --format markdown");
    BOOST_TEST(result.exit_code == 0);
    for (const char* text :
         {"# Packing efficiency", "## Lengths", "## Packed", "## Advice",
          "| first_fit_decreasing | 2 | 96.44 % |", "|:--|--:|"}) {
        BOOST_TEST((result.out.find(text) != std::string::npos), text);
    }
}

BOOST_FIXTURE_TEST_CASE(output_goes_to_a_file_instead, with_lengths) {
    for (const char* format : {"table", "json", "csv", "markdown"}) {
        const std::string arguments =
            "x.txt --capacity 4096 --format " + std::string(format) + " --output out";
        const auto result = run_pack_in(folder, arguments);
        BOOST_TEST(result.exit_code == 0);
        BOOST_TEST(result.out == "");
        BOOST_TEST(file_content(folder / "out").size() > 100u);
    }
    BOOST_TEST(folder.entries() == 2u);
}

BOOST_FIXTURE_TEST_CASE(html_report_is_whole_and_self_contained, with_lengths) {
    const auto result = run_pack_in(
        folder,
        "x.txt --capacities 4096,8192 --ranks 2 --html report.html --format json");
    BOOST_TEST(result.exit_code == 0);
    const std::string html = file_content(folder / "report.html");
    BOOST_TEST((html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>\n")));
    for (const char* text :
         {"<svg", "aria-label=", "prefers-color-scheme: dark", "Lengths",
          "How full the rows are", "Distance from the lower bound", "Balance over ranks",
          "Capacities", "first_fit_decreasing"}) {
        BOOST_TEST((html.find(text) != std::string::npos), text);
    }
    for (const char* text :
         {"<script", "http:", "https:", "src=", "url(", "nan", "inf\""}) {
        BOOST_TEST((html.find(text) == std::string::npos), text);
    }
    // Every element that is opened is closed.
    for (const char* name : {"svg", "section", "div", "table", "tr", "td", "th", "h2",
                             "h3", "p", "text", "title", "style", "main", "body"}) {
        const auto count = [&](const std::string& tag) {
            std::size_t found = 0;
            for (auto at = html.find(tag); at != std::string::npos;
                 at = html.find(tag, at + 1)) {
                const char next = html[at + tag.size()];
                found += next == '>' || next == ' ' ? 1U : 0U;
            }
            return found;
        };
        BOOST_TEST(count(std::string("<") + name) == count(std::string("</") + name),
                   name);
    }
}

BOOST_AUTO_TEST_CASE(html_escapes_file_names) {
    const temporary_folder folder;
    folder.write("<b>&.txt", "1\n2\n");
    run_pack_in(folder, "<b>&.txt --capacity 4 --html r.html");
    const std::string html = file_content(folder / "r.html");
    BOOST_TEST((html.find("&lt;b&gt;&amp;.txt") != std::string::npos));
    BOOST_TEST((html.find("<b>&.txt") == std::string::npos));
}

BOOST_FIXTURE_TEST_CASE(the_same_numbers_in_every_locale, with_lengths) {
    process_options plain;
    plain.folder = folder.path().string();
    plain.environment = {{"LC_ALL", "C"}};
    process_options german = plain;
    german.environment = {
        {"LC_ALL", "de_DE.UTF-8"}, {"LANG", "de_DE.UTF-8"}, {"TZ", "Asia/Tokyo"}};
    const std::string arguments = "x.txt --capacity 4096 --format ";
    BOOST_TEST(without_times(json::parse(run_pack(arguments + "json", plain).out)) ==
               without_times(json::parse(run_pack(arguments + "json", german).out)));
    BOOST_TEST((run_pack(arguments + "csv", german).out.find("0.96435546875") !=
                std::string::npos));
    BOOST_TEST(
        (run_pack(arguments + "table", german).out.find("96.44 %") != std::string::npos));
}

BOOST_FIXTURE_TEST_CASE(a_standard_output_that_cannot_be_written, with_lengths) {
    process_options options;
    options.folder = folder.path().string();
    options.close_stdout = true;
    const std::string arguments = "x.txt --capacity 4096 --bins bins --html r.html";
    const auto closed = run_pack(arguments, options);
    BOOST_TEST(closed.exit_code == 1);
    BOOST_TEST(closed.err ==
               "packkit-pack: standard output: cannot be written: Bad file descriptor\n");
    options.close_stdout = false;
    options.stdout_path = "/dev/full";
    const auto full = run_pack(arguments, options);
    BOOST_TEST(full.exit_code == 1);
    BOOST_TEST(
        full.err ==
        "packkit-pack: standard output: cannot be written: No space left on device\n");
    // The files of a failed run do not appear.
    BOOST_TEST(folder.entries() == 1u);
}

BOOST_FIXTURE_TEST_CASE(a_closed_pipe_is_an_error_not_a_signal, with_lengths) {
    std::string many;
    for (int i = 0; i < 200; ++i)
        many += (i > 0 ? "," : "") + std::to_string(4096 + i);
    const std::string command = std::string(PACKKIT_PACK_PROGRAM) + " " +
                                (folder / "x.txt") + " --capacities " + many +
                                " --format json; echo status $? >&2";
    // 200 reports do not fit a pipe's buffer: the reader is gone before all is written.
    const auto result = packkit::test::run_process(
        {"/bin/sh", "-c", "(" + command + ") | head -c 10 > /dev/null"});
    BOOST_TEST(
        result.err ==
        "packkit-pack: standard output: cannot be written: Broken pipe\nstatus 1\n");
}

BOOST_FIXTURE_TEST_CASE(an_output_on_a_full_device_leaves_the_others_unwritten,
                        with_lengths) {
    const auto result = run_pack_in(
        folder, "x.txt --capacity 4096 --bins bins --html r.html --output /dev/full");
    BOOST_TEST(result.exit_code == 1);
    BOOST_TEST(result.err ==
               "packkit-pack: /dev/full: cannot be written: No space left on device\n");
    BOOST_TEST(folder.entries() == 1u);
}

BOOST_FIXTURE_TEST_CASE(a_file_size_limit_is_an_error_not_a_signal, with_lengths) {
    const auto result = packkit::test::run_process(
        {"/bin/sh", "-c",
         "ulimit -f 1; cd '" + folder.path().string() + "'; exec " +
             PACKKIT_PACK_PROGRAM + " x.txt --capacity 4096 --html r.html"});
    BOOST_TEST(result.exit_code == 1);
    BOOST_TEST(result.err == "packkit-pack: r.html: cannot be written: File too large\n");
    BOOST_TEST(folder.entries() == 1u);
}

BOOST_FIXTURE_TEST_CASE(old_results_survive_a_failed_run, with_lengths) {
    folder.write("out", "old");
    folder.write("bad.txt", "5\n-1\n");
    const auto result = run_pack_in(folder, "bad.txt --capacity 10 --output out");
    BOOST_TEST(result.exit_code == 2);
    BOOST_TEST(file_content(folder / "out") == "old");
}

BOOST_AUTO_TEST_SUITE_END()
