// SPDX-License-Identifier: Apache-2.0
#include <packkit/bin_list.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <ranges>
#include <utility>
#include <vector>

#include <boost/mpl/list.hpp>
#include <boost/test/unit_test.hpp>

#include "expect.hpp"
#include "textbook.hpp"

BOOST_AUTO_TEST_SUITE(bin_list_test)

using index_types = boost::mpl::list<std::uint8_t, std::int32_t, std::uint32_t,
                                     std::int64_t, std::uint64_t>;

BOOST_AUTO_TEST_CASE_TEMPLATE(holds_bins_in_order, Index, index_types) {
    packkit::bin_list<Index> bins;
    BOOST_TEST(bins.empty());
    BOOST_TEST(bins.offsets().size() == 1u);
    BOOST_TEST(bins.offsets()[0] == 0u);
    bins.append({Index{4}, Index{1}});
    bins.append(std::vector<Index>{});
    bins.append(std::array<Index, 1>{7});
    BOOST_TEST(bins.size() == 3u);
    BOOST_TEST((textbook::nested(bins) == textbook::bins{{4, 1}, {}, {7}}));
    BOOST_TEST(bins.front().size() == 2u);
    BOOST_TEST(bins.back()[0] == 7);
    BOOST_TEST(bins[1].empty());
    const std::vector<std::size_t> offsets(bins.offsets().begin(), bins.offsets().end());
    BOOST_TEST(offsets == (std::vector<std::size_t>{0, 2, 2, 3}),
               boost::test_tools::per_element());
    BOOST_TEST(bins.items().size() == 3u);
}

BOOST_AUTO_TEST_CASE(is_a_random_access_range_of_spans) {
    using list = packkit::bin_list<>;
    static_assert(std::ranges::random_access_range<const list>);
    static_assert(std::ranges::sized_range<const list>);
    static_assert(std::ranges::common_range<const list>);
    list bins;
    for (std::uint32_t b = 0; b < 5; ++b)
        bins.append({b, b + 10});
    auto it = bins.begin();
    BOOST_TEST((*(it + 3))[0] == 3u);
    BOOST_TEST((*(3 + it))[1] == 13u);
    BOOST_TEST(it[4][0] == 4u);
    it += 4;
    BOOST_TEST((*it--)[0] == 4u);
    BOOST_TEST((*--it)[0] == 2u);
    BOOST_TEST((*it++)[0] == 2u);
    BOOST_TEST((bins.end() - it == 2));
    BOOST_TEST((it < bins.end() && bins.begin() <= it));
    BOOST_TEST((*(it - 1))[0] == 2u);
    const auto found = std::ranges::find_if(bins, [](auto bin) { return bin[1] == 12; });
    BOOST_TEST((found - bins.begin() == 2));
    BOOST_TEST(std::ranges::distance(list{}) == 0);
}

BOOST_AUTO_TEST_CASE(takes_any_convertible_range) {
    packkit::bin_list<> bins;
    bins.append(std::views::iota(3u, 6u));
    bins.append(std::views::iota(0u, 4u) |
                std::views::filter([](auto i) { return i != 1; }));
    BOOST_TEST((textbook::nested(bins) == textbook::bins{{3, 4, 5}, {0, 2, 3}}));
}

BOOST_AUTO_TEST_CASE(appends_another_list) {
    packkit::bin_list<> a, b;
    b.append({1, 2});
    b.append({});
    a.append_bins(b);
    BOOST_TEST((a == b));
    a.append_bins(b);
    a.append_bins({});
    BOOST_TEST((textbook::nested(a) == textbook::bins{{1, 2}, {}, {1, 2}, {}}));
}

BOOST_AUTO_TEST_CASE(compares_bin_by_bin) {
    packkit::bin_list<> a, b, c;
    a.append({1, 2});
    b.append({1});
    b.append({2});
    c.append({1, 2});
    BOOST_TEST((a == c));
    BOOST_TEST((a != b));
    BOOST_TEST((packkit::bin_list<>{} == packkit::bin_list<>::from_csr({}, {0})));
    packkit::bin_list<> with_empty = a;
    with_empty.append({});
    BOOST_TEST((with_empty != a));
}

BOOST_AUTO_TEST_CASE(a_moved_from_list_is_empty_and_usable) {
    packkit::bin_list<> a;
    a.append({1, 2});
    packkit::bin_list<> b = std::move(a);
    BOOST_TEST(a.size() == 0u);  // NOLINT(bugprone-use-after-move): what is tested
    BOOST_TEST((a.begin() == a.end()));
    BOOST_TEST(a.offsets().size() == 1u);
    a.append({9});
    BOOST_TEST(a[0][0] == 9u);
    BOOST_TEST(b.size() == 1u);
}

BOOST_AUTO_TEST_CASE(reserve_keeps_spans_valid) {
    packkit::bin_list<> bins;
    bins.reserve(2, 3);
    bins.append({1, 2});
    const auto first = bins[0];
    bins.append({3});
    BOOST_TEST((first.data() == bins[0].data()));
}

BOOST_AUTO_TEST_CASE(from_csr_checks_what_it_is_given) {
    using list = packkit::bin_list<>;
    using packkit::invalid_argument;
    const auto bins = list::from_csr({5, 6, 7}, {0, 1, 1, 3});
    BOOST_TEST((textbook::nested(bins) == textbook::bins{{5}, {}, {6, 7}}));
    expect::message_of<invalid_argument>([] { (void)list::from_csr({}, {}); }, "empty");
    expect::message_of<invalid_argument>([] { (void)list::from_csr({1}, {1, 1}); },
                                         "offset 0 is 1, expected 0");
    expect::message_of<invalid_argument>(
        [] { (void)list::from_csr({1, 2}, {0, 2, 1, 2}); }, "offset 2 is 1", "2");
    expect::message_of<invalid_argument>([] { (void)list::from_csr({1, 2}, {0, 1}); },
                                         "end at 1", "2 items");
}

BOOST_AUTO_TEST_SUITE_END()
