// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Independent tasks on several threads.

#include <algorithm>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace packkit::app {

/// Calls task(0) … task(count - 1), each once, on up to `threads` threads, this one
/// among them, and reports how many are done before each and at the end, one call at a
/// time. When tasks throw, no further ones begin, and the exception of the one with the
/// lowest number passes on once all threads are done.
template <class Task, class Report>
void run_tasks(std::size_t count, std::size_t threads, const Task& task,
               const Report& report) {
    std::mutex mutex;
    std::size_t next = 0;
    std::size_t done = 0;
    std::size_t failed = count;
    std::exception_ptr failure;
    const auto work = [&] {
        while (true) {
            std::size_t mine = 0;
            {
                const std::lock_guard lock(mutex);
                report(done);
                if (next == count || failure) return;
                mine = next++;
            }
            try {
                task(mine);
            } catch (...) {
                const std::lock_guard lock(mutex);
                if (mine < failed) {
                    failed = mine;
                    failure = std::current_exception();
                }
            }
            const std::lock_guard lock(mutex);
            ++done;
        }
    };
    {
        std::vector<std::jthread> workers;
        for (std::size_t i = 1; i < std::min(threads, count); ++i)
            workers.emplace_back(work);
        work();
    }
    if (failure) std::rethrow_exception(failure);
}

}  // namespace packkit::app
