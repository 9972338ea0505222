// SPDX-License-Identifier: Apache-2.0
#include "thread_ranks.hpp"

#include <packkit/torch/communication/reproducible_sum.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <vector>

BOOST_AUTO_TEST_SUITE(reproducible_sum_test)

namespace lt = packkit::lt;
namespace test = packkit::test;

namespace {

std::mutex checking;

/// Terms whose sum depends on the order of addition.
at::Tensor term(std::int64_t i) {
    const auto at = at::arange(0, 37, at::kFloat) + static_cast<double>(i) * 37.0;
    return at::sin(at * 12.9898) * at::pow(10.0, at::remainder(at, 7.0));
}

/// The definition: halves of the terms by their last bits, the partner of i is i + n/2.
at::Tensor tree(const std::vector<at::Tensor>& terms) {
    if (terms.size() == 1) return terms[0];
    std::vector<at::Tensor> sums;
    for (std::size_t i = 0; i < terms.size() / 2; ++i)
        sums.push_back(terms[i] + terms[i + terms.size() / 2]);
    return tree(sums);
}

}  // namespace

BOOST_AUTO_TEST_CASE(reverses_bits_of_powers_of_two_only) {
    BOOST_TEST(lt::bit_reversed(0, 1) == 0);
    const std::vector<std::int64_t> of_eight{0, 4, 2, 6, 1, 5, 3, 7};
    for (std::int64_t i = 0; i < 8; ++i) {
        BOOST_TEST(lt::bit_reversed(i, 8) == of_eight[static_cast<std::size_t>(i)]);
        BOOST_TEST(lt::bit_reversed(lt::bit_reversed(i, 8), 8) == i);
    }
    for (const std::int64_t count : {0, -1, 3, 6, 12})
        BOOST_CHECK_THROW(static_cast<void>(lt::bit_reversed(0, count)),
                          packkit::invalid_argument);
}

BOOST_AUTO_TEST_CASE(the_same_bits_however_terms_are_spread) {
    for (const std::int64_t terms : {1, 2, 4, 8, 16}) {
        std::vector<at::Tensor> all;
        for (std::int64_t i = 0; i < terms; ++i)
            all.push_back(term(i));
        const auto expected = tree(all);
        if (terms == 16) {
            // The order counts here: one after the other gives something else.
            auto in_order = at::zeros_like(expected);
            for (const auto& one : all)
                in_order.add_(one);
            BOOST_TEST(!in_order.equal(expected));
        }
        for (std::int64_t ranks = 1; ranks <= terms; ranks *= 2) {
            const auto micro_steps = terms / ranks;
            test::run_ranks(static_cast<int>(ranks), [&](lt::communicator& group) {
                const auto mine = [&] {
                    lt::tree_sum sum;
                    for (std::int64_t m = 0; m < micro_steps; ++m)
                        sum.add(term(lt::bit_reversed(m, micro_steps) * ranks +
                                     group.rank()));
                    return sum.take();
                };
                const auto everywhere = mine();
                lt::canonical_all_reduce(group, everywhere);
                // 37 elements do not divide: pad as sharded parameters do.
                const auto chunk = (37 + ranks - 1) / ranks;
                const auto padded = at::zeros({ranks * chunk}, at::kFloat);
                padded.narrow(0, 0, 37).copy_(mine());
                const auto part = at::empty({chunk}, at::kFloat);
                lt::canonical_reduce_scatter(group, part, padded);
                const std::lock_guard lock(checking);
                BOOST_TEST(everywhere.equal(expected));
                const auto begin = std::min<std::int64_t>(37, group.rank() * chunk);
                const auto count = std::min<std::int64_t>(37, begin + chunk) - begin;
                BOOST_TEST(
                    part.narrow(0, 0, count).equal(expected.narrow(0, begin, count)));
            });
        }
    }
}

BOOST_AUTO_TEST_CASE(sends_as_much_as_the_sums_in_rank_order) {
    test::run_ranks(4, [](lt::communicator& group) {
        const auto tensor = at::ones({37}, at::kFloat);
        lt::canonical_all_reduce(group, tensor);
        const auto& sent = group.sent();
        const auto bytes =
            sent[lt::collective::all_to_all] + sent[lt::collective::all_gather];
        group.all_reduce(tensor).wait();
        const std::lock_guard lock(checking);
        BOOST_TEST(bytes == group.sent()[lt::collective::all_reduce]);
    });
}

BOOST_AUTO_TEST_SUITE_END()
