// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Kinds of values that keys take.
/// \details A kind has
/// - `read(node)`, the value, or nothing when the node holds no such value;
/// - `expected()`, what a message and the documentation say of it: "true or false";
/// - `text(value)`, the value as a configuration spells it;
/// - if it has more to say than what is expected, `rejection(node)`: the message for a
///   node that read() does not take.
/// Numbers and truth values are read by their text: quotes make no difference.

#include "common/did_you_mean.hpp"
#include "config/config.hpp"
#include "config/names.hpp"
#include "config/tree.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::train {

/// A truth value of YAML 1.1, or nothing: true, yes, on; false, no, off in the three
/// usual spellings.
std::optional<bool> parse_truth(std::string_view text);

/// "expected a text, found a list".
std::string expected_found(const std::string& expected, const config_node& node);

/// True or false.
struct truth {
    [[nodiscard]] std::optional<bool> read(const config_node& node) const;
    [[nodiscard]] std::string expected() const { return "true or false"; }
    [[nodiscard]] std::string text(bool value) const { return value ? "true" : "false"; }
};

/// A whole number in [low, high]. Leading zeros are refused: YAML 1.1 reads "010" as
/// eight, others as ten.
struct whole {
    std::int64_t low = 0;
    std::int64_t high = std::numeric_limits<std::int64_t>::max();

    [[nodiscard]] std::optional<std::int64_t> read(const config_node& node) const;
    [[nodiscard]] std::string expected() const;
    [[nodiscard]] std::string text(std::int64_t value) const {
        return std::to_string(value);
    }
};

/// A whole number of 64 bits without a sign.
struct natural {
    [[nodiscard]] std::optional<std::uint64_t> read(const config_node& node) const;
    [[nodiscard]] std::string expected() const {
        return "a whole number from 0 to 18446744073709551615";
    }
    [[nodiscard]] std::string text(std::uint64_t value) const {
        return std::to_string(value);
    }
};

/// Bounds of a real number, and their text: "a number >= 0".
struct real_range {
    double low;
    double high;
    bool with_low;   ///< low itself is allowed
    bool with_high;  ///< high itself is allowed
    std::string_view expected;
};

inline constexpr real_range not_negative{0.0, std::numeric_limits<double>::max(), true,
                                         true, "a number >= 0"};
inline constexpr real_range any_number{std::numeric_limits<double>::lowest(),
                                       std::numeric_limits<double>::max(), true, true,
                                       "a number"};
inline constexpr real_range positive{0.0, std::numeric_limits<double>::max(), false, true,
                                     "a number > 0"};
inline constexpr real_range below_one{0.0, 1.0, true, false, "a number >= 0 and < 1"};

/// A finite number in a range.
struct real {
    real_range range;

    [[nodiscard]] std::optional<double> read(const config_node& node) const;
    [[nodiscard]] std::string expected() const { return std::string(range.expected); }
    /// Reads back exactly.
    [[nodiscard]] std::string text(double value) const;
};

/// A text that is not empty and has no NUL byte.
struct plain_text {
    std::string_view what = "a text";

    [[nodiscard]] std::optional<std::string> read(const config_node& node) const;
    [[nodiscard]] std::string expected() const { return std::string(what); }
    [[nodiscard]] std::string rejection(const config_node& node) const;
    [[nodiscard]] std::string text(const std::string& value) const { return value; }
};

/// A file or folder; relative to the folder of the configuration.
struct file_path : plain_text {
    explicit file_path(std::string_view expected = "a path") : plain_text{expected} {}
};

/// A list of texts that are not empty.
struct text_list {
    std::string_view what;

    [[nodiscard]] std::optional<std::vector<std::string>> read(
        const config_node& node) const;
    [[nodiscard]] std::string expected() const { return std::string(what); }
    /// ["a", "b"], each escaped: two lists with one text are one list.
    [[nodiscard]] std::string text(const std::vector<std::string>& value) const;
};

/// One text, or a list of texts that is not empty.
struct some_texts {
    std::string_view what;

    [[nodiscard]] std::optional<std::vector<std::string>> read(
        const config_node& node) const;
    [[nodiscard]] std::string expected() const { return std::string(what); }
    [[nodiscard]] std::string text(const std::vector<std::string>& value) const;
};

