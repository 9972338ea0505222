// SPDX-License-Identifier: Apache-2.0
#include "config/step_interval.hpp"

#include "config/kinds.hpp"

#include <cmath>

namespace packkit::train {
namespace {

constexpr real_range between_zero_and_one{0.0, 1.0, false, false,
                                          "a share of all steps > 0 and < 1"};

}  // namespace

std::int64_t step_interval::in_run_of(std::int64_t total) const {
    if (share == 0.0) return steps;
    return static_cast<std::int64_t>(std::ceil(static_cast<double>(total) * share));
}

std::optional<step_interval> steps_or_share::read(const config_node& node) const {
    if (const auto steps = whole{low}.read(node)) return step_interval{*steps, 0.0};
    if (const auto share = real{between_zero_and_one}.read(node))
        return step_interval{0, *share};
    return std::nullopt;
}

std::string steps_or_share::expected() const {
    return whole{low}.expected() + ", or " + std::string(between_zero_and_one.expected);
}

std::string steps_or_share::text(const step_interval& value) const {
    return value.share > 0.0 ? real{between_zero_and_one}.text(value.share)
                             : std::to_string(value.steps);
}

}  // namespace packkit::train
