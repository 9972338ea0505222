// SPDX-License-Identifier: Apache-2.0
#include "data/chat_encoder.hpp"

#include <algorithm>
#include <string_view>

namespace packkit::train {
namespace {

/// The text that stands for an id, if the tokenizer finds it in a text.
std::string findable_text(const tokenizer& tokens, std::optional<std::int32_t> id) {
    if (!id) return {};
    const std::string text = tokens.added_text(*id);
    const bool found = !text.empty() && tokens.encode(text) == std::vector{*id};
    return found ? text : std::string();
}

/// Whether a character begins there (or the text ends).
bool is_boundary(std::string_view text, std::size_t byte) {
    return byte >= text.size() ||
           (static_cast<unsigned char>(text[byte]) & 0xC0U) != 0x80;
}

}  // namespace

chat_encoder::chat_encoder(const tokenizer& tokens)
    : tokenizer_(tokens),
      specials_{findable_text(tokens, tokens.specials().bos),
                findable_text(tokens, tokens.specials().eos)} {}

void chat_encoder::add_part(std::size_t begin, std::size_t end) {
    const std::size_t first = ids_.size();
    tokenizer_.encode(std::string_view(chat_->text).substr(begin, end - begin), false,
                      ids_);
    parts_.push_back({{begin, end}, {first, ids_.size()}});
}

const std::vector<std::int32_t>& chat_encoder::encode(const rendered_chat& chat) {
    chat_ = &chat;
    ids_.clear();
    parts_.clear();
    known_ = {};
    const app::special_ids ids = tokenizer_.specials();
    std::size_t begin = 0;
    for (const special_place& place : chat.specials) {
        const auto id = place.is_bos ? ids.bos : ids.eos;
        if (place.span.begin != place.span.end || !id) continue;
        add_part(begin, place.span.begin);
        ids_.push_back(*id);
        begin = place.span.begin;
    }
    add_part(begin, chat.text.size());
    return ids_;
}

/// Whether bytes [begin, end) become just the tokens from `first` on; then their number.
std::optional<std::size_t> chat_encoder::matching(const part& in, byte_span bytes,
                                                  std::size_t first) const {
    const auto ids = tokenizer_.encode(
        std::string_view(chat_->text).substr(bytes.begin, bytes.end - bytes.begin));
    const auto from = ids_.begin() + static_cast<std::ptrdiff_t>(first);
    if (ids.size() > in.tokens.end - first || !std::equal(ids.begin(), ids.end(), from)) {
        return std::nullopt;
    }
    return ids.size();
}

/// The number of tokens before a byte, if the text up to it becomes just the tokens that
/// the whole text begins with: then a token ends there. Text behind an end found before
/// is tried first; only a tokenizer that treats the beginning of a text in its own way
/// needs the text from its beginning.
std::optional<std::size_t> chat_encoder::tokens_before(const part& in, std::size_t byte) {
    if (!is_boundary(chat_->text, byte)) return std::nullopt;
    std::optional<std::size_t> found;
    const bool inside = known_.byte >= in.text.begin && known_.token >= in.tokens.begin;
    if (inside && known_.byte <= byte) {
        const auto count = matching(in, {known_.byte, byte}, known_.token);
        if (count) found = known_.token + *count;
    }
    if (!found) {
        const auto count = matching(in, {in.text.begin, byte}, in.tokens.begin);
        if (count) found = in.tokens.begin + *count;
    }
    if (found) known_ = {byte, *found};
    return found;
}

token_span chat_encoder::tokens_of(byte_span span) {
    // The first of the parts that meet at an empty span: eos is looked for behind it.
    const auto in = std::find_if(parts_.begin(), parts_.end(), [&](const part& each) {
        return each.text.begin <= span.begin && span.end <= each.text.end &&
               (span.begin < each.text.end || span.begin == span.end);
    });
    std::size_t byte = span.begin;
    std::optional<std::size_t> begin = tokens_before(*in, byte);
    while (!begin && byte > in->text.begin)
        begin = tokens_before(*in, --byte);
    byte = span.end;
    std::optional<std::size_t> end = tokens_before(*in, byte);
    while (!end && byte < in->text.end)
        end = tokens_before(*in, ++byte);
    const std::size_t last = end.value_or(in->tokens.end);
    if (span.begin == span.end) return {last, last};
    return {begin.value_or(in->tokens.begin), last};
}

}  // namespace packkit::train
