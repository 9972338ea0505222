// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"

namespace packkit::plan {

CLI::Option* add_text_option(CLI::App& command, const char* group, const char* names,
                             std::string& text, const char* type,
                             const char* description) {
    return command.add_option(names, text, description)
        ->type_name(type)
        ->group(group)
        ->take_last();
}

}  // namespace packkit::plan
