// SPDX-License-Identifier: Apache-2.0
/// @file
/// Packing a stream: samples come one at a time, finished bins go out, a bounded number
/// of samples is held, and what is held can be saved and taken up again.
///
/// ```cpp
/// packkit::streaming_packer packer({.capacity = 4096, .buffer_size = 5000});
/// const auto train = [](std::span<const packkit::streamed_sample> bin) { ... };
/// for (std::uint64_t i = 0; i < documents; ++i) packer.add({i, tokens(i)}, train);
/// packer.flush(train);
/// ```
#pragma once

#include <packkit/bin_list.hpp>
#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>
#include <packkit/packing/next_k_fit.hpp>
#include <packkit/packing/pack.hpp>
#include <packkit/utility/hash.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace packkit {

/// A sample of a stream: what its owner calls it, and its tokens.
struct streamed_sample {
    std::uint64_t id = 0;
    std::int64_t length = 0;

    friend constexpr bool operator==(const streamed_sample&,
                                     const streamed_sample&) = default;
};

/// How a stream is packed: with a window of open bins or a buffer of samples, one of
/// which is positive.
struct streaming_options {
    std::int64_t capacity = 0;  ///< tokens a bin, positive
    std::size_t bin_size = 0;   ///< items a bin; 0: as many as fit
    /// Open bins of next-k-fit (see next_k_fit.hpp): the order is nearly kept, little is
    /// held.
    std::size_t open_bins = 0;
    /// Samples gathered and then packed first-fit decreasing: fewest bins.
    std::size_t buffer_size = 0;

    friend constexpr bool operator==(const streaming_options&,
                                     const streaming_options&) = default;
};

/// Packs a stream of samples in bounded memory.
///
/// With `open_bins` the bins are those of `pack` with `window_fit`, in its order.
///
/// With `buffer_size` = B the samples held are packed by `first_fit_decreasing` whenever
/// there are B of them. Not all bins go out: the emptiest, up to B / 4 samples, stay in
/// the buffer to be packed again together with what comes next, but no sample stays more
/// than 4 times. So a sample goes out before 5 B further ones have come in. (Staying
/// pays: on lognormal lengths of median 300, capacity 4096 and B = 5000 it takes the
/// bins above the lower bound from 0.10 % to 0.01 %, on uniform lengths from 0.7 % to
/// 0.1 %; a half in the place of a quarter, or once in the place of 4 times, gains less.)
///
/// The bins depend on nothing but the options and the samples in their order. `save` and
/// `restore` between two samples change nothing. A regular value; copies are independent.
class streaming_packer {
public:
    /// @throws invalid_argument unless the capacity and one of `open_bins` and
    ///   `buffer_size` are positive and the other is 0, or if either is 2^32 or more
    constexpr explicit streaming_packer(streaming_options options) : options_(options) {
        detail::check_capacity(options.capacity);
        if ((options.open_bins == 0) == (options.buffer_size == 0)) {
            detail::throw_invalid_argument(
                "a stream is packed with open_bins or with a buffer_size, got open_bins ",
                options.open_bins, " and buffer_size ", options.buffer_size);
        }
        if (options.buffer_size > std::numeric_limits<std::uint32_t>::max()) {
            detail::throw_invalid_argument("a buffer of ", options.buffer_size,
                                           " samples, at most ",
                                           std::numeric_limits<std::uint32_t>::max());
        }
        reset_window({});
    }

