// SPDX-License-Identifier: Apache-2.0
/// @file
/// A whole tokenizer.json.

#include "added_tokens.hpp"
#include "model.hpp"
#include "normalizer.hpp"
#include "notes.hpp"
#include "post_processor.hpp"
#include "pre_tokenizer.hpp"
#include "token_text.hpp"
#include "unicode.hpp"
#include "word_cache.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace packkit::app {
namespace {

class hugging_face_tokenizer final : public tokenizer {
public:
    hugging_face_tokenizer(const document_field& document, const std::string& name,
                           const tokenizer_notes& notes)
        : tokenizer(name) {
        if (document.text_or("version", "1.0") != "1.0") {
            document.member("version").expected("\"1.0\"");
        }
        if (const auto steps = document.find("normalizer")) {
            normalizer_ = normalizer(*steps);
        }
        const document_field model = document.member("model");
        if (const auto steps = document.find("pre_tokenizer")) {
            pre_tokenizer_ = pre_tokenizer(*steps, takes_bytes(model));
        }
        model_ = read_model(model, pre_tokenizer_.gives_bytes());
        if (const auto tokens = document.find("added_tokens")) {
            added_ = added_tokens(*tokens, *model_, normalizer_);
        }
        if (const auto steps = document.find("post_processor")) {
            post_processor_ = post_processor(*steps);
        }
        id_bound_ = std::max(model_->tokens().id_bound(), added_.id_bound());
        for (const auto* ids : {&post_processor_.before(), &post_processor_.behind()}) {
            for (const std::int32_t id : *ids)
                id_bound_ = std::max(id_bound_, std::int64_t{id} + 1);
        }
        if (!post_processor_.before().empty()) {
            specials_.bos = post_processor_.before().front();
        }
        if (!post_processor_.behind().empty()) {
            specials_.eos = post_processor_.behind().back();
        }
        if (const auto padding = document.find("padding")) {
            if (const auto pad = padding->find("pad_id")) specials_.pad = pad->id();
        }
        if (const auto steps = document.find("decoder")) {
            spelling_ = spelling_of(*steps);
        } else {
            spelling_.byte_alphabet = pre_tokenizer_.gives_bytes();
        }
        notes.apply(specials_, [&](std::string_view token) { return find(token); });
    }

    using tokenizer::encode;
    std::int64_t vocabulary_size() const override { return id_bound_; }
    special_ids specials() const override { return specials_; }
    std::optional<std::int32_t> find(std::string_view token) const override {
        const auto id = added_.find(token);
        return id ? id : model_->tokens().find(token);
    }
    std::string added_text(std::int32_t id) const override { return added_.text_of(id); }

    std::string token_text(std::int32_t id) const override {
        std::call_once(texts_made_, [this] {
            texts_.resize(static_cast<std::size_t>(id_bound_));
            for (const auto& [token, known] : model_->tokens())
                texts_[static_cast<std::size_t>(known)] = text_of_piece(token, spelling_);
            for (const auto& [name, known] : added_.all())
                texts_[static_cast<std::size_t>(known)] = name;
        });
        const auto at = static_cast<std::size_t>(id);
        return id < 0 || at >= texts_.size() ? std::string() : texts_[at];
    }

    void encode(std::string_view text, bool add_special,
                std::vector<std::int32_t>& ids) const override {
        refuse_invalid_utf8(text);
        const auto& before = post_processor_.before();
        const auto& behind = post_processor_.behind();
        if (add_special) ids.insert(ids.end(), before.begin(), before.end());
        const auto memory = scratches_.lease();
        encode_text(text, *memory, ids);
        if (add_special) ids.insert(ids.end(), behind.begin(), behind.end());
    }

private:
    /// Memory of one encode() call.
    struct scratch {
        std::vector<token_part> raw_parts;
        std::vector<token_part> parts;
        piece_list pieces;
        word_cache words;
    };

    /// Hands out scratches, a new one only when all others are in use.
    class scratch_pool {
    public:
        struct give_back {
            scratch_pool* pool;
            void operator()(scratch* used) const {
                std::unique_ptr<scratch> owner(used);
                const std::lock_guard lock(pool->mutex_);
                pool->free_.push_back(std::move(owner));
            }
        };
        std::unique_ptr<scratch, give_back> lease() {
            const std::lock_guard lock(mutex_);
            if (free_.empty()) {
                free_.reserve(++made_);  // give_back cannot fail
                return {new scratch, give_back{this}};
            }
            std::unique_ptr<scratch> taken = std::move(free_.back());
            free_.pop_back();
            return {taken.release(), give_back{this}};
        }

    private:
        std::mutex mutex_;
        std::vector<std::unique_ptr<scratch>> free_;
        std::size_t made_ = 0;
    };

    void encode_text(std::string_view text, scratch& memory,
                     std::vector<std::int32_t>& ids) const {
        memory.raw_parts.clear();
        added_.raw().split(text, memory.raw_parts);
        for (const token_part& raw : memory.raw_parts) {
            if (raw.id) {
                ids.push_back(*raw.id);
                continue;
            }
            normalizer::result changed;
            std::string_view normalized = raw.text;
            if (!normalizer_.empty()) {
                changed = normalizer_.apply(raw.text);
                normalized = changed.text;
            }
            std::size_t extent = normalizer_.empty() ? utf8_length_at(normalized, 0)
                                                     : changed.begin_extent;
            if (raw.text.data() != text.data()) extent = 0;
            memory.parts.clear();
            added_.normalized().split(normalized, memory.parts);
            for (const token_part& part : memory.parts) {
                if (part.id) {
                    ids.push_back(*part.id);
                    continue;
                }
                const auto begin =
                    static_cast<std::size_t>(part.text.data() - normalized.data());
                encode_part({part.text, extent - std::min(extent, begin)}, memory, ids);
            }
        }
    }

    void encode_part(text_piece part, scratch& memory,
                     std::vector<std::int32_t>& ids) const {
        memory.pieces.clear();
        memory.pieces.pieces.push_back(part);
        pre_tokenizer_.apply(memory.pieces);
        for (const text_piece& piece : memory.pieces.pieces) {
            if (memory.words.append(piece.text, ids)) continue;
            const std::size_t begin = ids.size();
            model_->encode(piece.text, ids);
            memory.words.insert(piece.text, std::span(ids).subspan(begin));
        }
    }

    normalizer normalizer_;
    pre_tokenizer pre_tokenizer_;
    std::unique_ptr<const token_model> model_;
    added_tokens added_;
    post_processor post_processor_;
    special_ids specials_;
    std::int64_t id_bound_ = 0;
    token_spelling spelling_;
    mutable std::once_flag texts_made_;
    mutable std::vector<std::string> texts_;  // of ids
    mutable scratch_pool scratches_;
};

}  // namespace

std::unique_ptr<const tokenizer> make_hugging_face(const document_field& document,
                                                   const std::string& name,
                                                   const tokenizer_notes& notes) {
    return std::make_unique<const hugging_face_tokenizer>(document, name, notes);
}

}  // namespace packkit::app
