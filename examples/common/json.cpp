// SPDX-License-Identifier: Apache-2.0
#include "json.hpp"

#include "document_builder.hpp"
#include "errors.hpp"
#include "input_file.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <limits>
#include <utility>
#include <vector>

namespace packkit::app {
namespace {

/// Reads the text and tells outside how far it came, which nlohmann's events do not.
class tracked_iterator {
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    tracked_iterator(const char* at, const char** seen) : at_(at), seen_(seen) {}
    reference operator*() const { return *at_; }
    tracked_iterator& operator++() {
        ++at_;
        *seen_ = at_;
        return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(const tracked_iterator& other) const { return at_ == other.at_; }

private:
    const char* at_;
    const char** seen_;
};

/// The place of the token that was read last.
class document_place {
public:
    document_place(std::string_view text, std::string place, std::size_t first_line)
        : text_(text),
          place_(std::move(place)),
          seen_(text.data()),
          counted_(text.data()),
          line_(first_line),
          numbered_(first_line > 0) {}

    /// The lexer looks one character ahead of a number, so a line feed that was read last
    /// ends the line of the token and does not begin another.
    std::size_t line() {
        if (seen_ - counted_ > 1) {
            line_ += static_cast<std::size_t>(std::count(counted_, seen_ - 1, '\n'));
            counted_ = seen_ - 1;
        }
        return line_;
    }

    std::string text() {
        return numbered_ ? place_ + ":" + std::to_string(line()) : place_;
    }

    /// Place of the byte at `offset`.
    [[nodiscard]] std::string text_at(std::size_t offset) const {
        const auto lines = std::count(
            text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(offset), '\n');
        return numbered_ ? place_ + ":" +
                               std::to_string(line_ + static_cast<std::size_t>(lines))
                         : place_;
    }

    [[nodiscard]] bool at_end() const { return seen_ == text_.data() + text_.size(); }

    template <class Sax>
    void parse(Sax& sax) {
        const char* const last = text_.data() + text_.size();
        json::sax_parse(tracked_iterator(text_.data(), &seen_),
                        tracked_iterator(last, &seen_), &sax);
    }

private:
    std::string_view text_;
    std::string place_;
    const char* seen_;
    const char* counted_;
    std::size_t line_;
    bool numbered_;
};

/// What nlohmann says, without its own numbering and not longer than a line of a terminal
/// or two: it repeats the last token, which may be the whole file.
[[noreturn]] void refuse_syntax(document_place& place, const std::string& last_token,
                                const nlohmann::detail::exception& error) {
    std::string what = error.what();
    if (error.id == 406) {
        throw input_error(place.text(),
                          "number " + in_quotes(last_token) + " is too large");
    }
    if (const auto column = what.find(": "); column != std::string::npos) {
        what.erase(0, column + 2);
    }
    std::string last_read;
    if (const auto at = what.find("; last read: '"); at != std::string::npos) {
        const auto end = what.find("'; expected", at);
        std::string read =
            what.substr(at + 14, end == std::string::npos ? end : end - at - 14);
        if (end == std::string::npos && read.ends_with('\'')) read.pop_back();
        what.erase(at, end == std::string::npos ? end : end + 1 - at);
        last_read = ", after " + in_quotes(read);
    }
    const bool wrong_token = what.find(" - unexpected ") != std::string::npos &&
                             what.find(" - unexpected end of input") == std::string::npos;
    throw json_syntax_error(place.text(), "not valid JSON: " + what + last_read,
                            place.at_end() && !wrong_token);
}

/// What both event receivers share: limits and errors.
class strict_sax : public nlohmann::json_sax<json> {
public:
    strict_sax(document_place& place, json_limits limits)
        : place_(place), limits_(limits) {}

    bool binary(binary_t&) override { return false; }  // never sent for text

    bool parse_error(std::size_t, const std::string& last_token,
                     const nlohmann::detail::exception& error) override {
        refuse_syntax(place_, last_token, error);
    }

protected:
    void enter() {
        if (++depth_ > limits_.max_depth) {
            throw input_error(
                place_.text(),
                "nested deeper than " + std::to_string(limits_.max_depth) + " levels");
        }
    }
    void leave() { --depth_; }

    document_place& place_;
    json_limits limits_;
    std::size_t depth_ = 0;
};

/// Builds the tree.
class tree_sax final : public strict_sax {
public:
    using strict_sax::strict_sax;

    bool null() override { return put(nullptr); }
    bool boolean(bool value) override { return put(value); }
    bool number_integer(number_integer_t value) override { return put(value); }
    bool number_unsigned(number_unsigned_t value) override { return put(value); }
    bool number_float(number_float_t value, const string_t&) override {
        return put(value);
    }
    bool string(string_t& value) override { return put(std::move(value)); }

    bool key(string_t& name) override {
        auto& members = open_.back()->get_ref<json::object_t&>();
        const auto [member, fresh] = members.try_emplace(std::move(name), nullptr);
        if (!fresh) {
            throw input_error(place_.text(),
                              "key " + in_quotes(name) + " appears twice in one object");
        }
        next_ = &member->second;
        return true;
    }
    bool start_object(std::size_t) override { return start(json::object()); }
    bool start_array(std::size_t) override { return start(json::array()); }
    bool end_object() override { return end_array(); }
    bool end_array() override {
        leave();
        open_.pop_back();
        return true;
    }

    json result;

private:
    /// The value in its place, which stays where it is until its parent is closed.
    json& add(json value) {
        if (open_.empty()) return result = std::move(value);
        if (!open_.back()->is_array()) return *next_ = std::move(value);
        return open_.back()->get_ref<json::array_t&>().emplace_back(std::move(value));
    }
    bool put(json value) {
        add(std::move(value));
        return true;
    }
    bool start(json empty) {
        enter();
        open_.push_back(&add(std::move(empty)));
        return true;
    }

