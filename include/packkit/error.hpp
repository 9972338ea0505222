// SPDX-License-Identifier: Apache-2.0
/// @file
/// What packkit throws, and how its messages are put together.
///
/// A wrong argument from a caller throws `invalid_argument`; something that went wrong at
/// run time (a file, a collective) throws `runtime_error`. Messages carry the values:
/// what was found, where, and what was expected. A broken invariant of packkit itself is
/// caught by `PACKKIT_ASSERT` in debug builds.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

namespace packkit {

/// A caller passed something outside the contract of the function.
struct invalid_argument : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

/// Something outside the program's control failed: a file, a device, another rank.
struct runtime_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

namespace detail {

inline void append_part(std::string& text, std::string_view part) {
    text += part;
}

/// Numbers go through `std::to_chars`: the same text whatever the locale.
template <class Number>
    requires(std::integral<Number> || std::floating_point<Number>)
void append_part(std::string& text, Number number) {
    if constexpr (std::same_as<Number, bool>) {
        text += number ? "true" : "false";
    } else if constexpr (std::same_as<Number, char>) {
        text += number;
    } else {
        char buffer[64];
        const auto result = std::to_chars(buffer, buffer + sizeof buffer, number);
        text.append(buffer, result.ptr);
    }
}

/// The parts one after another as one text: `message("item ", 17, " is too long")`.
template <class... Parts>
[[nodiscard]] std::string message(const Parts&... parts) {
    std::string text;
    (append_part(text, parts), ...);
    return text;
}

/// Throws `invalid_argument` with the parts as its message. Not `constexpr`: in a
/// constant expression, reaching it is the compile error.
template <class... Parts>
[[noreturn]] void throw_invalid_argument(const Parts&... parts) {
    throw invalid_argument(message(parts...));
}

[[noreturn]] inline void assertion_failed(const char* condition, const char* file,
                                          int line) {
    std::fprintf(stderr, "%s:%d: packkit invariant broken: %s\n", file, line, condition);
    std::abort();
}

}  // namespace detail
}  // namespace packkit

/// Checks an invariant of packkit's own. On when `NDEBUG` is not defined, or when
/// `PACKKIT_ASSERTIONS` is; otherwise the condition is not evaluated. Never used for what
/// a caller can get wrong: that throws.
#if !defined(NDEBUG) || defined(PACKKIT_ASSERTIONS)
#define PACKKIT_ASSERT(condition)       \
    ((condition) ? static_cast<void>(0) \
                 : ::packkit::detail::assertion_failed(#condition, __FILE__, __LINE__))
#else
#define PACKKIT_ASSERT(condition) static_cast<void>(sizeof((condition) ? 1 : 0))
#endif
