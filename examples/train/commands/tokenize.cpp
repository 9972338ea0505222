// SPDX-License-Identifier: Apache-2.0
#include "commands/tokenize.hpp"

#include "common/errors.hpp"
#include "data/tokenizer.hpp"

namespace packkit::train {

int tokenize(const std::string& tokenizer, const std::string& file) {
    app::write_stdout(tokenize_lines(*load_tokenizer(tokenizer), file));
    return app::exit_done;
}

}  // namespace packkit::train
