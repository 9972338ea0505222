// SPDX-License-Identifier: Apache-2.0
#include "problems.hpp"

#include "numbers.hpp"

#include <algorithm>

namespace packkit::app {

input_problems::input_problems(std::vector<std::string> lines)
    : input_error("input", "has problems"), lines_(std::move(lines)) {
    for (const std::string& line : lines_)
        all_ += (all_.empty() ? "" : "\n") + line;
}

std::string with_short_words(std::string_view message) {
    constexpr std::size_t longest = 200;
    std::string result;
    while (!message.empty()) {
        const std::size_t end = std::min(message.find(' '), message.size());
        std::size_t kept = end;
        if (end > longest) {
            for (kept = longest;
                 (static_cast<unsigned char>(message[kept]) & 0xC0U) == 0x80U &&
                 kept > longest - 4;)
                --kept;  // not inside a code point
        }
        result += message.substr(0, kept);
        if (kept < end) result += "… (" + std::to_string(end) + " bytes)";
        if (end < message.size()) result += ' ';
        message.remove_prefix(std::min(end + 1, message.size()));
    }
    return result;
}

std::string counted(std::int64_t count, std::string_view noun) {
    return grouped(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

}  // namespace packkit::app
