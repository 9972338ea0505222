// SPDX-License-Identifier: Apache-2.0
#include "counted_memory.hpp"
#include "expect.hpp"
#include "thread_ranks.hpp"

#include <packkit/mesh/shard.hpp>
#include <packkit/torch/memory/memory_counter.hpp>
#include <packkit/torch/ops/cross_entropy.hpp>
#include <packkit/torch/ops/linear_cross_entropy.hpp>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <vector>

BOOST_AUTO_TEST_SUITE(linear_cross_entropy_test,
                      *boost::unit_test::fixture<packkit::test::reproducible_products>() *
                          boost::unit_test::fixture<packkit::test::counted_memory>())

using namespace packkit;

namespace {

struct problem {
    at::Tensor x, weight, targets;
};

/// Logits of size 1 to 3; a share of the rows has no target.
problem random_problem(std::int64_t rows, std::int64_t hidden, std::int64_t vocab,
                       at::ScalarType dtype = at::kDouble, double without = 0.25) {
    problem made;
    made.x = at::randn({rows, hidden}, at::kDouble).to(dtype);
    made.weight = at::randn({vocab, hidden}, at::kDouble)
                      .mul(2 / std::sqrt(static_cast<double>(hidden)))
                      .to(dtype);
    made.targets = at::randint(vocab, {rows}, at::kLong);
    made.targets.masked_fill_(at::rand({rows}) < without, -100);
    return made;
}

struct outcome {
    double loss = 0;
    at::Tensor x, weight;
};

constexpr double upstream = 1.0 / 7;

template <class Loss>
outcome differentiated(const problem& p, Loss loss) {
    const auto x = p.x.detach().requires_grad_(true);
    const auto weight = p.weight.detach().requires_grad_(true);
    const auto sum = loss(x, weight);
    // Called by ranks, too, and Boost.Test does not know threads.
    if (sum.scalar_type() != at::kDouble) throw std::logic_error("loss is no float64");
    const auto gradients = torch::autograd::grad({sum * upstream}, {x, weight});
    return {sum.template item<double>(), gradients[0], gradients[1]};
}

outcome chunked(const problem& p, const lt::linear_cross_entropy_options& options = {}) {
    return differentiated(p, [&](const at::Tensor& x, const at::Tensor& weight) {
        return lt::linear_cross_entropy_sum(x, weight, p.targets, options);
    });
}

/// All logits at once, differentiated by autograd.
outcome plain(const problem& p, double softcap = 0) {
    return differentiated(p, [&](const at::Tensor& x, const at::Tensor& weight) {
        auto logits = at::linear(x, weight);
        if (softcap > 0) logits = at::tanh(logits / softcap) * softcap;
        return at::nll_loss(at::log_softmax(logits, -1), p.targets, {},
                            at::Reduction::Sum, -100)
            .to(at::kDouble);
    });
}

/// Of numbers as large as `b`'s largest.
double deviation(const at::Tensor& a, const at::Tensor& b) {
    if (a.numel() == 0) return a.sizes() == b.sizes() ? 0 : 1;
    const auto wide = b.to(at::kDouble);
    const double size = wide.abs().max().item<double>();
    return (a.to(at::kDouble) - wide).abs().max().item<double>() /
           (size > 0 ? size : 1.0);
}

double deviation(const outcome& a, const outcome& b) {
    const double loss = std::abs(a.loss - b.loss) / std::max(std::abs(b.loss), 1.0);
    return std::max({loss, deviation(a.x, b.x), deviation(a.weight, b.weight)});
}

bool same_bits(const outcome& a, const outcome& b) {
    return a.loss == b.loss && a.x.equal(b.x) && a.weight.equal(b.weight);
}

}  // namespace

BOOST_AUTO_TEST_CASE(is_the_plain_form_in_float64) {
    at::manual_seed(1);
    for (const std::int64_t rows : {1, 2, 7, 33, 100}) {
        for (const std::int64_t vocab : {1, 7, 16, 17, 100, 1030, 9001}) {
            if (vocab > 9000 && rows > 33) continue;
            for (const double softcap : {0.0, 1.5}) {
                for (const std::int64_t chunk : {1, 6, 33, 4096}) {
                    if (chunk == 1 && rows * vocab > 10000) continue;
                    const auto p = random_problem(rows, 1 + rows % 24, vocab);
                    const auto found =
                        chunked(p, {.softcap = softcap, .chunk_rows = chunk});
                    BOOST_TEST(deviation(found, plain(p, softcap)) <= 1e-13,
                               rows << " rows, vocabulary " << vocab << ", cap "
                                    << softcap << ", chunk " << chunk);
                    BOOST_TEST(
                        found.x.index({p.targets.eq(-100)}).eq(0).all().item<bool>());
                }
            }
        }
    }
}