/// A split of a data set and the rows of it: "train", "train[100:200]", "test[:10%]".
struct split_slice {
    std::string name;
    std::optional<slice_end> from;
    std::optional<slice_end> to;
};

/// The name of a split, with a slice of rows or percents or without.
struct split_choice {
    [[nodiscard]] std::optional<split_slice> read(const config_node& node) const;
    [[nodiscard]] std::string expected() const {
        return "the name of a split, as train, or rows of it, as train[:10%] or "
               "train[100:200]";
    }
    [[nodiscard]] std::string rejection(const config_node& node) const;
    [[nodiscard]] std::string text(const split_slice& value) const;
};

/// A name that Axolotl knows and this trainer rejects, and why: "is not supported; …".
/// \details The name stands also for its variants "name.x" and "name:x", with '*' at its
/// end for all that begin so. Behind "; expected" the message goes on with the names that
/// there are.
struct rejected_name {
    std::string_view name;
    std::string_view why;
};

/// Names that are rejected for one reason.
template <class... Name>
constexpr std::array<rejected_name, sizeof...(Name)> rejected_names(std::string_view why,
                                                                    Name... names) {
    return {{{names, why}...}};
}

/// "'sgd' is not supported; expected one of a, b" for a rejected name, or nothing.
std::optional<std::string> name_rejection(std::string_view text,
                                          std::span<const rejected_name> rejected,
                                          const std::string& expected);

/// "expected one of a, b, found 'aa'; did you mean 'a'?".
std::string unknown_name(const config_node& node, const std::string& expected,
                         std::span<const std::string_view> names);

/// One of a few names.
template <class Value>
struct choice {
    std::span<const named<Value>> names = names_of<Value>;
    std::span<const rejected_name> rejected = {};

    [[nodiscard]] std::optional<Value> read(const config_node& node) const {
        for (const named<Value>& each : names) {
            if (node.type == config_node::kind::scalar && each.name == node.text)
                return each.value;
        }
        return std::nullopt;
    }
    [[nodiscard]] std::string expected() const {
        return "one of " + app::name_list(texts_of(names));
    }
    [[nodiscard]] std::string rejection(const config_node& node) const {
        if (node.type == config_node::kind::scalar) {
            if (auto why = name_rejection(node.text, rejected, expected())) return *why;
        }
        return unknown_name(node, expected(), texts_of(names));
    }
    [[nodiscard]] std::string text(Value value) const {
        return std::string(name_of(value, names));
    }
};

/// Values of bf16 and fp16: true, full, false or auto.
struct precision_switch_name {
    [[nodiscard]] std::optional<precision_switch> read(const config_node& node) const;
    [[nodiscard]] std::string expected() const { return "true, false, full or auto"; }
};

/// Values of gradient_checkpointing: true, false or selective.
struct checkpointing_choice {
    [[nodiscard]] std::optional<checkpointing_kind> read(const config_node& node) const;
    [[nodiscard]] std::string expected() const { return "true, false or selective"; }
    [[nodiscard]] std::string rejection(const config_node& node) const;
    [[nodiscard]] std::string text(checkpointing_kind value) const;
};

/// The name of a chat template that there is.
struct template_name {
    [[nodiscard]] std::optional<std::string> read(const config_node& node) const;
    [[nodiscard]] std::string expected() const;
    [[nodiscard]] std::string rejection(const config_node& node) const;
    [[nodiscard]] std::string text(const std::string& value) const { return value; }
};

/// Any value: a rule looks at it.
struct anything {
    std::string_view what;

    [[nodiscard]] std::optional<bool> read(const config_node&) const { return true; }
    [[nodiscard]] std::string expected() const { return std::string(what); }
};

/// A list that is not empty, or a map: what is in it is read elsewhere.
struct collection {
    config_node::kind type;
    std::string_view what;

    [[nodiscard]] std::optional<const config_node*> read(const config_node& node) const {
        const bool empty_list = type == config_node::kind::sequence && node.items.empty();
        if (node.type != type || empty_list) return std::nullopt;
        return &node;
    }
    [[nodiscard]] std::string expected() const { return std::string(what); }
};

}  // namespace packkit::train
