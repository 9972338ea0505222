// SPDX-License-Identifier: Apache-2.0
/// @file
/// Keeps freed memory in the process instead of giving it back to the system.
#pragma once

#include <cstdlib>  // defines __GLIBC__

#if defined(__GLIBC__)
#include <malloc.h>

#include <limits>
#endif

namespace packkit::lt {

/// From now on the C library serves blocks of up to 2 GiB out of one heap that it does
/// not shrink. Its default maps large blocks one by one, so that each step of a training
/// asks the system again for what the step before gave back, page by page: a tenth of a
/// step's time on the CPU. Costs the heap's fragmentation, some per cent of the largest
/// allocation. Call it at the start of a program; nothing but with glibc.
inline void reuse_memory() {
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, std::numeric_limits<int>::max());
    mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
#endif
}

}  // namespace packkit::lt
