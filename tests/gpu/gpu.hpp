// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// For tests that need a GPU: a precondition, and comparisons of its results with others.

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <c10/cuda/CUDAFunctions.h>

#include <boost/test/unit_test.hpp>

namespace packkit::test {

/// As in BOOST_AUTO_TEST_CASE(name, *boost::unit_test::precondition(has_gpu)).
inline boost::test_tools::assertion_result has_gpu(boost::unit_test::test_unit_id) {
    boost::test_tools::assertion_result found(at::hasCUDA() &&
                                              c10::cuda::device_count() > 0);
    if (!found) found.message() << "no GPU here";
    return found;
}

/// Largest difference of `found` over the largest element of `expected`, in float64.
inline double relative_difference(const at::Tensor& found, const at::Tensor& expected) {
    const auto right = expected.detach().to(at::kCPU, at::kDouble);
    const auto error = (found.detach().to(at::kCPU, at::kDouble) - right).abs().max();
    return error.item<double>() / right.abs().max().item<double>();
}

}  // namespace packkit::test
