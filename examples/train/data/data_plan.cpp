// SPDX-License-Identifier: Apache-2.0
#include "data/data_plan.hpp"

#include "common/errors.hpp"

#include <packkit/cu_seqlens.hpp>
#include <packkit/multipack.hpp>
#include <packkit/random.hpp>
#include <packkit/stats.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace packkit::train {
namespace {

/// Packs, or gives every sample a row of its own.
bin_list<> make_bins(const token_store& samples, const train_config& config,
                     std::int64_t capacity) {
    const auto lengths = samples.lengths();
    if (!config.sample_packing) {
        std::vector<std::uint32_t> items(lengths.size());
        std::iota(items.begin(), items.end(), 0U);
        std::vector<std::size_t> offsets(lengths.size() + 1);
        std::iota(offsets.begin(), offsets.end(), std::size_t{0});
        return bin_list<>::from_csr(std::move(items), std::move(offsets));
    }
    if (config.sample_packing_sequentially) return pack(lengths, capacity, next_fit{});
    return pack(lengths, capacity, first_fit_decreasing{},
                {.group_size = static_cast<std::size_t>(config.sample_packing_group_size),
                 .bin_size = static_cast<std::size_t>(config.sample_packing_bin_size)});
}

/// Order kept means bins in file order too.
bool shuffles(const train_config& config) {
    return config.shuffle_data && !config.curriculum_sampling;
}

}  // namespace

data_plan::data_plan(const token_store& samples, const train_config& config,
                     const mesh_shape& mesh)
    : samples_(samples),
      row_capacity_(config.sample_packing && !config.multipack_real_batches
                        ? config.sequence_len * config.micro_batch_size
                        : config.sequence_len),
      rows_per_micro_batch_(config.sample_packing && !config.multipack_real_batches
                                ? 1
                                : config.micro_batch_size),
      micro_steps_(config.gradient_accumulation_steps),
      ranks_(mesh.data_parallel_size()),
      pad_(config.pad_to_sequence_len),
      sampler_(0) {
    if (samples.size() == 0)
        throw app::input_error("datasets", "no sample is left to train on");
    bins_ = make_bins(samples, config, row_capacity_);
    const auto rows_per_step =
        static_cast<std::size_t>(ranks_ * micro_steps_ * rows_per_micro_batch_);
    const auto lengths = samples.lengths();
    const auto tokens = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
    const auto longest = *std::max_element(lengths.begin(), lengths.end());
    efficiency_ = packing_efficiency(
        tokens, static_cast<std::int64_t>(bins_.size()),
        config.sample_packing || config.pad_to_sequence_len ? row_capacity_ : longest);
    padded_efficiency_ = packing_efficiency(
        tokens, static_cast<std::int64_t>(lengths.size()), config.sequence_len);
    // Where the order counts, the last step has empty rows instead of split ones.
    if (config.sample_packing && shuffles(config)) {
        bins_ = equalize_bins(bins_, lengths, rows_per_step);
    }
    sampler_ = batch_sampler(
        bins_.size(),
        {.ranks = static_cast<std::size_t>(ranks_),
         .micro_steps = static_cast<std::size_t>(micro_steps_ * rows_per_micro_batch_),
         .seed = config.seed,
         .shuffle = shuffles(config),
         .last = last_batch::keep});
    total_steps_ = config.max_steps.value_or(static_cast<std::int64_t>(
        std::ceil(config.num_epochs * static_cast<double>(steps_per_epoch()))));
}

std::int64_t data_plan::steps_per_epoch() const {
    return static_cast<std::int64_t>(sampler_.steps_per_epoch());
}

std::vector<std::size_t> data_plan::rows_of(std::int64_t global_step,
                                            std::int64_t micro_step,
                                            std::int64_t rank) const {
    const auto at =
        cursor::from_global_step(static_cast<std::uint64_t>(global_step),
                                 static_cast<std::uint64_t>(steps_per_epoch()));
    return with_sampler(at.epoch, [&](const batch_sampler& sampler) {
        std::vector<std::size_t> rows;
        for (std::int64_t r = 0; r < rows_per_micro_batch_; ++r) {
            const auto bin = sampler.bin(
                static_cast<std::size_t>(at.step),
                static_cast<std::size_t>(micro_step * rows_per_micro_batch_ + r),
                static_cast<std::size_t>(rank));
            if (bin) rows.push_back(*bin);
        }
        return rows;
    });
}

std::int64_t data_plan::micro_batch_tokens(std::int64_t global_step,
                                           std::int64_t micro_step,
                                           std::int64_t rank) const {
    std::int64_t tokens = 0;
    for (const auto row : rows_of(global_step, micro_step, rank)) {
        std::int64_t real = 0;
        for (const std::uint32_t sample : bins_[row])
            real += lengths()[sample];
        tokens += pad_ ? row_capacity_ : real;
    }
    return std::max<std::int64_t>(1, tokens);
}

