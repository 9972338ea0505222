// SPDX-License-Identifier: Apache-2.0
// A communicator of one rank: the headers of packkit::torch compile, and LibTorch is
// linked.
#include <packkit/torch/communication/communicator.hpp>

#include <ATen/ops/arange.h>
#include <ATen/ops/zeros_like.h>

#include <iostream>

int main() {
    packkit::lt::single_communicator ranks("world");
    const auto input = at::arange(4);
    auto output = at::zeros_like(input);
    ranks.all_gather(output, input).wait();
    ranks.all_reduce(output).wait();
    ranks.barrier();
    const bool same = output.equal(input);
    const bool silent = ranks.sent()[packkit::lt::collective::all_gather] == 0;
    if (!same || !silent) {
        std::cerr << "gathered over one rank: " << (same ? "equal" : "not equal") << ", "
                  << ranks.sent()[packkit::lt::collective::all_gather] << " bytes sent\n";
        return 1;
    }
    return 0;
}
