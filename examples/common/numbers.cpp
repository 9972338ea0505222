// SPDX-License-Identifier: Apache-2.0
#include "numbers.hpp"

#include "errors.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <system_error>

namespace packkit::app {
namespace {

/// A value below 1000 in three significant digits: "1.23", "12.3", "123".
std::string three_digits(double value) {
    return fixed(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

std::string with_commas(std::string digits) {
    for (std::size_t at = digits.size(); at > 3;) {
        at -= 3;
        digits.insert(at, ",");
    }
    return digits;
}

}  // namespace

std::string fixed(double value, int decimals) {
    std::array<char, 400> text{};  // 309 digits before the point at most
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value,
                                   std::chars_format::fixed, decimals);
    std::string result(text.data(), end.ptr);
    // "-0.00" says less than "0.00".
    if (result.starts_with('-') && result.find_first_not_of("-0.") == std::string::npos) {
        result.erase(0, 1);
    }
    return result;
}

std::string shortest(double value) {
    std::array<char, 40> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
    std::string result(text.data(), end.ptr);
    if (result.find_first_not_of("-0123456789") == std::string::npos) result += ".0";
    return result;
}

std::string grouped(std::int64_t value) {
    if (value >= 0) return grouped(static_cast<std::uint64_t>(value));
    return "-" + grouped(std::uint64_t{0} - static_cast<std::uint64_t>(value));
}

std::string grouped(std::uint64_t value) {
    return with_commas(std::to_string(value));
}

std::string percent(double share, int decimals) {
    return fixed(share * 100.0, decimals) + " %";
}

std::string counted(std::uint64_t value, std::string_view one, std::string_view many) {
    return grouped(value) + " " + std::string(value == 1 ? one : many);
}

std::string duration_text(double seconds) {
    if (seconds == 0) return "0 s";
    if (seconds < 1e-6) return three_digits(seconds * 1e9) + " ns";
    if (seconds < 1e-3) return three_digits(seconds * 1e6) + " µs";
    if (seconds < 1.0) return three_digits(seconds * 1e3) + " ms";
    if (seconds < 100.0) return three_digits(seconds) + " s";
    return fixed(seconds, 0) + " s";
}

std::string hours_text(double hours) {
    if (hours < 1.0 / 60) return duration_text(hours * 3600);
    if (hours < 1) return fixed(hours * 60, 1) + " min";
    if (hours < 96) return fixed(hours, hours < 10 ? 2 : 1) + " h";
    return fixed(hours / 24, 1) + " days";
}

std::string rate_text(double value) {
    return value >= 99.95 ? grouped(static_cast<std::int64_t>(std::llround(value)))
                          : fixed(value, value >= 9.995 ? 1 : 2);
}

std::string short_count(std::uint64_t value) {
    if (value < 1000) return std::to_string(value);
    constexpr std::string_view units = "kMGTPE";
    auto scaled = static_cast<double>(value);
    std::size_t unit = 0;
    for (scaled /= 1000.0; scaled >= 999.5 && unit + 1 < units.size(); ++unit) {
        scaled /= 1000.0;
    }
    return three_digits(scaled) + units[unit];
}

std::string bytes_text(std::uint64_t bytes) {
    if (bytes < 1024) return std::to_string(bytes) + " B";
    constexpr std::array<std::string_view, 6> units = {"KiB", "MiB", "GiB",
                                                       "TiB", "PiB", "EiB"};
    auto scaled = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (scaled /= 1024.0; scaled >= 1023.5 && unit + 1 < units.size(); ++unit) {
        scaled /= 1024.0;
    }
    return three_digits(scaled) + " " + std::string(units[unit]);
}

std::string size_text(std::uint64_t bytes) {
    return bytes < 10'000 ? counted(bytes, "byte", "bytes") : bytes_text(bytes);
}

parsed_integer parse_integer(std::string_view text) noexcept {
    if (text.empty()) return {0, integer_fault::empty};
    std::int64_t value = 0;
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, value);
    if (error == std::errc() && end == last) return {value, integer_fault::none};
    if (error == std::errc::result_out_of_range && end == last) {
        return {0, integer_fault::overflow};
    }
    double real = 0.0;
    const auto [real_end, real_error] = std::from_chars(text.data(), last, real);
    if (real_end == last && real_error != std::errc::invalid_argument &&
        text.find_first_of(".eE") != std::string_view::npos) {
        return {0, integer_fault::fractional};
    }
    return {0, integer_fault::not_a_number};
}

std::int64_t parse_option_integer(const std::string& option, std::string_view text,
                                  std::int64_t minimum, std::int64_t maximum) {
    std::string expected = "; expected a whole number";
    if (minimum == 0 || minimum == 1) expected += " ≥ " + std::to_string(minimum);
    const auto [value, fault] = parse_integer(text);
    switch (fault) {
        case integer_fault::none:
            break;
        case integer_fault::empty:
            throw usage_error(option, "is empty" + expected);
        case integer_fault::not_a_number:
            throw usage_error(option, in_quotes(text) + " is not a number" + expected);
        case integer_fault::fractional:
            throw usage_error(option,
                              std::string(text) + " is not a whole number" + expected);
        case integer_fault::overflow:
            throw usage_error(option,
                              in_quotes(text) + " does not fit 64 bits" + expected);
    }
    if (value < minimum) {
        throw usage_error(option, std::to_string(value) + " is below " +
                                      std::to_string(minimum) + expected);
    }
    if (value > maximum) {
        throw usage_error(option,
                          std::to_string(value) + " is above " + std::to_string(maximum));
    }
    return value;
}

std::optional<std::int64_t> parse_given_integer(const std::string& option,
                                                std::string_view text,
                                                std::int64_t minimum,
                                                std::int64_t maximum) {
    if (text.empty()) return std::nullopt;
    return parse_option_integer(option, text, minimum, maximum);
}

double parse_option_real(const std::string& option, std::string_view text, bool or_zero) {
    const std::string expected =
        or_zero ? "; expected a number ≥ 0" : "; expected a number > 0";
    if (text.empty()) throw usage_error(option, "is empty" + expected);
    double value = 0;
    const auto [end, fault] =
        std::from_chars(text.data(), text.data() + text.size(), value);
    if (fault == std::errc::result_out_of_range) {
        throw usage_error(option, in_quotes(text) + " does not fit a double" + expected);
    }
    if (fault != std::errc() || end != text.data() + text.size() ||
        !std::isfinite(value)) {
        throw usage_error(option, in_quotes(text) + " is not a number" + expected);
    }
    if (value < 0 || (value == 0 && !or_zero)) {
        throw usage_error(
            option,
            std::string(text) + (value < 0 ? " is negative" : " is zero") + expected);
    }
    return value;
}

void set_given_real(const std::string& option, std::string_view text, double& value,
                    double unit) {
    if (!text.empty()) value = parse_option_real(option, text) * unit;
}

}  // namespace packkit::app
