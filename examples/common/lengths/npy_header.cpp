// SPDX-License-Identifier: Apache-2.0
#include "npy_header.hpp"

#include "common/errors.hpp"
#include "common/input_file.hpp"
#include "common/numbers.hpp"

#include <algorithm>
#include <optional>
#include <span>

namespace packkit::app {
namespace {

/// A cursor over the dictionary's text.
class dictionary_text {
public:
    dictionary_text(std::string_view text, const std::string& place)
        : text_(text), place_(place) {}

    [[noreturn]] void refuse(const std::string& what) const {
        throw input_error(place_, "broken NumPy header: " + what);
    }

    /// Takes `c` if it comes next, spaces aside.
    bool take(char c) {
        skip_space();
        if (at_ == text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }

    void expect(char c) {
        if (!take(c)) { refuse(std::string("expected '") + c + "' at " + rest()); }
    }

    /// A string between single or double quotes, without escapes.
    std::string string() {
        const char quote = take('\'') ? '\'' : take('"') ? '"' : '\0';
        const auto end = quote == '\0' ? text_.npos : text_.find(quote, at_);
        if (end == text_.npos) refuse("expected a string at " + rest());
        const std::string_view value = text_.substr(at_, end - at_);
        if (value.find('\\') != value.npos) refuse("escapes in " + in_quotes(value));
        at_ = end + 1;
        return std::string(value);
    }

    bool boolean() {
        skip_space();
        for (const bool value : {false, true}) {
            const std::string_view word = value ? "True" : "False";
            if (text_.substr(at_).starts_with(word)) {
                at_ += word.size();
                return value;
            }
        }
        refuse("expected True or False at " + rest());
    }

    /// A tuple of sizes: (), (3,), (3, 4).
    std::vector<std::uint64_t> sizes() {
        std::vector<std::uint64_t> values;
        expect('(');
        while (!take(')')) {
            skip_space();
            const auto end = text_.find_first_not_of("0123456789", at_);
            const std::string_view digits =
                text_.substr(at_, end == text_.npos ? end : end - at_);
            const auto [value, fault] = parse_integer(digits);
            if (fault != integer_fault::none) {
                refuse("expected a size at " +
                       (digits.empty() ? rest() : in_quotes(digits)));
            }
            values.push_back(static_cast<std::uint64_t>(value));
            at_ += digits.size();
            if (take(',')) continue;
            if (values.size() == 1) refuse("expected ',' after the only size");
            expect(')');
            break;
        }
        return values;
    }

    /// Only spaces and the final line feed remain.
    void expect_end() {
        skip_space();
        if (at_ != text_.size()) refuse("unexpected " + rest());
    }

private:
    /// What follows, for messages: without the spaces that fill the header.
    [[nodiscard]] std::string rest() const {
        const auto last = text_.find_last_not_of(" \n");
        return in_quotes(
            last == text_.npos || last < at_ ? "" : text_.substr(at_, last + 1 - at_));
    }

    void skip_space() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n'))
            ++at_;
    }

    std::string_view text_;
    const std::string& place_;
    std::size_t at_ = 0;
};

}  // namespace

namespace {

constexpr std::string_view magic = "\x93NUMPY";

/// Takes the file's begin up to the data and gives the dictionary's text.
std::string read_header_text(input_file& file) {
    std::size_t taken = 0;
    const auto take = [&](std::size_t bytes) {
        // A broken size must not become memory: the text grows with what is there.
        std::string text;
        while (text.size() < bytes) {
            const std::size_t begin = text.size();
            text.resize(std::min<std::size_t>(bytes, begin + 65536));
            const std::size_t got =
                file.read(std::span(text.data() + begin, text.size() - begin));
            taken += got;
            if (begin + got == text.size()) continue;
            throw input_error(file.name(),
                              "broken NumPy header: the file ends inside it, after " +
                                  std::to_string(taken) + " bytes");
        }
        return text;
    };
    const std::string_view begin = file.peek(magic.size());
    if (begin.empty()) {
        throw input_error(file.name(), "the file is empty; expected a NumPy array");
    }
    if (begin != magic) {
        throw input_error(file.name(),
                          "is no NumPy file: it does not begin with '\\x93NUMPY'");
    }
    const std::string version = take(magic.size() + 2).substr(magic.size());
    const auto major = static_cast<unsigned char>(version[0]);
    const auto minor = static_cast<unsigned char>(version[1]);
    if (major < 1 || major > 3 || minor != 0) {
        throw input_error(file.name(), "NumPy format version " + std::to_string(major) +
                                           "." + std::to_string(minor) +
                                           "; expected 1.0, 2.0 or 3.0");
    }
    const std::string length = take(major == 1 ? 2 : 4);
    std::uint64_t size = 0;  // little-endian
    for (std::size_t i = length.size(); i-- > 0;)
        size = size << 8U | static_cast<unsigned char>(length[i]);
    return take(size);
}

}  // namespace

npy_header read_npy_header(input_file& file) {
    return parse_npy_header(read_header_text(file), file.name());
}

npy_header parse_npy_header(std::string_view text, const std::string& place) {
    dictionary_text dictionary(text, place);
    std::optional<std::string> descr;
    std::optional<bool> fortran_order;
    std::optional<std::vector<std::uint64_t>> shape;
    dictionary.expect('{');
    while (!dictionary.take('}')) {
        const std::string key = dictionary.string();
        dictionary.expect(':');
        const auto set = [&](auto& field, auto value) {
            if (field) dictionary.refuse("key " + in_quotes(key) + " appears twice");
            field = std::move(value);
        };
        if (key == "descr") {
            if (dictionary.take('[')) {
                throw input_error(place,
                                  "holds records; expected one-dimensional integers");
            }
            set(descr, dictionary.string());
        } else if (key == "fortran_order") {
            set(fortran_order, dictionary.boolean());
        } else if (key == "shape") {
            set(shape, dictionary.sizes());
        } else {
            dictionary.refuse("unknown key " + in_quotes(key));
        }
        if (!dictionary.take(',')) {
            dictionary.expect('}');
            break;
        }
    }
    dictionary.expect_end();
    if (!descr) dictionary.refuse("no 'descr'");
    if (!fortran_order) dictionary.refuse("no 'fortran_order'");
    if (!shape) dictionary.refuse("no 'shape'");
    return {*descr, *fortran_order, *shape};
}

npy_integer parse_npy_integer(std::string_view descr, const std::string& place) {
    const auto refuse = [&](const std::string& what) {
        throw input_error(place, "holds " + what + " (dtype " + in_quotes(descr) +
                                     "); expected integers, as int64");
    };
    npy_integer type;
    const char order = descr.empty() ? '\0' : descr[0];
    const std::string_view kind = descr.empty() ? descr : descr.substr(1);
    if (order == '>') {
        type.order = std::endian::big;
    } else if (order == '<') {
        type.order = std::endian::little;
    } else if (order != '=' && order != '|') {
        refuse("an unknown type");
    }
    if (kind.starts_with('f')) refuse("floating-point numbers");
    if (kind.starts_with('b')) refuse("booleans");
    if (kind.starts_with('O')) refuse("pickled objects");
    type.is_signed = kind.starts_with('i');
    for (const char size : {'1', '2', '4', '8'}) {
        if (kind == std::string{type.is_signed ? 'i' : 'u', size})
            type.bytes = static_cast<std::size_t>(size - '0');
    }
    if (type.bytes == 0) refuse("an unknown type");
    if (order == '|' && type.bytes > 1) refuse("integers of unknown byte order");
    return type;
}

}  // namespace packkit::app
