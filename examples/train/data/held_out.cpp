// SPDX-License-Identifier: Apache-2.0
#include "data/held_out.hpp"

#include "common/errors.hpp"
#include "common/problems.hpp"

#include <packkit/utility/permutation.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace packkit::train {
namespace {

/// Stream of the random numbers that choose samples.
constexpr std::uint64_t stream_of_choice = 0x76616c;

std::size_t count_of(double size, std::size_t samples) {
    if (size >= 1.0) return static_cast<std::size_t>(std::min(size, 1e15));
    return static_cast<std::size_t>(std::ceil(size * static_cast<double>(samples)));
}

}  // namespace

divided_samples hold_out(token_store samples, const train_config& config) {
    divided_samples result;
    if (config.val_set_size == 0.0) {
        result.training = std::move(samples);
        return result;
    }
    const std::size_t all = samples.size();
    const std::size_t count = count_of(config.val_set_size, all);
    if (count >= all) {
        throw app::input_error(
            "val_set_size",
            fmt::format("{} leaves none of {} for training", config.val_set_size,
                        app::counted(static_cast<std::int64_t>(all), "sample")));
    }
    std::vector<char> held_out(all, 0);
    const bool in_order = !config.shuffle_merged_datasets || !config.shuffle_data ||
                          config.curriculum_sampling;
    const lazy_permutation shuffled(all, config.seed, stream_of_choice);
    for (std::size_t k = 0; k < count; ++k)
        held_out[in_order ? all - 1 - k : shuffled(k)] = 1;
    dataset_report report = samples.report();
    for (std::size_t i = 0; i < all; ++i) {
        token_store& store = held_out[i] != 0 ? result.evaluation : result.training;
        store.append(samples.tokens(i), samples.labels(i));
        if (held_out[i] == 0) continue;
        --report.samples;
        ++report.held_out;
        report.tokens -= samples.lengths()[i];
        report.held_out_tokens += samples.lengths()[i];
        report.valid_targets -= samples.valid_targets()[i];
    }
    result.training.set_report(report);
    result.training.set_note(samples.note());
    return result;
}

}  // namespace packkit::train