    /// Takes the next sample, and calls `emit(bin)` with the samples of each bin that is
    /// finished by that, as a `std::span<const streamed_sample>` valid during the call.
    ///
    /// O(log open_bins + samples emitted) with a window; with a buffer the cost of a
    /// packing of B samples every 3/4 B samples or more. What `emit` throws passes
    /// through: the sample is taken then, but bins not yet emitted by this call are lost.
    /// @throws invalid_argument unless the length is in [1, capacity]; nothing changes
    ///   then
    template <std::invocable<std::span<const streamed_sample>> Emit>
    constexpr void add(streamed_sample sample, Emit&& emit) {
        if (sample.length < 1 || sample.length > options_.capacity) {
            detail::throw_invalid_argument(
                "sample ", samples_, " (id ", sample.id, ") has length ", sample.length,
                ", expected 1 to the capacity of ", options_.capacity);
        }
        ++samples_;
        if (window_) {
            add_to_window(sample, emit);
        } else {
            buffer_.push_back({sample, 0});
            if (buffer_.size() == options_.buffer_size) {
                pack_buffer(options_.buffer_size / 4, emit);
            }
        }
    }

    /// Emits all bins with samples held, as if the stream ended here; `emit` as for
    /// `add`. The packer is empty then, and takes further samples.
    template <std::invocable<std::span<const streamed_sample>> Emit>
    constexpr void flush(Emit&& emit) {
        if (window_) {
            const auto open = open_samples();
            bins_ += open.size();
            reset_window({});
            for (const auto& bin : open)
                emit(std::span<const streamed_sample>(bin));
        } else if (!buffer_.empty()) {
            pack_buffer(0, emit);
        }
    }

    [[nodiscard]] constexpr const streaming_options& options() const noexcept {
        return options_;
    }
    /// Samples taken so far.
    [[nodiscard]] constexpr std::uint64_t samples() const noexcept { return samples_; }
    /// Bins emitted so far.
    [[nodiscard]] constexpr std::uint64_t bins() const noexcept { return bins_; }
    /// Samples taken and not emitted: fewer than `buffer_size`, or what the open bins
    /// hold. O(open_bins).
    [[nodiscard]] constexpr std::size_t held() const noexcept {
        std::size_t count = buffer_.size();
        for (const auto& bin : slots_)
            count += bin.size();
        return count;
    }

    /// Writes the state as 64-bit numbers, the options among them: a format version
    /// first, a checksum last; 3 numbers or fewer for each sample held, and
    /// 10 + open bins others at most. Returns the iterator past the last.
    template <std::output_iterator<std::uint64_t> Out>
    constexpr Out save(Out out) const {
        for (const std::uint64_t word : state())
            *out++ = word;
        return out;
    }

    /// A packer that continues exactly where the saved one stood.
    /// @throws invalid_argument if the numbers are not what `save` of this version has
    ///   written: another version, a wrong checksum, missing or further numbers, or
    ///   samples that break the limits
    template <std::ranges::input_range State>
        requires std::convertible_to<std::ranges::range_reference_t<State>, std::uint64_t>
    [[nodiscard]] static constexpr streaming_packer restore(State&& state) {
        std::vector<std::uint64_t> words;
        for (auto&& word : state)
            words.push_back(static_cast<std::uint64_t>(word));
        return from_state(words);
    }

private:
    static constexpr std::uint64_t state_version = 2;
    static constexpr std::uint64_t most_stays = 4;

    struct buffered {
        streamed_sample sample;
        std::uint64_t stays;  // how often it was packed and kept
    };

    template <class Emit>
    constexpr void add_to_window(const streamed_sample& sample, Emit& emit) {
        const std::size_t closed_before = window_->first_open();
        const std::size_t bin = window_->add(sample.length);
        const bool closes = window_->first_open() != closed_before;
        if (slots_.size() <= bin % options_.open_bins) slots_.emplace_back();
        auto& slot = slots_[bin % options_.open_bins];
        std::vector<streamed_sample> closed;
        if (closes) {
            closed.reserve(slot.size());
            closed.swap(slot);
            ++bins_;
        }
        slot.push_back(sample);
        if (closes) emit(std::span<const streamed_sample>(closed));
    }

