// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// How the ranks of a job find each other, and agree on what they are about to do before
/// they do it.

#include "config/config.hpp"
#include "plan/inputs.hpp"
#include "run/rank_environment.hpp"

#include <packkit/torch/communication/mesh_view.hpp>
#include <packkit/torch/communication/rendezvous.hpp>

#include <c10/core/Device.h>

#include <chrono>
#include <exception>
#include <string>
#include <type_traits>

namespace packkit::train {

/// One rank of a job, and how it agrees with the others before there are groups.
class job_rank {
public:
    /// Opens the store where the ranks meet. `environment`: what its launcher says of it.
    job_rank(const train_config& config, const rank_environment& environment);

    [[nodiscard]] const rank_environment& environment() const { return environment_; }
    [[nodiscard]] bool is_first() const { return environment_.rank == 0; }

    /// The store; null where there is one rank.
    [[nodiscard]] const c10::intrusive_ptr<c10d::Store>& store() const { return store_; }
    /// How long a rank waits for another: ddp_timeout.
    [[nodiscard]] std::chrono::milliseconds timeout() const { return timeout_; }

    /// work() on every rank; collective. Where it throws on one, all throw: that rank
    /// what it threw, the others app::usage_error (if it is one, or wrong input) or
    /// lt::communication_error with the rank's number and words. `name`: another one for
    /// each call.
    template <class Work>
    auto on_all_ranks(const std::string& name, Work work) const {
        const auto tried = [&] {
            try {
                return work();
            } catch (const std::exception& fault) {
                publish_error(name, fault);
                throw;
            }
        };
        if constexpr (std::is_void_v<decltype(work())>) {
            tried();
            collect_errors(name);
        } else {
            auto result = tried();
            collect_errors(name);
            return result;
        }
    }

    /// Rank 0's `text` on every rank; collective.
    [[nodiscard]] std::string text_of_first(const std::string& name,
                                            const std::string& text) const;

private:
    /// Tells the others what this rank has failed of, without waiting for them; rank 0,
    /// which may host the store, gives them five seconds to hear it.
    void publish_error(const std::string& name, const std::exception& fault) const;
    /// Waits for all, and throws what another rank has failed of.
    void collect_errors(const std::string& name) const;

    rank_environment environment_;
    std::chrono::milliseconds timeout_;
    c10::intrusive_ptr<c10d::Store> store_;
};

/// Checks that all ranks have the same program, configuration, model and data, and makes
/// the groups; collective. Throws app::usage_error naming the first that differs, and
/// both values.
lt::mesh_groups meet(const train_config& config, const job_rank& rank,
                     const mesh_shape& mesh, const run_inputs& inputs, at::Device device);

}  // namespace packkit::train
