// SPDX-License-Identifier: Apache-2.0
/// @file
/// pack_npy FILE.npy CAPACITY ALGORITHM [COUNT [RUNS]]
///
/// Packs the first COUNT lengths (0, the default: all) RUNS times (1) and prints one line
/// of JSON: seconds of each run, allocation of the result included and everything freed
/// again before the next; bins; a lower bound; samples lost; bins over capacity. The
/// result is checked without the packer's help; those of the item-by-item programs are
/// compared with packkit's, bin for bin. `pack_npy --list` names the algorithms.

#include "../item_by_item.hpp"
#include "../npy.hpp"

#include <packkit/packkit.hpp>

#include <packkit/packing/pattern_fit.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;
using lengths = std::span<const std::int32_t>;

/// Bins, and the bins with their samples where the algorithm gives them.
struct packing {
    std::size_t bins = 0;
    std::vector<std::size_t> offsets;
    std::vector<std::uint32_t> items;
    bool has_ids = true;
};

/// What is timed, and how the last result is brought out of it.
struct algorithm {
    std::string_view name;
    std::function<double(lengths, std::int64_t, std::optional<packing>*)> run;
    /// Whose bins must be equal to the same of packkit's; empty if there is no such.
    std::string_view equal_to = {};
    /// Whether the number of bins only must be.
    bool only_count = false;
};

double since(clock_type::time_point start) {
    return std::chrono::duration<double>(clock_type::now() - start).count();
}

packing brought_out(const packkit::bin_list<>& bins) {
    return {bins.size(),
            {bins.offsets().begin(), bins.offsets().end()},
            {bins.items().begin(), bins.items().end()}};
}
packing brought_out(const bench::csr& rows) {
    return {rows.size(), rows.offsets, rows.items};
}
packing brought_out(const packkit::packing_plan& plan) {
    return {plan.size(), {}, {}, false};
}

/// Times one call of `pack`.
template <class Pack>
auto timed(Pack pack) {
    return [pack](lengths all, std::int64_t capacity, std::optional<packing>* out) {
        const auto start = clock_type::now();
        double seconds = 0;
        {
            const auto& packed = pack(all, capacity);
            seconds = since(start);
            if (out != nullptr) *out = brought_out(packed);
        }
        return seconds;
    };
}

template <class Policy>
algorithm policy() {
    return {Policy::name, timed([](lengths all, std::int64_t capacity) {
                return packkit::pack(all, capacity, Policy{});
            })};
}

/// Into memory that an untimed packing has filled before.
template <class Policy>
algorithm policy_into(std::string_view name) {
    struct memory {
        packkit::bin_list<> bins;
        packkit::pack_workspace workspace;
        bool used = false;
    };
    const auto kept = std::make_shared<memory>();
    const auto into =
        timed([kept](lengths all, std::int64_t capacity) -> const packkit::bin_list<>& {
            packkit::pack_into(kept->bins, kept->workspace, all, capacity, Policy{});
            return kept->bins;
        });
    return {
        name,
        [kept, into](lengths all, std::int64_t capacity, std::optional<packing>* out) {
            if (!std::exchange(kept->used, true)) into(all, capacity, nullptr);
            return into(all, capacity, out);
        },
        Policy::name};
}

const std::vector<algorithm>& algorithms() {
    static const std::vector<algorithm> all = {
        policy<packkit::best_fit>(),
        policy<packkit::best_fit_decreasing>(),
        policy<packkit::first_fit>(),
        policy<packkit::first_fit_decreasing>(),
        policy<packkit::next_fit>(),
        policy<packkit::pattern_fit>(),
        policy<packkit::worst_fit_decreasing>(),
        policy_into<packkit::best_fit_decreasing>("best_fit_decreasing_into"),
        policy_into<packkit::first_fit_decreasing>("first_fit_decreasing_into"),
        {"best_fit_decreasing_plan", timed([](lengths values, std::int64_t capacity) {
             return packkit::plan_best_fit_decreasing(
                 packkit::count_lengths(values, capacity),
                 static_cast<std::uint32_t>(capacity));
         })},
        {"first_fit_decreasing_plan", timed([](lengths values, std::int64_t capacity) {
             return packkit::plan_first_fit_decreasing(
                 packkit::count_lengths(values, capacity),
                 static_cast<std::uint32_t>(capacity));
         })},
        {"item_by_item_first_fit_decreasing",
         timed([](lengths values, std::int64_t capacity) {
             return bench::first_fit_decreasing(values,
                                                static_cast<std::uint32_t>(capacity));
         }),
         "first_fit_decreasing"},
        {"item_by_item_best_fit_decreasing",
         timed([](lengths values, std::int64_t capacity) {
             return bench::best_fit_decreasing(values,
                                               static_cast<std::uint32_t>(capacity));
         }),
         "best_fit_decreasing"},
        {"item_by_item_best_fit_decreasing_any_tie",
         timed([](lengths values, std::int64_t capacity) {
             return bench::best_fit_decreasing<bench::residual_tree, bench::latest_bin>(
                 values, static_cast<std::uint32_t>(capacity));
         }),
         "best_fit_decreasing", true},
        {"item_by_item_best_fit_decreasing_bits_any_tie",
         timed([](lengths values, std::int64_t capacity) {
             return bench::best_fit_decreasing<bench::residual_bits, bench::latest_bin>(
                 values, static_cast<std::uint32_t>(capacity));
         }),
         "best_fit_decreasing", true},
    };
    return all;
}

