// SPDX-License-Identifier: Apache-2.0
/// @file
/// Batch arithmetic: micro-batch, gradient accumulation, global batch, steps, hours.
///
/// Rows of a step = micro_batch_size x gradient_accumulation_steps x dp_replicate x
/// dp_shard; cp and tp do not count. With packing a row is a bin, not a sample.
#pragma once

#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>

namespace packkit {

namespace detail {

constexpr void check_positive(std::string_view name, std::int64_t value) {
    if (value < 1) throw_invalid_argument(name, " is ", value, ", it must be at least 1");
}

}  // namespace detail

/// How the rows of one optimizer step are made up.
struct batch_size {
    std::int64_t micro_batch_size = 1;
    std::int64_t gradient_accumulation_steps = 1;
    std::int64_t data_parallel_size = 1;

    /// Rows of one step over all ranks: the global batch size.
    [[nodiscard]] constexpr std::int64_t global() const {
        return micro_batch_size * gradient_accumulation_steps * data_parallel_size;
    }
    friend constexpr bool operator==(const batch_size&, const batch_size&) = default;
};

/// Fills what is not set of micro_batch_size, gradient_accumulation_steps and batch_size
/// (= micro x accumulation: rows a step of one data-parallel rank, as the key means in
/// Axolotl), under its rules: two of them must be set, and not the last two together.
///
/// @throws invalid_argument with Axolotl's message if a rule is broken; for a value below
///   1; if micro_batch_size does not divide batch_size
[[nodiscard]] constexpr batch_size resolve_batch_size(
    std::optional<std::int64_t> micro_batch_size,
    std::optional<std::int64_t> gradient_accumulation_steps,
    std::optional<std::int64_t> rows_per_rank, std::int64_t data_parallel_size) {
    if (gradient_accumulation_steps && rows_per_rank) {
        detail::throw_invalid_argument(
            "please set only one of gradient_accumulation_steps or batch_size "
            "(gradient_accumulation_steps is ",
            *gradient_accumulation_steps, ", batch_size is ", *rows_per_rank, ")");
    }
    if (!micro_batch_size || (!gradient_accumulation_steps && !rows_per_rank)) {
        detail::throw_invalid_argument(
            "At least two of micro_batch_size, gradient_accumulation_steps, batch_size "
            "must "
            "be set");
    }
    detail::check_positive("micro_batch_size", *micro_batch_size);
    detail::check_positive("data_parallel_size", data_parallel_size);
    std::int64_t accumulation = 1;
    if (gradient_accumulation_steps) {
        detail::check_positive("gradient_accumulation_steps",
                               *gradient_accumulation_steps);
        accumulation = *gradient_accumulation_steps;
    } else {
        detail::check_positive("batch_size", *rows_per_rank);
        if (*rows_per_rank % *micro_batch_size != 0) {
            const std::int64_t below =
                *rows_per_rank / *micro_batch_size * *micro_batch_size;
            detail::throw_invalid_argument("batch_size is ", *rows_per_rank,
                                           ", micro_batch_size ", *micro_batch_size,
                                           " does not divide it; batch_size could be ",
                                           below == 0 ? *micro_batch_size : below);
        }
        accumulation = *rows_per_rank / *micro_batch_size;
    }
    const std::int64_t rows =
        detail::checked_multiply(*micro_batch_size, accumulation, "the batch of a rank");
    static_cast<void>(
        detail::checked_multiply(rows, data_parallel_size, "the global batch"));
    return {*micro_batch_size, accumulation, data_parallel_size};
}

/// Gradient accumulation steps for a wanted global batch size.
/// @throws invalid_argument for a value below 1, or unless micro x data-parallel ranks
///   divide the global batch; the message names the nearest that work
[[nodiscard]] constexpr std::int64_t accumulation_for(std::int64_t global_batch_size,
                                                      std::int64_t micro_batch_size,
                                                      std::int64_t data_parallel_size) {
    detail::check_positive("global_batch_size", global_batch_size);
    detail::check_positive("micro_batch_size", micro_batch_size);
    detail::check_positive("data_parallel_size", data_parallel_size);
    const std::int64_t rows = detail::checked_multiply(
        micro_batch_size, data_parallel_size, "micro_batch_size x ranks");
    if (global_batch_size % rows != 0) {
        const std::int64_t below = global_batch_size / rows * rows;
        detail::throw_invalid_argument("global batch size ", global_batch_size,
                                       " is no multiple of micro_batch_size ",
                                       micro_batch_size, " x ", data_parallel_size,
                                       " data-parallel ranks = ", rows,
                                       "; nearest: ", below == 0 ? rows : below, " or ",
                                       below == 0 ? 2 * rows : below + rows);
    }
    return global_batch_size / rows;
}

/// The optimizer steps of one epoch: full ones, and a smaller one of the rows left over.
struct epoch_steps {
    std::int64_t full = 0;  ///< steps of the whole global batch
    std::int64_t last_rows =
        0;  ///< rows of the smaller step after them; 0: there is none