std::int64_t data_plan::micro_batch_targets(std::int64_t global_step,
                                            std::int64_t micro_step,
                                            std::int64_t rank) const {
    step_plan work;
    for (const auto row : rows_of(global_step, micro_step, rank))
        add_work(work, bins_[row]);
    return work.valid_targets;
}

std::vector<std::int32_t> data_plan::boundaries_of(std::int64_t global_step,
                                                   std::int64_t micro_step,
                                                   std::int64_t rank) const {
    std::vector<std::int32_t> boundaries{0};
    std::int64_t tokens = 0;
    const auto add = [&](std::int64_t length) {
        tokens += length;
        boundaries.push_back(static_cast<std::int32_t>(tokens));
    };
    for (const auto row : rows_of(global_step, micro_step, rank)) {
        const std::int64_t start = tokens;
        for (const std::uint32_t sample : bins_[row])
            add(lengths()[sample]);
        if (pad_ && tokens < start + row_capacity_) add(start + row_capacity_ - tokens);
    }
    if (tokens == 0) add(1);
    return boundaries;
}

std::vector<std::uint32_t> data_plan::samples_of(std::int64_t global_step,
                                                 std::int64_t micro_step,
                                                 std::int64_t rank) const {
    std::vector<std::uint32_t> samples;
    for (const auto row : rows_of(global_step, micro_step, rank)) {
        samples.insert(samples.end(), bins_[row].begin(), bins_[row].end());
    }
    return samples;
}

step_plan data_plan::step(std::int64_t global_step) const {
    step_plan plan;
    plan.at = cursor::from_global_step(static_cast<std::uint64_t>(global_step),
                                       static_cast<std::uint64_t>(steps_per_epoch()));
    with_sampler(plan.at.epoch, [&](const batch_sampler& sampler) {
        for (const auto bin : sampler.bins_of_step(plan.at.step)) {
            if (bin) add_work(plan, bins_[*bin]);
        }
    });
    return plan;
}

step_plan data_plan::step_of_rank(std::int64_t global_step, std::int64_t rank) const {
    step_plan plan;
    plan.at = cursor::from_global_step(static_cast<std::uint64_t>(global_step),
                                       static_cast<std::uint64_t>(steps_per_epoch()));
    for (std::int64_t micro = 0; micro < micro_steps_; ++micro) {
        for (const auto row : rows_of(global_step, micro, rank))
            add_work(plan, bins_[row]);
    }
    return plan;
}

void data_plan::add_work(step_plan& plan, std::span<const std::uint32_t> row) const {
    for (const std::uint32_t sample : row) {
        const std::int64_t length = samples_.lengths()[sample];
        plan.valid_targets += samples_.valid_targets()[sample];
        plan.real_tokens += length;
        plan.squared_lengths += length * length;
    }
}

void data_plan::append_row(packed_row& batch, std::size_t bin) const {
    const auto start = batch.input_ids.size();
    for (const std::uint32_t sample : bins_[bin]) {
        const auto tokens = samples_.tokens(sample);
        const auto labels = samples_.labels(sample);
        batch.input_ids.insert(batch.input_ids.end(), tokens.begin(), tokens.end());
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            batch.position_ids.push_back(static_cast<std::int64_t>(i));
            batch.targets.push_back(i + 1 < labels.size() ? labels[i + 1]
                                                          : default_ignore_index);
        }
        batch.cu_seqlens.push_back(static_cast<std::int32_t>(batch.input_ids.size()));
    }
    const auto padding =
        pad_ ? row_capacity_ - static_cast<std::int64_t>(batch.input_ids.size() - start)
             : 0;
    for (std::int64_t i = 0; i < padding; ++i) {
        batch.input_ids.push_back(0);
        batch.position_ids.push_back(i);
        batch.targets.push_back(default_ignore_index);
    }
    if (padding > 0) {
        batch.cu_seqlens.push_back(static_cast<std::int32_t>(batch.input_ids.size()));
    }
    const auto first = static_cast<std::int64_t>(bin) * row_capacity_;
    for (std::size_t i = start; i < batch.input_ids.size(); ++i)
        batch.token_numbers.push_back(first + static_cast<std::int64_t>(i - start));
}

packed_row data_plan::micro_batch(std::int64_t global_step, std::int64_t micro_step,
                                  std::int64_t rank) const {
    packed_row batch;
    batch.cu_seqlens.push_back(0);
    batch.step = global_step;
    for (const auto row : rows_of(global_step, micro_step, rank))
        append_row(batch, row);
    if (batch.input_ids.empty()) {
        batch.input_ids.push_back(0);
        batch.position_ids.push_back(0);
        batch.targets.push_back(default_ignore_index);
        batch.cu_seqlens.push_back(1);
        batch.token_numbers.push_back(0);
    }
    return batch;
}

std::uint64_t data_plan::hash() const {
    std::uint64_t value = 0;
    const auto mix = [&value](std::uint64_t word) {
        value = random_bits(value, word)[0];
    };
    mix(bins_.size());
    for (const auto item : bins_.items())
        mix(item);
    for (const auto offset : bins_.offsets())
        mix(offset);
    return value;
}

}  // namespace packkit::train
