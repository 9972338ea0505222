// SPDX-License-Identifier: Apache-2.0
/// \file
/// Packs seven documents into rows of 10 tokens. The part between the marks stands in the
/// README.

// example-begin readme
#include <packkit/packkit.hpp>

#include <iostream>
#include <vector>

int main() {
    const std::vector<int> lengths{7, 5, 5, 3, 2, 8, 4};
    const auto bins = packkit::pack(lengths, 10);  // first-fit decreasing

    for (const auto bin : bins) {
        for (const auto sample : bin)
            std::cout << "#" << sample << " (" << lengths[sample] << ")  ";
        std::cout << "\n";
    }
    std::cout << "efficiency " << packkit::packing_efficiency(34, bins.size(), 10)
              << ", never fewer than " << packkit::best_lower_bound(lengths, 10)
              << " rows\n";
    // example-end readme
    return bins.size() == 4 && packkit::best_lower_bound(lengths, 10) == 4 ? 0 : 1;
}
