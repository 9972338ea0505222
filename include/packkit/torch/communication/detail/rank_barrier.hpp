// SPDX-License-Identifier: Apache-2.0
/// @file
/// Where the ranks of a process wait for each other, and what ends the waiting when one
/// of them does not come. For `torch/communication/in_process.hpp`.
#pragma once

#include <packkit/error.hpp>
#include <packkit/torch/communication/communicator.hpp>

#include <c10/core/ScalarType.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace packkit::lt::detail {

/// What a rank asks of its group, as far as every rank must ask the same.
struct collective_call {
    collective kind;
    at::ScalarType dtype = at::ScalarType::Undefined;
    std::int64_t elements = -1;  ///< of this rank; −1 where ranks may differ

    friend bool operator==(const collective_call&, const collective_call&) = default;
};

/// "all_reduce of 5 Float"
[[nodiscard]] inline std::string to_text(const collective_call& call) {
    std::string text(to_string(call.kind));
    if (call.elements >= 0)
        text += packkit::detail::message(" of ", call.elements, " ",
                                         c10::toString(call.dtype));
    return text;
}

/// A barrier that can end. std::barrier of libstdc++ spins before it sleeps, which costs
/// most where ranks are more than processors, and waits for ever.
class rank_barrier {
public:
    rank_barrier(int ranks, std::chrono::milliseconds timeout)
        : ranks_(ranks), timeout_(timeout), here_(static_cast<std::size_t>(ranks)) {}

    [[nodiscard]] std::chrono::milliseconds timeout() const { return timeout_; }

    /// Returns when all ranks have come with the same call. Throws `runtime_error` saying
    /// why they will not: one has ended or called something else, or is not there after
    /// the timeout. From then on it throws for everyone.
    void meet(int rank, const collective_call& mine) {
        std::unique_lock lock(mutex_);
        if (ended_) throw runtime_error(reason_);
        if (arrived_ == 0) {
            first_ = mine;
            first_rank_ = rank;
        } else if (!(mine == first_)) {
            end_here(packkit::detail::message("ranks call different collectives: rank ",
                                              first_rank_, " ", to_text(first_),
                                              ", rank ", rank, " ", to_text(mine)));
            throw runtime_error(reason_);
        }
        here_[static_cast<std::size_t>(rank)] = true;
        const auto round = round_;
        if (++arrived_ == ranks_) {
            arrived_ = 0;
            ++round_;
            here_.assign(here_.size(), false);
            changed_.notify_all();
            return;
        }
        changed_.wait_for(lock, timeout_, [&] { return round_ != round || ended_; });
        if (round_ != round) return;
        if (!ended_) end_here(missing());
        throw runtime_error(reason_);
    }

    /// The end of what all ranks began by a `meet`: returns when all are there, although
    /// one may have failed since, so that nobody lets go of what another still looks at.
    /// Throws as `meet` does where one has failed before the last came, for all of them.
    void part() {
        std::unique_lock lock(mutex_);
        const auto parting = partings_;
        if (++parted_ == ranks_) {
            parted_ = 0;
            ++partings_;
            parted_in_peace_ = !ended_;
            changed_.notify_all();
        } else {
            changed_.wait(lock, [&] { return partings_ != parting; });
        }
        if (!parted_in_peace_) throw runtime_error(reason_);
    }

    /// `rank` will not come again. Parts go on: others may still meet there.
    void leave(int rank) {
        const std::lock_guard lock(mutex_);
        if (ended_) return;
        end_here(packkit::detail::message("rank ", rank, " has left the group"));
        left_ = true;
    }

    /// Wakes all who wait, here and in the parts. Of several causes the first counts.
    void fail(const std::string& cause) {
        std::vector<std::weak_ptr<rank_barrier>> parts;
        {
            const std::lock_guard lock(mutex_);
            if (failed_) return;
            failed_ = true;
            if (!ended_ || left_) end_here(cause);
            parts.swap(parts_);
        }
        for (const auto& part : parts) {
            if (const auto alive = part.lock()) alive->fail(reason_);
        }
    }

    /// A barrier of some of the ranks, which fails when this one does.
    [[nodiscard]] std::shared_ptr<rank_barrier> make_part(int ranks) {
        auto part = std::make_shared<rank_barrier>(ranks, timeout_);
        const std::lock_guard lock(mutex_);
        if (failed_) {
            part->fail(reason_);
        } else {
            parts_.push_back(part);
        }
        return part;
    }

private:
    void end_here(std::string reason) {
        ended_ = true;
        reason_ = std::move(reason);
        changed_.notify_all();
    }

    [[nodiscard]] std::string missing() const {
        std::string ranks;
        for (std::size_t rank = 0; rank < here_.size(); ++rank) {
            if (!here_[rank]) ranks += (ranks.empty() ? "" : ", ") + std::to_string(rank);
        }
        return packkit::detail::message("of ", ranks_,
                                        " ranks these did not come within ",
                                        timeout_.count(), " ms: ", ranks);
    }

    const int ranks_;
    const std::chrono::milliseconds timeout_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t round_ = 0;
    int arrived_ = 0;  // of this round; the first with `first_`
    std::vector<bool> here_;
    std::uint64_t partings_ = 0;
    int parted_ = 0;  // of this parting
    bool parted_in_peace_ = true;
    collective_call first_{};
    int first_rank_ = 0;
    bool ended_ = false;   // nobody meets here again
    bool left_ = false;    // since a rank had no more to do
    bool failed_ = false;  // nobody in the parts either
    std::string reason_;
    std::vector<std::weak_ptr<rank_barrier>> parts_;
};

}  // namespace packkit::lt::detail
