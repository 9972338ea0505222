// SPDX-License-Identifier: Apache-2.0
#include <packkit/sampling/cursor.hpp>
#include <packkit/sampling/split_to_multiple.hpp>

#include <cstdint>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"
#include "textbook.hpp"

BOOST_AUTO_TEST_SUITE(split_to_multiple_test)

using packkit::cursor;
using packkit::equalize_bins;
using packkit::invalid_argument;
using textbook::bins;
using textbook::nested;

namespace {

packkit::bin_list<> list_of(const bins& wanted) {
    packkit::bin_list<> list;
    for (const auto& bin : wanted)
        list.append(bin);
    return list;
}

}  // namespace

BOOST_AUTO_TEST_CASE(cursors_count_steps) {
    cursor at;
    for (std::uint64_t step = 0; step < 20; ++step) {
        BOOST_TEST(at.global_step(7) == step);
        BOOST_TEST((cursor::from_global_step(step, 7) == at));
        BOOST_TEST((at == cursor{step / 7, step % 7}));
        at = at.advance(7);
    }
    BOOST_TEST((cursor{0, 6} < cursor{1, 0}));
    BOOST_CHECK_THROW((void)at.advance(0), invalid_argument);
}

BOOST_AUTO_TEST_CASE(equalizing_splits_the_heaviest_bin_in_the_middle) {
    const std::vector<int> lengths = {4, 3, 3, 9, 1, 2, 2, 2};
    const auto packed = list_of({{0, 1, 2}, {3}, {4, 5, 6, 7}});
    BOOST_TEST((equalize_bins(packed, lengths, 3) == packed));
    // 10 tokens are most; 4 | 3 + 3 is closer to the middle than 4 + 3 | 3... both are 2
    // off and 4 off, so the cut is after the 4.
    BOOST_TEST((nested(equalize_bins(packed, lengths, 4)) ==
                bins{{0}, {3}, {4, 5, 6, 7}, {1, 2}}));
    // Then 1 + 2 + 2 + 2 = 7 in half: 3 | 4.
    BOOST_TEST((nested(equalize_bins(packed, lengths, 5)) ==
                bins{{0}, {3}, {4, 5}, {1, 2}, {6, 7}}));
}

BOOST_AUTO_TEST_CASE(equalizing_adds_empty_bins_only_when_items_run_out) {
    const std::vector<int> lengths = {5, 5, 5};
    BOOST_TEST((nested(equalize_bins(list_of({{0, 1}, {2}}), lengths, 4)) ==
                bins{{0}, {2}, {1}, {}}));
    BOOST_TEST(equalize_bins(packkit::bin_list<>{}, lengths, 4).empty());
}

BOOST_AUTO_TEST_CASE(equalizing_refuses_what_it_cannot_do) {
    expect::message_of<invalid_argument>(
        [] { (void)equalize_bins(list_of({{0}}), std::vector{1}, 0); }, "multiple of 0");
    expect::message_of<invalid_argument>(
        [] { (void)equalize_bins(list_of({{0}, {3}}), std::vector{1, 1}, 4); },
        "bin 1 holds item 3, but there are 2 lengths");
}

BOOST_AUTO_TEST_SUITE_END()
