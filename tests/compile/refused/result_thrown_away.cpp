// SPDX-License-Identifier: Apache-2.0
// refused: nodiscard
// A packing that nobody looks at is a mistake.
#include <packkit/packing/pack.hpp>

#include <vector>

#pragma GCC diagnostic error "-Wunused-result"

void warm_up(const std::vector<int>& lengths) {
#ifdef PACKKIT_REFUSED
    packkit::pack(lengths, 4096);
#else
    static_cast<void>(packkit::pack(lengths, 4096));
#endif
}
