// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// For tests of meshes in one process: a small Llama trained on packed ragged rows, ranks
/// as threads.

#include "thread_ranks.hpp"

#include "model/model.hpp"

#include <packkit/mesh.hpp>
#include <packkit/random.hpp>
#include <packkit/torch/adamw.hpp>
#include <packkit/torch/gradient_norm.hpp>
#include <packkit/torch/rendezvous.hpp>

#include <ATen/ATen.h>

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
    std::int64_t place;   ///< its data-parallel rank: which rows it takes
    std::int64_t places;  ///< data-parallel ranks

    [[nodiscard]] train::model_groups model_groups() const {
        return {groups.shard.get(), groups.replicate.get(), groups.cp.get(),
                groups.tp.get()};
    }
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
        body({std::move(groups), data_rank_of(mesh, world.rank()),
              mesh.data_parallel_size()});
    });
}

/// Forward and backward of this rank's rows of a step, which its data-parallel ranks
/// divide. Returns this rank's part of the loss, the mean over the step's targets.
inline double accumulate_step(train::model& subject, const mesh_rank& rank,
                              std::int64_t step, std::int64_t rows_a_step) {
    const auto row_number = [&](std::int64_t i) {
        return static_cast<std::uint64_t>(step * rows_a_step + i);
    };
    std::int64_t valid = 0;
    for (std::int64_t i = 0; i < rows_a_step; ++i)
        valid += targets_of(row_of(row_number(i)));
    double loss = 0;
    for (auto& unit : subject.units())
        unit.parameters().zero_gradients();
    for (std::int64_t i = rank.place; i < rows_a_step; i += rank.places) {
        const auto row = subject.prepare(row_of(row_number(i)));
        for (auto& unit : subject.units())
            unit.set_last_micro_step(i + rank.places >= rows_a_step);
        const auto sum = subject.loss_sum(row);
        loss += sum.item<double>();
        (sum / static_cast<double>(valid)).backward();
        for (auto& unit : subject.units())
            unit.parameters().finish_reduce();
    }
    subject.sum_partial_gradients();
    return loss / static_cast<double>(valid);
}

/// Clips the gradients of a step and updates the parameters.
inline void update_step(train::model& subject, lt::adamw& optimizer,
                        const mesh_rank& rank, std::int64_t step) {
    const auto norm =
        lt::gradient_norm(subject.units(), *rank.groups.shard, rank.groups.tp.get());
    lt::clip_gradients(subject.units(), norm, 1.0);
    optimizer.update(3e-3, step);
}

/// The loss of a step, of all ranks' parts.
inline double loss_of_all(const mesh_rank& rank, double loss) {
    // The ranks of tp have the loss of the same rows.
    auto all = at::full({1}, rank.groups.tp->rank() == 0 ? loss : 0.0, at::kDouble);
    rank.groups.world->all_reduce(all).wait();
    return all.item<double>();
}

}  // namespace packkit::test