const algorithm& algorithm_named(std::string_view name) {
    for (const algorithm& a : algorithms()) {
        if (a.name == name) return a;
    }
    throw std::invalid_argument("no algorithm \"" + std::string(name) +
                                "\"; pack_npy --list names them");
}

/// The bins say what they should: counted sample by sample.
struct check {
    std::size_t lost = 0;
    std::int64_t lost_tokens = 0;
    std::size_t twice = 0;
    std::size_t overfull = 0;
};
check checked(const packing& p, lengths all, std::int64_t capacity) {
    check result;
    std::vector<std::uint8_t> seen(all.size(), 0);
    for (std::size_t b = 0; b < p.bins; ++b) {
        std::int64_t load = 0;
        for (std::size_t k = p.offsets[b]; k < p.offsets[b + 1]; ++k) {
            load += all[p.items[k]];
            result.twice += seen[p.items[k]];
            seen[p.items[k]] = 1;
        }
        result.overfull += load > capacity ? 1 : 0;
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (seen[i] != 0) continue;
        ++result.lost;
        result.lost_tokens += all[i];
    }
    return result;
}

int run(int argc, char** argv) {
    if (argc == 2 && std::string_view(argv[1]) == "--list") {
        for (const algorithm& a : algorithms())
            std::cout << a.name << '\n';
        return 0;
    }
    if (argc < 4 || argc > 6) {
        std::cerr << "usage: pack_npy FILE.npy CAPACITY ALGORITHM [COUNT [RUNS]]\n"
                     "       pack_npy --list\n";
        return 2;
    }
    const auto started = clock_type::now();
    const bench::npy_file file(argv[1]);
    const std::int64_t capacity = std::stoll(argv[2]);
    const algorithm& chosen = algorithm_named(argv[3]);
    const std::size_t count = argc > 4 ? std::stoull(argv[4]) : 0;
    const int runs = argc > 5 ? std::stoi(argv[5]) : 1;
    if (count > file.values().size()) {
        throw std::invalid_argument(std::string(argv[1]) + " holds " +
                                    std::to_string(file.values().size()) +
                                    " lengths, not " + std::to_string(count));
    }
    const std::vector<std::int32_t> read(
        file.values().begin(),
        file.values().begin() +
            static_cast<std::ptrdiff_t>(count == 0 ? file.values().size() : count));
    const lengths all = read;
    std::optional<packing> result;
    std::cout << "{\"algorithm\": \"" << chosen.name << "\", \"samples\": " << all.size()
              << ", \"capacity\": " << capacity << ", \"seconds\": [";
    for (int r = 0; r < runs; ++r) {
        std::cout << (r == 0 ? "" : ", ")
                  << chosen.run(all, capacity, r + 1 == runs ? &result : nullptr);
    }
    // What the process took up to here: checking is not packing.
    std::cout << "], \"process_seconds\": " << since(started)
              << ", \"bins\": " << result->bins
              << ", \"lower_bound\": " << packkit::best_lower_bound(all, capacity);
    bool good = true;
    if (result->has_ids) {
        const check c = checked(*result, all, capacity);
        std::cout << ", \"lost_samples\": " << c.lost
                  << ", \"lost_tokens\": " << c.lost_tokens
                  << ", \"repeated\": " << c.twice << ", \"overfull\": " << c.overfull;
        good = c.lost == 0 && c.twice == 0 && c.overfull == 0;
    }
    if (!chosen.equal_to.empty()) {
        std::optional<packing> expected;
        algorithm_named(chosen.equal_to).run(all, capacity, &expected);
        const bool equal = expected->bins == result->bins &&
                           (chosen.only_count || (expected->offsets == result->offsets &&
                                                  expected->items == result->items));
        std::cout << ", \"equal_to_packkit\": " << (equal ? "true" : "false");
        good = good && equal;
    }
    std::cout << "}\n";
    if (!good) {
        std::cerr << "pack_npy: the packing of " << chosen.name << " is wrong\n";
        return 1;
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) try {
    return run(argc, argv);
} catch (const std::invalid_argument& error) {
    std::cerr << "pack_npy: " << error.what() << '\n';
    return 2;
} catch (const std::exception& error) {
    std::cerr << "pack_npy: " << error.what() << '\n';
    return 1;
}
