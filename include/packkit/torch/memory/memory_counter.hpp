// SPDX-License-Identifier: Apache-2.0
/// @file
/// What the memory of CPU tensors is used for: live bytes by use, and what they were when
/// most was held.
///
/// `count_memory` puts an allocator in front of LibTorch's. Each allocation carries the
/// use that the thread was in (`memory_scope`) when it was made, and takes it along until
/// it is freed, by whatever thread.
///
/// Workspace that a library's kernel asks for (oneDNN: copies of factors in its own
/// layout, accumulators) is counted apart and is no part of totals and peaks: how much it
/// is depends on the processor, not on the program. It is told by how it is allocated:
/// tensors own a DataPtr, kernels take raw memory.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

namespace packkit::lt {

/// What memory is held for. A thread that has said nothing makes activations: what
/// forward and backward leave, and their temporaries.
enum class memory_use : std::uint8_t {
    activations,
    parameters,           ///< shards, of the master dtype
    gradients,            ///< accumulated, and of the unit being differentiated
    optimizer,            ///< moments
    logits,               ///< and all that the loss makes of them
    gathered_parameters,  ///< whole weights of units at work
    communication,        ///< what collectives send and receive
    other,
    library_workspace,  ///< of a library's kernel; in no total
};

inline constexpr std::array<std::string_view, 9> memory_use_names = {
    "activations",         "parameters",    "gradients", "optimizer",        "logits",
    "gathered_parameters", "communication", "other",     "library_workspace"};

[[nodiscard]] constexpr std::string_view to_string(memory_use use) {
    return memory_use_names.at(static_cast<std::size_t>(use));
}

/// Bytes by use.
struct memory_usage {
    std::array<std::int64_t, memory_use_names.size()> bytes{};

    [[nodiscard]] std::int64_t operator[](memory_use use) const {
        return bytes[static_cast<std::size_t>(use)];
    }
    /// The sum of all uses but the workspace of libraries.
    [[nodiscard]] std::int64_t total() const {
        return std::accumulate(bytes.begin(), bytes.end(), std::int64_t{0}) -
               (*this)[memory_use::library_workspace];
    }
};

namespace detail {

inline thread_local memory_use current_use = memory_use::activations;

/// Stands before each block; of the allocator's alignment, so that the block keeps it.
struct alignas(64) memory_header {
    std::size_t bytes;
    std::uint64_t number;  ///< of the allocation, from 1
    memory_use use;
    const void* caller;  ///< the instruction behind the call of `allocate`
};

/// LibTorch's CPU allocator with a ledger. Never destroyed: tensors may outlive main.
class counting_allocator final : public c10::Allocator {
public:
    explicit counting_allocator(c10::Allocator* base) : base_(base) {}

    /// Never inlined: where it returns to tells who asks for memory.
    [[gnu::noinline]] c10::DataPtr allocate(std::size_t bytes) override {
        if (bytes == 0) return {nullptr, c10::Device(c10::DeviceType::CPU)};
        void* const start = base_->raw_allocate(bytes + sizeof(memory_header));
        const void* const caller = __builtin_return_address(0);
        auto* const header = new (start) memory_header{bytes, 0, current_use, caller};
        add(*header);
        // As with the allocator in front of which this stands, context and data are one.
        void* const data = header + 1;
        return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
    }
    /// Asked for by those who free raw memory, and by nobody else.
    c10::DeleterFnPtr raw_deleter() const override { return &release_raw; }
    void copy_data(void* to, const void* from, std::size_t bytes) const override {
        default_copy_data(to, from, bytes);
    }

    [[nodiscard]] memory_usage now() const {
        const std::lock_guard lock(mutex_);
        return now_;
    }
    [[nodiscard]] memory_usage peak() const {
        const std::lock_guard lock(mutex_);
        return peak_;
    }
    [[nodiscard]] memory_usage largest() const {
        const std::lock_guard lock(mutex_);
        return largest_;
    }
    void reset_peak() {
        const std::lock_guard lock(mutex_);
        peak_ = largest_ = now_;
        peak_total_ = total_;
        peak_number_ = number_;
    }

    /// What is alive and was there at the peak changes its use there too.
    void move(memory_header& header, memory_use to) {
        const std::lock_guard lock(mutex_);
        rebook(header, to);
    }

    static counting_allocator*& installed() {
        static counting_allocator* allocator = nullptr;
        return allocator;
    }
    static memory_header* header_of(void* data) {
        return static_cast<memory_header*>(data) - 1;
    }
    static void release(void* data) {
        if (data == nullptr) return;
        auto* const header = header_of(data);
        auto& self = *installed();
        self.remove(*header);
        self.base_->raw_deallocate(header);
    }
    static void release_raw(void* data) {
        if (data == nullptr) return;
        installed()->learn_workspace(*header_of(data));
        release(data);
    }

private:
    void add(memory_header& header) {
        const std::lock_guard lock(mutex_);
        if (std::find(raw_callers_.begin(), raw_callers_.end(), header.caller) !=
            raw_callers_.end()) {
            header.use = memory_use::library_workspace;
        }
        const auto bytes = static_cast<std::int64_t>(header.bytes);
        now_.bytes[static_cast<std::size_t>(header.use)] += bytes;
        header.number = ++number_;
        note_largest(header.use);
        if (header.use == memory_use::library_workspace) return;
        total_ += bytes;
        if (total_ > peak_total_) {
            peak_total_ = total_;
            peak_number_ = number_;
            peak_ = now_;
        }
    }

