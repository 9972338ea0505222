// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// For tests of parallel code: runs a function once per rank, each rank a thread.

#include <packkit/torch/in_process.hpp>

#include <ATen/core/grad_mode.h>

#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace packkit::test {

/// Calls body(communicator) on `ranks` threads and rethrows the first exception.
inline void run_ranks(int ranks, const std::function<void(lt::communicator&)>& body) {
    const auto group = std::make_shared<lt::in_process_group>(ranks);
    std::vector<std::exception_ptr> failures(static_cast<std::size_t>(ranks));
    std::vector<std::thread> threads;
    for (int rank = 0; rank < ranks; ++rank) {
        threads.emplace_back([&, rank] {
            try {
                lt::in_process_communicator communicator("test", rank, group);
                body(communicator);
            } catch (...) {
                failures[static_cast<std::size_t>(rank)] = std::current_exception();
            }
        });
    }
    for (auto& thread : threads)
        thread.join();
    for (const auto& failure : failures) {
        if (failure) std::rethrow_exception(failure);
    }
}

}  // namespace packkit::test
