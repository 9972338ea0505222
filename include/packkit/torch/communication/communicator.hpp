// SPDX-License-Identifier: Apache-2.0
/// @file
/// Collectives behind one small interface: what the parallel layers ask of a group of
/// ranks.
///
/// Implementations: `single_communicator` here, ranks as threads in `in_process.hpp`,
/// Gloo and NCCL in `process_group.hpp`. Every reduction is a sum, always in rank order
/// where the implementation is ours, so that results do not depend on timing.
#pragma once

#include <packkit/error.hpp>
#include <packkit/torch/memory/detail/storage.hpp>
#include <packkit/torch/memory/memory_counter.hpp>

#include <ATen/core/Tensor.h>

#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace packkit::lt {

/// The collectives that are counted and named in errors.
enum class collective : std::uint8_t {
    all_reduce,
    all_gather,
    reduce_scatter,
    all_to_all,
    send_recv,
    barrier
};

inline constexpr std::size_t collective_kinds = 6;

/// The name used in `metrics.jsonl` and in messages.
[[nodiscard]] constexpr std::string_view to_string(collective kind) {
    constexpr std::array<std::string_view, collective_kinds> names{
        "all_reduce", "all_gather", "reduce_scatter",
        "all_to_all", "send_recv",  "barrier"};
    return names[static_cast<std::size_t>(kind)];
}

/// A collective that failed: a peer died, a connection broke, or the timeout passed. It
/// is the echo of a fault elsewhere more often than the fault itself.
struct communication_error : packkit::runtime_error {
    using packkit::runtime_error::runtime_error;
};

/// Bytes sent by this rank and the seconds it spent waiting, by collective.
struct traffic {
    std::array<std::int64_t, collective_kinds> bytes{};
    std::int64_t collectives = 0;  ///< begun, barriers aside, among more than one rank
    std::chrono::duration<double> waited{0};

    [[nodiscard]] std::int64_t operator[](collective kind) const {
        return bytes[static_cast<std::size_t>(kind)];
    }

    traffic& operator+=(const traffic& other) {
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            bytes[i] += other.bytes[i];
        }
        collectives += other.collectives;
        waited += other.waited;
        return *this;
    }
};

/// A collective under way. Holds what it reads and writes until `wait` has returned; must
/// be waited for exactly once on every rank. Move-only.
class pending {
public:
    pending() = default;

    /// `finish()` completes the collective; it may own move-only things.
    template <std::invocable Finish>
    explicit pending(Finish finish)
        : finish_([held = std::make_shared<Finish>(std::move(finish))] { (*held)(); }) {}
    pending(pending&& other) noexcept : finish_(std::exchange(other.finish_, nullptr)) {}
    pending& operator=(pending&& other) noexcept {
        finish_ = std::exchange(other.finish_, nullptr);
        return *this;
    }

    /// Returns when the result may be read. Throws `communication_error`.
    void wait() {
        if (auto finish = std::exchange(finish_, nullptr)) { finish(); }
    }

private:
    std::function<void()> finish_;
};

/// A group of ranks that run the same collectives in the same order.
///
/// Tensors are contiguous; "flat" below means that only their elements' order counts. All
/// calls are asynchronous: the tensors belong to the collective until `pending::wait`
/// returns. With one rank every call is a copy or nothing. Not thread-safe: one thread a
/// rank.
class communicator {
public:
    /// `name` appears in errors, for instance "dp_shard".
    communicator(std::string name, int rank, int size)
        : name_(std::move(name)), rank_(rank), size_(size) {}
    communicator(const communicator&) = delete;
    communicator& operator=(const communicator&) = delete;
    virtual ~communicator() = default;

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] int rank() const { return rank_; }
    [[nodiscard]] int size() const { return size_; }

    /// Sums `tensor` over the ranks, in place; every rank gets the same bits.
    /// Sends 2 (n − 1)/n of the tensor, rounded up to whole elements a rank.
    [[nodiscard]] pending all_reduce(at::Tensor tensor);

    /// Concatenates every rank's `input` (flat, equal sizes) in rank order into `output`
    /// (size() × input.numel()). Sends (n − 1)/n of the output.
    [[nodiscard]] pending all_gather(at::Tensor output, at::Tensor input);

    /// Sums `input` (size() equal chunks) over the ranks; `output` gets chunk rank().
    /// Sends (n − 1)/n of the input.
    [[nodiscard]] pending reduce_scatter(at::Tensor output, at::Tensor input);

    /// Chunk i of `input` goes to rank i; chunk j of `output` comes from rank j.
    [[nodiscard]] pending all_to_all(at::Tensor output, at::Tensor input);

    /// The same with chunks of any size: `input_chunks[i]` elements of `input` go to rank
    /// i, `output_chunks[j]` of `output` come from rank j, in rank order; what one rank
    /// sends, the other expects. Sends the input but this rank's own chunk.
    [[nodiscard]] pending all_to_all(at::Tensor output,
                                     std::vector<std::int64_t> output_chunks,
                                     at::Tensor input,
                                     std::vector<std::int64_t> input_chunks);

    /// Sends `send` to rank `to` while receiving `receive` from rank `from`. Where either
    /// is empty, nothing goes that way.
    [[nodiscard]] pending send_recv(at::Tensor send, int to, at::Tensor receive,
                                    int from);

    /// Returns when every rank has called it.
    void barrier();

    /// What has been sent since the last `reset_traffic`.
    [[nodiscard]] const traffic& sent() const { return traffic_; }
    void reset_traffic() { traffic_ = {}; }