    void remove(const memory_header& header) {
        const std::lock_guard lock(mutex_);
        const auto bytes = static_cast<std::int64_t>(header.bytes);
        now_.bytes[static_cast<std::size_t>(header.use)] -= bytes;
        if (header.use != memory_use::library_workspace) total_ -= bytes;
    }

    /// Whose raw memory this is allocates more of it: from now on that is workspace from
    /// the start. The first piece was taken for a tensor's until here.
    void learn_workspace(memory_header& header) {
        const std::lock_guard lock(mutex_);
        if (header.use == memory_use::library_workspace) return;
        raw_callers_.push_back(header.caller);
        const auto bytes = static_cast<std::int64_t>(header.bytes);
        total_ -= bytes;
        if (header.number <= peak_number_) peak_total_ -= bytes;
        rebook(header, memory_use::library_workspace);
    }

    void rebook(memory_header& header, memory_use to) {
        const auto bytes = static_cast<std::int64_t>(header.bytes);
        const auto move_in = [&](memory_usage& usage) {
            usage.bytes[static_cast<std::size_t>(header.use)] -= bytes;
            usage.bytes[static_cast<std::size_t>(to)] += bytes;
        };
        move_in(now_);
        note_largest(to);
        if (header.number <= peak_number_) move_in(peak_);
        header.use = to;
    }

    void note_largest(memory_use use) {
        const auto i = static_cast<std::size_t>(use);
        largest_.bytes[i] = std::max(largest_.bytes[i], now_.bytes[i]);
    }

    c10::Allocator* base_;
    mutable std::mutex mutex_;
    memory_usage now_, peak_, largest_;
    std::vector<const void*> raw_callers_;  // of allocate, for raw memory: one or two
    std::int64_t total_ = 0, peak_total_ = 0;
    std::uint64_t number_ = 0, peak_number_ = 0;
};

}  // namespace detail

/// From now on CPU allocations are counted. Call it before the first tensor is made; not
/// thread-safe. Later calls do nothing.
inline void count_memory() {
    auto*& installed = detail::counting_allocator::installed();
    if (installed != nullptr) return;
    installed = new detail::counting_allocator(c10::GetCPUAllocator());
    c10::SetCPUAllocator(installed, /*priority=*/1);
}

/// What is held now; zeros if memory is not counted.
[[nodiscard]] inline memory_usage memory_now() {
    const auto* counted = detail::counting_allocator::installed();
    return counted != nullptr ? counted->now() : memory_usage{};
}

/// What was held when the total was largest since the last `reset_memory_peak`.
[[nodiscard]] inline memory_usage memory_peak() {
    const auto* counted = detail::counting_allocator::installed();
    return counted != nullptr ? counted->peak() : memory_usage{};
}

/// The most that was held for each use since the last `reset_memory_peak`, not for all at
/// the same time. What changed its use counts for both, from when it did.
[[nodiscard]] inline memory_usage memory_largest() {
    const auto* counted = detail::counting_allocator::installed();
    return counted != nullptr ? counted->largest() : memory_usage{};
}

inline void reset_memory_peak() {
    auto* counted = detail::counting_allocator::installed();
    if (counted != nullptr) counted->reset_peak();
}

/// While it lives, what this thread allocates is of that use. Innermost wins; autograd's
/// backward on the CPU runs in the thread that asked for it, so it holds there too.
class memory_scope {
public:
    explicit memory_scope(memory_use use)
        : outer_(std::exchange(detail::current_use, use)) {}
    memory_scope(const memory_scope&) = delete;
    memory_scope& operator=(const memory_scope&) = delete;
    ~memory_scope() { detail::current_use = outer_; }

private:
    memory_use outer_;
};

/// The memory of `tensor` counts as of that use, also in the peak if it was part of it:
/// for what is known only after it was made. Nothing if it is not counted, for instance
/// on a GPU.
inline void set_memory_use(const at::Tensor& tensor, memory_use use) {
    auto* counted = detail::counting_allocator::installed();
    if (counted == nullptr || !tensor.defined() || !tensor.has_storage()) return;
    const auto& pointer = tensor.storage().data_ptr();
    if (pointer.get() == nullptr ||
        pointer.get_deleter() != &detail::counting_allocator::release) {
        return;
    }
    counted->move(*detail::counting_allocator::header_of(pointer.get_context()), use);
}

}  // namespace packkit::lt
