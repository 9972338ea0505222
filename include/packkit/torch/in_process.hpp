// SPDX-License-Identifier: Apache-2.0
/// @file
/// Ranks as threads of one process: the data really moves, so every parallel path can be
/// tested without a second process. Sums run in rank order, as in `process_group.hpp`
/// over Gloo.
#pragma once

#include <packkit/torch/communicator.hpp>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <numeric>
#include <utility>
#include <vector>

namespace packkit::lt {

namespace detail {

/// std::barrier of libstdc++ spins before it sleeps, which costs most where ranks are
/// more than processors.
class sleeping_barrier {
public:
    explicit sleeping_barrier(int ranks) : ranks_(ranks) {}

    void wait() {
        std::unique_lock lock(mutex_);
        const auto round = round_;
        if (++arrived_ == ranks_) {
            arrived_ = 0;
            ++round_;
            all_here_.notify_all();
        } else {
            all_here_.wait(lock, [&] { return round_ != round; });
        }
    }

private:
    std::mutex mutex_;
    std::condition_variable all_here_;
    int ranks_;
    int arrived_ = 0;
    std::uint64_t round_ = 0;
};

}  // namespace detail

/// What the threads of one group share. Make one, then one `in_process_communicator` a
/// thread.
class in_process_group {
public:
    explicit in_process_group(int size)
        : size_(size),
          slots_(static_cast<std::size_t>(size)),
          chunks_(static_cast<std::size_t>(size)),
          barrier_(size) {}

    [[nodiscard]] int size() const { return size_; }

private:
    friend class in_process_communicator;
    int size_;
    std::vector<at::Tensor> slots_;
    std::vector<std::vector<std::int64_t>> chunks_;  // of the slots, in rank order
    detail::sleeping_barrier barrier_;
};

/// One thread's end of an `in_process_group`. Collectives complete inside the call.
class in_process_communicator final : public communicator {
public:
    in_process_communicator(std::string name, int rank,
                            std::shared_ptr<in_process_group> group)
        : communicator(std::move(name), rank, group->size()), group_(std::move(group)) {}

protected:
    pending do_all_reduce(at::Tensor tensor) override {
        at::Tensor sum;
        exchange(tensor.view({-1}), [&] {
            for (int i = 0; i < size(); ++i) {
                sum = i == 0 ? slot(i).clone() : sum.add_(slot(i));
            }
        });
        tensor.view({-1}).copy_(sum);
        return {};
    }

    pending do_all_gather(at::Tensor output, at::Tensor input) override {
        exchange(input.view({-1}), [&] {
            for (int i = 0; i < size(); ++i) {
                output.view({-1})
                    .narrow(0, i * input.numel(), input.numel())
                    .copy_(slot(i));
            }
        });
        return {};
    }

    pending do_reduce_scatter(at::Tensor output, at::Tensor input) override {
        const auto chunk = output.numel();
        at::Tensor sum;
        exchange(input.view({-1}), [&] {
            for (int i = 0; i < size(); ++i) {
                const auto part = slot(i).narrow(0, rank() * chunk, chunk);
                sum = i == 0 ? part.clone() : sum.add_(part);
            }
        });
        output.view({-1}).copy_(sum);
        return {};
    }

    pending do_all_to_all(at::Tensor output, at::Tensor input) override {
        const auto chunk = input.numel() / size();
        exchange(input.view({-1}), [&] {
            for (int i = 0; i < size(); ++i) {
                output.view({-1})
                    .narrow(0, i * chunk, chunk)
                    .copy_(slot(i).narrow(0, rank() * chunk, chunk));
            }
        });
        return {};
    }

    pending do_all_to_all(at::Tensor output, std::vector<std::int64_t> output_chunks,
                          at::Tensor input,
                          std::vector<std::int64_t> input_chunks) override {
        group_->chunks_[static_cast<std::size_t>(rank())] = std::move(input_chunks);
        exchange(input.view({-1}), [&] {
            std::int64_t at = 0;
            for (int i = 0; i < size(); ++i) {
                const auto count = output_chunks[static_cast<std::size_t>(i)];
                const auto& theirs = group_->chunks_[static_cast<std::size_t>(i)];
                const auto begin = std::accumulate(
                    theirs.begin(), theirs.begin() + rank(), std::int64_t{0});
                output.view({-1})
                    .narrow(0, at, count)
                    .copy_(slot(i).narrow(0, begin,
                                          theirs[static_cast<std::size_t>(rank())]));
                at += count;
            }
        });
        return {};
    }

    pending do_send_recv(at::Tensor send, int, at::Tensor receive, int from) override {
        exchange(send.view({-1}), [&] {
            if (receive.numel() > 0) receive.view({-1}).copy_(slot(from));
        });
        return {};
    }

    void do_barrier() override { group_->barrier_.wait(); }

private:
    /// Publishes `mine`, lets `read` look at every rank's tensor, and returns when all
    /// have looked.
    template <class Read>
    void exchange(const at::Tensor& mine, Read read) {
        group_->slots_[static_cast<std::size_t>(rank())] = mine;
        group_->barrier_.wait();
        read();
        group_->barrier_.wait();
    }

    [[nodiscard]] const at::Tensor& slot(int rank) const {
        return group_->slots_[static_cast<std::size_t>(rank)];
    }

    std::shared_ptr<in_process_group> group_;
};

}  // namespace packkit::lt
