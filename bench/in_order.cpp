// SPDX-License-Identifier: Apache-2.0
/// @file
/// Packing sample after sample in the order given: first, best and next fit.

#include "packing.hpp"

int main(int argc, char** argv) {
    bench::register_policy<packkit::best_fit>();
    bench::register_policy<packkit::first_fit>();
    bench::register_policy<packkit::next_fit>();
    return bench::run(argc, argv);
}
