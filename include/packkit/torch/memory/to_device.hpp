// SPDX-License-Identifier: Apache-2.0
/// @file
/// Values of the host on a device, without waiting for the device.
#pragma once

#include <ATen/Functions.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace packkit::lt {

/// A one-dimensional tensor of `values` on `device`, dtype of T.
///
/// For a GPU the values go through page-locked memory, which LibTorch keeps until the
/// copy is done: work that is queued later sees them, and the host goes on at once.
template <class T>
[[nodiscard]] at::Tensor upload(const std::vector<T>& values, at::Device device) {
    const auto options = at::TensorOptions().dtype(c10::CppTypeToScalarType<T>::value);
    if (device.is_cpu()) return at::tensor(values, options);
    auto staged = at::empty({static_cast<std::int64_t>(values.size())},
                            options.pinned_memory(true));
    std::copy(values.begin(), values.end(), staged.template mutable_data_ptr<T>());
    return staged.to(device, /*non_blocking=*/true);
}

}  // namespace packkit::lt
