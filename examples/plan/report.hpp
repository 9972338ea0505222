// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// What packkit-plan finds out, as values; the renderers turn them into text.

#include "cluster_options.hpp"
#include "model_choice.hpp"

#include <packkit/estimate/profile/packkit_train.hpp>
#include <packkit/estimate/workload.hpp>
#include <packkit/planner/evaluate.hpp>
#include <packkit/planner/search.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace packkit::plan {

/// What is planned for: everything but the way to train.
struct plan_subject {
    chosen_model model;
    std::int64_t parameters = 0;
    std::int64_t active_parameters = 0;  ///< those that one token uses
    std::int64_t embedding_parameters = 0;
    cluster gpus;
    flop_convention convention = flop_convention::A;
    /// What holds the memory: packkit-train, unless --system names another.
    activation_profile system = packkit_train_activations;
    workload work;
    bool from_lengths = false;  ///< the workload is of data, not of full rows
    bool packed = true;         ///< several samples a row
    double epochs = 1;
    bool drop_last = false;  ///< an epoch's last, smaller step is left out
    double memory_share = usable_memory_share;  ///< of a GPU's memory, for a plan to fill
};

/// What the subject says of how to estimate.
[[nodiscard]] inline estimate_options options_of(const plan_subject& subject) {
    estimate_options options;
    options.profile = subject.system;
    options.convention = subject.convention;
    options.memory_share = subject.memory_share;
    return options;
}

/// Whether the system takes micro-batches of one row only where ranks share packed rows.
[[nodiscard]] inline bool one_row_with_cp(const plan_subject& subject) {
    return subject.packed && subject.system.name != packkit_train_activations.name;
}

/// How long all epochs take.
struct schedule {
    std::int64_t rows_per_epoch = 0;
    std::int64_t steps_per_epoch = 0;  ///< the last, smaller one too unless dropped
    std::int64_t steps = 0;
    double hours = 0;
    double gpu_hours = 0;
    std::optional<double> cost;
};

/// The same samples and setup, arranged in rows in another way.
struct arrangement {
    std::string key;   ///< "packed", "padded_to_sequence_len", "padded_to_longest"
    std::string name;  ///< for people
    workload work;
    plan_figures figures;
    schedule time;
};

/// One way to train, in full.
struct estimate_report {
    plan_subject subject;
    plan_estimate plan;
    std::optional<schedule> time;           ///< where the rows of an epoch are known
    std::vector<arrangement> arrangements;  ///< where lengths are known, packed first
    std::vector<std::string> warnings;
    std::vector<std::string> advice;
    std::vector<std::string> notes;
};

/// All meshes.
struct search_report {
    plan_subject subject;
    plan_search found;
    std::size_t shown = 0;  ///< plans that the tables list
    std::optional<estimate_report> best;
    std::vector<std::string> warnings;
    std::vector<std::string> advice;       ///< where something fits
    std::vector<std::string> suggestions;  ///< where nothing does
    std::vector<std::string> notes;
};

/// How long it takes; nothing where the rows of an epoch are not known.
std::optional<schedule> schedule_of(const plan_subject& subject, const workload& work,
                                    const plan_figures& plan);

/// Parts of the memory, in the order of memory_bytes.
struct memory_part {
    std::string key;
    std::string name;
    std::int64_t bytes = 0;
};
std::vector<memory_part> memory_parts(const memory_bytes& bytes);

/// Communication by dimension of the mesh: those with more than one rank.
struct communication_part {
    std::string name;
    std::int64_t ranks = 0;
    collective_bytes bytes;
};
std::vector<communication_part> communication_parts(const plan_figures& plan);

/// "dp_shard 8 x tp 2", dimensions of size 1 left out; "1 GPU".
std::string mesh_text(const mesh_shape& mesh);

/// "fsdp, full checkpointing, sequence parallel": what differs from the plainest.
/// @param brief in few letters for a column: "fsdp, full, sp"
std::string variant_text(const training_setup& setup, bool brief = false);

}  // namespace packkit::plan
