// SPDX-License-Identifier: Apache-2.0
#include "thread_ranks.hpp"

#include <packkit/estimate/communication_formulas.hpp>
#include <packkit/torch/parallel/tensor_parallel.hpp>

#include <ATen/ATen.h>

#include <boost/test/unit_test.hpp>

#include <mutex>
#include <vector>

BOOST_AUTO_TEST_SUITE(tensor_parallel_test)

using namespace packkit;

namespace {

std::mutex checking;

/// Values without a pattern that a wrong slice would repeat.
at::Tensor values(at::IntArrayRef shape, double phase) {
    std::int64_t count = 1;
    for (const auto extent : shape)
        count *= extent;
    return at::sin(at::arange(0, count, at::kDouble).square() * 0.37 + phase).view(shape);
}

at::Tensor leaf(const at::Tensor& value) {
    return value.detach().clone().requires_grad_(true);
}

double difference(const at::Tensor& a, const at::Tensor& b) {
    if (a.sizes() != b.sizes()) return std::numeric_limits<double>::infinity();
    return a.numel() == 0 ? 0.0 : (a - b).abs().max().item<double>();
}

/// What this rank holds outside of a layer of the whole `x`: all, or its rows and zeros.
at::Tensor outside(const lt::tensor_parallel& tp, const at::Tensor& x) {
    if (!tp.sequence_parallel) return x;
    const auto rows = tp.rows(x.size(0));
    return lt::detail::padded_rows(x, rows * tp.size()).narrow(0, tp.rank() * rows, rows);
}

/// Runs body(tp) for 1, 2, 3, 4 and 8 ranks, with and without sequence parallelism.
void on_ranks(const std::function<void(const lt::tensor_parallel&)>& body) {
    for (const int ranks : {1, 2, 3, 4, 8}) {
        for (const bool sequence : {false, true}) {
            BOOST_TEST_CONTEXT(ranks << " ranks, sequence parallel " << sequence) {
                test::run_ranks(
                    ranks, [&](lt::communicator& group) { body({&group, sequence}); });
            }
        }
    }
}

constexpr std::int64_t tokens = 7, hidden = 6, inner = 5, vocabulary = 9;

struct feed_forward {
    at::Tensor x = leaf(values({tokens, hidden}, 1.0));
    at::Tensor up = leaf(values({inner, hidden}, 2.0));
    at::Tensor up_bias = leaf(values({inner}, 3.0));
    at::Tensor down = leaf(values({hidden, inner}, 4.0));
    at::Tensor down_bias = leaf(values({hidden}, 5.0));
};

}  // namespace

BOOST_AUTO_TEST_CASE(column_and_row_parallel_layers_are_one_layer) {
    feed_forward whole;
    const auto expected =
        at::linear(at::tanh(at::linear(whole.x, whole.up, whole.up_bias)), whole.down,
                   whole.down_bias);
    const auto upstream = values({tokens, hidden}, 6.0);
    expected.backward(upstream);

    on_ranks([&](const lt::tensor_parallel& tp) {
        const auto here = shard_of(inner, tp.size(), tp.rank());  // empty on the last
        const auto slice = [&](const at::Tensor& t, std::int64_t dimension) {
            return leaf(t.slice(dimension, here.begin, here.end));
        };
        const auto x = leaf(outside(tp, whole.x));
        const auto up = slice(whole.up, 0), up_bias = slice(whole.up_bias, 0);
        const auto down = slice(whole.down, 1), down_bias = leaf(whole.down_bias);
        const auto inside = at::tanh(
            lt::column_parallel_linear(lt::enter_parallel(tp, x, tokens), up, up_bias));
        const auto y = lt::row_parallel_linear(tp, inside, down, down_bias);
        // Padding gets the bias, and no gradient.
        auto wanted = outside(tp, expected.detach());
        const auto real = shard_of(tokens, tp.sequence_parallel ? tp.size() : 1,
                                   tp.sequence_parallel ? tp.rank() : 0)
                              .size();
        y.backward(outside(tp, upstream));
        auto bias_gradient = down_bias.grad().clone();
        if (tp.sequence_parallel) tp.group->all_reduce(bias_gradient).wait();

        const std::lock_guard lock(checking);
        BOOST_TEST(difference(y.narrow(0, 0, real), wanted.narrow(0, 0, real)) <= 1e-12);
        BOOST_TEST(difference(x.grad(), outside(tp, whole.x.grad())) <= 1e-12);
        const auto sliced = [&](const at::Tensor& t, std::int64_t dimension) {
            return t.grad().slice(dimension, here.begin, here.end);
        };
        BOOST_TEST(difference(up.grad(), sliced(whole.up, 0)) <= 1e-12);
        BOOST_TEST(difference(up_bias.grad(), sliced(whole.up_bias, 0)) <= 1e-12);
        BOOST_TEST(difference(down.grad(), sliced(whole.down, 1)) <= 1e-12);
        BOOST_TEST(difference(bias_gradient, whole.down_bias.grad()) <= 1e-12);
    });
}

BOOST_AUTO_TEST_CASE(an_embedding_is_the_sum_of_its_parts) {
    const auto whole = leaf(values({vocabulary, hidden}, 1.0));
    const auto ids = at::tensor({8, 0, 3, 3, 5, 1, 8}, at::kLong);
    const auto expected = at::embedding(whole, ids);
    const auto upstream = values({tokens, hidden}, 2.0);
    expected.backward(upstream);
    on_ranks([&](const lt::tensor_parallel& tp) {
        const auto rows = shard_of(vocabulary, tp.size(), tp.rank());
        const auto table = leaf(whole.slice(0, rows.begin, rows.end));
        const auto y = lt::vocabulary_parallel_embedding(tp, table, rows, ids);
        y.backward(outside(tp, upstream));
        const std::lock_guard lock(checking);
        BOOST_TEST(difference(y, outside(tp, expected.detach())) == 0.0);
        BOOST_TEST(difference(table.grad(),
                              whole.grad().slice(0, rows.begin, rows.end)) <= 1e-12);
    });
}

