// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A configuration as a tree of nodes that know their lines: YAML, and settings of the
/// command line on top of it.

#include "common/document.hpp"

#include <string>
#include <string_view>

namespace packkit::train {

using config_node = app::document_node;
using config_member = app::document_member;
using app::describe;
using app::place_of;

/// Sets "a.b.0.c=value" in the tree; the value is YAML. Maps on the way are made where
/// they are missing, a list grows by the index behind its last.
/// \throws app::input_error with the place "command line".
void apply_override(config_node& root, std::string_view assignment);

}  // namespace packkit::train
