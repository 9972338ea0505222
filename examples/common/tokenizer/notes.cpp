// SPDX-License-Identifier: Apache-2.0
#include "notes.hpp"

#include "common/errors.hpp"

#include <filesystem>

namespace packkit::app {
namespace {

namespace fs = std::filesystem;

/// "token", or {"content": "token", ...}; an empty text means none.
std::optional<tokenizer_notes::token_note> token_of(const document_field& file,
                                                    const std::string& key) {
    const auto field = file.find(key);
    if (!field) return std::nullopt;
    const std::string text = field->node().type == document_node::kind::map
                                 ? field->member("content").text()
                                 : field->text();
    if (text.empty()) return std::nullopt;
    return tokenizer_notes::token_note{text, file.file()};
}

void replace(std::optional<std::int32_t>& id,
             const std::optional<tokenizer_notes::token_note>& note, const char* key,
             const std::function<std::optional<std::int32_t>(std::string_view)>& id_of) {
    if (!note) return;
    id = id_of(note->text);
    if (!id) {
        throw input_error(note->file, std::string(key) + ": token " +
                                          in_quotes(note->text) +
                                          " is not in the vocabulary");
    }
}

}  // namespace

void tokenizer_notes::apply(
    special_ids& specials,
    const std::function<std::optional<std::int32_t>(std::string_view)>& id_of) const {
    replace(specials.bos, bos, "bos_token", id_of);
    replace(specials.eos, eos, "eos_token", id_of);
    replace(specials.pad, pad, "pad_token", id_of);
}

tokenizer_notes read_tokenizer_notes(const std::string& tokenizer_path) {
    tokenizer_notes notes;
    // The second wins: it is what the reference library asks first.
    for (const char* const name : {"special_tokens_map.json", "tokenizer_config.json"}) {
        const fs::path path = fs::path(tokenizer_path).parent_path() / name;
        std::error_code ignored;
        if (!fs::is_regular_file(path, ignored)) continue;
        const document_node document = read_json_document(path.string());
        const document_field file(document, path.string());
        if (const auto found = token_of(file, "bos_token")) notes.bos = found;
        if (const auto found = token_of(file, "eos_token")) notes.eos = found;
        if (const auto found = token_of(file, "pad_token")) notes.pad = found;
        if (const auto found = file.truth("add_bos_token")) notes.add_bos = *found;
        if (const auto found = file.truth("add_eos_token")) notes.add_eos = *found;
    }
    return notes;
}

}  // namespace packkit::app
