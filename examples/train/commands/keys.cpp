// SPDX-License-Identifier: Apache-2.0
#include "commands/keys.hpp"

#include "common/errors.hpp"
#include "config/schema.hpp"

namespace packkit::train {

int list_keys(std::span<const std::string> names, app::output_format format) {
    app::write_stdout(key_documentation(names, format));
    return app::exit_done;
}

}  // namespace packkit::train
