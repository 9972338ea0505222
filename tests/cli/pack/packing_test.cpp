// SPDX-License-Identifier: Apache-2.0
// The numbers: against a packing done here the obvious way, and against the bins written.
#include "pack_program.hpp"

#include <textbook.hpp>

#include <boost/test/data/test_case.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>

BOOST_AUTO_TEST_SUITE(packing_test)

using namespace pack_test;

namespace {

using bins_type = std::vector<std::vector<std::uint32_t>>;

std::vector<std::int64_t> random_lengths(std::size_t count, unsigned seed,
                                         double median = 300.0) {
    std::mt19937 random(seed);
    std::lognormal_distribution<double> distribution(std::log(median), 0.9);
    std::vector<std::int64_t> lengths(count);
    for (auto& length : lengths) {
        length = std::clamp<std::int64_t>(std::llround(distribution(random)), 1, 4096);
    }
    return lengths;
}

const json& result_of(const json& report, const std::string& algorithm) {
    for (const json& one : report["results"]) {
        if (one["algorithm"] == algorithm) return one;
    }
    throw std::runtime_error("no result of " + algorithm);
}

/// Every index below `samples` once, no bin above the capacity.
void check_partition(const bins_type& bins, const std::vector<std::int64_t>& lengths,
                     std::int64_t capacity) {
    std::vector<int> seen(lengths.size());
    for (const auto& bin : bins) {
        BOOST_TEST(!bin.empty());
        std::int64_t load = 0;
        for (const std::uint32_t sample : bin) {
            BOOST_REQUIRE(sample < lengths.size());
            ++seen[sample];
            load += lengths[sample];
        }
        BOOST_TEST(load <= capacity);
    }
    BOOST_TEST(std::count(seen.begin(), seen.end(), 1) ==
               static_cast<std::ptrdiff_t>(lengths.size()));
}

}  // namespace

BOOST_AUTO_TEST_CASE(bins_of_every_algorithm_equal_the_textbook) {
    const std::map<std::string, std::pair<textbook::rule, bool>> rules = {
        {"first_fit", {textbook::rule::first, false}},
        {"first_fit_decreasing", {textbook::rule::first, true}},
        {"best_fit", {textbook::rule::best, false}},
        {"best_fit_decreasing", {textbook::rule::best, true}},
        {"next_fit", {textbook::rule::next, false}},
        {"worst_fit_decreasing", {textbook::rule::worst, true}}};
    const auto lengths = random_lengths(1500, 1);
    const temporary_folder folder;
    folder.write("x.txt", lines_of(lengths));
    for (const auto& [name, rule] : rules) {
        for (const auto& [more, group_size, bin_size] :
             {std::tuple("", 0U, 0U), std::tuple(" --group-size 400", 400U, 0U),
              std::tuple(" --bin-size 3", 0U, 3U)}) {
            const json report = pack_json(
                folder, "x.txt --capacity 4096 --bins bins --algorithm " + name + more);
            const auto expected = textbook::pack(lengths, 4096, rule.first, rule.second,
                                                 bin_size, group_size);
            const auto bins = bins_of(folder / "bins");
            BOOST_TEST((bins == expected), name << more);
            BOOST_TEST(report["results"][0]["bins"] == expected.size());
            check_partition(bins, lengths, 4096);
        }
    }
}

