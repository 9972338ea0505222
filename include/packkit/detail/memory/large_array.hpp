// SPDX-License-Identifier: Apache-2.0
/// @file
/// Arrays that are written before they are read: not filled with zeros, and on pages of
/// 2 MiB where they are large and Linux has them. At ten million samples the first touch
/// of small pages would cost 1.5 ns a sample and array, of large ones a third of that.
#pragma once

#include <cstddef>
#include <new>
#include <type_traits>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace packkit::detail {

/// An allocator of whole cache lines whose elements stay uninitialised when they are made
/// without a value.
template <class T>
struct large_array_allocator {
    using value_type = T;

    constexpr large_array_allocator() = default;
    template <class U>
    constexpr large_array_allocator(const large_array_allocator<U>&) noexcept {}

    [[nodiscard]] constexpr T* allocate(std::size_t count) {
        if (std::is_constant_evaluated()) return std::allocator<T>().allocate(count);
        const std::size_t bytes = count * sizeof(T);
        if (bytes / sizeof(T) != count) throw std::bad_array_new_length();
        void* const memory = ::operator new(bytes, alignment(count));
#if defined(__linux__)
        // A wish: without it the array is slower to touch, nothing else.
        if (bytes >= large) ::madvise(memory, bytes, MADV_HUGEPAGE);
#endif
        return static_cast<T*>(memory);
    }

    constexpr void deallocate(T* memory, std::size_t count) noexcept {
        if (std::is_constant_evaluated()) {
            std::allocator<T>().deallocate(memory, count);
        } else {
            ::operator delete(memory, alignment(count));
        }
    }

    template <class U>
    constexpr void construct(U* at) noexcept {
        if (std::is_constant_evaluated()) {
            std::construct_at(at);
        } else {
            ::new (static_cast<void*>(at)) U;
        }
    }
    template <class U, class... Arguments>
    constexpr void construct(U* at, Arguments&&... arguments) {
        std::construct_at(at, static_cast<Arguments&&>(arguments)...);
    }

    friend constexpr bool operator==(large_array_allocator, large_array_allocator) {
        return true;
    }

private:
    static constexpr std::size_t cache_line = 64;
    static constexpr std::size_t page = std::size_t{1} << 21;
    static constexpr std::size_t large = page;

    static constexpr std::align_val_t alignment(std::size_t count) {
        return std::align_val_t{count * sizeof(T) < large ? cache_line : page};
    }
};

/// A vector whose `resize(n)` and constructor from a size leave new elements unset.
template <class T>
using large_array = std::vector<T, large_array_allocator<T>>;

}  // namespace packkit::detail
