// SPDX-License-Identifier: Apache-2.0
#include "run/memory_check.hpp"

#include "common/errors.hpp"
#include "common/numbers.hpp"
#include "record/measured_memory.hpp"

#include <c10/util/Exception.h>

#include <charconv>
#include <new>
#include <string_view>

namespace packkit::train {
namespace {

constexpr const char* less_memory =
    "lower micro_batch_size or sequence_len, set gradient_checkpointing: true, or shard "
    "over more ranks";

/// Bytes of the tensor that there was no memory for, if this is what LibTorch says; 0 if
/// it does not say how many.
std::optional<std::int64_t> refused_allocation(const c10::Error& fault) {
    const std::string_view text = fault.what_without_backtrace();
    constexpr std::string_view mark = "you tried to allocate ";
    const auto at = text.find(mark);
    if (at == std::string_view::npos) {
        if (text.find("out of memory") == std::string_view::npos) return std::nullopt;
        return 0;
    }
    std::int64_t bytes = 0;
    std::from_chars(text.data() + at + mark.size(), text.data() + text.size(), bytes);
    return bytes;
}

}  // namespace

std::optional<std::string> memory_warning(const prediction& predicted,
                                          std::int64_t ranks) {
    const double needed = static_cast<double>(predicted.memory.bytes.total() +
                                              predicted.library_workspace) *
                          static_cast<double>(ranks);
    const auto there = machine_memory_bytes();
    if (needed <= 0.9 * static_cast<double>(there)) return std::nullopt;
    const std::string text =
        (ranks == 1 ? "this run needs"
                    : "the " + std::to_string(ranks) + " ranks here need") +
        " about " + app::bytes_text(static_cast<std::uint64_t>(needed)) +
        " at the peak, and this machine has " +
        app::bytes_text(static_cast<std::uint64_t>(there)) + "; " + less_memory;
    if (needed > 1.5 * static_cast<double>(there)) throw app::usage_error("memory", text);
    return "memory: " + text;
}

std::optional<std::string> out_of_memory_text(const std::exception& fault,
                                              const prediction& predicted) {
    std::optional<std::int64_t> bytes;
    if (const auto* of_torch = dynamic_cast<const c10::Error*>(&fault))
        bytes = refused_allocation(*of_torch);
    if (dynamic_cast<const std::bad_alloc*>(&fault) != nullptr) bytes = 0;
    if (!bytes) return std::nullopt;
    return std::string("out of memory") +
           (*bytes > 0 ? " at a tensor of " + app::grouped(*bytes) + " bytes" : "") +
           "; this run was predicted to hold " +
           app::grouped(predicted.memory.bytes.total()) + " bytes of tensors (" +
           std::string(to_string(predicted.memory.at)) + "); " + less_memory;
}

}  // namespace packkit::train
