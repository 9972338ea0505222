// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Which samples lie in which row of which step, for every rank, from lengths and
/// configuration alone. A plan is a value: all ranks derive the same one and take their
/// part by number.

#include "config/config.hpp"
#include "data/dataset.hpp"

#include <packkit/bins.hpp>
#include <packkit/mesh.hpp>
#include <packkit/sampler.hpp>

#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace packkit::train {

/// One row of tokens as the model takes it: documents one behind the other, each with its
/// own positions, and targets already shifted inside each document.
struct packed_row {
    std::vector<std::int64_t> input_ids;
    std::vector<std::int64_t> targets;       ///< −100: no target
    std::vector<std::int64_t> position_ids;  ///< restart at 0 in each document
    std::vector<std::int32_t> cu_seqlens;    ///< documents, and padding as one of its own
    /// A number for each token of the step's global batch, the same on every mesh: the
    /// row's among all rows × row capacity + the place in the row.
    std::vector<std::int64_t> token_numbers = {};
    std::int64_t step = 0;  ///< from 0
};

/// Work of one step, over all ranks or of one.
struct step_plan {
    cursor at;  ///< epoch and step within it
    std::int64_t valid_targets =
        0;                         ///< of the whole step, over all ranks and micro-steps
    std::int64_t real_tokens = 0;  ///< without padding
    std::int64_t squared_lengths = 0;  ///< Σ l² over documents: what attention costs
};

/// Rows for every (step, micro-step, rank). Several threads may ask.
class data_plan {
public:
    /// `samples` outlives the plan. Throws app::input_error when there is nothing to
    /// train on.
    data_plan(const token_store& samples, const train_config& config,
              const mesh_shape& mesh);

    [[nodiscard]] std::int64_t steps_per_epoch() const;
    /// max_steps, or num_epochs × steps_per_epoch rounded up.
    [[nodiscard]] std::int64_t total_steps() const { return total_steps_; }
    [[nodiscard]] std::int64_t micro_steps() const { return micro_steps_; }

    [[nodiscard]] step_plan step(std::int64_t global_step) const;

    /// The part of data-parallel rank `rank`.
    [[nodiscard]] step_plan step_of_rank(std::int64_t global_step,
                                         std::int64_t rank) const;

    /// The micro-batch of data-parallel rank `rank`: `micro_batch_size` rows joined into
    /// one. Never empty: a rank without samples gets one token without a target, and
    /// takes part as all do.
    [[nodiscard]] packed_row micro_batch(std::int64_t global_step,
                                         std::int64_t micro_step,
                                         std::int64_t rank) const;

    /// Tokens of that micro-batch, padding included.
    [[nodiscard]] std::int64_t micro_batch_tokens(std::int64_t global_step,
                                                  std::int64_t micro_step,
                                                  std::int64_t rank) const;

    /// Its valid targets.
    [[nodiscard]] std::int64_t micro_batch_targets(std::int64_t global_step,
                                                   std::int64_t micro_step,
                                                   std::int64_t rank) const;

    /// cu_seqlens of that micro-batch.
    [[nodiscard]] std::vector<std::int32_t> boundaries_of(std::int64_t global_step,
                                                          std::int64_t micro_step,
                                                          std::int64_t rank) const;

    /// Sample numbers in that micro-batch, for messages.
    [[nodiscard]] std::vector<std::uint32_t> samples_of(std::int64_t global_step,
                                                        std::int64_t micro_step,
                                                        std::int64_t rank) const;

    [[nodiscard]] const bin_list<>& bins() const { return bins_; }
    [[nodiscard]] std::span<const std::int64_t> lengths() const {
        return samples_.lengths();
    }
    /// Whether rows are filled up to their capacity.
    [[nodiscard]] bool pads() const { return pad_; }
    [[nodiscard]] std::int64_t row_capacity() const { return row_capacity_; }
    /// Real tokens / (rows × capacity).
    [[nodiscard]] double efficiency() const { return efficiency_; }
    /// The same if every sample had a row of sequence_len.
    [[nodiscard]] double padded_efficiency() const { return padded_efficiency_; }
    /// Equal on ranks that derived the same rows of samples, by their numbers.
    [[nodiscard]] std::uint64_t hash() const;

private:
    /// Numbers of the rows among all bins.
    [[nodiscard]] std::vector<std::size_t> rows_of(std::int64_t global_step,
                                                   std::int64_t micro_step,
                                                   std::int64_t rank) const;
    /// Calls `use` with the sampler of an epoch, for one thread at a time.
    template <class Use>
    auto with_sampler(std::uint64_t epoch, Use use) const {
        const std::lock_guard lock(sampling_);
        if (sampler_.epoch() != epoch) sampler_.set_epoch(epoch);
        return use(std::as_const(sampler_));
    }
    void add_work(step_plan& plan, std::span<const std::uint32_t> row) const;
    void append_row(packed_row& batch, std::size_t bin) const;

    const token_store& samples_;
    bin_list<> bins_;
    std::int64_t row_capacity_;
    std::int64_t rows_per_micro_batch_;
    std::int64_t micro_steps_;
    std::int64_t ranks_;
    bool pad_;
    double efficiency_ = 0;
    double padded_efficiency_ = 0;
    std::int64_t total_steps_ = 0;
    mutable std::mutex sampling_;
    mutable batch_sampler sampler_;  // of the epoch asked for last
};

}  // namespace packkit::train
