// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// For tests of meshes in one process: a small Llama trained on packed ragged rows, ranks
/// as threads.

#include "thread_ranks.hpp"

#include "step/train_step.hpp"

#include <packkit/mesh/mesh_shape.hpp>
#include <packkit/torch/communication/mesh_view.hpp>
#include <packkit/torch/optim/adamw.hpp>
#include <packkit/utility/random.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace packkit::test {

/// Grouped queries; a vocabulary that two and four ranks do not divide.
inline model_shape small_llama() {
    model_shape shape;
    shape.vocab_size = 43;
    shape.hidden_size = 32;
    shape.intermediate_size = 20;
    shape.num_hidden_layers = 2;
    shape.num_attention_heads = 8;
    shape.num_key_value_heads = 2;
    shape.head_dim = 4;
    shape.max_position_embeddings = 64;
    return shape;
}

/// Row `number` of all rows: documents of 1 to 12 tokens whose next token follows from
/// the token, so that there is something to learn.
inline train::packed_row row_of(std::uint64_t number) {
    train::packed_row row;
    row.cu_seqlens.push_back(0);
    std::uint64_t drawn = 0;
    for (int document = 0; document < 4; ++document) {
        const auto length = 1 + random_below(12, number, drawn++);
        auto id = random_below(43, number, drawn++);
        for (std::uint64_t i = 0; i < length; ++i) {
            row.input_ids.push_back(static_cast<std::int64_t>(id));
            id = (id * 5 + 3) % 43;
            row.targets.push_back(i + 1 < length ? static_cast<std::int64_t>(id) : -100);
            row.position_ids.push_back(static_cast<std::int64_t>(i));
        }
        row.cu_seqlens.push_back(static_cast<std::int32_t>(row.input_ids.size()));
    }
    return row;
}

inline std::int64_t targets_of(const train::packed_row& row) {
    return static_cast<std::int64_t>(
        std::count_if(row.targets.begin(), row.targets.end(),
                      [](std::int64_t target) { return target >= 0; }));
}

/// A rank of a mesh, in its thread.
struct mesh_rank {
    lt::mesh_groups groups;
    std::int64_t data_rank;  ///< which rows it takes
};

/// Calls body(rank) for every rank of `mesh`, each in a thread, and rethrows the first
/// exception.
inline void run_mesh(const mesh_shape& mesh,
                     const std::function<void(const mesh_rank&)>& body) {
    std::map<std::pair<std::string, std::int64_t>, std::shared_ptr<lt::in_process_group>>
        made;
    std::mutex making;
    run_ranks(static_cast<int>(mesh.world_size()), [&](lt::communicator& world) {
        auto groups = lt::make_mesh_groups(
            mesh, world.rank(),
            [&](const std::string& name, const std::vector<std::int64_t>& members)
                -> std::unique_ptr<lt::communicator> {
                const auto size = static_cast<int>(members.size());
                const auto place =
                    std::find(members.begin(), members.end(), world.rank());
                const std::lock_guard lock(making);
                auto& group = made[{name, members.front()}];
                if (!group) group = std::make_shared<lt::in_process_group>(size);
                return std::make_unique<lt::in_process_communicator>(
                    name, static_cast<int>(place - members.begin()), group);
            });
        body({std::move(groups), data_rank_of(mesh, world.rank())});
    });
}

/// This rank's micro-batches of a step, a row each: the data-parallel ranks divide the
/// `rows_a_step` rows.
inline std::vector<train::packed_row> rows_of_step(const mesh_rank& rank,
                                                   std::int64_t step,
                                                   std::int64_t rows_a_step) {
    const auto data_ranks = rank.groups.shape().data_parallel_size();
    std::vector<train::packed_row> rows;
    for (auto i = rank.data_rank; i < rows_a_step; i += data_ranks)
        rows.push_back(row_of(static_cast<std::uint64_t>(step * rows_a_step + i)));
    return rows;
}

/// Targets of all rows of a step.
inline std::int64_t targets_of_step(std::int64_t step, std::int64_t rows_a_step) {
    std::int64_t targets = 0;
    for (std::int64_t i = 0; i < rows_a_step; ++i)
        targets += targets_of(row_of(static_cast<std::uint64_t>(step * rows_a_step + i)));
    return targets;
}

/// The trainer's step on those rows, gradients clipped to a norm of 1. Returns its loss.
inline double train_step(train::model& subject, lt::adamw& optimizer,
                         const mesh_rank& rank, std::int64_t step,
                         std::int64_t rows_a_step) {
    return train::train_step(subject, optimizer, rank.groups,
                             rows_of_step(rank, step, rows_a_step),
                             {.step = step,
                              .targets = targets_of_step(step, rows_a_step),
                              .learning_rate = 3e-3,
                              .max_grad_norm = 1.0})
        .loss;
}

}  // namespace packkit::test
