// SPDX-License-Identifier: Apache-2.0
#include "data/tokenizer.hpp"

#include "common/errors.hpp"
#include "common/input_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace packkit::train {

void encode_document(const tokenizer& tokens, std::string_view text,
                     std::vector<std::int32_t>& ids) {
    const std::size_t begin = ids.size();
    tokens.encode(text, true, ids);
    const auto eos = tokens.specials().eos;
    if (eos && (ids.size() == begin || ids.back() != *eos)) ids.push_back(*eos);
}

std::string tokenize_lines(const tokenizer& tokens, const std::string& path) {
    std::string result;
    std::vector<std::int32_t> ids;
    app::line_reader lines(path);
    for (std::string_view line; lines.next(line);) {
        ids.clear();
        try {
            tokens.encode(line, false, ids);
        } catch (const app::input_error& fault) {
            throw app::input_error(lines.place(), fault.what());
        }
        result += fmt::format("[{}]\n", fmt::join(ids, ", "));
    }
    return result;
}

}  // namespace packkit::train
