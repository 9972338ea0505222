// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Sums of a tensor's elements in float64, to compare files by.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace packkit::train {

/// A sum in float64 of the elements that are finite, and the number of the others.
/// \details Every element becomes a float64: exactly but for integers beyond 2⁵³, which
/// are rounded; a truth value counts 0 or 1; of a complex number both parts are added.
/// The rounding error of each addition is carried along (Neumaier 1974), so that the sum
/// is that of the exact sum to about one unit in the last place, whatever the order.
class element_sum {
public:
    void add(double value);
    /// As if the other's elements had been added.
    void add(const element_sum& other);

    [[nodiscard]] double value() const { return total_ + error_; }
    [[nodiscard]] std::int64_t nan() const { return nan_; }
    [[nodiscard]] std::int64_t infinite() const { return infinite_; }

private:
    double total_ = 0;
    double error_ = 0;
    std::int64_t nan_ = 0;
    std::int64_t infinite_ = 0;
};

/// Whether elements of a dtype of the safetensors format can be added up: not those of
/// six bits, whose order in the bytes the format leaves open.
[[nodiscard]] bool has_element_sum(std::string_view dtype);

/// Adds elements that lie behind each other, little-endian, at any alignment.
/// Preconditions: has_element_sum(dtype), and whole elements. O(bytes).
void add_elements(std::string_view dtype, std::span<const std::byte> bytes,
                  element_sum& sum);

}  // namespace packkit::train
