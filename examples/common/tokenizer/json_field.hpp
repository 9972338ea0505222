// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Values of a JSON document with the way to them, so that a wrong one is named.

#include "common/json.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace packkit::app {

/// A value inside a document that outlives it. Every failure is an input_error whose
/// place is the file and whose message begins with the way: "tokenizer.json: model.vocab:
/// expected an object, found null".
class json_field {
public:
    json_field(const json& document, std::string file)
        : value_(&document), file_(std::move(file)) {}

    [[noreturn]] void fail(const std::string& message) const;
    /// fail("expected WHAT, found ...").
    [[noreturn]] void expected(std::string_view what) const;

    [[nodiscard]] const json& value() const { return *value_; }
    [[nodiscard]] const std::string& file() const { return file_; }

    /// A member that must be there; null counts as there.
    [[nodiscard]] json_field member(const std::string& key) const;
    /// A member, or nothing when it is absent or null.
    [[nodiscard]] std::optional<json_field> find(const std::string& key) const;
    /// @pre value() is an array with more than `index` elements.
    [[nodiscard]] json_field element(std::size_t index) const;

    /// The number of elements of what must be an array.
    [[nodiscard]] std::size_t array_size() const;
    [[nodiscard]] const json::object_t& object() const;
    [[nodiscard]] const std::string& text() const;
    [[nodiscard]] bool truth() const;
    [[nodiscard]] double number() const;
    /// A token id: a whole number in [0, 2³¹ − 2].
    [[nodiscard]] std::int32_t id() const;

    [[nodiscard]] bool truth_or(const std::string& key, bool otherwise) const;
    [[nodiscard]] std::string text_or(const std::string& key,
                                      std::string_view otherwise) const;

    /// One of `names`, as its position. @throws input_error with a suggestion.
    [[nodiscard]] std::size_t one_of(std::initializer_list<std::string_view> names) const;

    /// Refuses members that are not in `known`: an unknown one could change the ids.
    void only(std::initializer_list<std::string_view> known) const;

private:
    json_field(const json& value, std::string file, std::string way)
        : value_(&value), file_(std::move(file)), way_(std::move(way)) {}

    const json* value_;
    std::string file_;
    std::string way_;  // "model.merges[3]"; "" is the document
};

}  // namespace packkit::app