BOOST_AUTO_TEST_CASE(axolotl_is_first_fit_in_order_with_its_group_and_bin_size) {
    const auto lengths =
        random_lengths(2000, 2, 5.0);  // short: the bin size of 200 counts
    const temporary_folder folder;
    folder.write("x.txt", lines_of(lengths));
    const auto bins_with = [&](const std::string& more) {
        pack_json(folder,
                  "x.txt --capacity 4096 --algorithm axolotl --bins bins " + more);
        return bins_of(folder / "bins");
    };
    const auto first_fit = [&](std::size_t bin_size, std::size_t group_size) {
        return textbook::pack(lengths, 4096, textbook::rule::first, false, bin_size,
                              group_size);
    };
    BOOST_TEST((bins_with("") == first_fit(200, 100'000)));
    BOOST_TEST((bins_with("") != first_fit(0, 100'000)));
    BOOST_TEST((bins_with("--bin-size 50") == first_fit(50, 100'000)));
    BOOST_TEST((bins_with("--bin-size 0") == first_fit(0, 100'000)));
    BOOST_TEST((bins_with("--group-size 300") == first_fit(200, 300)));
    // Its sequential mode is next fit over everything, without a limit of samples.
    BOOST_TEST((bins_with("--sequential --bin-size 50 --group-size 300") ==
                textbook::pack(lengths, 4096, textbook::rule::next, false)));
}

BOOST_AUTO_TEST_CASE(axolotl_packs_groups_of_100000) {
    // Two groups: the last bin of the first has room that the second must not use.
    std::vector<std::int64_t> lengths(100'000, 100);
    lengths.push_back(1);
    lengths.push_back(1);
    const temporary_folder folder;
    folder.write("x.txt", lines_of(lengths));
    pack_json(folder, "x.txt --capacity 1050 --algorithm axolotl --bins bins");
    const auto bins = bins_of(folder / "bins");
    BOOST_TEST(bins.size() == 10'001u);
    BOOST_TEST((bins.back() == std::vector<std::uint32_t>{100'000, 100'001}));
}

BOOST_AUTO_TEST_CASE(figures_agree_with_the_bins_file) {
    const auto lengths = random_lengths(3000, 3);
    const temporary_folder folder;
    folder.write("x.txt", lines_of(lengths));
    std::int64_t tokens = 0;
    for (const auto length : lengths)
        tokens += length;
    for (const char* name : {"first_fit_decreasing", "next_fit", "axolotl"}) {
        const json report =
            pack_json(folder, "x.txt --capacity 4096 --ranks 4 --bins bins --algorithm " +
                                  std::string(name));
        const auto bins = bins_of(folder / "bins");
        check_partition(bins, lengths, 4096);
        const json& result = report["results"][0];
        const auto count = static_cast<double>(bins.size());
        BOOST_TEST(result["bins"] == bins.size());
        BOOST_TEST(report["tokens"] == tokens);
        BOOST_TEST(result["efficiency"].get<double>() ==
                       static_cast<double>(tokens) / (count * 4096.0),
                   boost::test_tools::tolerance(1e-12));
        BOOST_TEST(result["padding_tokens"] ==
                   static_cast<std::int64_t>(bins.size()) * 4096 - tokens);
        // L1 at least, and the gap is the rest.
        BOOST_TEST(result["lower_bound"].get<std::int64_t>() >= (tokens + 4095) / 4096);
        BOOST_TEST(result["gap_bins"].get<std::size_t>() ==
                   bins.size() - result["lower_bound"].get<std::size_t>());
        BOOST_TEST(result["optimal"] == (result["gap_bins"] == 0));
        BOOST_TEST(result["seconds"].get<double>() > 0.0);
        BOOST_TEST(result["ns_per_sample"].get<double>() ==
                       result["seconds"].get<double>() * 1e9 / 3000.0,
                   boost::test_tools::tolerance(1e-9));
        // Bins go to the ranks in turn.
        std::vector<double> load(4);
        std::vector<double> attention(4);
        for (std::size_t b = 0; b < bins.size(); ++b) {
            for (const auto sample : bins[b]) {
                const auto length = static_cast<double>(lengths[sample]);
                load[b % 4] += length;
                attention[b % 4] += length * length;
            }
        }
        const auto imbalance = [](const std::vector<double>& values) {
            double sum = 0;
            for (const double value : values)
                sum += value;
            return *std::max_element(values.begin(), values.end()) / (sum / 4.0) - 1.0;
        };
        BOOST_TEST(std::abs(result["rank_imbalance"].get<double>() - imbalance(load)) <
                   1e-12);
        BOOST_TEST(std::abs(result["attention_imbalance"].get<double>() -
                            imbalance(attention)) < 1e-12);
    }
}

BOOST_AUTO_TEST_CASE(length_statistics_and_histogram) {
    const temporary_folder folder;
    folder.write("x.txt", "1\n2\n3\n4\n10\n");
    const json report = pack_json(folder, "x.txt --capacity 10");
    const json& lengths = report["lengths"];
    BOOST_TEST(lengths["mean"] == 4.0);
    BOOST_TEST(lengths["median"] == 3.0);
    BOOST_TEST(lengths["std"].get<double>() == std::sqrt(10.0),
               boost::test_tools::tolerance(1e-12));
    BOOST_TEST(lengths["p90"].get<double>() == 7.6, boost::test_tools::tolerance(1e-12));
    BOOST_TEST(lengths["p99"].get<double>() == 9.76, boost::test_tools::tolerance(1e-12));
    std::size_t samples = 0;
    std::int64_t edge = 1;
    for (const json& bucket : lengths["histogram"]) {
        BOOST_TEST(bucket[0] == edge);
        edge = bucket[1];
        samples += bucket[2].get<std::size_t>();
    }
    BOOST_TEST(edge == 11);
    BOOST_TEST(samples == 5u);
}

BOOST_AUTO_TEST_CASE(unpacked_efficiency) {
    const temporary_folder folder;
    folder.write("x.txt", "1\n3\n2\n2\n4\n");
    const json report = pack_json(folder, "x.txt --capacity 5 --micro-batch-size 2");
    BOOST_TEST(
        report["unpacked"]["pad_to_capacity"]["efficiency"].get<double>() == 12.0 / 25,
        boost::test_tools::tolerance(1e-12));
    // Rows of 3+3, 2+2 and 4.
    BOOST_TEST(
        report["unpacked"]["pad_to_longest"]["efficiency"].get<double>() == 12.0 / 14,
        boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(samples_above_the_capacity) {
    const temporary_folder folder;
    folder.write("x.txt", "3\n12\n5\n25\n");
    const auto with = [&](const std::string& strategy) {
        return pack_json(
            folder, "x.txt --capacity 10 --algorithm next_fit --bins bins " +
                        (strategy.empty() ? "" : "--excess-length-strategy " + strategy));
    };
    for (const char* drop : {"", "drop"}) {
        const json report = with(drop);
        BOOST_TEST(report["samples"] == 2);
        BOOST_TEST(report["tokens"] == 8);
        BOOST_TEST(report["skipped"]["overlong"] == 2);
        BOOST_TEST(report["excess_length"]["dropped_tokens"] == 37);
        BOOST_TEST(report["excess_length"]["longest"] == 25);
        BOOST_TEST((bins_of(folder / "bins") == bins_type{{0, 2}}));
    }
    const json truncated = with("truncate");
    BOOST_TEST(truncated["samples"] == 4);
    BOOST_TEST(truncated["tokens"] == 28);
    BOOST_TEST(truncated["skipped"]["overlong"] == 0);
    BOOST_TEST(truncated["excess_length"]["cut_tokens"] == 17);
    BOOST_TEST((bins_of(folder / "bins") == bins_type{{0}, {1}, {2}, {3}}));
    const json split = with("split");
    BOOST_TEST(split["samples"] == 4);
    BOOST_TEST(split["tokens"] == 45);
    BOOST_TEST(split["excess_length"]["packed_items"] == 7);
    BOOST_TEST((bins_of(folder / "bins") == bins_type{{0}, {1}, {1, 2}, {3}, {3}, {3}}));
    // 3 | 10 | 2+5 | 10 | 10 | 5: tokens in = packed + dropped + cut, always.
}

BOOST_AUTO_TEST_CASE(a_seed_shuffles_and_the_bins_keep_the_numbers_of_the_input) {
    const auto lengths = random_lengths(2000, 4);
    const temporary_folder folder;
    folder.write("x.txt", lines_of(lengths));
    const auto bins_with = [&](const std::string& more) {
        pack_json(folder,
                  "x.txt --capacity 4096 --algorithm next_fit --bins bins " + more);
        auto bins = bins_of(folder / "bins");
        check_partition(bins, lengths, 4096);
        return bins;
    };
    const auto given = bins_with("");
    const auto one = bins_with("--seed 1");
    BOOST_TEST((given == textbook::pack(lengths, 4096, textbook::rule::next, false)));
    BOOST_TEST((one != given));
    BOOST_TEST((one == bins_with("--seed 1")));
    BOOST_TEST((one == bins_with("--seed 1 --threads 7")));
    BOOST_TEST((one != bins_with("--seed 2")));
}

BOOST_AUTO_TEST_CASE(a_seed_with_sequential_warns) {
    const temporary_folder folder;
    folder.write("x.txt", "1\n2\n");
    const auto result = run_pack_in(folder, "x.txt --capacity 5 --sequential --seed 1");
    BOOST_TEST(result.exit_code == 0);
    BOOST_TEST(
        result.err.starts_with("packkit-pack: warning: --sequential keeps the order"));
    BOOST_TEST(run_pack_in(folder, "x.txt --capacity 5 --sequential").err == "");
}

BOOST_AUTO_TEST_CASE(advice_to_pack) {
    const auto lengths = random_lengths(5000, 5);
    const temporary_folder folder;
    folder.write("x.txt", lines_of(lengths));
    const json report = pack_json(folder,
                                  "x.txt --capacity 4096 --micro-batch-size 2 "
                                  "--gradient-accumulation-steps 3 --ranks 4");
    const json& advice = report["advice"];
    std::size_t fewest = lengths.size();
    for (const json& one : report["results"]) {
        fewest = std::min(fewest, one["bins"].get<std::size_t>());
    }
    BOOST_TEST(advice["sample_packing"] == true);
    BOOST_TEST(advice["sequence_len"] == 4096);
    BOOST_TEST(advice["steps_per_epoch"] == (fewest + 23) / 24);
    const json& best = result_of(report, advice["algorithm"]);
    BOOST_TEST(best["bins"] == fewest);
    const double estimate = advice["sample_packing_eff_est"];
    const double measured = best["efficiency"];
    BOOST_TEST((estimate >= measured && estimate < measured + 0.0101));
    BOOST_TEST(std::abs(estimate * 100.0 - std::round(estimate * 100.0)) < 1e-9);
    BOOST_TEST((advice["reason"].get<std::string>().find("positions hold tokens") !=
                std::string::npos));
}

BOOST_AUTO_TEST_CASE(advice_not_to_pack_samples_near_the_limit) {
    std::vector<std::int64_t> lengths;
    for (int i = 0; i < 100; ++i)
        lengths.push_back(900 + i);
    lengths.push_back(3);
    const temporary_folder folder;
    folder.write("x.txt", lines_of(lengths));
    const json report =
        pack_json(folder, "x.txt --capacity 1000 --micro-batch-size 4 --ranks 100");
    BOOST_TEST(report["advice"]["sample_packing"] == false);
    BOOST_TEST(report["advice"]["steps_per_epoch"] == 1);
    const std::string reason = report["advice"]["reason"];
    BOOST_TEST((reason.find("near the limit") != std::string::npos), reason);
    BOOST_TEST((reason.find("global batch of 400 rows is larger") != std::string::npos),
               reason);
}

BOOST_AUTO_TEST_CASE(sweep_over_capacities) {
    const auto lengths = random_lengths(2000, 6);
    const temporary_folder folder;
    folder.write("x.txt", lines_of(lengths));
    const json swept = pack_json(folder, "x.txt --capacities 4096,8192,1024");
    BOOST_TEST(swept["sweep"].size() == 3u);
    for (std::size_t i = 0; i < 3; ++i) {
        const json& one = swept["sweep"][i];
        const json alone =
            pack_json(folder, "x.txt --capacity " + one["capacity"].dump());
        BOOST_TEST(!alone.contains("sweep"));
        for (std::size_t k = 0; k < alone["results"].size(); ++k) {
            BOOST_TEST(one["results"][k]["bins"] == alone["results"][k]["bins"]);
        }
        BOOST_TEST(one["skipped"] == alone["skipped"]);
        BOOST_TEST(one["advice"] == alone["advice"]);
    }
    // 1024 drops samples, so it is not recommended; the report is of the one that is.
    BOOST_TEST(swept["recommended_capacity"] != 1024);
    BOOST_TEST(swept["capacity"] == swept["recommended_capacity"]);
    // A capacity named as such is the one reported.
    const json main = pack_json(folder, "x.txt --capacity 1024 --capacities 4096,1024");
    BOOST_TEST(main["capacity"] == 1024);
    BOOST_TEST(main["sweep"].size() == 2u);
}

BOOST_AUTO_TEST_CASE(algorithms_are_reported_as_named) {
    const temporary_folder folder;
    folder.write("x.txt", "5\n4\n3\n");
    const auto names = [&](const std::string& more) {
        std::vector<std::string> list;
        const json report = pack_json(folder, "x.txt --capacity 8 " + more);
        for (const json& one : report["results"]) {
            list.push_back(one["algorithm"]);
        }
        return list;
    };
    const auto all = names("");
    BOOST_TEST(
        (std::set<std::string>(all.begin(), all.end()) ==
         std::set<std::string>{"first_fit", "first_fit_decreasing", "best_fit",
                               "best_fit_decreasing", "next_fit", "worst_fit_decreasing",
                               "pattern_fit", "window_fit", "axolotl"}));
    BOOST_TEST((names("--algorithm all") == all));
    BOOST_TEST((names("--algorithm next_fit,best_fit,next_fit") ==
                std::vector<std::string>{"next_fit", "best_fit"}));
    BOOST_TEST((names("--algorithms axolotl") == std::vector<std::string>{"axolotl"}));
}

BOOST_AUTO_TEST_CASE(a_bin_size_raises_the_lower_bound) {
    const temporary_folder folder;
    folder.write("x.txt", lines_of(std::vector<std::int64_t>(100, 1)));
    const json report =
        pack_json(folder, "x.txt --capacity 4096 --bin-size 7 --algorithm first_fit");
    BOOST_TEST(report["results"][0]["bins"] == 15);
    BOOST_TEST(report["results"][0]["lower_bound"] == 15);
    BOOST_TEST(report["results"][0]["optimal"] == true);
}

BOOST_AUTO_TEST_SUITE_END()
