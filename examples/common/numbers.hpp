// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Numbers as text and back, the same in every locale.

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace packkit::app {

/// Fixed notation with a point: fixed(0.98765, 2) is "0.99"; "nan", "inf", "-inf" as
/// such.
std::string fixed(double value, int decimals);

/// The shortest decimal that reads back as the same double: "0.1", "1e+30", "3.0".
std::string shortest(double value);

/// "12,345,678".
std::string grouped(std::int64_t value);
std::string grouped(std::uint64_t value);

/// percent(0.98765) is "98.77 %".
std::string percent(double share, int decimals = 2);

/// "1 epoch", "2,000 epochs": a number with its noun.
std::string counted(std::uint64_t value, std::string_view one, std::string_view many);

/// Three significant digits and a unit: "1.23 ms", "45.0 s", "12.0 ns"; "0 s" for
/// nothing.
std::string duration_text(double seconds);

/// A duration in seconds, minutes, hours or days: "45.0 s", "12.3 min", "7.23 h".
std::string hours_text(double hours);

/// "1,234" from 100 on, below it three digits: "12.3", "1.23".
std::string rate_text(double value);

/// "4.20M", "10.0k", "999".
std::string short_count(std::uint64_t value);

/// Binary units: "1.50 GiB", "512 B".
std::string bytes_text(std::uint64_t bytes);
/// @pre bytes >= 0
template <std::signed_integral Integer>
std::string bytes_text(Integer bytes) {
    return bytes_text(static_cast<std::uint64_t>(bytes));
}

/// "1 byte", "9,999 bytes", and in binary units from there on: "832 KiB".
std::string size_text(std::uint64_t bytes);

/// What a text holds where a whole number is expected.
enum class integer_fault { none, empty, not_a_number, fractional, overflow };

struct parsed_integer {
    std::int64_t value = 0;
    integer_fault fault = integer_fault::none;
};

/// Reads a decimal integer; all of `text` must belong to it, spaces do not.
parsed_integer parse_integer(std::string_view text) noexcept;

/// An option's whole number in [minimum, maximum].
/// @throws usage_error, as in "--capacity: 'abc' is not a number; expected a whole number
/// ≥ 1".
std::int64_t parse_option_integer(const std::string& option, std::string_view text,
                                  std::int64_t minimum, std::int64_t maximum = INT64_MAX);

/// Parses an option that may be missing: nothing for an empty text.
std::optional<std::int64_t> parse_given_integer(const std::string& option,
                                                std::string_view text,
                                                std::int64_t minimum,
                                                std::int64_t maximum = INT64_MAX);

/// An option's number, as 0.65 or 1e-3: finite, and above 0 or, with `or_zero`, at least
/// 0. @throws usage_error, as in "--peak-tflops: '3x' is not a number; expected a number
/// > 0".
double parse_option_real(const std::string& option, std::string_view text,
                         bool or_zero = false);

/// Sets `value` to an option's number times `unit`; without one it stays as it is.
void set_given_real(const std::string& option, std::string_view text, double& value,
                    double unit = 1);

}  // namespace packkit::app
