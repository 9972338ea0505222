// SPDX-License-Identifier: Apache-2.0
/// @file
/// Communicators over LibTorch's process groups: Gloo between CPU processes, NCCL between
/// GPUs.
///
/// Over Gloo a reduce-scatter is an all-to-all followed by a local sum in rank order:
/// Gloo's own costs an all-reduce a rank, and its order of summation depends on the
/// number of ranks. An all-reduce is a reduce-scatter and an all-gather, so DDP and FSDP
/// add in the same order.
#pragma once

#include <packkit/torch/communication/communicator.hpp>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#ifdef PACKKIT_CUDA
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace packkit::lt {

/// A group over any LibTorch backend.
class process_group_communicator : public communicator {
public:
    process_group_communicator(std::string name,
                               c10::intrusive_ptr<c10d::Backend> backend)
        : communicator(std::move(name), backend->getRank(), backend->getSize()),
          backend_(std::move(backend)) {}

protected:
    pending do_all_reduce(at::Tensor tensor) override {
        std::vector<at::Tensor> tensors{tensor};
        return waiting(backend_->allreduce(tensors), {tensor});
    }

    pending do_all_gather(at::Tensor output, at::Tensor input) override {
        auto flat_output = lent(output);
        auto flat_input = lent(input);
        return waiting(backend_->_allgather_base(flat_output, flat_input),
                       {output, input});
    }

    pending do_reduce_scatter(at::Tensor output, at::Tensor input) override {
        auto flat_output = lent(output);
        auto flat_input = lent(input);
        return waiting(backend_->_reduce_scatter_base(flat_output, flat_input),
                       {output, input});
    }

    pending do_all_to_all(at::Tensor output, at::Tensor input) override {
        auto flat_output = lent(output);
        auto flat_input = lent(input);
        std::vector<std::int64_t> even;
        return waiting(backend_->alltoall_base(flat_output, flat_input, even, even),
                       {output, input});
    }

    pending do_all_to_all(at::Tensor output, std::vector<std::int64_t> output_chunks,
                          at::Tensor input,
                          std::vector<std::int64_t> input_chunks) override {
        auto flat_output = lent(output);
        auto flat_input = lent(input);
        return waiting(
            backend_->alltoall_base(flat_output, flat_input, output_chunks, input_chunks),
            {output, input});
    }

    pending do_send_recv(at::Tensor send, int to, at::Tensor receive, int from) override {
        std::vector<at::Tensor> out{std::move(send)};
        std::vector<at::Tensor> in{std::move(receive)};
        c10::intrusive_ptr<c10d::Work> receiving, sending;
        if (in[0].numel() > 0) receiving = backend_->recv(in, from, 0);
        if (out[0].numel() > 0) sending = backend_->send(out, to, 0);
        return pending([receiving, sending, out, in] {
            if (receiving) receiving->wait();
            if (sending) sending->wait();
        });
    }

    void do_barrier() override { backend_->barrier()->wait(); }

    /// What a backend reads and writes until its work is done. Where nobody has seen
    /// that, after a failure, it is never freed: the run ends then.
    struct loan {
        std::vector<c10::intrusive_ptr<c10d::Work>> works;
        std::vector<at::Tensor> tensors;

        loan() = default;
        loan(std::vector<c10::intrusive_ptr<c10d::Work>> begun,
             std::vector<at::Tensor> held)
            : works(std::move(begun)), tensors(std::move(held)) {}
        loan(loan&&) = default;
        loan& operator=(loan&&) = default;
        ~loan() {
            if (!works.empty()) static_cast<void>(new loan(std::move(*this)));
        }
    };

    static pending waiting(c10::intrusive_ptr<c10d::Work> work,
                           std::vector<at::Tensor> held) {
        return waiting(std::vector{std::move(work)}, std::move(held));
    }

    static pending waiting(std::vector<c10::intrusive_ptr<c10d::Work>> works,
                           std::vector<at::Tensor> held) {
        return pending([lent = loan{std::move(works), std::move(held)}]() mutable {
            for (const auto& work : lent.works)
                work->wait();
            lent = {};
        });
    }

    /// What the backend gets of a contiguous tensor: its elements in one dimension.
    [[nodiscard]] virtual at::Tensor lent(const at::Tensor& tensor) const {
        return tensor.view({-1});
    }

    [[nodiscard]] c10d::Backend& backend() { return *backend_; }

private:
    c10::intrusive_ptr<c10d::Backend> backend_;
};

/// CPU processes over TCP.
class gloo_communicator final : public process_group_communicator {
public:
    using process_group_communicator::process_group_communicator;

protected:
    /// Without owning the memory: Gloo's threads let go of tensors some time after a
    /// collective is complete, and the memory is wanted then.
    [[nodiscard]] at::Tensor lent(const at::Tensor& tensor) const override {
        return at::from_blob(tensor.data_ptr(), {tensor.numel()}, tensor.options());
    }

    using process_group_communicator::do_all_to_all;

    /// Between each pair, straight to where it belongs: Gloo's own receives everything
    /// in memory of its own first.
    pending do_all_gather(at::Tensor output, at::Tensor input) override {
        const auto parts = lent(output).view({size(), input.numel()});
        std::vector<at::Tensor> mine{lent(input)};
        const auto tag = static_cast<int>(++gathers_ & 0x3fffffff);
        std::vector<c10::intrusive_ptr<c10d::Work>> works;
        for (int i = 1; i < size() && input.numel() > 0; ++i) {
            std::vector<at::Tensor> theirs{parts[(rank() + size() - i) % size()]};
            works.push_back(backend().recv(theirs, (rank() + size() - i) % size(), tag));
        }
        for (int i = 1; i < size() && input.numel() > 0; ++i)
            works.push_back(backend().send(mine, (rank() + i) % size(), tag));
        parts[rank()].copy_(mine[0]);
        return waiting(std::move(works), {output, input});
    }

    pending do_reduce_scatter(at::Tensor output, at::Tensor input) override {
        auto parts = at::empty({size(), output.numel()}, input.options());
        auto exchange = do_all_to_all(parts, std::move(input));
        return pending([exchange = std::move(exchange), parts, output]() mutable {
            exchange.wait();
            auto sum = output.view({-1});
            sum.copy_(parts[0]);
            for (std::int64_t i = 1; i < parts.size(0); ++i) {
                sum.add_(parts[i]);
            }
            detail::take_storage(parts);
        });
    }

    pending do_all_reduce(at::Tensor tensor) override {
        const auto flat = tensor.view({-1});
        const std::int64_t chunk = (flat.numel() + size() - 1) / size();
        at::Tensor padded = flat;
        if (chunk * size() != flat.numel()) {
            padded = at::zeros({chunk * size()}, flat.options());
            padded.narrow(0, 0, flat.numel()).copy_(flat);
        }
        auto mine = at::empty({chunk}, flat.options());
        auto scatter = do_reduce_scatter(mine, padded);
        return pending(
            [this, scatter = std::move(scatter), mine, padded, flat]() mutable {
                scatter.wait();
                do_all_gather(padded, mine).wait();
                detail::take_storage(mine);
                if (!padded.is_same(flat)) {
                    flat.copy_(padded.narrow(0, 0, flat.numel()));
                    detail::take_storage(padded);
                }
            });
    }

private:
    std::uint32_t gathers_ = 0;
};

#ifdef PACKKIT_CUDA
/// GPUs. Sends and receives of one call are one NCCL group, so rings cannot deadlock.
class nccl_communicator final : public process_group_communicator {
public:
    using process_group_communicator::process_group_communicator;

protected:
    pending do_send_recv(at::Tensor send, int to, at::Tensor receive, int from) override {
        std::vector<at::Tensor> out{send};
        std::vector<at::Tensor> in{receive};
        if (out[0].numel() == 0 && in[0].numel() == 0) return {};
        backend().startCoalescing();
        if (out[0].numel() > 0) backend().send(out, to, 0);
        if (in[0].numel() > 0) backend().recv(in, from, 0);
        return waiting(backend().endCoalescing(), {std::move(send), std::move(receive)});
    }
};
#endif

/// How processes find each other and how long they wait.
struct group_options {
    std::chrono::milliseconds timeout = std::chrono::minutes(2);
    /// Address or host name that Gloo binds, by which the other ranks reach this one.
    /// Loopback keeps a single-node job off the network.
    std::string address = "127.0.0.1";
    /// Name of the network interface that Gloo binds, in place of the address; or empty.
    std::string interface{};
};

namespace detail {

/// This rank's place among `members`; throws when it is not one of them.
[[nodiscard]] inline int place_in(std::span<const std::int64_t> members,
                                  std::int64_t global_rank, const std::string& name) {
    const auto place = std::find(members.begin(), members.end(), global_rank);
    if (place == members.end()) {
        throw invalid_argument("rank " + std::to_string(global_rank) +
                               " is not in group " + name);
    }
    return static_cast<int>(place - members.begin());
}

/// Keys of one group in the shared store: groups of one dimension differ by their first
/// member.
[[nodiscard]] inline c10::intrusive_ptr<c10d::Store> store_of(
    const c10::intrusive_ptr<c10d::Store>& store, const std::string& name,
    std::span<const std::int64_t> members) {
    return c10::make_intrusive<c10d::PrefixStore>(
        name + "/" + std::to_string(members.front()), store);
}

}  // namespace detail

/// A Gloo group of the ranks in `members` (ascending global ranks, this one among them).
/// Every member must call it, in the same order as its other groups. A group of one needs
/// no store.
/// \throws communication_error naming group, rank, address and reason when the members do
/// not all reach each other within the timeout
[[nodiscard]] inline std::unique_ptr<communicator> make_gloo_group(
    const c10::intrusive_ptr<c10d::Store>& store, const std::string& name,
    std::span<const std::int64_t> members, std::int64_t global_rank,
    const group_options& options) {
    const int place = detail::place_in(members, global_rank, name);
    if (members.size() == 1) { return std::make_unique<single_communicator>(name); }
    const auto& [timeout, address, interface] = options;
    try {
        auto gloo = c10d::ProcessGroupGloo::Options::create(timeout);
        gloo->devices.push_back(
            interface.empty()
                ? c10d::ProcessGroupGloo::createDeviceForHostname(address)
                : c10d::ProcessGroupGloo::createDeviceForInterface(interface));
        return std::make_unique<gloo_communicator>(
            name, c10::make_intrusive<c10d::ProcessGroupGloo>(
                      detail::store_of(store, name, members), place,
                      static_cast<int>(members.size()), gloo));
    } catch (const std::exception& cause) {
        const std::string reason = cause.what();
        throw communication_error(
            "group " + name + " (rank " + std::to_string(place) + " of " +
            std::to_string(members.size()) + ") cannot be connected from " +
            (interface.empty() ? "address " + address : "interface " + interface) + " (" +
            reason.substr(0, reason.find('\n')) +
            "); the ranks must reach each other there");
    }
}

#ifdef PACKKIT_CUDA
/// The same over NCCL; the calling thread's current CUDA device is the rank's.
[[nodiscard]] inline std::unique_ptr<communicator> make_nccl_group(
    const c10::intrusive_ptr<c10d::Store>& store, const std::string& name,
    std::span<const std::int64_t> members, std::int64_t global_rank,
    const group_options& options) {
    const int place = detail::place_in(members, global_rank, name);
    if (members.size() == 1) { return std::make_unique<single_communicator>(name); }
    auto nccl = c10d::ProcessGroupNCCL::Options::create();
    nccl->timeout = options.timeout;
    return std::make_unique<nccl_communicator>(
        name, c10::make_intrusive<c10d::ProcessGroupNCCL>(
                  detail::store_of(store, name, members), place,
                  static_cast<int>(members.size()), nccl));
}
#endif

}  // namespace packkit::lt
