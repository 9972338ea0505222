// SPDX-License-Identifier: Apache-2.0
/// @file
/// A SentencePiece .model: it is refused with an input_error, or a text becomes ids
/// inside the vocabulary.

#include "common/errors.hpp"
#include "common/tokenizer.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace packkit::app;
    try {
        const auto tokens =
            parse_sentence_piece({reinterpret_cast<const char*>(data), size}, "t.model");
        for (const std::int32_t id : tokens->encode("Hello  wörld 12\n ①ｱ", true)) {
            if (id < 0 || id >= tokens->vocabulary_size()) std::abort();
        }
    } catch (const input_error&) {}
    return 0;
}