protected:
    virtual pending do_all_reduce(at::Tensor tensor) = 0;
    virtual pending do_all_gather(at::Tensor output, at::Tensor input) = 0;
    virtual pending do_reduce_scatter(at::Tensor output, at::Tensor input) = 0;
    virtual pending do_all_to_all(at::Tensor output, at::Tensor input) = 0;
    virtual pending do_all_to_all(at::Tensor output,
                                  std::vector<std::int64_t> output_chunks,
                                  at::Tensor input,
                                  std::vector<std::int64_t> input_chunks) = 0;
    virtual pending do_send_recv(at::Tensor send, int to, at::Tensor receive,
                                 int from) = 0;
    virtual void do_barrier() = 0;

private:
    /// Runs `start`, and wraps the waiting: time is counted, failures get rank, group,
    /// collective and sequence number.
    template <class Start>
    pending guarded(collective kind, std::int64_t bytes, Start start);
    [[noreturn]] void fail(collective kind, std::uint64_t sequence,
                           const std::exception& cause) const;
    void check_chunks(const char* what, const at::Tensor& tensor,
                      const std::vector<std::int64_t>& chunks) const;

    std::string name_;
    int rank_;
    int size_;
    std::uint64_t sequence_ = 0;
    traffic traffic_;
};

/// A group of one rank: nothing is ever sent.
class single_communicator final : public communicator {
public:
    explicit single_communicator(std::string name)
        : communicator(std::move(name), 0, 1) {}

protected:
    pending do_all_reduce(at::Tensor) override { return {}; }
    pending do_all_gather(at::Tensor output, at::Tensor input) override {
        output.view({-1}).copy_(input.view({-1}));
        return {};
    }
    pending do_reduce_scatter(at::Tensor output, at::Tensor input) override {
        return do_all_gather(std::move(output), std::move(input));
    }
    pending do_all_to_all(at::Tensor output, at::Tensor input) override {
        return do_all_gather(std::move(output), std::move(input));
    }
    pending do_all_to_all(at::Tensor output, std::vector<std::int64_t>, at::Tensor input,
                          std::vector<std::int64_t>) override {
        return do_all_gather(std::move(output), std::move(input));
    }
    pending do_send_recv(at::Tensor send, int, at::Tensor receive, int) override {
        return do_all_gather(std::move(receive), std::move(send));
    }
    void do_barrier() override {}
};

// --- implementation
// -----------------------------------------------------------------------------

template <class Start>
pending communicator::guarded(collective kind, std::int64_t bytes, Start start) {
    const std::uint64_t sequence = ++sequence_;
    traffic_.bytes[static_cast<std::size_t>(kind)] += bytes;
    traffic_.collectives += size_ > 1 && kind != collective::barrier ? 1 : 0;
    const auto timed = [this, kind, sequence](auto&& action) {
        const memory_scope scope(memory_use::communication);
        const auto begin = std::chrono::steady_clock::now();
        try {
            action();
        } catch (const communication_error&) {
            throw;
        } catch (const std::exception& cause) { fail(kind, sequence, cause); }
        traffic_.waited += std::chrono::steady_clock::now() - begin;
    };
    pending started;
    timed([&] { started = start(); });
    return pending([timed, started = std::move(started)]() mutable {
        timed([&] { started.wait(); });
    });
}

