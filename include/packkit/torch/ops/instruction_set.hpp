// SPDX-License-Identifier: Apache-2.0
/// @file
/// Instruction sets of the CPU kernels: those that this machine has, and the one in use.
#pragma once

#include <packkit/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace packkit::lt {

/// Sets of instructions, each with all of those before it: plain C++ with vectors of 16
/// bytes; AVX2 and FMA; AVX-512 (F, BW, DQ, VL); its bfloat16 dot products; matrix tiles.
enum class instruction_set : std::uint8_t { plain, avx2, avx512, avx512_bf16, amx };

inline constexpr std::array<std::string_view, 5> instruction_set_names = {
    "plain", "avx2", "avx512", "avx512_bf16", "amx"};

[[nodiscard]] constexpr std::string_view to_string(instruction_set set) {
    return instruction_set_names.at(static_cast<std::size_t>(set));
}

namespace detail {

#if defined(__x86_64__)
/// Whether the processor has matrix tiles and the system lets this process use them.
[[nodiscard]] inline bool has_amx() {
#if defined(__linux__) && defined(SYS_arch_prctl)
    unsigned int a = 7;
    unsigned int b = 0;
    unsigned int c = 0;
    unsigned int d = 0;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    const bool has_bf16_tiles = (d >> 22 & 1U) != 0 && (d >> 24 & 1U) != 0;
    constexpr long request_permission = 0x1023;  // ARCH_REQ_XCOMP_PERM
    constexpr long tile_data = 18;
    return has_bf16_tiles && syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
    return false;
#endif
}
#endif

[[nodiscard]] inline std::vector<instruction_set> find_instruction_sets() {
    std::vector<instruction_set> found{instruction_set::plain};
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return found;
    found.push_back(instruction_set::avx2);
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq")) {
        return found;
    }
    found.push_back(instruction_set::avx512);
    if (!__builtin_cpu_supports("avx512bf16")) return found;
    found.push_back(instruction_set::avx512_bf16);
    if (has_amx()) found.push_back(instruction_set::amx);
#endif
    return found;
}

}  // namespace detail

/// Returns the sets that this machine has, the smallest first.
[[nodiscard]] inline const std::vector<instruction_set>& machine_instruction_sets() {
    static const std::vector<instruction_set> found = detail::find_instruction_sets();
    return found;
}

/// Returns the set that the environment variable PACKKIT_ISA asks for, if any.
/// @throws invalid_argument for a name that is none, or a set that this machine lacks
[[nodiscard]] inline std::optional<instruction_set> forced_instruction_set() {
    const char* const asked = std::getenv("PACKKIT_ISA");
    if (asked == nullptr || *asked == '\0') return std::nullopt;
    std::string names;
    for (const instruction_set set : machine_instruction_sets()) {
        if (to_string(set) == asked) return set;
        names += (names.empty() ? "" : ", ") + std::string(to_string(set));
    }
    throw invalid_argument("PACKKIT_ISA is '" + std::string(asked).substr(0, 40) +
                           "', this machine has " + names);
}

/// Returns the set that the kernels use: the one that PACKKIT_ISA asks for, or else the
/// fastest of this machine's.
///
/// The dot products of Intel's processors take twice the time of the float32
/// multiplications that they replace (measured on a Xeon of the fourth generation: 112
/// against 219 GFLOP/s a core), so those use AVX-512 where they have no tiles.
/// @throws invalid_argument as `forced_instruction_set`
[[nodiscard]] inline instruction_set kernel_instruction_set() {
    static const instruction_set chosen = [] {
        if (const auto forced = forced_instruction_set()) return *forced;
        const instruction_set best = machine_instruction_sets().back();
#if defined(__x86_64__)
        if (best == instruction_set::avx512_bf16 && __builtin_cpu_is("intel"))
            return instruction_set::avx512;
#endif
        return best;
    }();
    return chosen;
}

namespace detail {

/// Whether a kernel of that set may run: the machine has it, and PACKKIT_ISA does not
/// hold the kernels to a smaller one.
[[nodiscard]] inline bool allows_instruction_set(instruction_set set) {
    static const instruction_set largest =
        forced_instruction_set().value_or(machine_instruction_sets().back());
    return set <= largest;
}

}  // namespace detail

}  // namespace packkit::lt
