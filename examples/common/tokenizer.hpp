// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Text to token ids: bytes, Hugging Face's `tokenizer.json`, SentencePiece's `.model`.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace packkit::app {

/// Ids with a meaning of their own, as far as the tokenizer's files name them.
struct special_ids {
    std::optional<std::int32_t> bos;  ///< begins a document
    std::optional<std::int32_t> eos;  ///< ends a document
    std::optional<std::int32_t> pad;
};

/// Text to token ids. One tokenizer may be used by several threads at once.
class tokenizer {
public:
    tokenizer(const tokenizer&) = delete;
    tokenizer& operator=(const tokenizer&) = delete;
    virtual ~tokenizer() = default;

    /// As it was asked for: "bytes" or a path.
    [[nodiscard]] const std::string& name() const { return name_; }
    /// One more than the greatest id: all ids are in [0, vocabulary_size).
    [[nodiscard]] virtual std::int64_t vocabulary_size() const = 0;
    [[nodiscard]] virtual special_ids specials() const = 0;

    /// The id of a token, as the files write it; nothing when there is no such token.
    [[nodiscard]] virtual std::optional<std::int32_t> find(
        std::string_view /*token*/) const {
        return std::nullopt;
    }

    /// The text of an added token of a tokenizer.json, which encode() finds wherever it
    /// stands; "" for any other id.
    [[nodiscard]] virtual std::string added_text(std::int32_t /*id*/) const { return {}; }

    /// The bytes that a token stands for inside a text, to show people: those of an added
    /// token are its name, and a character may end in the next token. "" for an id that
    /// is none. The first call may take time linear in the vocabulary.
    [[nodiscard]] virtual std::string token_text(std::int32_t id) const = 0;

    /// Appends the ids of `text`. `add_special`: with the ids that the tokenizer itself
    /// puts around a text (the post-processor of a tokenizer.json; bos of a SentencePiece
    /// model; bos and eos of bytes).
    /// @details Deterministic, the same on every thread; about linear in the text.
    /// @throws input_error at the byte where `text` is no UTF-8 ("bytes" takes anything).
    virtual void encode(std::string_view text, bool add_special,
                        std::vector<std::int32_t>& ids) const = 0;

    /// encode() into a new vector.
    [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text,
                                                   bool add_special = false) const {
        std::vector<std::int32_t> ids;
        encode(text, add_special, ids);
        return ids;
    }

protected:
    explicit tokenizer(std::string name) : name_(std::move(name)) {}

private:
    std::string name_;
};

/// Appends the ids of a document: those of the text with what the tokenizer puts around
/// it, and eos unless it is the last one already (or the tokenizer has none).
/// @details What training packs and what packkit-pack counts.
/// @throws input_error for text that the tokenizer refuses
void encode_document(const tokenizer& tokens, std::string_view text,
                     std::vector<std::int32_t>& ids);

/// The bytes of the text as ids 0–255, bos 256, eos 257, pad 258. Reversible for any
/// bytes.
class byte_tokenizer final : public tokenizer {
public:
    using tokenizer::encode;

    byte_tokenizer() : tokenizer("bytes") {}
    [[nodiscard]] std::int64_t vocabulary_size() const override { return 259; }
    [[nodiscard]] special_ids specials() const override { return {256, 257, 258}; }
    /// A byte, "<bos>", "<eos>" or "<pad>".
    [[nodiscard]] std::string token_text(std::int32_t id) const override;
    void encode(std::string_view text, bool add_special,
                std::vector<std::int32_t>& ids) const override;

    /// The text of ids; bos, eos and pad have none.
    /// @throws input_error for an id outside the vocabulary.
    [[nodiscard]] static std::string decode(std::span<const std::int32_t> ids);
};

/// The file that load_tokenizer would read: `name` itself, or in the folder `name` its
/// tokenizer.json, else its tokenizer.model. "" for "bytes". Nothing is read.
/// @throws input_error when there is none, saying what was expected.
[[nodiscard]] std::string tokenizer_file(const std::string& name);

/// The tokenizer called "bytes", of a `tokenizer.json` file, of a SentencePiece `.model`
/// file, or of a folder with one of them (tokenizer.json is preferred).
/// @details A tokenizer.json gives the ids that Hugging Face's library gives; a step that
/// is not known here is refused by its name, never skipped. Its `truncation` and
/// `padding` are not applied. bos, eos and pad come from special_tokens_map.json and
/// tokenizer_config.json in the same folder, otherwise from the post-processor. As in
/// Transformers the former counts first, and not at all where the latter has
/// `added_tokens_decoder`. `add_bos_token` and `add_eos_token` concern SentencePiece
/// models alone: what a tokenizer.json puts around a text, its post-processor says.
/// @throws input_error with file, key and value for a file that is broken or uses what is
/// not supported.
[[nodiscard]] std::unique_ptr<const tokenizer> load_tokenizer(const std::string& name);

/// A tokenizer.json from memory. `name` is the file's name for messages; no other file is
/// read. @throws input_error as load_tokenizer.
[[nodiscard]] std::unique_ptr<const tokenizer> parse_tokenizer_json(
    std::string_view text, const std::string& name);

/// A SentencePiece model from memory. @throws input_error as load_tokenizer.
[[nodiscard]] std::unique_ptr<const tokenizer> parse_sentence_piece(
    std::string_view bytes, const std::string& name);

}  // namespace packkit::app
