// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Asked to stop: SIGINT, SIGTERM or SIGHUP is remembered until the step's end; a second
/// one ends the process at once.

namespace packkit::train {

/// Remembers the signals from here on.
void watch_for_interruption();

/// The signal that came, or 0.
int interruption();

}  // namespace packkit::train
