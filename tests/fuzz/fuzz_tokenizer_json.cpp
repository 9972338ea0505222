// SPDX-License-Identifier: Apache-2.0
/// @file
/// A tokenizer.json and a text for it, divided by a NUL byte: whatever they hold, the
/// file is refused with an input_error or the text becomes ids inside the vocabulary.

#include "common/errors.hpp"
#include "common/tokenizer.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace packkit::app;
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::size_t nul = input.find('\0');
    const std::string_view text = nul == std::string_view::npos
                                      ? std::string_view("Hello  wörld 12\n")
                                      : input.substr(nul + 1);
    try {
        const auto tokens = parse_tokenizer_json(input.substr(0, nul), "t.json");
        const auto with = tokens->encode(text, true);
        const auto without = tokens->encode(text, false);
        if (with.size() < without.size()) std::abort();
        for (const std::int32_t id : with) {
            if (id < 0 || id >= tokens->vocabulary_size()) std::abort();
        }
        // A second call finds its words in the cache.
        if (tokens->encode(text, false) != without) std::abort();
    } catch (const input_error&) {
    } catch (const std::runtime_error& fault) {
        // Only a pattern that tries too much may fail while a text is read.
        if (!std::string_view(fault.what()).starts_with("regular expression: ")) throw;
    }
    return 0;
}
