// SPDX-License-Identifier: Apache-2.0
#include "length_bound.hpp"

#include <algorithm>

namespace packkit::app {

std::size_t counted_lower_bound(const length_counts& counts, std::int64_t capacity) {
    const auto& count = counts.count;
    const auto longest = static_cast<std::int64_t>(count.size()) - 1;
    const auto samples_of = [&count](std::int64_t length) {
        return static_cast<std::int64_t>(count[static_cast<std::size_t>(length)]);
    };
    const auto rows_for = [capacity](std::int64_t tokens) {
        return tokens / capacity + (tokens % capacity != 0 ? 1 : 0);
    };
    const std::int64_t half = capacity / 2;
    std::int64_t large = 0;  // above half the capacity: a bin each
    std::int64_t tokens = 0;
    for (std::int64_t length = 1; length <= longest; ++length) {
        tokens += length * samples_of(length);
        if (length > half) large += samples_of(length);
    }
    std::int64_t best = std::max(rows_for(tokens), large);
    // Martello and Toth's L2: alpha falls, and with it the large items stand alone less.
    std::int64_t small_tokens = 0;  // of items in [alpha, half]
    std::int64_t room = 0;          // beside large items of at most capacity - alpha
    std::int64_t beside = half + 1;
    for (std::int64_t alpha = std::min(half, longest); alpha >= 1; --alpha) {
        if (samples_of(alpha) == 0) continue;
        small_tokens += alpha * samples_of(alpha);
        for (; beside <= std::min(capacity - alpha, longest); ++beside)
            room += (capacity - beside) * samples_of(beside);
        best = std::max(best,
                        large + rows_for(std::max<std::int64_t>(small_tokens - room, 0)));
    }
    return static_cast<std::size_t>(best);
}

}  // namespace packkit::app
