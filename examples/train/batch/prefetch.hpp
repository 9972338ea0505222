// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Makes the next items of a sequence in a thread of its own while the last ones are in
/// use.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <utility>

namespace packkit::train {

/// make(first), make(first + 1), … make(last − 1), in this order, at most `depth` of them
/// ahead of `next`. `make` is called by one thread only, which is not the caller's.
template <class Item>
class prefetcher {
public:
    prefetcher(std::function<Item(std::int64_t)> make, std::int64_t first,
               std::int64_t last, std::size_t depth)
        : make_(std::move(make)),
          depth_(depth),
          thread_([this, first, last](const std::stop_token& stop) {
              run(stop, first, last);
          }) {}

    /// The next item; waits until it is made. Throws what `make` threw for it, and
    /// std::out_of_range after the last one.
    Item next() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return !made_.empty() || ended_; });
        if (made_.empty()) {
            if (fault_) std::rethrow_exception(fault_);
            throw std::out_of_range("prefetcher: there are no more items");
        }
        auto item = std::move(made_.front());
        made_.pop_front();
        changed_.notify_all();
        return item;
    }

private:
    void run(const std::stop_token& stop, std::int64_t first, std::int64_t last) {
        try {
            for (std::int64_t number = first; number < last; ++number) {
                {
                    std::unique_lock lock(mutex_);
                    if (!changed_.wait(lock, stop,
                                       [this] { return made_.size() < depth_; })) {
                        return;
                    }
                }
                auto item = make_(number);
                const std::lock_guard lock(mutex_);
                made_.push_back(std::move(item));
                changed_.notify_all();
            }
        } catch (...) {
            const std::lock_guard lock(mutex_);
            fault_ = std::current_exception();
        }
        const std::lock_guard lock(mutex_);
        ended_ = true;
        changed_.notify_all();
    }

    std::function<Item(std::int64_t)> make_;
    std::size_t depth_;
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::deque<Item> made_;
    bool ended_ = false;
    std::exception_ptr fault_;
    std::jthread thread_;  // last: stops before what it uses goes
};

}  // namespace packkit::train
