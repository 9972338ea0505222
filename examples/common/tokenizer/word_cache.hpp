// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Remembers the ids of words.

#include "vocabulary.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace packkit::app {

/// The ids of the words seen last, in bounded memory (about 20 MB): it starts over when
/// it is full. Long words are not kept.
class word_cache {
public:
    /// Appends the ids of `word` if they are known.
    bool append(std::string_view word, std::vector<std::int32_t>& ids) const {
        if (word.size() > longest_word) return false;
        const auto found = entries_.find(word);
        if (found == entries_.end()) return false;
        const auto first =
            ids_.begin() + static_cast<std::ptrdiff_t>(found->second.begin);
        ids.insert(ids.end(), first, first + found->second.count);
        return true;
    }

    void insert(std::string_view word, std::span<const std::int32_t> ids) {
        if (word.size() > longest_word) return;
        if (entries_.size() >= most_words || ids_.size() >= most_ids) {
            entries_.clear();
            ids_.clear();
        }
        entries_.emplace(word, entry{static_cast<std::uint32_t>(ids_.size()),
                                     static_cast<std::int32_t>(ids.size())});
        ids_.insert(ids_.end(), ids.begin(), ids.end());
    }

private:
    static constexpr std::size_t longest_word = 128;  // bytes
    static constexpr std::size_t most_words = std::size_t{1} << 17U;
    static constexpr std::size_t most_ids = std::size_t{1} << 20U;

    struct entry {
        std::uint32_t begin;
        std::int32_t count;
    };
    std::unordered_map<std::string, entry, string_hash, std::equal_to<>> entries_;
    std::vector<std::int32_t> ids_;
};

}  // namespace packkit::app