    /// Steps that are taken. The smaller one is a step too, unless it is dropped.
    [[nodiscard]] constexpr std::int64_t count(bool drop_last = false) const {
        return full + (last_rows > 0 && !drop_last ? 1 : 0);
    }
    friend constexpr bool operator==(const epoch_steps&, const epoch_steps&) = default;
};

/// Divides the rows of an epoch into optimizer steps.
/// @throws invalid_argument for negative samples, or a batch below 1
[[nodiscard]] constexpr epoch_steps steps_of_epoch(std::int64_t samples,
                                                   std::int64_t global_batch_size) {
    if (samples < 0) {
        detail::throw_invalid_argument("samples is ", samples,
                                       ", it must not be negative");
    }
    detail::check_positive("global_batch_size", global_batch_size);
    return {samples / global_batch_size, samples % global_batch_size};
}

/// Optimizer steps of an epoch. The last, smaller one counts unless it is dropped
/// (`dataloader_drop_last`).
/// @throws invalid_argument as `steps_of_epoch`
[[nodiscard]] constexpr std::int64_t steps_per_epoch(std::int64_t samples,
                                                     std::int64_t global_batch_size,
                                                     bool drop_last = false) {
    return steps_of_epoch(samples, global_batch_size).count(drop_last);
}

/// Optimizer steps of some epochs, which may end within one: rounded up, except for what
/// rounding of the product adds (1.1 epochs of 10 steps are 11, not 12).
/// @throws invalid_argument for negative arguments, or 2^50 steps and more
[[nodiscard]] inline std::int64_t steps_of_epochs(std::int64_t steps_per_epoch,
                                                  double epochs) {
    const double steps = static_cast<double>(steps_per_epoch) * epochs;
    if (!(steps_per_epoch >= 0 && epochs >= 0 && steps < 0x1p50)) {
        detail::throw_invalid_argument(epochs, " epochs of ", steps_per_epoch,
                                       " steps: neither may be negative, and there "
                                       "may be less than 2^50 steps");
    }
    return static_cast<std::int64_t>(std::ceil(steps * (1 - 0x1p-51)));
}

/// Hours that a number of steps takes.
[[nodiscard]] constexpr double hours(std::int64_t steps, double seconds_per_step) {
    return static_cast<double>(steps) * seconds_per_step / 3600.0;
}

/// `sample_packing_eff_est` as Axolotl derives it from a measured efficiency: rounded up
/// to a hundredth.
/// @throws invalid_argument unless the efficiency is in (0, 1]
[[nodiscard]] inline double rounded_efficiency(double efficiency) {
    if (!(efficiency > 0.0 && efficiency <= 1.0)) {
        detail::throw_invalid_argument("packing efficiency is ", efficiency,
                                       ", expected above 0 and at most 1");
    }
    return std::ceil(efficiency * 100.0) / 100.0;
}

/// Steps that Axolotl expects of a packed run before it has packed anything. The only use
/// of `sample_packing_eff_est`: it changes neither batch nor memory.
///
/// - floor(0.99 tokens / eff_est / sequence_len // batch - 1) x epochs, but not below 0
///
/// @param global_batch_size rows of a step over all ranks
/// @throws invalid_argument for negative tokens or epochs, a size below 1, or an estimate
///   outside (0, 1]
[[nodiscard]] inline std::int64_t estimated_steps(std::int64_t tokens,
                                                  double sample_packing_eff_est,
                                                  std::int64_t sequence_len,
                                                  std::int64_t global_batch_size,
                                                  std::int64_t epochs = 1) {
    detail::check_positive("sequence_len", sequence_len);
    detail::check_positive("global_batch_size", global_batch_size);
    if (tokens < 0 || epochs < 0) {
        detail::throw_invalid_argument("tokens is ", tokens, " and epochs is ", epochs,
                                       ", they must not be negative");
    }
    if (!(sample_packing_eff_est > 0.0 && sample_packing_eff_est <= 1.0)) {
        detail::throw_invalid_argument("sample_packing_eff_est is ",
                                       sample_packing_eff_est,
                                       ", expected above 0 and at most 1");
    }
    const double rows = 0.99 * static_cast<double>(tokens) / sample_packing_eff_est /
                        static_cast<double>(sequence_len);
    const auto batch = static_cast<double>(global_batch_size);
    // Floor division of doubles as Python does it: exact where rows / batch would round
    // up.
    double batches = std::floor((rows - std::fmod(rows, batch)) / batch + 0.5);
    return static_cast<std::int64_t>(std::max(batches - 1.0, 0.0)) * epochs;
}

}  // namespace packkit
