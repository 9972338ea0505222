// SPDX-License-Identifier: Apache-2.0
#include "tokenizer.hpp"

#include "common/did_you_mean.hpp"
#include "common/errors.hpp"

#include <array>

namespace packkit::app {

token_counter make_token_counter(const std::string& name) {
    static constexpr std::array<std::string_view, 1> known = {"bytes"};
    if (name == "bytes") {
        return [](std::string_view text) {
            return static_cast<std::int64_t>(text.size()) + 2;  // bos and eos
        };
    }
    throw usage_error("--tokenizer", in_quotes(name) +
                                         " cannot be used: this build has " +
                                         name_list(known) + did_you_mean(name, known));
}

}  // namespace packkit::app
