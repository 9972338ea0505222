// SPDX-License-Identifier: Apache-2.0
/// @file
/// SentencePiece models, by Google's library.

#include "charsmap.hpp"
#include "notes.hpp"
#include "token_text.hpp"
#include "unicode.hpp"

#include "common/errors.hpp"

#include <sentencepiece_processor.h>

#include <exception>
#include <new>
#include <string>
#include <vector>

namespace packkit::app {
namespace {

/// What goes wrong in a call of the library, or "". Its dictionary throws where the rest
/// returns a status.
template <class Call>
std::string fault_of(Call call) {
    try {
        const auto status = call();
        return status.ok() ? std::string() : escaped(status.ToString());
    } catch (const std::bad_alloc&) { throw; } catch (const std::exception& fault) {
        return escaped(fault.what());
    }
}

class sentence_piece_tokenizer final : public tokenizer {
public:
    sentence_piece_tokenizer(std::string_view bytes, const std::string& file,
                             const std::string& name, const tokenizer_notes& notes)
        : tokenizer(name) {
        if (const auto damage = charsmap_fault(bytes); !damage.empty()) {
            throw input_error(file, "is no SentencePiece model: " + damage);
        }
        const std::string fault = fault_of([&] {
            return processor_.LoadFromSerializedProto({bytes.data(), bytes.size()});
        });
        if (!fault.empty()) {
            throw input_error(file, "is no SentencePiece model: " + fault);
        }
        const auto known = [](int id) {
            return id < 0 ? std::nullopt : std::optional<std::int32_t>(id);
        };
        specials_ = {known(processor_.bos_id()), known(processor_.eos_id()),
                     known(processor_.pad_id())};
        notes.apply(specials_, [&](std::string_view token) { return find(token); });
        add_bos_ = notes.add_bos.value_or(true) && specials_.bos.has_value();
        add_eos_ = notes.add_eos.value_or(false) && specials_.eos.has_value();
    }

    using tokenizer::encode;
    std::int64_t vocabulary_size() const override { return processor_.GetPieceSize(); }
    special_ids specials() const override { return specials_; }
    std::optional<std::int32_t> find(std::string_view token) const override {
        const int id = processor_.PieceToId({token.data(), token.size()});
        return processor_.IsUnknown(id) && processor_.IdToPiece(id) != std::string(token)
                   ? std::nullopt
                   : std::optional<std::int32_t>(id);
    }

    std::string token_text(std::int32_t id) const override {
        if (id < 0 || id >= processor_.GetPieceSize()) return {};
        return text_of_piece(processor_.IdToPiece(id), {.spaces = true, .bytes = true});
    }

    void encode(std::string_view text, bool add_special,
                std::vector<std::int32_t>& ids) const override {
        refuse_invalid_utf8(text);
        std::vector<int> found;
        const std::string fault = fault_of(
            [&] { return processor_.Encode({text.data(), text.size()}, &found); });
        if (!fault.empty()) {
            // Valid text: what remains is a model that cannot be right.
            throw input_error(name(), "the SentencePiece model fails: " + fault);
        }
        if (add_special && add_bos_) ids.push_back(*specials_.bos);
        ids.insert(ids.end(), found.begin(), found.end());
        if (add_special && add_eos_) ids.push_back(*specials_.eos);
    }

private:
    sentencepiece::SentencePieceProcessor processor_;
    special_ids specials_;
    bool add_bos_ = false;
    bool add_eos_ = false;
};

}  // namespace

std::unique_ptr<const tokenizer> make_sentence_piece(std::string_view bytes,
                                                     const std::string& file,
                                                     const std::string& name,
                                                     const tokenizer_notes& notes) {
    return std::make_unique<const sentence_piece_tokenizer>(bytes, file, name, notes);
}

}  // namespace packkit::app
