// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// How the ranks of a job find each other, and agree on what they are about to do before
/// they do it.

#include "config/config.hpp"
#include "data/inputs.hpp"
#include "ranks/environment.hpp"

#include <packkit/torch/rendezvous.hpp>

#include <c10/core/Device.h>

#include <chrono>
#include <exception>
#include <string>
#include <type_traits>

namespace packkit::train {

/// How long a rank waits for another: ddp_timeout.
std::chrono::milliseconds timeout_of(const train_config& config);

/// The store where the ranks meet; null where there is one rank.
c10::intrusive_ptr<c10d::Store> open_store(const train_config& config,
                                           const rank_environment& environment);

/// For `all_or_none`: tells the others what this rank has failed of, without waiting for
/// them; rank 0, which may host the store, gives them five seconds to hear it.
void tell_failure(c10d::Store* store, const rank_environment& environment,
                  const std::string& name, const std::exception& fault);

/// For `all_or_none`: waits for all, and throws what another rank has failed of.
void hear_failures(c10d::Store* store, const rank_environment& environment,
                   const std::string& name, std::chrono::milliseconds timeout);

/// work() on every rank. Where it throws on one, all throw: that rank what it threw, the
/// others app::usage_error (if it is one, or wrong input) or lt::communication_error
/// with the rank's number and words. `name`: of this meeting, another one each time.
template <class Work>
auto all_or_none(c10d::Store* store, const rank_environment& environment,
                 const std::string& name, std::chrono::milliseconds timeout, Work work) {
    const auto tried = [&] {
        try {
            return work();
        } catch (const std::exception& fault) {
            tell_failure(store, environment, name, fault);
            throw;
        }
    };
    if constexpr (std::is_void_v<decltype(work())>) {
        tried();
        hear_failures(store, environment, name, timeout);
    } else {
        auto result = tried();
        hear_failures(store, environment, name, timeout);
        return result;
    }
}

/// Meets the other ranks, checks that all have the same program, configuration, model and
/// data, and makes the groups. Throws app::usage_error naming the first that differs, and
/// both values.
lt::mesh_groups meet(const train_config& config, const rank_environment& environment,
                     const mesh_shape& mesh, const run_inputs& inputs, at::Device device,
                     const c10::intrusive_ptr<c10d::Store>& store);

}  // namespace packkit::train
