// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Whether the machine has the memory that a run needs, before it and when it was not so.

#include "plan/prediction.hpp"

#include <cstdint>
#include <exception>
#include <optional>
#include <string>

namespace packkit::train {

/// What to warn of where `ranks` ranks of this machine, on its CPU, come near its memory.
/// Throws app::usage_error where they need half as much again: a machine without memory
/// stands still for everyone.
std::optional<std::string> memory_warning(const prediction& predicted,
                                          std::int64_t ranks);

/// "out of memory …" with the bytes that were not there and the prediction, if that is
/// what `fault` says.
std::optional<std::string> out_of_memory_text(const std::exception& fault,
                                              const prediction& predicted);

}  // namespace packkit::train
