// SPDX-License-Identifier: Apache-2.0
// refused: length_range
// A range of doubles holds no lengths.
#include <packkit/packing/pack.hpp>

#include <vector>

#ifdef PACKKIT_REFUSED
using length = double;
#else
using length = long;
#endif

std::size_t bins(const std::vector<length>& lengths) {
    return packkit::pack(lengths, 4096).size();
}