// The softmax of float32 logits is within some units in the last place; sums over the
// vocabulary and over rows add their square root. bfloat16 rounds logits, their gradient
// and results to 2^-9 of themselves, the plain form (on the same numbers) likewise: two
// such ways differ by a few of these steps in the largest elements.
BOOST_AUTO_TEST_CASE(is_the_plain_form_in_less_precision) {
    at::manual_seed(2);
    for (const double softcap : {0.0, 2.0}) {
        for (const std::int64_t vocab : {50, 5003}) {
            const auto exact = random_problem(70, 48, vocab);
            const auto narrow = [&](at::ScalarType dtype) {
                return problem{exact.x.to(dtype), exact.weight.to(dtype), exact.targets};
            };
            const auto widened = [&](at::ScalarType dtype) {
                auto p = narrow(dtype);
                return problem{p.x.to(at::kDouble), p.weight.to(at::kDouble), p.targets};
            };
            const lt::linear_cross_entropy_options options{.softcap = softcap,
                                                           .chunk_rows = 16};
            for (const auto& [dtype, tolerance] :
                 {std::pair(at::kFloat, 3e-6), std::pair(at::kBFloat16, 1.2e-2)}) {
                const auto found = chunked(narrow(dtype), options);
                BOOST_TEST(found.x.scalar_type() == dtype);
                BOOST_TEST(found.weight.scalar_type() == dtype);
                BOOST_TEST(deviation(found, plain(widened(dtype), softcap)) <= tolerance);
            }
        }
    }
}

// The loss of bfloat16 logits is that of LibTorch on the same logits, widened.
BOOST_AUTO_TEST_CASE(bfloat16_is_as_close_to_float64_as_a_linear_layer_in_bfloat16) {
    at::manual_seed(3);
    const auto p = random_problem(200, 64, 3000, at::kBFloat16);
    const problem exact{p.x.to(at::kDouble), p.weight.to(at::kDouble), p.targets};
    const auto right = plain(exact);
    const auto theirs = differentiated(p, [&](const at::Tensor& x, const at::Tensor& w) {
        return lt::cross_entropy_sum(at::linear(x, w), p.targets);
    });
    const auto ours = chunked(p, {.chunk_rows = 32});
    const auto error = [&](const at::Tensor& found, const at::Tensor& expected) {
        return (found.to(at::kDouble) - expected).norm().item<double>() /
               expected.norm().item<double>();
    };
    BOOST_TEST(std::abs(ours.loss - theirs.loss) <= 1e-5 * theirs.loss);
    BOOST_TEST(error(ours.x, right.x) <= 1.5 * error(theirs.x, right.x));
    BOOST_TEST(error(ours.weight, right.weight) <=
               1.5 * error(theirs.weight, right.weight));
}

BOOST_AUTO_TEST_CASE(every_instruction_set_computes_the_same) {
    at::manual_seed(4);
    const auto check = [](auto storage, at::ScalarType dtype, double tolerance) {
        using stored = decltype(storage);
        const auto p = random_problem(40, 24, 2111, dtype);
        for (const double softcap : {0.0, 3.0}) {
            const lt::linear_cross_entropy_options options{.softcap = softcap,
                                                           .chunk_rows = 16};
            const auto by = [&](const lt::detail::token_loss_kernels<stored>& kernels) {
                const auto found = lt::detail::chunked_loss_by(
                    p.x, p.weight, p.targets, options, {true, true}, kernels);
                return outcome{found.sum.template item<double>(), found.x_gradient,
                               found.weight_gradient};
            };
            const auto all = lt::detail::available_loss_kernels<stored>();
            for (const auto& kernels : all)
                BOOST_TEST(deviation(by(kernels), by(all.back())) <= tolerance,
                           lt::to_string(kernels.set)
                               << " and " << lt::to_string(all.back().set));
        }
    };
    check(double{}, at::kDouble, 1e-14);
    check(float{}, at::kFloat, 2e-6);
    check(lt::detail::bf16{}, at::kBFloat16, 1e-2);
}

