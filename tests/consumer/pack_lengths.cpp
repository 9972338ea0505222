// SPDX-License-Identifier: Apache-2.0
// Packs five lengths and checks the bins: the program of each consuming project.
#include <packkit/packing/pack.hpp>
#include <packkit/packkit.hpp>

#include <cstdint>
#include <iostream>
#include <string_view>
#include <vector>

int main() {
#ifdef EXPECTED_VERSION
    if (std::string_view(PACKKIT_VERSION) != EXPECTED_VERSION) {
        std::cerr << "headers are " << PACKKIT_VERSION << ", the package says "
                  << EXPECTED_VERSION << '\n';
        return 1;
    }
#endif
    const std::vector<int> lengths = {900, 3000, 1500, 2000, 700};
    const auto bins = packkit::pack(lengths, 4096);
    const auto expected = packkit::bin_list<>::from_csr({1, 0, 3, 2, 4}, {0, 2, 4, 5});
    for (const auto bin : bins) {
        for (const auto sample : bin) {
            std::cout << sample << ' ';
        }
        std::cout << '\n';
    }
    if (bins != expected) {
        std::cerr << "expected bins {1 0} {3 2} {4}\n";
        return 1;
    }
    return 0;
}
