// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.hpp"

#include "common/errors.hpp"
#include "data/dataset_reader.hpp"
#include "data/dataset_report.hpp"
#include "data/prepared_data.hpp"
#include "data/row_sink.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace packkit::train {
namespace {

using app::in_quotes;
using app::input_error;

std::uint64_t bytes_of(const train_config& config) {
    std::uint64_t total = 0;
    for (const auto& data : config.datasets) {
        for (const std::string& file : files_of(data)) {
            std::error_code error;
            const auto bytes = std::filesystem::file_size(file, error);
            if (!error) total += bytes;
        }
    }
    return total;
}

void check_vocabulary(const dataset_config& data, const tokenizer& tokens,
                      std::int64_t vocab_size) {
    if (data.type == dataset_type::tokens || tokens.vocabulary_size() <= vocab_size)
        return;
    throw input_error(
        data.path,
        fmt::format("the tokenizer {} has {} ids, the model's vocabulary {}",
                    in_quotes(tokens.name()), tokens.vocabulary_size(), vocab_size));
}

}  // namespace

token_store read_datasets(const train_config& config, const tokenizer& tokens,
                          std::int64_t vocab_size, const read_progress& progress,
                          const bad_input& bad) {
    bool usable = true;
    const bad_input gather = [&](const std::string& path, const input_error& error) {
        usable = false;
        bad(path, error);
    };
    const auto attempt = [&](const dataset_config& data, auto&& work) {
        if (!bad) return work();
        try {
            work();
        } catch (const input_error& error) { gather(data.path, error); }
    };
    for (const auto& data : config.datasets) {
        attempt(data, [&] { check_vocabulary(data, tokens, vocab_size); });
    }
    std::string prepared;
    std::string fault;
    if (!config.dataset_prepared_path.empty()) {
        try {
            prepared = prepared_file(config, vocab_size);
        } catch (const input_error&) {
            if (!bad) throw;  // otherwise it is found again when the file is read
        }
    }
    if (!prepared.empty()) {
        if (auto kept = read_prepared(prepared, vocab_size, fault))
            return std::move(*kept);
    }
    token_store store;
    row_sink sink(config, store);
    progress_sum sum(progress, bytes_of(config));
    for (const auto& data : config.datasets) {
        attempt(data, [&] {
            dataset_reader(data, config, tokens, vocab_size, sink, sum,
                           bad ? gather : bad)
                .read();
        });
    }
    if (!usable) return store;
    if (store.empty()) {
        throw input_error(config.datasets.size() == 1 ? config.datasets.front().path
                                                      : std::string("datasets"),
                          nothing_left(sink.report(), config));
    }
    store.set_report(sink.report());
    if (prepared.empty()) return store;
    if (!fault.empty()) store.set_note(fault + "; it was made anew");
    try {
        write_prepared(prepared, store);
    } catch (const std::runtime_error& error) {
        store.set_note(std::string("the prepared data is not kept: ") + error.what());
    }
    return store;
}

}  // namespace packkit::train
