// SPDX-License-Identifier: Apache-2.0
#include "algorithms.hpp"

#include <packkit/lengths/length_counts.hpp>
#include <packkit/packing/axolotl.hpp>
#include <packkit/packing/lazy_bin_list.hpp>
#include <packkit/packing/next_k_fit.hpp>
#include <packkit/packing/pattern_fit.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <stdexcept>
#include <string>

namespace packkit::app {
namespace {

using lengths_view = std::span<const std::uint32_t>;

template <class Policy>
bin_list<> run_policy(lengths_view lengths, std::int64_t capacity,
                      const algorithm_options& options) {
    return pack(lengths, capacity, Policy{},
                {options.group_size.value_or(0), options.bin_size.value_or(0)});
}

template <class Policy>
constexpr algorithm policy_algorithm() {
    if constexpr (planning_policy<Policy>) {
        constexpr auto plan = [](const length_counts& counts, std::uint32_t capacity,
                                 std::uint32_t bin_size) {
            return Policy::plan(counts, capacity, bin_size);
        };
        return {Policy::name, run_policy<Policy>, plan,
                !std::same_as<Policy, pattern_fit>};
    } else {
        return {Policy::name, run_policy<Policy>};
    }
}

bin_list<> run_axolotl(lengths_view lengths, std::int64_t capacity,
                       const algorithm_options& options) {
    axolotl_options how{.sequential = options.sequential};
    if (options.group_size) {
        how.group_size = *options.group_size;
        // As for every algorithm, 0 is one group; Axolotl itself takes no 0.
        if (how.group_size == 0)
            how.group_size = std::max<std::size_t>(lengths.size(), 1);
    }
    if (options.bin_size) how.bin_size = *options.bin_size;
    return pack_axolotl(lengths, capacity, how).bins;
}

constexpr std::array algorithms = {
    policy_algorithm<first_fit_decreasing>(),
    policy_algorithm<best_fit_decreasing>(),
    policy_algorithm<pattern_fit>(),
    policy_algorithm<worst_fit_decreasing>(),
    policy_algorithm<first_fit>(),
    policy_algorithm<best_fit>(),
    policy_algorithm<next_fit>(),
    policy_algorithm<window_fit>(),
    algorithm{"axolotl", run_axolotl},
};

}  // namespace

std::span<const algorithm> all_algorithms() {
    return algorithms;
}

std::vector<std::string_view> algorithm_names() {
    std::vector<std::string_view> names;
    for (const algorithm& one : algorithms)
        names.push_back(one.name);
    return names;
}

const algorithm& find_algorithm(std::string_view name) {
    for (const algorithm& one : algorithms) {
        if (one.name == name) return one;
    }
    throw std::logic_error("no algorithm is named " + std::string(name));
}

}  // namespace packkit::app
