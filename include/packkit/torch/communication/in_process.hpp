// SPDX-License-Identifier: Apache-2.0
/// @file
/// Ranks as threads of one process: the data really moves, so every parallel path can be
/// tested without a second process. Sums run in rank order, as in `process_group.hpp`
/// over Gloo.
///
/// No rank waits for ever. A rank whose thread ends, by an exception or too early, fails
/// the collectives of the others at once; one that does not come, after the timeout; and
/// ranks that call different collectives are told so.
#pragma once

#include <packkit/torch/communication/communicator.hpp>
#include <packkit/torch/communication/detail/rank_barrier.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace packkit::lt {

/// What the threads of one group share. Make one, then one `in_process_communicator` a
/// thread.
class in_process_group {
public:
    /// `timeout`: how long a collective waits for the slowest rank.
    explicit in_process_group(int size,
                              std::chrono::milliseconds timeout = std::chrono::minutes(2))
        : in_process_group(size, std::make_shared<detail::rank_barrier>(size, timeout),
                           false) {}

    /// A group of some ranks of `whole`, such as one dimension of a mesh: has its
    /// timeout, and fails when it fails.
    in_process_group(int size, in_process_group& whole)
        : in_process_group(size, whole.barrier_->make_part(size), true) {}

    [[nodiscard]] int size() const { return size_; }

    /// For the thread of a rank that has caught its last exception: the collectives of
    /// all others, under way and to come, here and in the parts, throw
    /// `communication_error` with `cause`. Only the first call counts.
    void fail(int rank, const std::string& cause) {
        barrier_->fail(packkit::detail::message("rank ", rank, " failed: ", cause));
    }

private:
    friend class in_process_communicator;

    in_process_group(int size, std::shared_ptr<detail::rank_barrier> barrier,
                     bool is_part)
        : size_(size),
          is_part_(is_part),
          barrier_(std::move(barrier)),
          slots_(static_cast<std::size_t>(size)),
          chunks_(static_cast<std::size_t>(size)),
          receivers_(static_cast<std::size_t>(size)) {}

    int size_;
    bool is_part_;
    std::shared_ptr<detail::rank_barrier> barrier_;
    // What each rank lays out for the others to read, in rank order.
    std::vector<at::Tensor> slots_;
    std::vector<std::vector<std::int64_t>> chunks_;  // of the slots
    std::vector<int> receivers_;                     // of the slots
};

/// One thread's end of an `in_process_group`. Collectives complete inside the call. The
/// rank has left the group when this is destroyed.
class in_process_communicator final : public communicator {
public:
    in_process_communicator(std::string name, int rank,
                            std::shared_ptr<in_process_group> group)
        : communicator(std::move(name), rank, group->size()),
          group_(std::move(group)),
          exceptions_(std::uncaught_exceptions()) {}

    ~in_process_communicator() override {
        if (std::uncaught_exceptions() == exceptions_) {
            group_->barrier_->leave(rank());
        } else if (!group_->is_part_) {
            group_->fail(rank(), "an exception ended it");
        }
        // A part fails with its whole, which will know the exception.
    }

protected:
    pending do_all_reduce(at::Tensor tensor) override {
        at::Tensor sum;
        exchange(call_of(collective::all_reduce, tensor), tensor, [&] {
            for (int i = 0; i < size(); ++i) {
                sum = i == 0 ? slot(i).clone() : sum.add_(slot(i));
            }
        });
        tensor.view({-1}).copy_(sum);
        return {};
    }

    pending do_all_gather(at::Tensor output, at::Tensor input) override {
        exchange(call_of(collective::all_gather, input), input, [&] {
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
        exchange(call_of(collective::reduce_scatter, input), input, [&] {
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
        exchange(call_of(collective::all_to_all, input), input, [&] {
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
        exchange({collective::all_to_all}, input, [&] {
            std::int64_t at = 0;
            for (int i = 0; i < size(); ++i) {
                const auto count = output_chunks[static_cast<std::size_t>(i)];
                const auto& theirs = group_->chunks_[static_cast<std::size_t>(i)];
                const auto begin = std::accumulate(
                    theirs.begin(), theirs.begin() + rank(), std::int64_t{0});
                const auto sent = theirs[static_cast<std::size_t>(rank())];
                check_sizes(i, sent, count);
                output.view({-1})
                    .narrow(0, at, count)
                    .copy_(slot(i).narrow(0, begin, sent));
                at += count;
            }
        });
        return {};
    }

    pending do_send_recv(at::Tensor send, int to, at::Tensor receive, int from) override {
        group_->receivers_[static_cast<std::size_t>(rank())] = to;
        exchange({collective::send_recv}, send, [&] {
            if (receive.numel() == 0) return;
            const bool to_us =
                group_->receivers_[static_cast<std::size_t>(from)] == rank();
            check_sizes(from, to_us ? slot(from).numel() : 0, receive.numel());
            receive.view({-1}).copy_(slot(from));
        });
        return {};
    }

    void do_barrier() override { group_->barrier_->meet(rank(), {collective::barrier}); }

private:
    [[nodiscard]] static detail::collective_call call_of(collective kind,
                                                         const at::Tensor& tensor) {
        return {kind, tensor.scalar_type(), tensor.numel()};
    }

    /// Publishes `mine`, lets `read` look at every rank's tensor, and comes back, be it
    /// by an exception, when all have looked.
    template <class Read>
    void exchange(const detail::collective_call& call, const at::Tensor& mine,
                  Read read) {
        group_->slots_[static_cast<std::size_t>(rank())] = mine.view({-1});
        group_->barrier_->meet(rank(), call);
        std::exception_ptr own;
        try {
            read();
        } catch (const std::exception& fault) {
            group_->fail(rank(), fault.what());
            own = std::current_exception();
        } catch (...) {
            group_->fail(rank(), "an exception of unknown type");
            own = std::current_exception();
        }
        try {
            group_->barrier_->part();
        } catch (const runtime_error&) {
            if (!own) throw;
        }
        if (own) std::rethrow_exception(own);
    }

    static void check_sizes(int from, std::int64_t sent, std::int64_t expected) {
        if (sent == expected) return;
        packkit::detail::throw_invalid_argument("rank ", from, " sends ", sent,
                                                " elements, expected ", expected);
    }

    [[nodiscard]] const at::Tensor& slot(int rank) const {
        return group_->slots_[static_cast<std::size_t>(rank)];
    }

    std::shared_ptr<in_process_group> group_;
    int exceptions_;  // under way when this was made
};

}  // namespace packkit::lt
