// SPDX-License-Identifier: Apache-2.0
/// @file
/// NCCL with one rank: every collective starts, runs and gives back what it was given.
/// That ranks add up is shown over Gloo; one GPU cannot.

#include "gpu.hpp"

#include <packkit/torch/communication/process_group.hpp>

#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include <vector>

BOOST_AUTO_TEST_SUITE(nccl_test)

using namespace packkit;
using boost::unit_test::precondition;
using test::has_gpu;

namespace {

lt::nccl_communicator one_rank() {
    c10::cuda::set_device(0);
    auto options = c10d::ProcessGroupNCCL::Options::create();
    options->timeout = std::chrono::seconds(60);
    return {"one", c10::make_intrusive<c10d::ProcessGroupNCCL>(
                       c10::make_intrusive<c10d::HashStore>(), 0, 1, options)};
}

at::Tensor numbers(at::ScalarType dtype) {
    return at::arange(1, 1001, at::TensorOptions().device(at::kCUDA)).to(dtype);
}

}  // namespace

BOOST_AUTO_TEST_CASE(collectives_of_one_rank, *precondition(has_gpu)) {
    auto nccl = one_rank();
    for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kLong}) {
        const auto sent = numbers(dtype);
        const auto same = [&](const char* what, const at::Tensor& received) {
            BOOST_TEST(at::equal(received.cpu(), sent.cpu()), what << " of " << dtype);
        };
        auto summed = sent.clone();
        nccl.all_reduce(summed).wait();
        same("all_reduce", summed);
        auto received = at::zeros_like(sent);
        nccl.all_gather(received, sent).wait();
        same("all_gather", received);
        received.zero_();
        nccl.reduce_scatter(received, sent).wait();
        same("reduce_scatter", received);
        received.zero_();
        nccl.all_to_all(received, sent).wait();
        same("all_to_all", received);
        received.zero_();
        nccl.all_to_all(received, {1000}, sent, {1000}).wait();
        same("all_to_all of counts", received);
        received.zero_();
        nccl.send_recv(sent, 0, received, 0).wait();
        same("send_recv", received);
    }
    nccl.barrier();
    BOOST_TEST(nccl.sent()[lt::collective::all_gather] == 0);
}

BOOST_AUTO_TEST_CASE(several_under_way, *precondition(has_gpu)) {
    auto nccl = one_rank();
    const auto sent = numbers(at::kFloat);
    std::vector<at::Tensor> received;
    std::vector<lt::pending> under_way;
    for (int i = 0; i < 8; ++i) {
        received.push_back(at::zeros_like(sent));
        under_way.push_back(nccl.all_gather(received.back(), sent * (i + 1)));
    }
    for (int i = 0; i < 8; ++i) {
        under_way[static_cast<std::size_t>(i)].wait();
        BOOST_TEST(at::equal(received[static_cast<std::size_t>(i)], sent * (i + 1)));
    }
}

BOOST_AUTO_TEST_SUITE_END()