BOOST_AUTO_TEST_CASE(features_side_by_side) {
    const auto whole = values({2, tokens, inner}, 1.0);
    on_ranks([&](const lt::tensor_parallel& tp) {
        const auto here = shard_of(inner, tp.size(), tp.rank());
        const auto x = leaf(whole.slice(2, here.begin, here.end));
        const auto all = lt::gather_features(tp, x, inner);
        // Rank r looks at its own multiple.
        const auto upstream = values({2, tokens, inner}, 2.0);
        all.backward(upstream * static_cast<double>(tp.rank() + 1));
        const auto times = static_cast<double>(tp.size() * (tp.size() + 1) / 2);
        const std::lock_guard lock(checking);
        BOOST_TEST(difference(all, whole) == 0.0);
        BOOST_TEST(difference(x.grad(),
                              times * upstream.slice(2, here.begin, here.end)) <= 1e-12);
    });
}

BOOST_AUTO_TEST_CASE(the_padding_row_of_an_embedding_gets_no_gradient) {
    const auto ids = at::tensor({1, 4, 8, 4, 0, 8, 5}, at::kLong);
    for (const std::int64_t padding : {0, 4, 8}) {
        const auto whole = leaf(values({vocabulary, hidden}, 1.0));
        const auto expected = at::embedding(whole, ids, padding);
        const auto upstream = values({tokens, hidden}, 2.0);
        (expected * upstream).sum().backward();
        BOOST_TEST(whole.grad()[padding].abs().sum().item<double>() == 0.0);
        on_ranks([&](const lt::tensor_parallel& tp) {
            const auto here = shard_of(vocabulary, tp.size(), tp.rank());
            const auto table =
                leaf(values({vocabulary, hidden}, 1.0).slice(0, here.begin, here.end));
            const auto x =
                lt::vocabulary_parallel_embedding(tp, table, here, ids, padding);
            (x * outside(tp, upstream)).sum().backward();
            const std::lock_guard lock(checking);
            BOOST_TEST(difference(x.detach(), outside(tp, expected.detach())) <= 1e-12);
            BOOST_TEST(difference(table.grad(),
                                  whole.grad().slice(0, here.begin, here.end)) <= 1e-12);
        });
    }
}

BOOST_AUTO_TEST_CASE(alone_nothing_is_sent_and_no_bit_changes) {
    const auto x = leaf(values({tokens, hidden}, 1.0));
    for (const lt::tensor_parallel tp :
         {lt::tensor_parallel{}, lt::tensor_parallel{nullptr, true}}) {
        BOOST_TEST(lt::enter_parallel(tp, x, tokens).is_same(x));
        BOOST_TEST(lt::leave_parallel(tp, x).is_same(x));
        BOOST_TEST(lt::gather_features(tp, x, hidden).is_same(x));
    }
    on_ranks([&](const lt::tensor_parallel& tp) {
        if (tp.size() > 1) return;
        BOOST_TEST(lt::enter_parallel(tp, x, tokens).is_same(x));
        BOOST_TEST(tp.group->sent().collectives == 0);
    });
}

BOOST_AUTO_TEST_CASE(bytes_of_a_layer) {
    on_ranks([&](const lt::tensor_parallel& tp) {
        const auto x = leaf(outside(tp, values({tokens, hidden}, 1.0)));
        const auto y = lt::leave_parallel(tp, lt::enter_parallel(tp, x, tokens) * 2.0);
        y.backward(at::ones_like(y));
        const auto& sent = tp.group->sent();
        const auto reduced = all_reduce_bytes(tokens * hidden, 8, tp.size());
        const auto moved = gather_bytes(tp.rows(tokens) * hidden, 8, tp.size());
        const std::lock_guard lock(checking);
        // Forward and backward one of each.
        BOOST_TEST(sent[lt::collective::all_reduce] ==
                   (tp.sequence_parallel ? 0 : 2 * reduced));
        BOOST_TEST(sent[lt::collective::all_gather] ==
                   (tp.sequence_parallel ? 2 * moved : 0));
        BOOST_TEST(sent[lt::collective::reduce_scatter] ==
                   (tp.sequence_parallel ? 2 * moved : 0));
    });
}

BOOST_AUTO_TEST_CASE(rows_that_do_not_fit_are_refused) {
    test::run_ranks(2, [&](lt::communicator& group) {
        const auto x = at::zeros({tokens, hidden});
        const std::lock_guard lock(checking);
        BOOST_CHECK_EXCEPTION(
            static_cast<void>(lt::enter_parallel({&group, true}, x, tokens)),
            invalid_argument, [](const invalid_argument& fault) {
                return std::string(fault.what()).find("7 rows, expected 4 of 7 tokens") !=
                       std::string::npos;
            });
    });
}

BOOST_AUTO_TEST_CASE(no_tokens_at_all) {
    on_ranks([&](const lt::tensor_parallel& tp) {
        const auto x = leaf(at::zeros({0, hidden}, at::kDouble));
        const auto y = lt::leave_parallel(tp, lt::enter_parallel(tp, x, 0));
        y.sum().backward();
        const std::lock_guard lock(checking);
        BOOST_TEST(y.numel() == 0);
        BOOST_TEST(x.grad().numel() == 0);
    });
}

BOOST_AUTO_TEST_SUITE_END()
