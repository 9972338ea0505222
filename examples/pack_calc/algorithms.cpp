// SPDX-License-Identifier: Apache-2.0
#include "algorithms.hpp"

#include <array>
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

/// @param plan how the policy packs counted lengths, if it can
template <class Policy>
constexpr algorithm policy_algorithm(decltype(algorithm::plan) plan = nullptr) {
    return {Policy::name, run_policy<Policy>, plan};
}

/// sample_packing_group_size and sample_packing_bin_size where they are not set.
constexpr std::size_t axolotl_group_size = 100'000;
constexpr std::size_t axolotl_bin_size = 200;

bin_list<> run_axolotl(lengths_view lengths, std::int64_t capacity,
                       const algorithm_options& options) {
    // Its sequential mode looks at neither group nor bin size.
    if (options.sequential) return pack(lengths, capacity, next_fit{});
    return pack(lengths, capacity, first_fit{},
                {options.group_size.value_or(axolotl_group_size),
                 options.bin_size.value_or(axolotl_bin_size)});
}

constexpr std::array algorithms = {
    policy_algorithm<first_fit_decreasing>(plan_first_fit_decreasing),
    policy_algorithm<best_fit_decreasing>(plan_best_fit_decreasing),
    policy_algorithm<worst_fit_decreasing>(),
    policy_algorithm<first_fit>(),
    policy_algorithm<best_fit>(),
    policy_algorithm<next_fit>(),
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
