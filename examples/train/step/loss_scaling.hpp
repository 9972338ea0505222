// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Dynamic loss scaling for fp16, with the numbers of torch.amp.GradScaler.

#include <cstdint>

namespace packkit::train {

/// The factor that the loss is multiplied by before backward, so that gradients do not
/// vanish in fp16, and what it follows from. Equal on all ranks.
struct loss_scaling {
    static constexpr double growth_factor = 2.0;
    static constexpr double backoff_factor = 0.5;
    static constexpr std::int64_t growth_interval = 2000;
    /// Gradients that are not finite at this scale are not so for its size.
    static constexpr double least = 1.0 / 65536.0;

    double scale = 65536.0;
    std::int64_t good_steps = 0;     ///< since the scale has changed
    std::int64_t skipped_steps = 0;  ///< whose gradients were too large: no update

    /// Takes note of a step: after one whose gradients overflowed the scale is halved,
    /// after 2000 others in a row it is doubled.
    void update(bool overflowed) {
        if (overflowed) {
            scale *= backoff_factor;
            good_steps = 0;
            ++skipped_steps;
        } else if (++good_steps == growth_interval) {
            scale *= growth_factor;
            good_steps = 0;
        }
    }
};

}  // namespace packkit::train
