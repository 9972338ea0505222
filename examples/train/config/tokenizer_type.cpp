// SPDX-License-Identifier: Apache-2.0
#include "config/tokenizer_type.hpp"

#include "common/errors.hpp"
#include "common/tokenizer.hpp"

namespace packkit::train {

std::string tokenizer_type_problem(const std::string& tokenizer_type) {
    try {
        static_cast<void>(app::tokenizer_file(tokenizer_type));
    } catch (const app::input_error& fault) { return fault.what(); }
    return {};
}

}  // namespace packkit::train
