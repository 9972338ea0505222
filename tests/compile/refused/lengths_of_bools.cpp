// SPDX-License-Identifier: Apache-2.0
// refused: length_(range|value)
// A range of bools holds no lengths.
#include <packkit/packing/bound/lower_bound.hpp>

#include <deque>

#ifdef PACKKIT_REFUSED
using length = bool;
#else
using length = unsigned char;
#endif

std::size_t bound(const std::deque<length>& lengths) {
    return packkit::lower_bound_l1(lengths, 10);
}