    std::vector<json*> open_;
    json* next_ = nullptr;  // where the next value of an object goes
};

/// Builds a document, whose nodes know their lines and hold numbers as written.
class document_sax final : public strict_sax {
public:
    document_sax(document_place& place, std::string file)
        : strict_sax(place, {.max_depth = max_document_depth}),
          builder_(std::move(file)) {}

    bool null() override { return add(document_node::kind::null, {}); }
    bool boolean(bool value) override {
        return add(document_node::kind::scalar, value ? "true" : "false");
    }
    bool number_integer(number_integer_t value) override {
        return add(document_node::kind::scalar, std::to_string(value));
    }
    bool number_unsigned(number_unsigned_t value) override {
        return add(document_node::kind::scalar, std::to_string(value));
    }
    bool number_float(number_float_t, const string_t& text) override {
        return add(document_node::kind::scalar, text);
    }
    bool string(string_t& value) override {
        return add(document_node::kind::scalar, std::move(value), true);
    }
    bool key(string_t& name) override {
        builder_.key(std::move(name), place_.line());
        return true;
    }
    bool start_object(std::size_t) override {
        builder_.start(document_node::kind::map, place_.line());
        return true;
    }
    bool start_array(std::size_t) override {
        builder_.start(document_node::kind::sequence, place_.line());
        return true;
    }
    bool end_object() override { return end_array(); }
    bool end_array() override {
        builder_.add(builder_.end());
        return true;
    }

    [[nodiscard]] document_node take() { return std::move(builder_.root); }

private:
    bool add(document_node::kind type, std::string text, bool quoted = false) {
        document_node node;
        node.type = type;
        node.quoted = quoted;
        node.line = place_.line();
        node.text = std::move(text);
        builder_.add(std::move(node));
        return true;
    }

    document_builder builder_;
};

/// Hands on the elements of the outermost array.
class array_sax final : public strict_sax {
public:
    array_sax(document_place& place, json_array_visitor& visitor)
        : strict_sax(place, {}), visitor_(visitor) {}

    bool null() override { return other("null"); }
    bool boolean(bool value) override { return other(value ? "true" : "false"); }
    bool number_integer(number_integer_t value) override {
        if (depth_ == 1) visitor_.integer(index_++, place_.line(), value);
        return inside("a number");
    }
    bool number_unsigned(number_unsigned_t value) override {
        if (value >
            static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
            return other(std::to_string(value));
        }
        return number_integer(static_cast<number_integer_t>(value));
    }
    bool number_float(number_float_t, const string_t& text) override {
        constexpr std::size_t longest = 60;  // of a number in a message
        return other(text.size() > longest ? in_quotes(text) : text);
    }
    bool string(string_t&) override { return other("a string"); }
    bool key(string_t&) override { return true; }
    bool start_object(std::size_t) override {
        other("an object");
        enter();
        return true;
    }
    bool end_object() override {
        leave();
        return true;
    }
    bool start_array(std::size_t) override {
        if (depth_ > 0) other("an array");
        enter();
        return true;
    }
    bool end_array() override {
        leave();
        return true;
    }

private:
    bool other(std::string_view what) {
        if (depth_ == 1) visitor_.other(index_++, place_.line(), what);
        return inside(what);
    }
    bool inside(std::string_view what) {
        if (depth_ == 0) {
            throw input_error(place_.text(),
                              "expected an array, found " + std::string(what));
        }
        return true;
    }

    json_array_visitor& visitor_;
    std::size_t index_ = 0;
};

/// What the lexer would not: no document at all, and a NUL byte, which it takes for the
/// end.
void refuse_empty_or_nul(std::string_view text, document_place& place) {
    if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        throw input_error(place.text(), "empty; expected a JSON document");
    }
    if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
        throw input_error(place.text_at(nul), "not valid JSON: a NUL byte");
    }
}

}  // namespace

json parse_json(std::string_view text, const std::string& place, std::size_t first_line,
                json_limits limits) {
    document_place where(text, place, first_line);
    refuse_empty_or_nul(text, where);
    tree_sax sax(where, limits);
    where.parse(sax);
    return std::move(sax.result);
}

json read_json_file(const std::string& path, json_limits limits) {
    const std::string text = read_file(path);
    return parse_json(text, path == "-" ? "stdin" : path, 1, limits);
}

document_node parse_json_document(std::string_view text, const std::string& file,
                                  std::size_t first_line) {
    document_place where(text, file, first_line);
    refuse_empty_or_nul(text, where);
    document_sax sax(where, file);
    where.parse(sax);
    return sax.take();
}

document_node read_json_document(const std::string& path) {
    return parse_json_document(read_file(path), path == "-" ? "stdin" : path);
}

void visit_json_array(std::string_view text, const std::string& place,
                      json_array_visitor& visitor) {
    document_place where(text, place, 1);
    refuse_empty_or_nul(text, where);
    array_sax sax(where, visitor);
    where.parse(sax);
}

std::string_view json_kind(const json& value) {
    switch (value.type()) {
        case json::value_t::object:
            return "an object";
        case json::value_t::array:
            return "an array";
        case json::value_t::string:
            return "a string";
        case json::value_t::boolean:
            return value.get<bool>() ? "true" : "false";
        case json::value_t::number_integer:
        case json::value_t::number_unsigned:
        case json::value_t::number_float:
            return "a number";
        case json::value_t::binary:
        case json::value_t::discarded:
        case json::value_t::null:
            break;
    }
    return "null";
}

}  // namespace packkit::app
