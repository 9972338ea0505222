// SPDX-License-Identifier: Apache-2.0
#include "data/row_sink.hpp"

#include "common/errors.hpp"
#include "data/checksum.hpp"

#include <packkit/sequence/labels.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace packkit::train {

void row_sink::add(const std::string& place, std::span<const std::int32_t> tokens,
                   std::span<const std::int32_t> labels, bool is_text) {
    using strategies = packkit::excess_length_strategy;
    const auto length = static_cast<std::int64_t>(tokens.size());
    const std::int64_t capacity = config_.sequence_len;
    ++report_.rows;
    report_.tokens_read += length;
    if (length == 0) {
        ++report_.empty;
        return;
    }
    if (length < config_.min_sample_len)
        return drop(&dataset_report::too_short, tokens.size());
    if (length <= capacity) return keep(tokens, labels);
    ++report_.overlong;
    const auto strategy = config_.excess_length_strategy.value_or(
        is_text ? strategies::split : strategies::drop);
    if (strategy == strategies::raise) {
        throw app::input_error(
            place, fmt::format("{} tokens, sequence_len is {} (excess_length_strategy "
                               "raise; drop, truncate and split would let it pass)",
                               length, capacity));
    }
    const auto fitted = apply_excess_length(std::array{length}, capacity, strategy);
    report_.dropped += static_cast<std::int64_t>(fitted.dropped.size());
    report_.dropped_tokens += fitted.dropped_tokens;
    report_.cut_tokens += fitted.cut_tokens;
    report_.truncated += fitted.cut_tokens > 0 ? 1 : 0;
    report_.split += fitted.lengths.size() > 1 ? 1 : 0;
    for (std::size_t piece = 0; piece < fitted.lengths.size(); ++piece) {
        const auto from = static_cast<std::size_t>(fitted.offset[piece]);
        const auto count = static_cast<std::size_t>(fitted.lengths[piece]);
        const bool is_rest = strategy == strategies::split &&
                             fitted.lengths[piece] < config_.min_sample_len;
        if (is_rest) {
            drop(&dataset_report::too_short, count);
        } else {
            keep(tokens.subspan(from, count), labels.subspan(from, count));
        }
    }
}

void row_sink::drop(std::int64_t dataset_report::* reason, std::size_t tokens) {
    ++(report_.*reason);
    ++report_.dropped;
    report_.dropped_tokens += static_cast<std::int64_t>(tokens);
}

/// Whether a sample of the same tokens and labels is in the store.
bool row_sink::is_known(std::span<const std::int32_t> tokens,
                        std::span<const std::int32_t> labels) {
    running_checksum sum;
    sum.update(std::as_bytes(tokens));
    sum.update(std::as_bytes(labels));
    const std::uint64_t hash = sum.value();
    const auto [first, last] = known_.equal_range(hash);
    const bool found = std::any_of(first, last, [&](const auto& entry) {
        return std::ranges::equal(store_.tokens(entry.second), tokens) &&
               std::ranges::equal(store_.labels(entry.second), labels);
    });
    if (!found) known_.emplace(hash, store_.size());
    return found;
}

void row_sink::keep(std::span<const std::int32_t> tokens,
                    std::span<const std::int32_t> labels) {
    if (count_valid_targets(labels.subspan(1)) == 0)
        return drop(&dataset_report::without_targets, tokens.size());
    if (config_.dataset_exact_deduplication && is_known(tokens, labels))
        return drop(&dataset_report::duplicates, tokens.size());
    store_.append(tokens, labels);
    ++report_.samples;
    report_.tokens += static_cast<std::int64_t>(tokens.size());
    report_.valid_targets += store_.valid_targets().back();
}

}  // namespace packkit::train
