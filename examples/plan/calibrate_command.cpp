// SPDX-License-Identifier: Apache-2.0
// packkit-plan calibrate: efficiency and latency from measured steps.
#include "calibration.hpp"
#include "command.hpp"
#include "outputs.hpp"

#include "common/errors.hpp"

namespace packkit::plan {

void add_calibrate_command(CLI::App& program, action& chosen) {
    CLI::App* const command = program.add_subcommand(
        "calibrate", "Efficiency and latency of a device from measured steps.");
    command->callback([&chosen] { chosen = [] { throw app::usage_error("not yet"); }; });
}

}  // namespace packkit::plan
