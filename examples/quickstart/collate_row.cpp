// SPDX-License-Identifier: Apache-2.0
/// \file
/// What a packed row needs beside its tokens: boundaries, positions that restart, labels
/// shifted inside each document.

#include <packkit/sequence/cu_seqlens.hpp>
#include <packkit/sequence/labels.hpp>

#include <iostream>
#include <vector>

int main() {
    const std::vector<int> lengths{3, 2, 4};
    const std::vector<int> tokens{11, 12, 13, 21, 22, 31, 32, 33, 34};

    const auto print = [](const char* name, const auto& values) {
        std::cout << name;
        for (const auto value : values)
            std::cout << " " << value;
        std::cout << "\n";
    };
    const auto cu_seqlens = packkit::cu_seqlens(lengths);
    const auto targets = packkit::shift_labels(tokens, cu_seqlens);
    print("cu_seqlens  ", cu_seqlens);
    print("position_ids", packkit::position_ids(cu_seqlens));
    print("targets     ", targets);
    std::cout << "valid targets: " << packkit::count_valid_targets(targets) << "\n";
    return packkit::count_valid_targets(targets) == 6 ? 0 : 1;
}
