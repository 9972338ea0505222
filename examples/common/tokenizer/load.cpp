// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer.hpp"

#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "common/input_file.hpp"
#include "common/tokenizer_files.hpp"
#include "notes.hpp"

#include <fmt/format.h>

#include <array>
#include <filesystem>

namespace packkit::app {
namespace {

namespace fs = std::filesystem;

/// Greater than any known one by an order of magnitude, and small enough for memory.
constexpr std::uint64_t most_bytes = std::uint64_t{1} << 29U;

constexpr const char* json_name = "tokenizer.json";
constexpr const char* model_name = "tokenizer.model";

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

std::string byte_tokenizer::token_text(std::int32_t id) const {
    constexpr std::array names = {"<bos>", "<eos>", "<pad>"};
    if (id < 0 || id >= vocabulary_size()) return {};
    if (id >= 256) return names[static_cast<std::size_t>(id) - 256];
    return {static_cast<char>(static_cast<unsigned char>(id))};
}

void encode_document(const tokenizer& tokens, std::string_view text,
                     std::vector<std::int32_t>& ids) {
    const std::size_t begin = ids.size();
    tokens.encode(text, true, ids);
    const auto eos = tokens.specials().eos;
    if (eos && (ids.size() == begin || ids.back() != *eos)) ids.push_back(*eos);
}

std::string tokenizer_file(const std::string& name) {
    if (name == "bytes") return {};
    std::error_code ignored;
    if (fs::is_directory(name, ignored)) {
        for (const char* const file : {json_name, model_name}) {
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

file_texts read_tokenizer_files(const std::string& file) {
    file_texts files;
    if (file.empty()) return files;
    const fs::path folder = fs::path(file).parent_path();
    std::error_code ignored;
    for (const auto name : tokenizer_file_names) {
        const fs::path path = folder / name;
        if (fs::is_regular_file(path, ignored))
            files[std::string(name)] = read_file(path.string(), most_bytes);
    }
    // One tokenizer: what lies beside another name is another one.
    const char* const kept = file.ends_with(".json") ? json_name : model_name;
    if (kept == model_name) files.erase(json_name);
    if (fs::path(file).filename() != kept) {
        files.erase(json_name);
        files.erase(model_name);
        files[kept] = read_file(file, most_bytes);
    }
    return files;
}

std::unique_ptr<const tokenizer> make_tokenizer(const file_texts& files,
                                                const std::string& file,
                                                const std::string& name) {
    if (file.empty()) return std::make_unique<const byte_tokenizer>();
    const auto notes = read_tokenizer_notes(files, fs::path(file).parent_path().string());
    if (!file.ends_with(".json"))
        return make_sentence_piece(files.at(model_name), file, name, notes);
    const document_node document = parse_json_document(files.at(json_name), file);
    return make_hugging_face(document_field(document, file), name, notes);
}

std::unique_ptr<const tokenizer> load_tokenizer(const std::string& name) {
    const std::string file = tokenizer_file(name);
    return make_tokenizer(read_tokenizer_files(file), file, name);
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
