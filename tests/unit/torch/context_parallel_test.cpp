// SPDX-License-Identifier: Apache-2.0
// Attention of a row split between ranks against the same row on one, for both variants;
// bytes sent against those of the split.
#include "thread_ranks.hpp"

#include <packkit/sequence/cu_seqlens.hpp>
#include <packkit/torch/parallel/context_parallel.hpp>
#include <packkit/utility/random.hpp>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <mutex>
#include <vector>

BOOST_AUTO_TEST_SUITE(context_parallel_test)

using namespace packkit;
using lt::collective;

namespace {

std::mutex checking;

/// q, k, v, and fixed directions for the gradients of out and lse.
struct inputs {
    at::Tensor q, k, v, dout, dlse;
};

inputs random_inputs(std::int64_t total, std::int64_t heads, std::int64_t kv_heads,
                     std::int64_t width, at::ScalarType dtype = at::kDouble) {
    at::manual_seed(11);
    const auto make = [&](std::int64_t h) {
        return at::randn({total, h, width}, at::kDouble).to(dtype);
    };
    return {make(heads), make(kv_heads), make(kv_heads), make(heads),
            at::randn({heads, total}, at::kDouble)
                .to(dtype == at::kDouble ? at::kDouble : at::kFloat)};
}

struct outcome {
    at::Tensor out, lse, dq, dk, dv;
};

/// Attention and gradients of the rows that `take` picks (dimension to pick along).
template <class Take, class Attention>
outcome evaluate(const inputs& in, Take take, Attention attention) {
    const auto leaf = [&](const at::Tensor& t) {
        return take(t, 0).requires_grad_(true);
    };
    const auto q = leaf(in.q), k = leaf(in.k), v = leaf(in.v);
    const lt::attention_with_lse made = attention(q, k, v);
    const auto sum =
        (made.out * take(in.dout, 0)).sum() + (made.lse * take(in.dlse, 1)).sum();
    const auto g = torch::autograd::grad({sum}, {q, k, v});
    return {made.out.detach(), made.lse.detach(), g[0], g[1], g[2]};
}

double difference(const at::Tensor& a, const at::Tensor& b) {
    if (a.numel() == 0) return 0;
    return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

double worst(const outcome& a, const outcome& b) {
    return std::max({difference(a.out, b.out), difference(a.lse, b.lse),
                     difference(a.dq, b.dq), difference(a.dk, b.dk),
                     difference(a.dv, b.dv)});
}

bool same_bits(const outcome& a, const outcome& b) {
    return at::equal(a.out, b.out) && at::equal(a.lse, b.lse) && at::equal(a.dq, b.dq) &&
           at::equal(a.dk, b.dk) && at::equal(a.dv, b.dv);
}

outcome on_one_rank(const inputs& in, std::vector<std::int32_t> boundaries,
                    const lt::attention_options& options) {
    const lt::document_layout layout(std::move(boundaries));
    return evaluate(
        in, [](const at::Tensor& t, std::int64_t) { return t.detach().clone(); },
        [&](auto& q, auto& k, auto& v) {
            return lt::varlen_attention_with_lse(q, k, v, layout, layout, options);
        });
}

/// The largest difference between the ranks' results and `expected`; checks that each
/// rank sent what the split says.
double on_ranks(const inputs& in, const context_split& split, const outcome& expected,
                context_variant variant, const lt::attention_options& options) {
    double most = 0;
    const context_exchange exchange(split, options.window);
    test::run_ranks(static_cast<int>(split.ranks()), [&](lt::communicator& group) {
        const auto rank = static_cast<std::size_t>(group.rank());
        const auto rows = at::tensor(split.row_positions(rank), at::kLong);
        const auto take = [&](const at::Tensor& t, std::int64_t dim) {
            return t.detach().index_select(dim, rows);
        };
        const lt::context_layout layout(split, group, variant);
        const auto attend = [&](auto& q, auto& k, auto& v) {
            return lt::context_attention_with_lse(q, k, v, layout, options);
        };
        const auto found = evaluate(in, take, attend);
        const auto sent = group.sent();
        // Long rows once: the same bits do not depend on the length.
        const bool twice = in.q.size(0) < 1000;
        const auto again = twice ? evaluate(in, take, attend) : found;
        const auto predicted =
            context_traffic(exchange, rank, variant,
                            2 * in.k.size(1) * in.k.size(2) *
                                static_cast<std::int64_t>(in.k.element_size()));

        const std::lock_guard lock(checking);
        most = std::max(most, worst(found, {take(expected.out, 0), take(expected.lse, 1),
                                            take(expected.dq, 0), take(expected.dk, 0),
                                            take(expected.dv, 0)}));
        BOOST_TEST(same_bits(found, again));
        BOOST_TEST(sent[collective::all_to_all] == predicted.all_to_all);
        BOOST_TEST(sent[collective::send_recv] == predicted.send_recv);
        BOOST_TEST(sent.collectives == predicted.collectives);
    });
    return most;
}

constexpr context_variant both[] = {context_variant::gather, context_variant::ring};

/// Every rank has some of the slices, one after the other.
context_split dealt(const std::vector<std::int32_t>& boundaries, std::size_t ranks,
                    std::int32_t slice) {
    std::vector<std::vector<document_slice>> slices(ranks);
    std::size_t next = 0;
    for (std::size_t d = 0; d + 1 < boundaries.size(); ++d) {
        const auto length = boundaries[d + 1] - boundaries[d];
        for (std::int32_t i = 0; i < length; i += slice) {
            slices[next++ % ranks].push_back(
                {static_cast<std::int32_t>(d), i, std::min(length, i + slice)});
        }
    }
    return {boundaries, std::move(slices)};
}

}  // namespace

BOOST_AUTO_TEST_CASE(parts_are_merged_by_their_log_sum_exp) {
    const auto in = random_inputs(60, 4, 2, 8);
    const lt::attention_options options{.causal = false};
    const auto over = [&](std::int64_t begin, std::int64_t end) {
        return lt::varlen_attention_with_lse(
            in.q, in.k.slice(0, begin, end), in.v.slice(0, begin, end),
            lt::document_layout({0, 60}),
            lt::document_layout({0, static_cast<std::int32_t>(end - begin)}), options);
    };
    const auto whole = over(0, 60);
    const auto merged =
        lt::merge_attention(lt::merge_attention(over(0, 7), over(7, 8)), over(8, 60));
    BOOST_TEST(difference(whole.out, merged.out) <= 1e-14);
    BOOST_TEST(difference(whole.lse, merged.lse) <= 1e-14);
    // Large scores do not overflow.
    const lt::attention_with_lse high{in.q, at::full({4, 60}, 2000.0, at::kDouble)};
    const lt::attention_with_lse low{-in.q, at::full({4, 60}, -2000.0, at::kDouble)};
    BOOST_TEST(at::equal(lt::merge_attention(low, high).out, in.q));
    // No key in one part, or in both.
    const auto nothing = over(0, 0);
    BOOST_TEST(difference(lt::merge_attention(whole, nothing).out, whole.out) == 0);
    BOOST_TEST(difference(lt::merge_attention(nothing, whole).lse, whole.lse) == 0);
    const auto none = lt::merge_attention(nothing, nothing);
    BOOST_TEST(at::equal(none.out, at::zeros_like(none.out)));
    BOOST_TEST(none.lse.eq(-std::numeric_limits<double>::infinity()).all().item<bool>());
    BOOST_CHECK_THROW((void)lt::merge_attention(
                          whole, {whole.out.narrow(0, 0, 5), whole.lse.narrow(1, 0, 5)}),
                      invalid_argument);
}

BOOST_AUTO_TEST_CASE(documents_of_1_to_3000_tokens) {
    const auto boundaries =
        packkit::cu_seqlens(std::vector<std::int32_t>{3, 2100, 1, 700, 57, 3000, 240});
    const auto in = random_inputs(boundaries.back(), 4, 2, 8);
    const lt::attention_options options;
    const auto expected = on_one_rank(in, boundaries, options);
    for (const std::size_t ranks : {2U, 4U, 8U}) {
        const auto split = split_context(boundaries, ranks);
        for (const auto variant : both) {
            const double most = on_ranks(in, split, expected, variant, options);
            BOOST_TEST_MESSAGE(ranks << " ranks: difference " << most);
            BOOST_TEST(most <= 1e-12);
        }
        std::int64_t most_pairs = 0, pairs = 0;
        for (std::size_t rank = 0; rank < ranks; ++rank) {
            most_pairs = std::max(most_pairs, split.causal_pairs(rank));
            pairs += split.causal_pairs(rank);
        }
        BOOST_TEST(static_cast<double>(most_pairs) * static_cast<double>(ranks) <=
                   1.05 * static_cast<double>(pairs));
    }
}

BOOST_AUTO_TEST_CASE(any_split_heads_window_and_cap) {
    const auto boundaries =
        packkit::cu_seqlens(std::vector<std::int32_t>{40, 1, 0, 130, 7, 2});
    for (const auto& [heads, kv_heads] :
         {std::pair{4, 4}, std::pair{4, 2}, std::pair{3, 1}}) {
        const auto in = random_inputs(boundaries.back(), heads, kv_heads, 16);
        for (const lt::attention_options& options :
             {lt::attention_options{}, lt::attention_options{.window = 9},
              lt::attention_options{.scale = 0.3, .window = 50, .softcap = 2.0},
              lt::attention_options{.softcap = 5.0}}) {
            const auto expected = on_one_rank(in, boundaries, options);
            for (const auto& split :
                 {split_context(boundaries, 3), dealt(boundaries, 3, 6),
                  split_context(boundaries, 2, head_tail_split{}),
                  split_context(boundaries, 4, contiguous_split{}),
                  dealt(boundaries, 2, 1)}) {
                for (const auto variant : both) {
                    BOOST_TEST(on_ranks(in, split, expected, variant, options) <= 1e-12);
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(documents_on_one_rank_send_nothing) {
    const auto boundaries =
        packkit::cu_seqlens(std::vector<std::int32_t>{30, 31, 29, 30, 15, 15});
    const auto in = random_inputs(boundaries.back(), 4, 2, 8);
    const auto split = split_context(boundaries, 2);
    const auto expected = on_one_rank(in, boundaries, {});
    for (const auto variant : both) {
        test::run_ranks(2, [&](lt::communicator& group) {
            const auto rows = at::tensor(
                split.row_positions(static_cast<std::size_t>(group.rank())), at::kLong);
            const auto take = [&](const at::Tensor& t, std::int64_t dim) {
                return t.index_select(dim, rows);
            };
            const lt::context_layout layout(split, group, variant);
            const auto found = evaluate(in, take, [&](auto& q, auto& k, auto& v) {
                return lt::context_attention_with_lse(q, k, v, layout, {});
            });
            const std::lock_guard lock(checking);
            BOOST_TEST(group.sent().collectives == 0);
            BOOST_TEST(difference(found.dk, take(expected.dk, 0)) <= 1e-14);
        });
    }
}

BOOST_AUTO_TEST_CASE(ranks_without_tokens_take_part) {
    const std::vector<std::int32_t> boundaries{0, 12};
    const auto in = random_inputs(12, 2, 1, 8);
    const auto expected = on_one_rank(in, boundaries, {});
    const context_split split(boundaries, {{{0, 0, 5}}, {}, {{0, 5, 12}}});
    for (const auto variant : both)
        BOOST_TEST(on_ranks(in, split, expected, variant, {}) <= 1e-14);
}

BOOST_AUTO_TEST_CASE(bfloat16_is_summed_in_float32) {
    const auto boundaries = packkit::cu_seqlens(std::vector<std::int32_t>{600, 20});
    const auto in = random_inputs(boundaries.back(), 4, 2, 32, at::kBFloat16);
    const inputs wide{in.q.to(at::kDouble), in.k.to(at::kDouble), in.v.to(at::kDouble),
                      in.dout.to(at::kDouble), in.dlse.to(at::kDouble)};
    const auto exact = on_one_rank(wide, boundaries, {});
    const double alone = worst(on_one_rank(in, boundaries, {}), exact);
    for (const auto variant : both) {
        const auto split = split_context(boundaries, 4);
        const double most = on_ranks(in, split, exact, variant, {});
        BOOST_TEST_MESSAGE("bfloat16, one rank: " << alone << ", four: " << most);
        BOOST_TEST(most <= 2 * alone);
    }
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused) {
    lt::single_communicator alone("cp");
    const std::vector<std::int32_t> boundaries{0, 8};
    BOOST_CHECK_THROW(lt::context_layout(split_context(boundaries, 2), alone),
                      invalid_argument);
    const lt::context_layout layout(split_context(boundaries, 1), alone);
    const auto in = random_inputs(8, 2, 1, 8);
    BOOST_TEST(difference(lt::context_attention(in.q, in.k, in.v, layout, {}),
                          on_one_rank(in, boundaries, {}).out) == 0);
    BOOST_CHECK_THROW(
        (void)lt::context_attention(in.q, in.k, in.v, layout, {.causal = false}),
        invalid_argument);
    BOOST_CHECK_THROW(
        (void)lt::context_attention(in.q.narrow(0, 0, 7), in.k, in.v, layout, {}),
        invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()
