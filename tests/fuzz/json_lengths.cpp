// SPDX-License-Identifier: Apache-2.0
#include "read_fuzzed.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::read(packkit::app::read_json_lengths, "x.json", data, size);
    return 0;
}
