// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Tokens and labels of one sample while it is put together.

#include <packkit/sequence/labels.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace packkit::train {

/// A label that is no target.
inline constexpr std::int32_t ignored_label = default_ignore_index;

/// As many labels as tokens, unshifted: the token itself, or ignored_label.
struct labelled_tokens {
    std::vector<std::int32_t> ids;
    std::vector<std::int32_t> labels;

    void clear() {
        ids.clear();
        labels.clear();
    }

    /// Gives the ids that have no label yet one: themselves, or none.
    void label_rest(bool train) {
        for (std::size_t i = labels.size(); i < ids.size(); ++i)
            labels.push_back(train ? ids[i] : ignored_label);
    }

    /// Makes targets of tokens [begin, end).
    void train(std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i)
            labels[i] = ids[i];
    }
};

}  // namespace packkit::train
