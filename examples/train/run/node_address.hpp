// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// By which address the other nodes of a job reach this one.

#include <cstdint>
#include <string>

namespace packkit::train {

/// Numeric address of the interface through which this node reaches `host` (where rank 0
/// is), as the system routes: a node's own name often means loopback, which others cannot
/// reach. Where `host` is this node and its name means loopback, the first other
/// interface that is up; loopback if `host` says so (localhost, 127.x, ::1), or there is
/// no other. Nothing is sent. Throws app::usage_error when `host` is not known.
std::string address_towards(const std::string& host, std::uint16_t port);

}  // namespace packkit::train
