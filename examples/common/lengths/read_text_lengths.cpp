// SPDX-License-Identifier: Apache-2.0
#include "input.hpp"
#include "length_text.hpp"

#include "common/input_file.hpp"
#include "common/progress.hpp"

#include <string_view>
#include <utility>

namespace packkit::app {

void read_text_lengths(input_file file, const row_options&, sample_sink& sink) {
    line_reader lines(std::move(file));
    progress_bar progress("reading " + lines.file().name(), lines.file().size_hint());
    std::size_t blank = 0;  // the first of the blank lines just seen
    for (std::string_view line; lines.next(line);) {
        const auto first = line.find_first_not_of(" \t\r");
        if (first == line.npos) {
            if (blank == 0) blank = lines.line_number();
            continue;
        }
        if (blank != 0) {
            // Blank lines at the end are an editor's; inside they may stand for lost
            // lengths.
            throw input_error(lines.file().name() + ":" + std::to_string(blank),
                              length_fault("", integer_fault::empty));
        }
        line = line.substr(first, line.find_last_not_of(" \t\r") + 1 - first);
        const auto place = [&] { return lines.place(); };
        sink.add(parse_length(line, place), place);
        if (lines.line_number() % 65536 == 0) progress.set(lines.bytes_read());
    }
    if (lines.line_number() == 0) {
        throw input_error(lines.file().name(),
                          "the file is empty; expected a length a line");
    }
}

}  // namespace packkit::app
