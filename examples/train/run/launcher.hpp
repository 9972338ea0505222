// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Starts the ranks of one node as processes of this program and sees them to their end.

#include <string>
#include <vector>

namespace packkit::train {

/// Runs `processes` copies of this program with `arguments` (without the program's name)
/// and the environment of their rank, hosts their rendezvous on loopback, and returns the
/// exit status of the job.
///
/// When a rank fails, dies by a signal or hangs, the others are ended within seconds and
/// one line on stderr names the rank, its step and the cause. SIGINT and SIGTERM are
/// passed on once: the ranks finish their step and save; a second signal ends them at
/// once.
int launch(int processes, const std::vector<std::string>& arguments);

}  // namespace packkit::train
