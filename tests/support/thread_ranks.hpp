// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// For tests of parallel code: runs a function once per rank, each rank a thread.

#include <packkit/torch/communication/in_process.hpp>

#include <ATen/core/grad_mode.h>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace packkit::test {

/// A group whose ranks are threads that end together: when one fails, the collectives of
/// the others do.
class rank_threads {
public:
    using body = std::function<void(lt::communicator&)>;

    explicit rank_threads(int ranks,
                          std::chrono::milliseconds timeout = std::chrono::minutes(2))
        : group_(std::make_shared<lt::in_process_group>(ranks, timeout)) {}

    /// Of all ranks: what groups of some of them are made of.
    [[nodiscard]] lt::in_process_group& group() { return *group_; }

    /// Calls work(communicator) on each rank's thread and rethrows the first exception
    /// that is not the echo of another rank's.
    void run(const body& work) {
        std::vector<std::thread> threads;
        for (int rank = 0; rank < group_->size(); ++rank)
            threads.emplace_back([&, rank] { run_rank(rank, work); });
        for (auto& thread : threads)
            thread.join();
        if (first_) std::rethrow_exception(first_);
        if (first_echo_) std::rethrow_exception(first_echo_);
    }

private:
    void run_rank(int rank, const body& work) {
        lt::in_process_communicator communicator("test", rank, group_);
        try {
            work(communicator);
        } catch (const lt::communication_error& fault) {
            group_->fail(rank, fault.what());
            keep(first_echo_);
        } catch (const std::exception& fault) {
            group_->fail(rank, fault.what());
            keep(first_);
        } catch (...) {
            group_->fail(rank, "an exception of unknown type");
            keep(first_);
        }
    }

    void keep(std::exception_ptr& place) {
        const std::lock_guard lock(mutex_);
        if (!place) place = std::current_exception();
    }

    std::shared_ptr<lt::in_process_group> group_;
    std::mutex mutex_;
    std::exception_ptr first_, first_echo_;
};

/// Calls body(communicator) on `ranks` threads and rethrows the first exception that is
/// not the echo of another rank's.
inline void run_ranks(int ranks, const rank_threads::body& body) {
    rank_threads(ranks).run(body);
}

}  // namespace packkit::test
