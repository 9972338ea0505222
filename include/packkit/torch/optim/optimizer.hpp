// SPDX-License-Identifier: Apache-2.0
/// @file
/// What optimizers on sharded parameters have in common: each rank updates only its own
/// rows, frozen parameters are left alone.
#pragma once

#include <packkit/torch/parallel/fully_shard.hpp>

#include <ATen/Functions.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace packkit::lt {

/// The state of an optimizer and its update.
class optimizer {
public:
    /// A tensor of state for each unit, laid out as `sharded_parameters::make_state`.
    struct state {
        std::string name;  ///< for instance "exp_avg", as checkpoints call it
        std::vector<at::Tensor> of_units;
    };

    virtual ~optimizer() = default;
    optimizer(const optimizer&) = delete;
    optimizer& operator=(const optimizer&) = delete;

    /// Updates every shard from its accumulated gradient.
    /// @param rate learning rate of the parameters of rate group 0
    /// @param step number of updates made before, from 0
    /// @param skip a float32 scalar on any device, or nothing; where it is 1 neither
    /// parameters nor state change
    /// @param group_rates learning rates of the rate groups 1, 2, …
    void update(double rate, std::int64_t step, const at::Tensor& skip = {},
                std::span<const double> group_rates = {}) {
        const memory_scope scope(memory_use::optimizer);
        for (std::size_t group = 0; group <= group_rates.size(); ++group) {
            const double of_group = group == 0 ? rate : group_rates[group - 1];
            for (const bool decayed : {true, false}) {
                const auto chosen = tensors_of(group, decayed);
                if (chosen.shards.empty()) continue;
                const auto device = chosen.shards.front().device();
                update_tensors(chosen, {of_group, decayed ? weight_decay_ : 0.0, step,
                                        skip.defined() ? std::optional(skip.to(device))
                                                       : std::nullopt});
            }
        }
    }

    [[nodiscard]] std::span<state> states() { return states_; }

    /// Bytes of all states of this rank.
    [[nodiscard]] std::int64_t state_bytes() const {
        std::int64_t bytes = 0;
        for (const auto& each : states_) {
            for (const auto& tensor : each.of_units)
                bytes += static_cast<std::int64_t>(tensor.nbytes());
        }
        return bytes;
    }

protected:
    /// Tensors that are updated alike, this rank's rows.
    struct tensors {
        std::vector<at::Tensor> shards, gradients;
        std::vector<std::vector<at::Tensor>> states;  ///< by state, as `shards`
    };
    /// Numbers of an update.
    struct numbers {
        double rate;
        double weight_decay;
        std::int64_t step;
        std::optional<at::Tensor> skip;
    };

    optimizer(std::span<fully_sharded_unit> units, double weight_decay,
              std::vector<std::string> state_names)
        : units_(units), weight_decay_(weight_decay) {
        for (auto& name : state_names) {
            states_.push_back({std::move(name), {}});
            for (auto& unit : units_)
                states_.back().of_units.push_back(unit.parameters().make_state());
        }
    }

private:
    virtual void update_tensors(const tensors& chosen, const numbers& of) = 0;

    [[nodiscard]] tensors tensors_of(std::size_t group, bool decayed) {
        tensors chosen;
        chosen.states.resize(states_.size());
        for (std::size_t u = 0; u < units_.size(); ++u) {
            const auto& parameters = units_[u].parameters();
            for (std::size_t i = 0; i < parameters.size(); ++i) {
                const auto& info = parameters.info(i);
                if (info.frozen || info.rate_group != group ||
                    info.weight_decay != decayed || parameters.slice(i).elements() == 0)
                    continue;
                chosen.shards.push_back(parameters.shard(i));
                chosen.gradients.push_back(parameters.gradient(i));
                for (std::size_t s = 0; s < states_.size(); ++s) {
                    chosen.states[s].push_back(
                        parameters.state_part(states_[s].of_units[u], i));
                }
            }
        }
        return chosen;
    }

    std::span<fully_sharded_unit> units_;
    double weight_decay_;
    std::vector<state> states_;
};

}  // namespace packkit::lt
