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

tokenizer_notes read_tokenizer_notes(const file_texts& files, const std::string& folder) {
    tokenizer_notes notes;
    bool lists_added_tokens = false;
    // The second wins where it counts at all, as in Transformers.
    for (const char* const name : {"tokenizer_config.json", "special_tokens_map.json"}) {
        const auto found = files.find(name);
        if (found == files.end() || lists_added_tokens) continue;
        const std::string path = (fs::path(folder) / name).string();
        const document_node document = parse_json_document(found->second, path);
        const document_field file(document, path);
        if (const auto token = token_of(file, "bos_token")) notes.bos = token;
        if (const auto token = token_of(file, "eos_token")) notes.eos = token;
        if (const auto token = token_of(file, "pad_token")) notes.pad = token;
        if (const auto added = file.truth("add_bos_token")) notes.add_bos = *added;
        if (const auto added = file.truth("add_eos_token")) notes.add_eos = *added;
        lists_added_tokens = file.has("added_tokens_decoder");
    }
    return notes;
}

}  // namespace packkit::app