    /// Packs the buffer; the emptiest bins, up to `may_stay` samples, stay.
    template <class Emit>
    constexpr void pack_buffer(std::size_t may_stay, Emit& emit) {
        std::vector<std::int64_t> lengths;
        lengths.reserve(buffer_.size());
        for (const buffered& held : buffer_)
            lengths.push_back(held.sample.length);
        const bin_list<> packed = pack(lengths, options_.capacity, first_fit_decreasing{},
                                       {.bin_size = options_.bin_size});
        const std::vector<char> stays = bins_that_stay(packed, may_stay);

        std::vector<streamed_sample> out;
        std::vector<std::size_t> ends;
        std::vector<std::uint32_t> kept;
        for (std::size_t b = 0; b < packed.size(); ++b) {
            if (stays[b] != 0) {
                kept.insert(kept.end(), packed[b].begin(), packed[b].end());
                continue;
            }
            for (const std::uint32_t item : packed[b])
                out.push_back(buffer_[item].sample);
            ends.push_back(out.size());
        }
        std::sort(kept.begin(), kept.end());  // in the order they came
        for (std::size_t k = 0; k < kept.size(); ++k) {
            buffer_[k] = buffer_[kept[k]];
            ++buffer_[k].stays;
        }
        buffer_.resize(kept.size(), buffered{});
        bins_ += ends.size();

        std::size_t begin = 0;
        for (const std::size_t end : ends) {
            emit(std::span<const streamed_sample>(out).subspan(begin, end - begin));
            begin = end;
        }
    }

    /// 1 for the emptiest bins, as long as they hold `may_stay` samples together and none
    /// that has stayed too often.
    [[nodiscard]] constexpr std::vector<char> bins_that_stay(const bin_list<>& packed,
                                                             std::size_t may_stay) const {
        std::vector<char> stays(packed.size(), 0);
        if (may_stay == 0) return stays;
        std::vector<std::int64_t> load(packed.size(), 0);
        std::vector<std::size_t> order(packed.size(), 0);
        for (std::size_t b = 0; b < packed.size(); ++b) {
            order[b] = b;
            for (const std::uint32_t item : packed[b])
                load[b] += buffer_[item].sample.length;
        }
        std::sort(order.begin(), order.end(), [&load](std::size_t a, std::size_t b) {
            return load[a] != load[b] ? load[a] < load[b] : a < b;
        });
        for (const std::size_t b : order) {
            if (load[b] == options_.capacity || packed[b].size() > may_stay) break;
            const bool tired = std::any_of(
                packed[b].begin(), packed[b].end(),
                [this](std::uint32_t i) { return buffer_[i].stays == most_stays; });
            if (tired) continue;
            stays[b] = 1;
            may_stay -= packed[b].size();
        }
        return stays;
    }

    /// An empty window, or one with these bins open; nothing with a buffer.
    constexpr void reset_window(std::vector<std::vector<streamed_sample>> open) {
        if (options_.open_bins == 0) return;
        std::vector<window_fit_packer::contents> contents;
        for (const auto& bin : open) {
            std::int64_t load = 0;
            for (const streamed_sample& sample : bin)
                load = detail::checked_add(load, sample.length, "the load of a bin");
            contents.push_back({load, bin.size()});
        }
        window_.emplace(bin_limits{options_.capacity, options_.bin_size},
                        options_.open_bins, contents);
        slots_ = std::move(open);
    }

    /// The open bins, oldest first.
    [[nodiscard]] constexpr std::vector<std::vector<streamed_sample>> open_samples()
        const {
        std::vector<std::vector<streamed_sample>> open;
        for (std::size_t b = window_->first_open(); b < window_->bins(); ++b)
            open.push_back(slots_[b % options_.open_bins]);
        return open;
    }

    [[nodiscard]] static constexpr std::uint64_t checksum(
        std::span<const std::uint64_t> words) {
        word_hash hash;
        for (const std::uint64_t word : words)
            hash.add(word);
        return hash.value();
    }

