// SPDX-License-Identifier: Apache-2.0
#include <packkit/packing/pack.hpp>
#include <packkit/sampling/cursor.hpp>
#include <packkit/sampling/split_to_multiple.hpp>
#include <packkit/utility/random.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

#include <rapidcheck/boost_test.h>

#include "textbook.hpp"

BOOST_AUTO_TEST_SUITE(split_to_multiple_properties)

RC_BOOST_PROP(equalizing_loses_nothing, ()) {
    const auto capacity = *rc::gen::inRange<std::int64_t>(1, 60);
    const auto lengths = *rc::gen::container<std::vector<std::int64_t>>(
        rc::gen::inRange<std::int64_t>(1, capacity + 1));
    const auto multiple = *rc::gen::inRange<std::size_t>(1, 20);
    const auto bins = packkit::pack(lengths, capacity);
    const auto equal = packkit::equalize_bins(bins, lengths, multiple);
    RC_ASSERT(equal.size() % multiple == 0u);
    RC_ASSERT(equal.size() >= bins.size());
    RC_ASSERT(equal.size() < bins.size() + multiple);
    RC_ASSERT(equal == packkit::equalize_bins(bins, lengths, multiple));

    std::vector<std::uint32_t> before(bins.items().begin(), bins.items().end());
    std::vector<std::uint32_t> after(equal.items().begin(), equal.items().end());
    std::sort(before.begin(), before.end());
    std::sort(after.begin(), after.end());
    RC_ASSERT(before == after);

    // Each bin stays as a beginning of what it was, and empty ones come last resort.
    bool any_empty = false, any_pair = false;
    for (std::size_t b = 0; b < equal.size(); ++b) {
        any_empty = any_empty || equal[b].empty();
        any_pair = any_pair || equal[b].size() > 1;
        if (b >= bins.size()) continue;
        RC_ASSERT(equal[b].size() <= bins[b].size());
        RC_ASSERT(std::equal(equal[b].begin(), equal[b].end(), bins[b].begin()));
    }
    RC_ASSERT(!(any_empty && any_pair));
}

// The same result by trying every bin and every cut.
RC_BOOST_PROP(equalizing_splits_as_the_obvious_loop, ()) {
    const auto lengths = *rc::gen::container<std::vector<std::int64_t>>(
        rc::gen::inRange<std::int64_t>(1, 21));
    const auto multiple = *rc::gen::inRange<std::size_t>(1, 12);
    const auto packed = packkit::pack(lengths, 40, packkit::first_fit{});
    textbook::bins wanted = textbook::nested(packed);
    const auto load = [&](auto first, auto last) {
        std::int64_t tokens = 0;
        for (; first != last; ++first)
            tokens += lengths[*first];
        return tokens;
    };
    while (!wanted.empty() && wanted.size() % multiple != 0) {
        std::size_t heaviest = wanted.size();
        for (std::size_t b = 0; b < wanted.size(); ++b) {
            if (wanted[b].size() < 2) continue;
            if (heaviest == wanted.size() ||
                load(wanted[b].begin(), wanted[b].end()) >
                    load(wanted[heaviest].begin(), wanted[heaviest].end())) {
                heaviest = b;
            }
        }
        if (heaviest == wanted.size()) {
            wanted.emplace_back();
            continue;
        }
        auto& whole = wanted[heaviest];
        auto best = whole.begin() + 1;
        const auto off = [&](auto cut) {
            return std::abs(load(whole.begin(), cut) - load(cut, whole.end()));
        };
        for (auto cut = whole.begin() + 1; cut != whole.end(); ++cut) {
            if (off(cut) < off(best)) best = cut;
        }
        const std::vector<std::uint32_t> second(best, whole.end());
        whole.erase(best, whole.end());
        wanted.push_back(second);
    }
    RC_ASSERT(textbook::nested(packkit::equalize_bins(packed, lengths, multiple)) ==
              wanted);
}

RC_BOOST_PROP(a_permutation_holds_every_index_once, ()) {
    const auto n = *rc::gen::inRange<std::size_t>(0, 500);
    auto order = packkit::seeded_permutation(n, *rc::gen::arbitrary<std::uint64_t>(),
                                             *rc::gen::arbitrary<std::uint64_t>());
    std::sort(order.begin(), order.end());
    for (std::size_t i = 0; i < n; ++i)
        RC_ASSERT(order[i] == i);
}

RC_BOOST_PROP(a_cursor_is_its_global_step, ()) {
    const auto steps = *rc::gen::inRange<std::uint64_t>(1, 1000);
    const packkit::cursor at{*rc::gen::inRange<std::uint64_t>(0, 100),
                             *rc::gen::inRange<std::uint64_t>(0, steps)};
    RC_ASSERT(packkit::cursor::from_global_step(at.global_step(steps), steps) == at);
    RC_ASSERT(at.advance(steps).global_step(steps) == at.global_step(steps) + 1);
}

BOOST_AUTO_TEST_SUITE_END()