// What runs on a GPU.
BOOST_AUTO_TEST_CASE(the_form_of_libtorchs_operations_computes_the_same) {
    at::manual_seed(5);
    for (const double softcap : {0.0, 1.5}) {
        for (const auto& [dtype, tolerance] :
             {std::pair(at::kDouble, 1e-13), std::pair(at::kFloat, 3e-6),
              std::pair(at::kBFloat16, 1e-2)}) {
            const auto p = random_problem(50, 16, 777, dtype);
            const lt::linear_cross_entropy_options options{.softcap = softcap,
                                                           .chunk_rows = 16};
            const auto of = [](const lt::detail::chunked_loss& loss) {
                return outcome{loss.sum.item<double>(), loss.x_gradient,
                               loss.weight_gradient};
            };
            const auto anywhere = of(lt::detail::chunked_loss_anywhere(
                p.x, p.weight, p.targets, options, {true, true}));
            const auto on_cpu = of(lt::detail::chunked_loss_on_cpu(
                p.x, p.weight, p.targets, options, {true, true}));
            BOOST_TEST(deviation(anywhere, on_cpu) <= tolerance);
            BOOST_TEST(anywhere.weight.scalar_type() == on_cpu.weight.scalar_type());
        }
    }
}

BOOST_AUTO_TEST_CASE(the_same_bits_on_any_number_of_threads) {
    at::manual_seed(6);
    const int threads = at::get_num_threads();
    for (const auto dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
        const auto p = random_problem(90, 32, 20011, dtype);
        std::vector<outcome> found;
        for (const int count : {1, 2, 3, 5}) {
            at::set_num_threads(count);
            found.push_back(chunked(p, {.chunk_rows = 64}));
            BOOST_TEST(same_bits(found.front(), found.back()), count << " threads");
        }
        at::set_num_threads(threads);
        BOOST_TEST(same_bits(found.front(), chunked(p, {.chunk_rows = 64})));
    }
}

BOOST_AUTO_TEST_CASE(rows_without_a_target_count_for_nothing) {
    at::manual_seed(7);
    for (const std::int64_t rows : {0, 1, 40}) {
        const auto p = random_problem(rows, 8, 30, at::kFloat, /*without=*/2);
        const auto found = chunked(p);
        BOOST_TEST(found.loss == 0.0);
        BOOST_TEST(found.x.eq(0).all().item<bool>());
        BOOST_TEST(found.weight.eq(0).all().item<bool>());
        BOOST_TEST((found.x.sizes() == p.x.sizes()));
    }
    // Nor does what stands in them.
    auto p = random_problem(40, 8, 30);
    const auto before = chunked(p);
    p.x.masked_fill_(p.targets.eq(-100).unsqueeze(1),
                     std::numeric_limits<double>::quiet_NaN());
    BOOST_TEST(same_bits(chunked(p), before));
    // Another value may mean that there is none.
    p = random_problem(40, 8, 30);
    const auto usual = chunked(p);
    p.targets.masked_fill_(p.targets.eq(-100), 1000);
    BOOST_TEST(same_bits(chunked(p, {.ignore_index = 1000}), usual));
}

BOOST_AUTO_TEST_CASE(only_what_is_asked_for_is_computed) {
    at::manual_seed(8);
    const auto p = random_problem(30, 8, 500, at::kFloat);
    const auto both = chunked(p);
    {
        const at::NoGradGuard none;
        const auto loss = lt::linear_cross_entropy_sum(p.x, p.weight, p.targets);
        BOOST_TEST(loss.item<double>() == both.loss);
        BOOST_TEST(!loss.requires_grad());
    }
    const auto x = p.x.detach().requires_grad_(true);
    const auto frozen = lt::linear_cross_entropy_sum(x, p.weight, p.targets) * upstream;
    BOOST_TEST(torch::autograd::grad({frozen}, {x})[0].equal(both.x));
    const auto weight = p.weight.detach().requires_grad_(true);
    const auto first = lt::linear_cross_entropy_sum(p.x, weight, p.targets) * upstream;
    BOOST_TEST(torch::autograd::grad({first}, {weight})[0].equal(both.weight));
    // The record is spent by the first backward.
    const auto loss = lt::linear_cross_entropy_sum(x, weight, p.targets);
    const auto once = torch::autograd::grad({loss}, {x, weight}, {}, true);
    BOOST_CHECK_THROW(torch::autograd::grad({loss}, {x}), std::exception);
}

