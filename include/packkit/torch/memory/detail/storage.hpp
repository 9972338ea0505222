// SPDX-License-Identifier: Apache-2.0
/// @file
/// Memory that leaves a tensor and comes back, while the tensor stays what it is.
#pragma once

#include <ATen/core/Tensor.h>

namespace packkit::lt::detail {

/// Frees the memory of a tensor, whoever else still refers to it: a process group's
/// thread keeps the tensors of a collective for some time after it has completed.
inline void take_storage(const at::Tensor& tensor) {
    auto* storage = tensor.storage().unsafeGetStorageImpl();
    storage->set_data_ptr_noswap(at::DataPtr(nullptr, tensor.device()));
    storage->set_nbytes(0);
}

/// Moves the memory of `from` into `to`, which keeps identity and version counter.
inline void give_storage(const at::Tensor& to, const at::Tensor& from) {
    auto* source = from.storage().unsafeGetStorageImpl();
    auto* target = to.storage().unsafeGetStorageImpl();
    const auto bytes = source->nbytes();
    target->set_data_ptr_noswap(
        source->set_data_ptr(at::DataPtr(nullptr, from.device())));
    target->set_nbytes(bytes);
    source->set_nbytes(0);
}

}  // namespace packkit::lt::detail
