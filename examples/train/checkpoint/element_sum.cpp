// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/element_sum.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace packkit::train {
namespace {

/// What the codes with all exponent bits set stand for.
enum class top_codes : std::uint8_t {
    ieee,     ///< infinity, and NaN with a mantissa
    one_nan,  ///< NaN where all bits are set, numbers otherwise
    numbers   ///< numbers
};

/// A floating-point number of at most 16 bits: sign, exponent, mantissa.
struct small_float {
    int exponent_bits;
    int mantissa_bits;
    int bias;
    top_codes top;
    bool no_negative_zero = false;  ///< the code of -0 is NaN (FNUZ)
};

double float_of(const small_float& format, unsigned code) {
    const unsigned sign = code >> (format.exponent_bits + format.mantissa_bits) & 1U;
    const unsigned top = (1U << format.exponent_bits) - 1U;
    const unsigned exponent = code >> format.mantissa_bits & top;
    const unsigned ones = (1U << format.mantissa_bits) - 1U;
    const unsigned mantissa = code & ones;
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    if (format.no_negative_zero && sign == 1 && exponent == 0 && mantissa == 0)
        return nan;
    if (exponent == top && format.top == top_codes::ieee) {
        return mantissa != 0 ? nan
               : sign != 0   ? -std::numeric_limits<double>::infinity()
                             : std::numeric_limits<double>::infinity();
    }
    if (exponent == top && format.top == top_codes::one_nan && mantissa == ones)
        return nan;
    const unsigned hidden = exponent == 0 ? 0U : 1U << format.mantissa_bits;
    const int power =
        std::max(1, static_cast<int>(exponent)) - format.bias - format.mantissa_bits;
    const double value = std::ldexp(static_cast<double>(hidden | mantissa), power);
    return sign != 0 ? -value : value;
}

/// A power of two without a sign; all bits set: NaN.
double scale_of(unsigned code) {
    return code == 255 ? std::numeric_limits<double>::quiet_NaN()
                       : std::ldexp(1.0, static_cast<int>(code) - 127);
}

template <class T>
T number_at(const std::byte* from) {
    T value;
    std::memcpy(&value, from, sizeof(T));
    return value;
}

using adder = void (*)(std::span<const std::byte>, element_sum&);

template <class T>
void add_numbers(std::span<const std::byte> bytes, element_sum& sum) {
    for (std::size_t i = 0; i + sizeof(T) <= bytes.size(); i += sizeof(T))
        sum.add(static_cast<double>(number_at<T>(bytes.data() + i)));
}

void add_truths(std::span<const std::byte> bytes, element_sum& sum) {
    for (const std::byte each : bytes)
        sum.add(each == std::byte{0} ? 0.0 : 1.0);
}

void add_bfloat16(std::span<const std::byte> bytes, element_sum& sum) {
    for (std::size_t i = 0; i + 2 <= bytes.size(); i += 2) {
        const std::uint32_t bits = number_at<std::uint16_t>(bytes.data() + i);
        sum.add(static_cast<double>(std::bit_cast<float>(bits << 16U)));
    }
}

/// The values of all codes of a format.
template <std::size_t Codes, class Value>
std::array<double, Codes> all_values(Value value) {
    std::array<double, Codes> values{};
    for (std::size_t code = 0; code < Codes; ++code)
        values[code] = value(static_cast<unsigned>(code));
    return values;
}

void add_half(std::span<const std::byte> bytes, element_sum& sum) {
    static const auto values = all_values<65536>(
        [](unsigned code) { return float_of({5, 10, 15, top_codes::ieee}, code); });
    for (std::size_t i = 0; i + 2 <= bytes.size(); i += 2)
        sum.add(values[number_at<std::uint16_t>(bytes.data() + i)]);
}

template <int Exponent, int Mantissa, int Bias, top_codes Top, bool NoNegativeZero>
void add_float8(std::span<const std::byte> bytes, element_sum& sum) {
    static const auto values = all_values<256>([](unsigned code) {
        return float_of({Exponent, Mantissa, Bias, Top, NoNegativeZero}, code);
    });
    for (const std::byte each : bytes)
        sum.add(values[std::to_integer<std::size_t>(each)]);
}

void add_scales(std::span<const std::byte> bytes, element_sum& sum) {
    for (const std::byte each : bytes)
        sum.add(scale_of(std::to_integer<unsigned>(each)));
}

/// Two numbers a byte.
void add_float4(std::span<const std::byte> bytes, element_sum& sum) {
    constexpr small_float format = {2, 1, 1, top_codes::numbers};
    static const auto values =
        all_values<16>([&](unsigned code) { return float_of(format, code); });
    for (const std::byte each : bytes) {
        sum.add(values[std::to_integer<std::size_t>(each) & 15U]);
        sum.add(values[std::to_integer<std::size_t>(each) >> 4U]);
    }
}

struct dtype_adder {
    std::string_view dtype;
    adder add;
};

constexpr std::array adders = {
    dtype_adder{"BOOL", add_truths},
    dtype_adder{"U8", add_numbers<std::uint8_t>},
    dtype_adder{"I8", add_numbers<std::int8_t>},
    dtype_adder{"U16", add_numbers<std::uint16_t>},
    dtype_adder{"I16", add_numbers<std::int16_t>},
    dtype_adder{"U32", add_numbers<std::uint32_t>},
    dtype_adder{"I32", add_numbers<std::int32_t>},
    dtype_adder{"U64", add_numbers<std::uint64_t>},
    dtype_adder{"I64", add_numbers<std::int64_t>},
    dtype_adder{"F32", add_numbers<float>},
    dtype_adder{"F64", add_numbers<double>},
    dtype_adder{"C64", add_numbers<float>},
    dtype_adder{"F16", add_half},
    dtype_adder{"BF16", add_bfloat16},
    dtype_adder{"F8_E4M3", add_float8<4, 3, 7, top_codes::one_nan, false>},
    dtype_adder{"F8_E5M2", add_float8<5, 2, 15, top_codes::ieee, false>},
    dtype_adder{"F8_E4M3FNUZ", add_float8<4, 3, 8, top_codes::numbers, true>},
    dtype_adder{"F8_E5M2FNUZ", add_float8<5, 2, 16, top_codes::numbers, true>},
    dtype_adder{"F8_E8M0", add_scales},
    dtype_adder{"F4", add_float4}};

const dtype_adder* find_adder(std::string_view dtype) {
    const auto* const found =
        std::find_if(adders.begin(), adders.end(),
                     [&](const dtype_adder& known) { return known.dtype == dtype; });
    return found == adders.end() ? nullptr : found;
}

}  // namespace

void element_sum::add(double value) {
    if (std::isnan(value)) {
        ++nan_;
        return;
    }
    if (std::isinf(value)) {
        ++infinite_;
        return;
    }
    const double next = total_ + value;
    if (std::isfinite(next)) {
        error_ += std::abs(total_) >= std::abs(value) ? (total_ - next) + value
                                                      : (value - next) + total_;
    }
    total_ = next;
}

void element_sum::add(const element_sum& other) {
    add(other.total_);
    error_ += other.error_;
    nan_ += other.nan_;
    infinite_ += other.infinite_;
}

bool has_element_sum(std::string_view dtype) {
    return find_adder(dtype) != nullptr;
}

void add_elements(std::string_view dtype, std::span<const std::byte> bytes,
                  element_sum& sum) {
    if (const auto* const found = find_adder(dtype)) found->add(bytes, sum);
}

}  // namespace packkit::train
