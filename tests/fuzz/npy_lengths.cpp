// SPDX-License-Identifier: Apache-2.0
#include "read_fuzzed.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::read(packkit::app::read_npy_lengths, "x.npy", data, size);
    return 0;
}
