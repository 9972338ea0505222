// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Slurm's short forms for many nodes.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace packkit::train {

/// The first host of SLURM_STEP_NODELIST: "gpu[03-07,12],login" → "gpu03". "" for "".
std::string first_host(std::string_view node_list);

/// Tasks of a node by SLURM_STEP_TASKS_PER_NODE: "4(x2),3" are 4, 4 and 3. Nothing for a
/// text of another form, or a node that it does not have.
std::optional<std::int64_t> tasks_of_node(std::string_view tasks_per_node,
                                          std::int64_t node);

}  // namespace packkit::train
