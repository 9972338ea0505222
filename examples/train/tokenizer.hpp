// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Text to token ids and back.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::train {

/// What the trainer asks of a tokenizer.
class tokenizer {
public:
    tokenizer() = default;
    tokenizer(const tokenizer&) = delete;
    tokenizer& operator=(const tokenizer&) = delete;
    virtual ~tokenizer() = default;

    /// The value of `tokenizer_type` that loads it.
    [[nodiscard]] virtual std::string_view name() const = 0;
    /// Number of ids: all ids are in [0, vocab_size).
    [[nodiscard]] virtual std::int64_t vocab_size() const = 0;
    [[nodiscard]] virtual std::int32_t bos_id() const = 0;
    [[nodiscard]] virtual std::int32_t eos_id() const = 0;
    [[nodiscard]] virtual std::int32_t pad_id() const = 0;

    /// Appends the ids of `text` to `ids`, between bos and eos if asked for.
    virtual void encode(std::string_view text, bool add_bos, bool add_eos,
                        std::vector<std::int32_t>& ids) const = 0;
    /// encode() into a new vector.
    [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text,
                                                   bool add_bos = true,
                                                   bool add_eos = true) const;

    /// The text of ids; bos, eos and pad have none.
    /// \throws app::input_error for an id outside the vocabulary.
    [[nodiscard]] virtual std::string decode(std::span<const std::int32_t> ids) const = 0;
};

/// The bytes of the text as ids 0–255, bos 256, eos 257, pad 258. Reversible for any
/// bytes.
class byte_tokenizer final : public tokenizer {
public:
    using tokenizer::encode;

    [[nodiscard]] std::string_view name() const override { return "bytes"; }
    [[nodiscard]] std::int64_t vocab_size() const override { return 259; }
    [[nodiscard]] std::int32_t bos_id() const override { return 256; }
    [[nodiscard]] std::int32_t eos_id() const override { return 257; }
    [[nodiscard]] std::int32_t pad_id() const override { return 258; }

    void encode(std::string_view text, bool add_bos, bool add_eos,
                std::vector<std::int32_t>& ids) const override;
    [[nodiscard]] std::string decode(std::span<const std::int32_t> ids) const override;
};

/// Why `tokenizer_type` cannot be loaded, or "" when it can.
std::string tokenizer_type_problem(std::string_view tokenizer_type);

/// The tokenizer of that type: "bytes".
/// \throws app::input_error for any other, with tokenizer_type_problem().
std::unique_ptr<const tokenizer> load_tokenizer(const std::string& tokenizer_type);

}  // namespace packkit::train