BOOST_AUTO_TEST_CASE(infinities_and_nans_are_not_hidden) {
    for (const auto dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
        for (const double bad : {std::numeric_limits<double>::quiet_NaN(),
                                 std::numeric_limits<double>::infinity()}) {
            at::manual_seed(9);
            const auto p = random_problem(20, 8, 700, dtype, 0);
            p.weight[333].fill_(bad);
            BOOST_TEST(!std::isfinite(chunked(p).loss));
        }
        // Logits beyond e^x's range are no infinities.
        at::manual_seed(9);
        auto p = random_problem(20, 8, 700, dtype, 0);
        p.x.mul_(300);
        BOOST_TEST(std::isfinite(chunked(p).loss));
    }
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused) {
    const auto p = random_problem(5, 8, 30, at::kFloat, 0);
    const auto refused = [&](auto change, std::string_view one, std::string_view other) {
        problem changed{p.x.clone(), p.weight.clone(), p.targets.clone()};
        lt::linear_cross_entropy_options options;
        change(changed, options);
        expect::message_of<invalid_argument>(
            [&] {
                return lt::linear_cross_entropy_sum(changed.x, changed.weight,
                                                    changed.targets, options);
            },
            one, other);
    };
    refused([](auto& c, auto&) { c.targets[3] = 30; }, "target 30 of row 3", "30");
    refused([](auto& c, auto&) { c.targets[0] = -1; }, "target -1 of row 0", "30");
    refused([](auto& c, auto&) { c.x = c.x.narrow(1, 0, 7); }, "(5, 7)", "(30, 8)");
    refused([](auto& c, auto&) { c.x = c.x.to(at::kDouble); }, "Double", "Float");
    refused([](auto& c, auto&) { c.targets = c.targets.narrow(0, 0, 4); }, "(4)",
            "(5, 8)");
    refused([](auto& c, auto&) { c.targets = c.targets.to(at::kInt); }, "Int", "int64");
    refused([](auto&, auto& o) { o.chunk_rows = 0; }, "chunk_rows", "0");
    refused([](auto&, auto& o) { o.first_token = 3; }, "3", "33");
    refused(
        [](auto& c, auto&) {
            c.x = c.x.to(at::kInt);
            c.weight = c.weight.to(at::kInt);
        },
        "Int", "float32");
}

