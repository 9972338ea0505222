// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Typed values of a JSON document with the way to them, so that a wrong one is named.

#include "document.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::app {

/// Sizes beyond this are none.
inline constexpr std::int64_t max_size = std::numeric_limits<std::int32_t>::max();

/// A value inside a document that outlives it.
/// @details Every failure is an input_error with the line and the way to the value, as in
/// "tokenizer.json:3: model.vocab: expected an object, found null". Functions that take a
/// key are about a member of this object, and null counts there as missing.
class document_field {
public:
    document_field(const document_node& document, std::string file)
        : node_(&document), file_(std::move(file)) {}

    /// Fails with a message about this value, or about the member under a key.
    [[noreturn]] void fail(const std::string& message) const;
    [[noreturn]] void fail(std::string_view key, const std::string& message) const;
    /// fail("expected WHAT, found ...").
    [[noreturn]] void expected(std::string_view what) const;

    [[nodiscard]] const document_node& node() const { return *node_; }
    [[nodiscard]] const std::string& file() const { return file_; }

    // --- what must have a type ---
    [[nodiscard]] const std::vector<document_member>& members() const;
    [[nodiscard]] std::size_t array_size() const;
    [[nodiscard]] const std::string& text() const;
    [[nodiscard]] bool truth() const;
    [[nodiscard]] double number() const;
    /// A whole number from `low` to `high`.
    [[nodiscard]] std::int64_t whole(
        std::int64_t low, std::int64_t high = std::numeric_limits<std::int64_t>::max(),
        std::string_view what = "a whole number") const;
    /// A token id: a whole number in [0, 2³¹ − 2].
    [[nodiscard]] std::int32_t id() const;
    /// One of `names`, as its position. @throws input_error with a suggestion
    [[nodiscard]] std::size_t one_of(std::span<const std::string_view> names) const;
    [[nodiscard]] std::size_t one_of(
        std::initializer_list<std::string_view> names) const {
        return one_of(std::span(names.begin(), names.size()));
    }

    // --- members and elements ---
    /// A member that must be there; null counts as there.
    [[nodiscard]] document_field member(std::string_view key) const;
    /// A member, or nothing when it is missing or null.
    [[nodiscard]] std::optional<document_field> find(std::string_view key) const;
    /// Whether the key is there at all, null included.
    [[nodiscard]] bool has(std::string_view key) const;
    /// @pre `member` is one of members().
    [[nodiscard]] document_field at(const document_member& member) const;
    /// @pre the value is an array with more than `index` elements.
    [[nodiscard]] document_field element(std::size_t index) const;
    /// Refuses members that are not in `known`: an unknown one could change the meaning.
    void only(std::initializer_list<std::string_view> known) const;

    // --- members of a type, which may be missing ---
    [[nodiscard]] bool truth_or(std::string_view key, bool otherwise) const;
    [[nodiscard]] std::string text_or(std::string_view key,
                                      std::string_view otherwise) const;
    [[nodiscard]] std::optional<bool> truth(std::string_view key) const;
    [[nodiscard]] std::optional<std::string> text(std::string_view key) const;
    /// A whole number from `low` to `high`.
    [[nodiscard]] std::optional<std::int64_t> size(std::string_view key,
                                                   std::int64_t high = max_size,
                                                   std::int64_t low = 1) const;
    /// As size(), for a key that must be there.
    [[nodiscard]] std::int64_t required_size(std::string_view key,
                                             std::int64_t high = max_size) const;
    /// A number above zero.
    [[nodiscard]] std::optional<double> positive(std::string_view key) const;
    /// A number of at least zero.
    [[nodiscard]] std::optional<double> not_negative(std::string_view key) const;
    /// A number from 0 to below 1.
    [[nodiscard]] std::optional<double> probability(std::string_view key) const;
    /// An object.
    [[nodiscard]] std::optional<document_field> inner(std::string_view key) const;
    /// Refuses any value but these: a text, or a truth value.
    void only(std::string_view key, std::string_view supported) const;
    void only(std::string_view key, const char* supported) const {
        only(key, std::string_view(supported));
    }
    void only(std::string_view key, bool supported) const;

private:
    document_field(const document_node& node, std::string file, std::string way)
        : node_(&node), file_(std::move(file)), way_(std::move(way)) {}

    [[nodiscard]] std::string way_to(std::string_view key) const;
    [[nodiscard]] std::optional<double> ranged(std::string_view key, double low,
                                               bool with_low, double high,
                                               std::string_view what) const;
    void only(std::string_view key, std::string_view supported, bool quoted) const;

    const document_node* node_;
    std::string file_;
    std::string way_;  // "model.merges[3]"; "" is the document
};

/// What a scalar is: in JSON numbers and truth values stand without quotes.
[[nodiscard]] bool is_text(const document_node& node);
[[nodiscard]] bool is_truth(const document_node& node);

/// The number of a scalar, or nothing when it is none.
[[nodiscard]] std::optional<double> number_of(const document_node& node);
/// The whole number of a scalar, or nothing when it is none or does not fit 64 bits.
[[nodiscard]] std::optional<std::int64_t> whole_of(const document_node& node);

}  // namespace packkit::app
