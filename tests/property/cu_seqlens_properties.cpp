// SPDX-License-Identifier: Apache-2.0
#include <packkit/sequence/cu_seqlens.hpp>
#include <packkit/sequence/labels.hpp>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include <rapidcheck/boost_test.h>

BOOST_AUTO_TEST_SUITE(cu_seqlens_properties)

namespace {

using ids = std::vector<std::int64_t>;

struct row {
    std::vector<std::int32_t> documents;  // lengths, each at least 1
    std::vector<std::int32_t> cu_seqlens;
    std::size_t tokens;
    std::size_t length;  // with padding
};

row any_row() {
    row made;
    made.documents =
        *rc::gen::container<std::vector<std::int32_t>>(rc::gen::inRange(1, 20));
    made.cu_seqlens = packkit::cu_seqlens(made.documents);
    made.tokens = static_cast<std::size_t>(
        std::accumulate(made.documents.begin(), made.documents.end(), 0));
    made.length = made.tokens + *rc::gen::inRange<std::size_t>(0, 10);
    return made;
}

}  // namespace

RC_BOOST_PROP(sequence_ids_give_the_boundaries_back, ()) {
    const row given = any_row();
    const auto mask = packkit::sequence_ids(given.cu_seqlens, packkit::mask_version::v2,
                                            std::max<std::size_t>(given.length, 1));
    RC_ASSERT(packkit::cu_seqlens_from_sequence_ids(mask) == given.cu_seqlens);
    const auto unpadded = packkit::unpad(mask);
    RC_ASSERT(unpadded.indices.size() == given.tokens);
    RC_ASSERT(unpadded.max_seqlen == packkit::max_seqlen(given.cu_seqlens));
}

RC_BOOST_PROP(rows_of_a_batch_unpad_as_rows_alone, ()) {
    const auto length = *rc::gen::inRange<std::size_t>(1, 12);
    const auto rows = *rc::gen::inRange<std::size_t>(0, 5);
    ids batch;
    std::vector<std::int32_t> wanted = {0};
    ids indices;
    for (std::size_t r = 0; r < rows; ++r) {
        std::vector<std::int32_t> documents;
        std::size_t left = length;
        while (left > 0) {
            const auto next = *rc::gen::inRange<std::size_t>(0, left + 1);
            if (next == 0) break;  // padding up to the row's end
            documents.push_back(static_cast<std::int32_t>(next));
            left -= next;
        }
        for (const std::int32_t document : documents) {
            wanted.push_back(wanted.back() + document);
        }
        for (std::size_t i = 0; i < length - left; ++i) {
            indices.push_back(static_cast<std::int64_t>(r * length + i));
        }
        const ids one = packkit::sequence_ids(packkit::cu_seqlens(documents),
                                              packkit::mask_version::v2, length);
        batch.insert(batch.end(), one.begin(), one.end());
    }
    const auto unpadded = packkit::unpad(batch, length);
    RC_ASSERT(unpadded.cu_seqlens == wanted);
    RC_ASSERT(unpadded.indices == indices);
}

RC_BOOST_PROP(position_ids_say_where_documents_begin, ()) {
    const row given = any_row();
    const ids positions = packkit::position_ids(given.cu_seqlens);
    std::vector<std::int32_t> boundaries;
    for (std::size_t i = 0; i < positions.size(); ++i) {
        if (positions[i] == 0) boundaries.push_back(static_cast<std::int32_t>(i));
        if (positions[i] != 0) RC_ASSERT(positions[i] == positions[i - 1] + 1);
    }
    boundaries.push_back(static_cast<std::int32_t>(given.tokens));
    RC_ASSERT(boundaries == given.cu_seqlens);
}

RC_BOOST_PROP(shifting_loses_one_target_a_document, ()) {
    const row given = any_row();
    // Label = position in the row, so each target tells where it came from.
    ids labels(given.length);
    std::iota(labels.begin(), labels.end(), 0);
    const ids targets = packkit::shift_labels(labels, given.cu_seqlens);
    const auto documents = static_cast<std::int64_t>(given.documents.size());
    RC_ASSERT(packkit::count_valid_targets(targets) ==
              static_cast<std::int64_t>(given.tokens) - documents);
    const ids positions = packkit::position_ids(given.cu_seqlens, given.length);
    for (std::size_t i = 0; i < given.length; ++i) {
        const bool last =
            i >= given.tokens || i + 1 == given.length || positions[i + 1] == 0;
        RC_ASSERT(targets[i] ==
                  (last ? std::int64_t{-100} : static_cast<std::int64_t>(i) + 1));
    }
}

RC_BOOST_PROP(valid_targets_are_counted_before_and_after_the_shift, ()) {
    const row given = any_row();
    ids labels(given.length);
    for (auto& label : labels)
        label = *rc::gen::element<std::int64_t>(-100, 1, 2);
    RC_ASSERT(
        packkit::count_valid_targets(labels, given.cu_seqlens) ==
        packkit::count_valid_targets(packkit::shift_labels(labels, given.cu_seqlens)));
}

BOOST_AUTO_TEST_SUITE_END()