BOOST_AUTO_TEST_CASE(ranks_that_split_the_vocabulary_find_the_same) {
    std::mutex checking;
    for (const std::int64_t vocab : {1, 3, 50, 1601}) {
        for (const double softcap : {0.0, 1.5}) {
            at::manual_seed(10);
            const auto p = random_problem(37, 12, vocab);
            const auto whole = chunked(p, {.softcap = softcap, .chunk_rows = 16});
            BOOST_TEST(deviation(whole, plain(p, softcap)) <= 1e-13);
            for (const int ranks : {1, 2, 3, 4}) {
                // Even parts with empty ones at the end, and uneven ones.
                for (const bool even : {true, false}) {
                    std::vector<at::Tensor> weights(static_cast<std::size_t>(ranks));
                    std::vector<at::Tensor> xs(weights.size());
                    std::vector<std::int64_t> sent(weights.size());
                    test::run_ranks(ranks, [&](lt::communicator& group) {
                        const auto rank = static_cast<std::size_t>(group.rank());
                        auto part = shard_of(vocab, ranks, group.rank());
                        if (!even) {
                            part = {group.rank() == 0
                                        ? 0
                                        : vocab / (2 + ranks - group.rank()),
                                    group.rank() + 1 == ranks
                                        ? vocab
                                        : vocab / (1 + ranks - group.rank())};
                        }
                        const problem mine{
                            p.x, p.weight.narrow(0, part.begin, part.size()), p.targets};
                        const auto found = chunked(mine, {.softcap = softcap,
                                                          .chunk_rows = 16,
                                                          .group = &group,
                                                          .first_token = part.begin,
                                                          .vocab_size = vocab});
                        weights[rank] = found.weight;
                        xs[rank] = found.x;
                        sent[rank] = group.sent()[lt::collective::all_gather];
                        const std::lock_guard lock(checking);
                        BOOST_TEST(std::abs(found.loss - whole.loss) <=
                                   1e-12 * std::max(1.0, whole.loss));
                    });
                    auto x = xs[0].clone();
                    for (std::size_t rank = 1; rank < xs.size(); ++rank)
                        x += xs[rank];
                    BOOST_TEST(deviation(x, whole.x) <= 1e-12);
                    BOOST_TEST(deviation(at::cat(weights), whole.weight) <= 1e-12);
                    // Three numbers a row, with a target or without, to every other
                    // rank: bytes do not depend on the data.
                    for (const auto bytes : sent)
                        BOOST_TEST(bytes == (ranks - 1) * p.targets.numel() * 3 * 8);
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(ranks_of_libtorchs_operations_find_the_same) {
    at::manual_seed(11);
    const auto p = random_problem(37, 12, 50);
    const auto whole =
        lt::detail::chunked_loss_anywhere(p.x, p.weight, p.targets, {}, {true, true});
    std::vector<at::Tensor> weights(4);
    std::vector<at::Tensor> xs(4);
    std::mutex checking;
    test::run_ranks(4, [&](lt::communicator& group) {
        const at::NoGradGuard none;
        const auto rank = static_cast<std::size_t>(group.rank());
        const index_range part{16 * group.rank(), std::min(16 * (group.rank() + 1), 50)};
        const auto found = lt::detail::chunked_loss_anywhere(
            p.x, p.weight.narrow(0, part.begin, part.size()), p.targets,
            {.chunk_rows = 16,
             .group = &group,
             .first_token = part.begin,
             .vocab_size = 50},
            {true, true});
        weights[rank] = found.weight_gradient;
        xs[rank] = found.x_gradient;
        const std::lock_guard lock(checking);
        BOOST_TEST(std::abs(found.sum.item<double>() - whole.sum.item<double>()) <=
                   1e-12 * whole.sum.item<double>());
    });
    BOOST_TEST(deviation(xs[0] + xs[1] + xs[2] + xs[3], whole.x_gradient) <= 1e-12);
    BOOST_TEST(deviation(at::cat(weights), whole.weight_gradient) <= 1e-12);
}

BOOST_AUTO_TEST_CASE(logits_of_a_large_vocabulary_never_exist_at_once) {
    const std::int64_t rows = 300;
    const std::int64_t vocab = 128000;
    const std::int64_t hidden = 8;
    at::manual_seed(12);
    problem p{at::randn({rows, hidden}), at::randn({vocab, hidden}),
              at::randint(vocab, {rows}, at::kLong)};
    p.x.requires_grad_(true);
    p.weight.requires_grad_(true);
    const auto before = lt::memory_now();
    lt::reset_memory_peak();
    const auto loss =
        lt::linear_cross_entropy_sum(p.x, p.weight, p.targets, {.chunk_rows = 20});
    const auto peak = lt::memory_peak();
    const auto after = lt::memory_now();
    // Logits and rows of a chunk, its gradient from every slice; three float64 a row.
    const std::int64_t chunk = 20 * (4 * (vocab + hidden + loss_slices * hidden) + 3 * 8);
    BOOST_TEST(peak[lt::memory_use::logits] - before[lt::memory_use::logits] == chunk);
    BOOST_TEST(peak.total() - before.total() <= chunk + 4 * (vocab + rows) * hidden + 8);
    BOOST_TEST(peak.total() - before.total() < rows * vocab * 4 / 8);
    // Only the gradients stay.
    BOOST_TEST(after.total() - before.total() == 4 * (vocab + rows) * hidden + 8);
    // Backward makes nothing of their size.
    lt::reset_memory_peak();
    const auto gradients = torch::autograd::grad({loss}, {p.x, p.weight});
    BOOST_TEST(lt::memory_peak().total() - after.total() <= 64);
}

BOOST_AUTO_TEST_SUITE_END()
