// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer.hpp"

#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "common/input_file.hpp"
#include "notes.hpp"

#include <fmt/format.h>

#include <array>
#include <filesystem>

namespace packkit::app {
namespace {

namespace fs = std::filesystem;

/// Greater than any known one by an order of magnitude, and small enough for memory.
constexpr std::uint64_t most_bytes = std::uint64_t{1} << 29U;

}  // namespace

void byte_tokenizer::encode(std::string_view text, bool add_special,
                            std::vector<std::int32_t>& ids) const {
    // No exact reserve(): it would make repeated appending quadratic.
    if (add_special) ids.push_back(*specials().bos);
    for (const char byte : text)
        ids.push_back(static_cast<unsigned char>(byte));
    if (add_special) ids.push_back(*specials().eos);
}

std::string byte_tokenizer::decode(std::span<const std::int32_t> ids) {
    std::string text;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const std::int32_t id = ids[i];
        if (id < 0 || id >= 259) {
            throw input_error(fmt::format("token {}", i),
                              fmt::format("id {}, the vocabulary has 259", id));
        }
        if (id < 256) text += static_cast<char>(static_cast<unsigned char>(id));
    }
    return text;
}

std::string tokenizer_file(const std::string& name) {
    if (name == "bytes") return {};
    std::error_code ignored;
    if (fs::is_directory(name, ignored)) {
        for (const char* const file : {"tokenizer.json", "tokenizer.model"}) {
            const fs::path path = fs::path(name) / file;
            if (fs::exists(path, ignored)) return path.string();
        }
        throw input_error(name,
                          "the folder has neither tokenizer.json nor tokenizer.model");
    }
    if (!fs::exists(name, ignored)) {
        throw input_error(name,
                          "there is no such tokenizer; expected bytes, a "
                          "tokenizer.json or .model file, or a folder with one" +
                              did_you_mean(name, std::array{"bytes"}));
    }
    if (!name.ends_with(".json") && name.find(".model") == std::string::npos) {
        throw input_error(name, "is no tokenizer; expected a .json or .model file");
    }
    return name;
}

std::unique_ptr<const tokenizer> load_tokenizer(const std::string& name) {
    const std::string file = tokenizer_file(name);
    if (file.empty()) return std::make_unique<const byte_tokenizer>();
    const tokenizer_notes notes = read_tokenizer_notes(file);
    const std::string content = read_file(file, most_bytes);
    if (!file.ends_with(".json")) return make_sentence_piece(content, file, name, notes);
    const document_node document = parse_json_document(content, file);
    return make_hugging_face(document_field(document, file), name, notes);
}

std::unique_ptr<const tokenizer> parse_tokenizer_json(std::string_view text,
                                                      const std::string& name) {
    const document_node document = parse_json_document(text, name);
    return make_hugging_face(document_field(document, name), name, {});
}

std::unique_ptr<const tokenizer> parse_sentence_piece(std::string_view bytes,
                                                      const std::string& name) {
    return make_sentence_piece(bytes, name, name, {});
}

}  // namespace packkit::app