    /// Version, options, counters; with a window the number of open bins and for each
    /// the number of its samples and (id, length) of each; with a buffer the number of
    /// samples and (id, length, stays) of each; the checksum.
    [[nodiscard]] constexpr std::vector<std::uint64_t> state() const {
        std::vector<std::uint64_t> words = {state_version,
                                            static_cast<std::uint64_t>(options_.capacity),
                                            options_.bin_size,
                                            options_.open_bins,
                                            options_.buffer_size,
                                            samples_,
                                            bins_};
        const auto put = [&words](const streamed_sample& sample) {
            words.push_back(sample.id);
            words.push_back(static_cast<std::uint64_t>(sample.length));
        };
        if (window_) {
            const auto open = open_samples();
            words.push_back(open.size());
            for (const auto& bin : open) {
                words.push_back(bin.size());
                for (const streamed_sample& sample : bin)
                    put(sample);
            }
        } else {
            words.push_back(buffer_.size());
            for (const buffered& held : buffer_) {
                put(held.sample);
                words.push_back(held.stays);
            }
        }
        words.push_back(checksum(words));
        return words;
    }

    [[nodiscard]] static constexpr streaming_packer from_state(
        std::span<const std::uint64_t> words) {
        if (words.empty() || words[0] != state_version) {
            detail::throw_invalid_argument("state of a streaming packer of version ",
                                           words.empty() ? 0 : words[0], ", expected ",
                                           state_version);
        }
        if (words.size() < 9 || checksum(words.first(words.size() - 1)) != words.back()) {
            detail::throw_invalid_argument(
                "state of a streaming packer is damaged: its ", words.size(),
                " numbers do not have the checksum at its end");
        }
        words = words.subspan(1, words.size() - 2);
        const auto next = [&words] {
            if (words.empty()) {
                detail::throw_invalid_argument(
                    "state of a streaming packer ends before the samples do");
            }
            const std::uint64_t word = words.front();
            words = words.subspan(1);
            return word;
        };
        streaming_options options;
        options.capacity = static_cast<std::int64_t>(next());
        options.bin_size = static_cast<std::size_t>(next());
        options.open_bins = static_cast<std::size_t>(next());
        options.buffer_size = static_cast<std::size_t>(next());
        streaming_packer packer(options);
        packer.samples_ = next();
        packer.bins_ = next();
        const auto next_sample = [&] {
            const streamed_sample sample{next(), static_cast<std::int64_t>(next())};
            if (sample.length < 1 || sample.length > options.capacity) {
                detail::throw_invalid_argument(
                    "state of a streaming packer holds a sample of length ",
                    sample.length, ", capacity is ", options.capacity);
            }
            return sample;
        };
        const std::uint64_t count = next();
        if (packer.window_) {
            std::vector<std::vector<streamed_sample>> open;
            for (std::uint64_t b = 0; b < count; ++b) {
                open.emplace_back();
                for (std::uint64_t left = next(); left > 0; --left)
                    open.back().push_back(next_sample());
            }
            packer.reset_window(std::move(open));
        } else {
            for (std::uint64_t k = 0; k < count; ++k) {
                const streamed_sample sample = next_sample();
                packer.buffer_.push_back({sample, next()});
            }
            packer.check_buffer();
        }
        if (!words.empty() || packer.held() > packer.samples_) {
            detail::throw_invalid_argument(
                "state of a streaming packer holds ", packer.held(), " of ",
                packer.samples_, " samples and ", words.size(), " numbers more");
        }
        return packer;
    }

    constexpr void check_buffer() const {
        if (buffer_.size() >= options_.buffer_size) {
            detail::throw_invalid_argument("state of a streaming packer holds ",
                                           buffer_.size(), " samples, its buffer packs ",
                                           options_.buffer_size);
        }
        for (const buffered& held : buffer_) {
            if (held.stays > most_stays) {
                detail::throw_invalid_argument(
                    "state of a streaming packer holds a sample packed ", held.stays,
                    " times, at most ", most_stays);
            }
        }
    }

    streaming_options options_;
    std::uint64_t samples_ = 0;
    std::uint64_t bins_ = 0;
    std::vector<buffered> buffer_;
    std::optional<window_fit_packer> window_;
    std::vector<std::vector<streamed_sample>> slots_;  // bin b at b % open_bins
};

}  // namespace packkit
