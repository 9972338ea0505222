// SPDX-License-Identifier: Apache-2.0
/// @file
/// `bin_list`: the result of a packing, as sample indices in compressed rows.
#pragma once

#include <packkit/detail/memory/large_array.hpp>
#include <packkit/error.hpp>

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

namespace packkit {

/// What one bin may hold.
struct bin_limits {
    std::int64_t capacity = 0;  ///< tokens a bin, positive
    std::size_t bin_size = 0;   ///< items a bin; 0: as many as fit

    friend constexpr bool operator==(const bin_limits&, const bin_limits&) = default;
};

/// A list of bins, each a list of sample indices in the order they were placed.
///
/// Stored as compressed rows: all indices in one array (`items()`), and `offsets()`, of
/// which bin `b` owns `items()[offsets()[b], offsets()[b + 1])`. A bin may be empty.
///
/// A regular value: cheap to move, compared element by element. A moved-from list is
/// empty. Spans and iterators stay valid until the next change of the list, also when the
/// list is moved. Usable in constant expressions.
///
/// @tparam Index unsigned or signed integer wide enough for every sample's index
template <class Index = std::uint32_t>
class bin_list {
    static_assert(std::integral<Index> && !std::same_as<Index, bool>,
                  "bin_list<Index>: Index is an integer type");

public:
    using index_type = Index;
    using value_type = std::span<const Index>;
    using size_type = std::size_t;
    using difference_type = std::ptrdiff_t;

    /// Random-access iterator over bins; dereferencing gives a span by value.
    class const_iterator {
    public:
        using iterator_concept = std::random_access_iterator_tag;
        using iterator_category = std::input_iterator_tag;  // spans come by value
        using value_type = std::span<const Index>;
        using difference_type = std::ptrdiff_t;
        using reference = value_type;
        using pointer = void;

        constexpr const_iterator() = default;

        [[nodiscard]] constexpr value_type operator*() const {
            return value_type(items_ + offset_[0], offset_[1] - offset_[0]);
        }
        [[nodiscard]] constexpr value_type operator[](difference_type n) const {
            return *(*this + n);
        }
        constexpr const_iterator& operator++() { return *this += 1; }
        constexpr const_iterator& operator--() { return *this -= 1; }
        constexpr const_iterator operator++(int) {
            auto old = *this;
            *this += 1;
            return old;
        }
        constexpr const_iterator operator--(int) {
            auto old = *this;
            *this -= 1;
            return old;
        }
        constexpr const_iterator& operator+=(difference_type n) {
            offset_ += n;
            return *this;
        }
        constexpr const_iterator& operator-=(difference_type n) {
            offset_ -= n;
            return *this;
        }
        [[nodiscard]] friend constexpr const_iterator operator+(const_iterator it,
                                                                difference_type n) {
            return it += n;
        }
        [[nodiscard]] friend constexpr const_iterator operator+(difference_type n,
                                                                const_iterator it) {
            return it += n;
        }
        [[nodiscard]] friend constexpr const_iterator operator-(const_iterator it,
                                                                difference_type n) {
            return it -= n;
        }
        [[nodiscard]] friend constexpr difference_type operator-(const_iterator a,
                                                                 const_iterator b) {
            return a.offset_ - b.offset_;
        }
        [[nodiscard]] friend constexpr bool operator==(const_iterator a,
                                                       const_iterator b) {
            return a.offset_ == b.offset_;
        }
        [[nodiscard]] friend constexpr auto operator<=>(const_iterator a,
                                                        const_iterator b) {
            return a.offset_ <=> b.offset_;
        }

    private:
        friend class bin_list;
        constexpr const_iterator(const Index* items, const std::size_t* offset)
            : items_(items), offset_(offset) {}

        const Index* items_ = nullptr;
        const std::size_t* offset_ = nullptr;
    };
    using iterator = const_iterator;

    /// No bins. Allocates nothing.
    constexpr bin_list() = default;
    constexpr bin_list(const bin_list&) = default;
    constexpr bin_list& operator=(const bin_list&) = default;
    constexpr bin_list(bin_list&& other) noexcept
        : items_(std::exchange(other.items_, {})),
          offsets_(std::exchange(other.offsets_, {})) {}
    constexpr bin_list& operator=(bin_list&& other) noexcept {
        items_ = std::exchange(other.items_, {});
        offsets_ = std::exchange(other.offsets_, {});
        return *this;
    }
    constexpr ~bin_list() = default;

    /// A list of compressed rows made elsewhere, which are copied.
    /// @throws invalid_argument unless `offsets` starts at 0, never decreases, and ends
    ///   at `items.size()`; the message names the first offset that is wrong.
    [[nodiscard]] static constexpr bin_list from_csr(
        const std::vector<Index>& items, const std::vector<std::size_t>& offsets) {
        if (offsets.empty()) {
            detail::throw_invalid_argument(
                "bin_list offsets are empty, expected one more than there are bins, from "
                "0");
        }
        if (offsets.front() != 0) {
            detail::throw_invalid_argument("bin_list offset 0 is ", offsets.front(),
                                           ", expected 0");
        }
        for (std::size_t b = 1; b < offsets.size(); ++b) {
            if (offsets[b] < offsets[b - 1]) {
                detail::throw_invalid_argument("bin_list offset ", b, " is ", offsets[b],
                                               ", less than the one before it, ",
                                               offsets[b - 1]);
            }
        }
        if (offsets.back() != items.size()) {
            detail::throw_invalid_argument("bin_list offsets end at ", offsets.back(),
                                           ", but ", items.size(), " items were given");
        }
        bin_list bins;
        bins.items_.assign(items.begin(), items.end());
        bins.offsets_.assign(offsets.begin(), offsets.end());
        return bins;
    }

