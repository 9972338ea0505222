// SPDX-License-Identifier: Apache-2.0
#include "plan/data_plan.hpp"

#include "common/errors.hpp"

#include <packkit/packing/efficiency.hpp>
#include <packkit/packing/pack.hpp>
#include <packkit/utility/batch_size.hpp>

#include <algorithm>
#include <numeric>
#include <string>

namespace packkit::train {
namespace {

/// Packed, in the file's order one behind the other, or a sample a bin.
bin_list<> pack_samples(std::span<const std::int64_t> lengths, const train_config& config,
                        std::int64_t capacity) {
    if (!config.sample_packing)
        return pack(lengths, capacity, next_fit{}, {.bin_size = 1});
    if (config.sample_packing_sequentially) return pack(lengths, capacity, next_fit{});
    return pack(lengths, capacity, first_fit_decreasing{},
                {.group_size = static_cast<std::size_t>(config.sample_packing_group_size),
                 .bin_size = static_cast<std::size_t>(config.sample_packing_bin_size)});
}

distributed_plan<> make_plan(std::span<const std::int64_t> lengths,
                             const train_config& config, std::int64_t capacity,
                             std::size_t global_batch, attention_cost cost) {
    if (lengths.empty())
        throw app::input_error("datasets", "no sample is left to train on");
    distributed_plan_options options = {.global_batch = global_batch,
                                        .seed = config.seed,
                                        .balance = config.sample_packing_balance};
    if (!config.shuffle_data || config.curriculum_sampling)
        options.order = epoch_order::as_packed;
    else if (config.sample_packing && config.sample_packing_sequentially)
        options.order = epoch_order::shuffled_bins;
    // Where the order counts, or rows are samples, bins stay whole.
    if (!config.sample_packing || options.order == epoch_order::as_packed)
        options.last = last_step::keep;
    if (config.dataloader_drop_last) options.last = last_step::drop;
    if (config.pad_to_sequence_len)
        options.padded_row = static_cast<std::uint32_t>(capacity);
    auto plan = make_distributed_plan(lengths, pack_samples(lengths, config, capacity),
                                      options, cost);
    if (plan.steps_per_epoch() > 0) return plan;
    throw app::input_error("dataloader_drop_last",
                           "no full step is left to train on: a step takes " +
                               std::to_string(global_batch) + " rows, an epoch has " +
                               std::to_string(plan.bins()));
}

}  // namespace

data_plan::data_plan(const token_store& samples, const train_config& config,
                     const mesh_shape& mesh, attention_cost cost)
    : samples_(samples),
      rows_(
          static_cast<std::size_t>(config.sample_packing && !config.multipack_real_batches
                                       ? 1
                                       : config.micro_batch_size)),
      row_capacity_(config.sequence_len * config.micro_batch_size /
                    static_cast<std::int64_t>(rows_)),
      micro_steps_(static_cast<std::size_t>(config.gradient_accumulation_steps)),
      ranks_(static_cast<std::size_t>(mesh.data_parallel_size())),
      rows_between_waits_(rows_ * (mesh.effective_shard_size() > 1 ? 1 : micro_steps_)),
      plan_(make_plan(samples.lengths(), config, row_capacity_,
                      ranks_ * micro_steps_ * rows_, cost)),
      reader_(plan_, ranks_,
              config.canonical_reduction ? row_assignment::in_order
                                         : row_assignment::in_turn) {
    const auto lengths = samples.lengths();
    efficiency_ = packing_efficiency(
        std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0}),
        plan_.packed_bins(),
        config.sample_packing || config.pad_to_sequence_len ? row_capacity_
                                                            : std::ranges::max(lengths));
    total_steps_ =
        config.max_steps.value_or(steps_of_epochs(steps_per_epoch(), config.num_epochs));
}

micro_batch_content data_plan::content(std::int64_t global_step, std::int64_t micro_step,
                                       std::int64_t rank) const {
    const auto at = cursor::from_global_step(static_cast<std::uint64_t>(global_step),
                                             plan_.steps_per_epoch());
    micro_batch_content batch{.step = global_step};
    const std::lock_guard lock(reading_);
    for (std::size_t row = 0; row < rows_; ++row) {
        const auto bin =
            reader_.bin(at, static_cast<std::size_t>(micro_step) * rows_ + row,
                        static_cast<std::size_t>(rank));
        if (!bin) continue;
        batch.add_row(plan_.samples_of(*bin, at.epoch), samples_,
                      std::int64_t{*bin} * row_capacity_, plan_.options().padded_row);
    }
    if (batch.documents.empty()) batch.add_padding(1, 0);
    return batch;
}

batch_work data_plan::step(std::int64_t global_step) const {
    batch_work work;
    for (std::int64_t micro = 0; micro < micro_steps(); ++micro) {
        for (std::size_t rank = 0; rank < ranks_; ++rank)
            work += content(global_step, micro, static_cast<std::int64_t>(rank)).work;
    }
    return work;
}

}  // namespace packkit::train
