// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Which parameters are trained, with which learning rate and weight decay.

#include "config/config.hpp"

#include <packkit/model/model_shape.hpp>

#include <cstddef>
#include <vector>

namespace packkit::train {

/// What the optimizer does with a parameter.
struct parameter_rule {
    bool weight_decay = true;
    std::size_t rate_group = 0;  ///< 0: learning_rate, else group_rates[rate_group - 1]
    bool frozen = false;
};

/// Rules of all parameters of a model.
struct parameter_rules {
    /// By unit and parameter, as `unit_shapes` lists them.
    std::vector<std::vector<parameter_rule>> of_units;
    /// Highest rates of the groups 1, 2, …
    std::vector<double> group_rates;
};

/// Returns the rules that `lr_groups`, `embedding_lr`, `embedding_lr_scale` and
/// `unfrozen_parameters` say, as Axolotl's create_optimizer_grouped_parameters and
/// freeze_layers_except read them: without the first three, weight decay is that of the
/// model (`parameter_shape::weight_decay`); with one of them embeddings and head have
/// none.
/// \throws app::input_error for a pattern or a module that is in no parameter's name
parameter_rules parameter_rules_of(const train_config& config, const model_shape& shape);

}  // namespace packkit::train
