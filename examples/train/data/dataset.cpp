// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.hpp"

#include "data/checksum.hpp"

#include <packkit/sequence/labels.hpp>

#include <algorithm>

namespace packkit::train {
namespace {

template <class T>
void update(running_checksum& checksum, std::span<const T> values) {
    checksum.update(std::as_bytes(values));
}

}  // namespace

void token_store::append(std::span<const std::int32_t> tokens) {
    append(tokens, tokens);
}

void token_store::append(std::span<const std::int32_t> tokens,
                         std::span<const std::int32_t> labels) {
    const bool differ = !std::equal(tokens.begin(), tokens.end(), labels.begin());
    // Labels are the tokens up to the first sample where they are not.
    if (differ && labels_.empty()) labels_ = tokens_;
    const bool labelled = differ || !labels_.empty();
    tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
    if (labelled) labels_.insert(labels_.end(), labels.begin(), labels.end());
    offsets_.push_back(tokens_.size());
    lengths_.push_back(static_cast<std::int64_t>(tokens.size()));
    valid_targets_.push_back(
        count_valid_targets(labels.subspan(std::min<std::size_t>(1, labels.size()))));
}

std::uint64_t token_store::content_hash() const {
    running_checksum checksum;
    update(checksum, lengths());
    update(checksum, all_tokens());
    update(checksum, all_labels());
    return checksum.value();
}

}  // namespace packkit::train
