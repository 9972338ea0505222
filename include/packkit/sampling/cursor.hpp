// SPDX-License-Identifier: Apache-2.0
/// @file
/// `cursor`: where a training stands, as epoch and step.
#pragma once

#include <packkit/error.hpp>

#include <compare>
#include <cstdint>

namespace packkit {

/// Where training stands: `step` steps of `epoch` are done. A plain pair of numbers is
/// all there is to save.
struct cursor {
    std::uint64_t epoch = 0;
    std::uint64_t step = 0;

    /// The cursor after one more step, at the next epoch's start once this one is done.
    /// @throws invalid_argument for epochs of 0 steps
    [[nodiscard]] constexpr cursor advance(std::uint64_t steps_per_epoch) const {
        return from_global_step(global_step(steps_per_epoch) + 1, steps_per_epoch);
    }

    /// Steps done since the first epoch began.
    [[nodiscard]] constexpr std::uint64_t global_step(
        std::uint64_t steps_per_epoch) const {
        return epoch * steps_per_epoch + step;
    }

    /// The cursor after that many steps. @throws invalid_argument for epochs of 0 steps
    [[nodiscard]] static constexpr cursor from_global_step(
        std::uint64_t global_step, std::uint64_t steps_per_epoch) {
        if (steps_per_epoch == 0) {
            detail::throw_invalid_argument("an epoch of 0 steps has no step ",
                                           global_step);
        }
        return {global_step / steps_per_epoch, global_step % steps_per_epoch};
    }

    friend constexpr auto operator<=>(const cursor&, const cursor&) = default;
};

}  // namespace packkit
