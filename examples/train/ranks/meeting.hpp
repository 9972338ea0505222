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
#include <vector>

namespace packkit::train {

/// How long a rank waits for another: ddp_timeout.
std::chrono::milliseconds timeout_of(const train_config& config);

/// The store where the ranks meet; null where there is one rank.
c10::intrusive_ptr<c10d::Store> open_store(const train_config& config,
                                           const rank_environment& environment);

/// The other ranks' `meet` throws `what` as this rank's; it will not come itself.
void tell_failure(c10d::Store* store, const rank_environment& environment,
                  const std::string& what);

/// prepare(); the other ranks are told what it throws.
template <class Prepare>
auto or_tell_failure(c10d::Store* store, const rank_environment& environment,
                     Prepare prepare) {
    try {
        return prepare();
    } catch (const std::exception& fault) {
        tell_failure(store, environment, fault.what());
        throw;
    }
}

/// Tells the other ranks what this one failed of, if anything; throws what another failed
/// of if this one did not. For `all_or_none`.
void hear_failures(c10d::Store* store, const rank_environment& environment,
                   const std::string& name, std::chrono::milliseconds timeout,
                   const std::exception* mine);

/// Runs work() on every rank. Where it throws on one, all throw: that rank what it threw,
/// the others app::usage_error (if it is one, or wrong input) or
/// lt::communication_error with the rank's number and words. `name`: of this meeting,
/// another one each time.
template <class Work>
void all_or_none(c10d::Store* store, const rank_environment& environment,
                 const std::string& name, std::chrono::milliseconds timeout, Work work) {
    try {
        work();
    } catch (const std::exception& fault) {
        hear_failures(store, environment, name, timeout, &fault);
        throw;
    }
    hear_failures(store, environment, name, timeout, nullptr);
}

/// Meets the other ranks, checks that all have the same program, configuration, model and
/// data, and makes the groups. Throws app::usage_error naming the first that differs, and
/// both values, or what another rank failed of.
lt::mesh_groups meet(const train_config& config, const rank_environment& environment,
                     const mesh_shape& mesh, const run_inputs& inputs, at::Device device,
                     const c10::intrusive_ptr<c10d::Store>& store);

}  // namespace packkit::train
