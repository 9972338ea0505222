// SPDX-License-Identifier: Apache-2.0
// refused: Index is an integer type
// Bins hold indices.
#include <packkit/bin_list.hpp>

#ifdef PACKKIT_REFUSED
using index = double;
#else
using index = std::int64_t;
#endif

packkit::bin_list<index> no_bins() {
    return {};
}
