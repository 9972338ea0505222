// SPDX-License-Identifier: Apache-2.0
/// @file
/// Numbers as people read them, the same whatever the locale.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>

namespace packkit::detail {

/// With that many digits behind the point: "93.1".
[[nodiscard]] inline std::string fixed(double value, int digits) {
    char buffer[400];
    const auto result = std::to_chars(buffer, buffer + sizeof buffer, value,
                                      std::chars_format::fixed, digits);
    return {buffer, result.ptr};
}

/// Two or three leading digits, as many as tell: "0.031", "2.45", "31.2", "312".
[[nodiscard]] inline std::string leading_digits(double value) {
    const double size = std::fabs(value);
    return fixed(value, size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

/// "93.1 GiB"; below a GiB "512 MiB", below a MiB "17 B".
[[nodiscard]] inline std::string byte_text(std::int64_t bytes) {
    const auto value = static_cast<double>(bytes);
    if (bytes >= std::int64_t{1} << 30) return fixed(value / 0x1p30, 1) + " GiB";
    if (bytes >= std::int64_t{1} << 20) return fixed(value / 0x1p20, 0) + " MiB";
    return std::to_string(bytes) + " B";
}

/// "52,083"
[[nodiscard]] inline std::string grouped(std::int64_t value) {
    std::string text = std::to_string(value);
    const std::size_t sign = value < 0 ? 1 : 0;
    for (std::size_t at = text.size(); at > sign + 3;)
        text.insert(at -= 3, 1, ',');
    return text;
}

/// "9,598" or, below 100, "45.2"
[[nodiscard]] inline std::string rate_text(double value) {
    return value >= 100 ? grouped(std::llround(value)) : leading_digits(value);
}

/// "2.45 s", "31.2 ms"
[[nodiscard]] inline std::string second_text(double seconds) {
    if (seconds >= 1) return leading_digits(seconds) + " s";
    return leading_digits(seconds * 1e3) + " ms";
}

/// "56.8 %"
[[nodiscard]] inline std::string percent(double share) {
    return fixed(100 * share, 1) + " %";
}

}  // namespace packkit::detail