inline void communicator::fail(collective kind, std::uint64_t sequence,
                               const std::exception& cause) const {
    std::string reason = cause.what();
    reason = reason.substr(0, reason.find('\n'));
    throw communication_error(std::string(to_string(kind)) + " number " +
                              std::to_string(sequence) + " of group " + name_ +
                              " (rank " + std::to_string(rank_) + " of " +
                              std::to_string(size_) + ") failed: " + reason);
}

inline pending communicator::all_reduce(at::Tensor tensor) {
    const std::int64_t n = size_;
    const std::int64_t chunk = (tensor.numel() + n - 1) / n;
    return guarded(collective::all_reduce, 2 * (n - 1) * chunk * tensor.element_size(),
                   [&] { return do_all_reduce(std::move(tensor)); });
}

inline pending communicator::all_gather(at::Tensor output, at::Tensor input) {
    if (output.numel() != input.numel() * size_) {
        throw invalid_argument("all_gather: output has " +
                               std::to_string(output.numel()) + " elements, expected " +
                               std::to_string(size_) + " times " +
                               std::to_string(input.numel()));
    }
    return guarded(collective::all_gather,
                   (size_ - 1) * input.numel() * input.element_size(),
                   [&] { return do_all_gather(std::move(output), std::move(input)); });
}

inline pending communicator::reduce_scatter(at::Tensor output, at::Tensor input) {
    if (input.numel() != output.numel() * size_) {
        throw invalid_argument("reduce_scatter: input has " +
                               std::to_string(input.numel()) + " elements, expected " +
                               std::to_string(size_) + " times " +
                               std::to_string(output.numel()));
    }
    return guarded(
        collective::reduce_scatter, (size_ - 1) * output.numel() * output.element_size(),
        [&] { return do_reduce_scatter(std::move(output), std::move(input)); });
}

inline pending communicator::all_to_all(at::Tensor output, at::Tensor input) {
    if (input.numel() != output.numel() || input.numel() % size_ != 0) {
        throw invalid_argument("all_to_all: input of " + std::to_string(input.numel()) +
                               " and output of " + std::to_string(output.numel()) +
                               " elements must be equal and divisible by " +
                               std::to_string(size_));
    }
    return guarded(collective::all_to_all,
                   (size_ - 1) * (input.numel() / size_) * input.element_size(),
                   [&] { return do_all_to_all(std::move(output), std::move(input)); });
}

inline void communicator::check_chunks(const char* what, const at::Tensor& tensor,
                                       const std::vector<std::int64_t>& chunks) const {
    const auto sum = std::accumulate(chunks.begin(), chunks.end(), std::int64_t{0});
    if (chunks.size() == static_cast<std::size_t>(size_) && sum == tensor.numel()) return;
    throw invalid_argument(
        std::string("all_to_all: ") + what + " of " + std::to_string(tensor.numel()) +
        " elements in " + std::to_string(chunks.size()) + " chunks of " +
        std::to_string(sum) + " in all, expected a chunk for each of " +
        std::to_string(size_) + " ranks");
}

inline pending communicator::all_to_all(at::Tensor output,
                                        std::vector<std::int64_t> output_chunks,
                                        at::Tensor input,
                                        std::vector<std::int64_t> input_chunks) {
    check_chunks("output", output, output_chunks);
    check_chunks("input", input, input_chunks);
    const std::int64_t others =
        input.numel() - input_chunks[static_cast<std::size_t>(rank_)];
    return guarded(collective::all_to_all, others * input.element_size(), [&] {
        return do_all_to_all(std::move(output), std::move(output_chunks),
                             std::move(input), std::move(input_chunks));
    });
}

inline pending communicator::send_recv(at::Tensor send, int to, at::Tensor receive,
                                       int from) {
    return guarded(
        collective::send_recv, to == rank_ ? 0 : send.numel() * send.element_size(),
        [&] { return do_send_recv(std::move(send), to, std::move(receive), from); });
}

inline void communicator::barrier() {
    guarded(collective::barrier, 0, [&] {
        do_barrier();
        return pending();
    }).wait();
}

}  // namespace packkit::lt
