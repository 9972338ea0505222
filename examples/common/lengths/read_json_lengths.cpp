// SPDX-License-Identifier: Apache-2.0
#include "input.hpp"
#include "length_text.hpp"

#include "common/input_file.hpp"
#include "common/json.hpp"
#include "common/progress.hpp"

namespace packkit::app {
namespace {

class length_visitor final : public json_array_visitor {
public:
    length_visitor(const std::string& path, sample_sink& sink)
        : path_(path), sink_(sink), progress_("reading " + path) {}

    void integer(std::size_t index, std::size_t line, std::int64_t value) override {
        if (index % 65536 == 0) progress_.set(index);
        sink_.add(value, [&] { return place(index, line); });
    }
    void other(std::size_t index, std::size_t line, std::string_view what) override {
        const auto [value, fault] = parse_integer(what);
        if (fault == integer_fault::fractional || fault == integer_fault::overflow) {
            throw input_error(place(index, line), length_fault(what, fault));
        }
        throw input_error(place(index, line), with_short_words(what) +
                                                  " is not a length"
                                                  "; expected a whole number ≥ 1");
    }

private:
    [[nodiscard]] std::string place(std::size_t index, std::size_t line) const {
        return path_ + ":" + std::to_string(line) + ": element " + std::to_string(index);
    }

    const std::string& path_;
    sample_sink& sink_;
    progress_bar progress_;
};

}  // namespace

void read_json_lengths(input_file file, const row_options&, sample_sink& sink) {
    const std::string text = read_file(file);
    length_visitor visitor(file.name(), sink);
    visit_json_array(text, file.name(), visitor);
}

}  // namespace packkit::app