    /// Number of bins.
    [[nodiscard]] constexpr std::size_t size() const noexcept {
        return offsets_.empty() ? 0 : offsets_.size() - 1;
    }
    [[nodiscard]] constexpr bool empty() const noexcept { return size() == 0; }

    /// Sample indices of a bin in placement order. Precondition: `bin < size()`.
    [[nodiscard]] constexpr std::span<const Index> operator[](std::size_t bin) const {
        PACKKIT_ASSERT(bin < size());
        return begin()[static_cast<difference_type>(bin)];
    }
    /// First bin. Precondition: not empty.
    [[nodiscard]] constexpr std::span<const Index> front() const { return (*this)[0]; }
    /// Last bin. Precondition: not empty.
    [[nodiscard]] constexpr std::span<const Index> back() const {
        return (*this)[size() - 1];
    }

    [[nodiscard]] constexpr const_iterator begin() const noexcept {
        return const_iterator(items_.data(), offsets().data());
    }
    [[nodiscard]] constexpr const_iterator end() const noexcept {
        return begin() + static_cast<difference_type>(size());
    }

    /// All sample indices, bin after bin.
    [[nodiscard]] constexpr std::span<const Index> items() const noexcept {
        return items_;
    }

    /// Where each bin begins in `items()`: `size() + 1` values, from 0 to
    /// `items().size()`.
    [[nodiscard]] constexpr std::span<const std::size_t> offsets() const noexcept {
        if (offsets_.empty()) return std::span<const std::size_t>(no_bins, 1);
        return offsets_;
    }

    /// Makes room, so that appending up to that many bins and items does not reallocate.
    constexpr void reserve(std::size_t bins, std::size_t items) {
        offsets_.reserve(bins + 1);
        items_.reserve(items);
    }

    /// Appends one bin with these sample indices (none: an empty bin). The range may not
    /// be a part of this list.
    template <std::ranges::input_range Items>
        requires std::convertible_to<std::ranges::range_reference_t<Items>, Index>
    constexpr void append(Items&& items) {
        start();
        for (auto&& item : items)
            items_.push_back(static_cast<Index>(item));
        offsets_.push_back(items_.size());
    }
    constexpr void append(std::initializer_list<Index> items) {
        append(std::span<const Index>(items.begin(), items.size()));
    }

    /// Appends bins that the caller writes in place, for packings of many samples:
    /// write(new_items, new_ends) sets all `items` values of the first span, and of the
    /// second for each of the `bins` bins where it ends in `items()`, so that the last
    /// one ends at `items().size()`. Both hold unset values before. When `write` throws,
    /// the list is as it was.
    template <class Write>
        requires std::invocable<Write&, std::span<Index>, std::span<std::size_t>>
    constexpr void append_written(std::size_t bins, std::size_t items, Write write) {
        start();
        const std::size_t old_bins = offsets_.size();
        const std::size_t old_items = items_.size();
        struct rollback {
            bin_list& list;
            std::size_t bins, items;
            constexpr ~rollback() {
                list.offsets_.resize(bins);
                list.items_.resize(items);
            }
        } undo{*this, old_bins, old_items};
        offsets_.resize(old_bins + bins);
        items_.resize(old_items + items);
        write(std::span<Index>(items_).subspan(old_items),
              std::span<std::size_t>(offsets_).subspan(old_bins));
        PACKKIT_ASSERT(offsets_.back() == items_.size());
        undo.bins += bins;
        undo.items += items;
    }

    /// No bins, with the memory kept for the next ones.
    constexpr void clear() noexcept {
        items_.clear();
        offsets_.clear();
    }

    /// Appends all bins of another list, in their order. Takes the storage over if this
    /// list holds no bins.
    constexpr void append_bins(bin_list other) {
        if (empty()) {
            *this = std::move(other);
            return;
        }
        const std::size_t base = items_.size();
        items_.insert(items_.end(), other.items_.begin(), other.items_.end());
        for (std::size_t b = 0; b < other.size(); ++b) {
            offsets_.push_back(base + other.offsets_[b + 1]);
        }
    }

    [[nodiscard]] friend constexpr bool operator==(const bin_list& a, const bin_list& b) {
        if (a.items_ != b.items_ || a.size() != b.size()) return false;
        for (std::size_t bin = 0; bin < a.size(); ++bin) {
            if (a.offsets_[bin + 1] != b.offsets_[bin + 1]) return false;
        }
        return true;
    }

private:
    static constexpr std::size_t no_bins[1] = {0};

    constexpr void start() {
        if (offsets_.empty()) offsets_.push_back(0);
    }

    detail::large_array<Index> items_;
    detail::large_array<std::size_t>
        offsets_;  // empty, or size() + 1 values starting at 0
};

}  // namespace packkit
