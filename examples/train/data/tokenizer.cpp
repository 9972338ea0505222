// SPDX-License-Identifier: Apache-2.0
#include "data/tokenizer.hpp"

#include "common/errors.hpp"
#include "common/input_file.hpp"
#include "config/model_config.hpp"
#include "data/checksum.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace packkit::train {

namespace {

std::string hash_of(const app::file_texts& files, const app::special_ids& specials) {
    running_checksum sum;
    const auto update = [&](const std::string& text) {
        const auto length = static_cast<std::uint64_t>(text.size());
        sum.update(std::as_bytes(std::span(&length, 1)));
        sum.update(std::as_bytes(std::span(text)));
    };
    for (const char* const name : {"tokenizer.json", "tokenizer.model"}) {
        const auto file = files.find(name);
        if (file == files.end()) continue;
        update(file->second);
        break;  // the second is not read then
    }
    for (const auto id : {specials.bos, specials.eos, specials.pad})
        update(id ? std::to_string(*id) : "none");
    return sum.hex();
}

/// The files of the tokenizer in the model's folder; none where there is no tokenizer.
app::file_texts files_of_model(const train_config& config) {
    try {
        return app::read_tokenizer_files(app::tokenizer_file(config_folder(config)));
    } catch (const app::input_error&) { return {}; }
}

}  // namespace

run_tokenizer load_run_tokenizer(const train_config& config) {
    const std::string& name = config.tokenizer_type;
    run_tokenizer result;
    if (name.empty()) {
        result.tokens = std::make_unique<const byte_tokenizer>();
        result.files = files_of_model(config);
        result.hash = "none";
        return result;
    }
    const std::string file = app::tokenizer_file(name);
    result.files = app::read_tokenizer_files(file);
    app::apply_changes(result.files, config.token_changes, file);
    result.tokens = app::make_tokenizer(result.files, file, name);
    result.hash = hash_of(result.files, result.tokens->specials());
    return result;
}

std::string tokenize_lines(const tokenizer& tokens, const std::string& path) {
    std::string result;
    std::vector<std::int32_t> ids;
    app::line_reader lines(path);
    for (std::string_view line; lines.next(line);) {
        ids.clear();
        try {
            tokens.encode(line, false, ids);
        } catch (const app::input_error& fault) {
            throw app::input_error(lines.place(), fault.what());
        }
        result += fmt::format("[{}]\n", fmt::join(ids, ", "));
    }
    return result;
}

}  // namespace packkit::train
