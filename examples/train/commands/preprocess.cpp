// SPDX-License-Identifier: Apache-2.0
#include "commands/preprocess.hpp"

#include "common/numbers.hpp"
#include "common/progress.hpp"
#include "config/schema.hpp"
#include "data/dataset.hpp"
#include "data/prepared_data.hpp"
#include "data/tokenizer.hpp"
#include "plan/inputs.hpp"
#include "record/run_log.hpp"

#include <filesystem>
#include <stdexcept>
#include <utility>

namespace packkit::train {
namespace fs = std::filesystem;

void set_prepared_folder(train_config& config, bool only_if_there) {
    if (!config.dataset_prepared_path.empty()) return;
    const auto folder =
        resolved_path(config.config_path, std::string(default_prepared_folder));
    std::error_code ignored;
    if (only_if_there && !fs::is_directory(folder, ignored)) return;
    config.dataset_prepared_path = folder;
}

std::string preprocess(train_config config) {
    const run_log log(true);
    for (const auto& warning : config.warnings)
        log.warn(warning);
    set_prepared_folder(config, false);
    const auto inputs = read_model_inputs(config);
    const auto vocab_size = inputs.shape.vocab_size;
    const std::string file = prepared_file(config, vocab_size);
    std::string damage;
    if (const auto kept = read_prepared(file, vocab_size, damage)) {
        log.data(*kept, config);
        return file +
               ": nothing had to be done: data, tokenizer and settings are those "
               "that it was made of\n";
    }
    token_store samples;
    {
        app::progress_bar bar("reading data");
        samples = read_datasets(config, *inputs.tokens, vocab_size,
                                [&](std::uint64_t done, std::uint64_t total) {
                                    bar.set_total(total);
                                    bar.set(done);
                                });
    }
    log.data(samples, config);
    std::error_code missing;
    const auto bytes = fs::file_size(file, missing);
    // read_datasets() goes on without the file: a run needs none, this command does.
    if (missing || !read_prepared(file, vocab_size, damage))
        throw std::runtime_error(samples.note().empty() ? file + ": cannot be written"
                                                        : samples.note());
    return file + ": " + app::bytes_text(bytes) + " of prepared data\n";
}

}  // namespace packkit::train
