// SPDX-License-Identifier: Apache-2.0
/// @file
/// Writes a set of lengths as `.npy`: make_lengths SHAPE COUNT CAPACITY FILE.npy

#include "../lengths.hpp"
#include "../npy.hpp"

#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>

int main(int argc, char** argv) try {
    if (argc == 5) {
        const std::size_t count = std::stoull(argv[2]);
        const std::int64_t capacity = std::stoll(argv[3]);
        for (const bench::shape& shape : bench::shapes) {
            if (shape.name != std::string_view(argv[1])) continue;
            if (shape.name == "lognormal") {  // one after the other: any count
                bench::write_npy(argv[4], count, [capacity](std::size_t i) {
                    return bench::lognormal_length(i, capacity, bench::seed);
                });
            } else {
                const auto lengths = shape.make(count, capacity, bench::seed);
                bench::write_npy(argv[4], count,
                                 [&](std::size_t i) { return lengths[i]; });
            }
            return 0;
        }
    }
    std::cerr << "usage: make_lengths SHAPE COUNT CAPACITY FILE.npy, SHAPE one of";
    for (const bench::shape& shape : bench::shapes)
        std::cerr << ' ' << shape.name;
    std::cerr << '\n';
    return 2;
} catch (const std::exception& error) {
    std::cerr << "make_lengths: " << error.what() << '\n';
    return 1;
}
