// SPDX-License-Identifier: Apache-2.0
// refused: packing_policy
// A policy has a name and appends bins.
#include <packkit/packing/pack.hpp>

#include <string_view>
#include <vector>

struct all_in_one {
#ifndef PACKKIT_REFUSED
    static constexpr std::string_view name = "all_in_one";
#endif
    void operator()(std::span<const std::int64_t> lengths, packkit::bin_limits,
                    std::uint32_t first, packkit::bin_list<>& bins) const {
        std::vector<std::uint32_t> bin(lengths.size(), first);
        bins.append(bin);
    }
};

std::size_t bins(const std::vector<int>& lengths) {
    return packkit::pack(lengths, 4096, all_in_one{}).size();
}
