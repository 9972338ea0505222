// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Starts the ranks of one node as processes of this program and sees them to their end.

#include "run/launch_options.hpp"

#include <string>
#include <vector>

namespace packkit::train {

/// Runs this machine's ranks of `request` as copies of this program with `arguments`
/// (without the program's name) and the environment of their rank, and returns the exit
/// status of the job. Machine 0 hosts the store where all ranks meet: on loopback where
/// it is the only machine, else on all its addresses.
///
/// When a rank fails, dies by a signal or hangs, the others are ended within seconds and
/// one line on stderr names the rank, its step and the cause. SIGINT and SIGTERM are
/// passed on once: the ranks finish their step and save; a second signal ends them at
/// once. Of several machines each ends its own ranks; those of the others end with the
/// next collective.
/// @throws app::usage_error when the port of the store cannot be used
int launch(const launch_request& request, const std::vector<std::string>& arguments);

}  // namespace packkit::train
