// SPDX-License-Identifier: Apache-2.0
#include <packkit/torch/ops/attention_reference.hpp>
#include <packkit/torch/ops/cpu_attention.hpp>
#include <packkit/torch/ops/varlen_attention.hpp>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

BOOST_AUTO_TEST_SUITE(varlen_attention_test)

using namespace packkit;

namespace {

struct inputs {
    at::Tensor q, k, v,
        weight;  // weight: a fixed direction, so that the gradient is not symmetric
};

inputs random_inputs(std::int64_t total, std::int64_t heads, std::int64_t kv_heads,
                     std::int64_t width, at::ScalarType dtype) {
    at::manual_seed(3);
    const auto make = [&](std::int64_t h) {
        return at::randn({total, h, width}, at::kDouble).to(dtype).requires_grad_(true);
    };
    return {make(heads), make(kv_heads), make(kv_heads),
            at::randn({total, heads, width}, at::kDouble).to(dtype)};
}

struct outcome {
    at::Tensor out, dq, dk, dv;
};

template <class Attention>
outcome evaluate(const inputs& in, Attention attention) {
    const auto out = attention(in.q, in.k, in.v);
    const auto gradients =
        torch::autograd::grad({(out * in.weight).sum()}, {in.q, in.k, in.v});
    return {out.detach(), gradients[0], gradients[1], gradients[2]};
}

double difference(const at::Tensor& a, const at::Tensor& b) {
    return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

double worst(const outcome& a, const outcome& b) {
    return std::max({difference(a.out, b.out), difference(a.dq, b.dq),
                     difference(a.dk, b.dk), difference(a.dv, b.dv)});
}

const std::vector<std::vector<std::int32_t>> layouts{
    {0, 1},                          // one token
    {0, 40},                         // one document
    {0, 1, 2, 3, 4},                 // only single tokens
    {0, 5, 22, 33},                  // short ones
    {0, 3, 3, 9},                    // an empty document between
    {0, 7, 130, 131, 300, 310, 333}  // longer than the kernel's blocks
};

}  // namespace

BOOST_DATA_TEST_CASE(equals_the_definition,
                     boost::unit_test::data::xrange(layouts.size()), which) {
    const auto& cu_seqlens = layouts[which];
    const lt::document_layout layout(cu_seqlens);
    for (const bool causal : {true, false}) {
        for (const auto& [heads, kv_heads] :
             {std::pair{4, 4}, std::pair{4, 2}, std::pair{6, 1}}) {
            const lt::attention_options options{.causal = causal};
            const auto in =
                random_inputs(cu_seqlens.back(), heads, kv_heads, 16, at::kDouble);
            const auto fast = evaluate(in, [&](auto& q, auto& k, auto& v) {
                return lt::varlen_attention(q, k, v, layout, options);
            });
            const auto slow = evaluate(in, [&](auto& q, auto& k, auto& v) {
                return lt::reference_attention(q, k, v, cu_seqlens, options);
            });
            BOOST_TEST(worst(fast, slow) <= 1e-12);
        }
    }
}

BOOST_AUTO_TEST_CASE(float32_and_bfloat16_stay_near_float64) {
    const std::vector<std::int32_t> cu_seqlens{0, 5, 22, 33, 120};
    const lt::document_layout layout(cu_seqlens);
    for (const auto& [dtype, tolerance] :
         {std::pair{at::kFloat, 2e-5}, std::pair{at::kBFloat16, 2e-1}}) {
        const auto in = random_inputs(120, 4, 2, 16, dtype);
        const auto exact = inputs{in.q.detach().to(at::kDouble).requires_grad_(true),
                                  in.k.detach().to(at::kDouble).requires_grad_(true),
                                  in.v.detach().to(at::kDouble).requires_grad_(true),
                                  in.weight.to(at::kDouble)};
        const auto fast = evaluate(in, [&](auto& q, auto& k, auto& v) {
            return lt::varlen_attention(q, k, v, layout, {});
        });
        const auto slow = evaluate(exact, [&](auto& q, auto& k, auto& v) {
            return lt::reference_attention(q, k, v, cu_seqlens, {});
        });
        BOOST_TEST(worst(fast, slow) <= tolerance);
    }
}

BOOST_AUTO_TEST_CASE(a_document_does_not_notice_its_neighbours) {
    const auto in = random_inputs(33, 4, 2, 16, at::kDouble);
    const lt::document_layout packed({0, 5, 22, 33});
    const lt::document_layout alone({0, 17});
    const auto all = evaluate(in, [&](auto& q, auto& k, auto& v) {
        return lt::varlen_attention(q, k, v, packed, {});
    });
    const auto rows = [](const at::Tensor& t) {
        return t.detach().slice(0, 5, 22).clone().requires_grad_(true);
    };
    const auto one =
        evaluate(inputs{rows(in.q), rows(in.k), rows(in.v), in.weight.slice(0, 5, 22)},
                 [&](auto& q, auto& k, auto& v) {
                     return lt::varlen_attention(q, k, v, alone, {});
                 });
    BOOST_TEST(difference(all.out.slice(0, 5, 22), one.out) <= 1e-14);
    BOOST_TEST(difference(all.dq.slice(0, 5, 22), one.dq) <= 1e-14);
    BOOST_TEST(difference(all.dk.slice(0, 5, 22), one.dk) <= 1e-14);
    BOOST_TEST(difference(all.dv.slice(0, 5, 22), one.dv) <= 1e-14);
}

BOOST_AUTO_TEST_CASE(the_scale_is_used) {
    const auto in = random_inputs(12, 2, 2, 8, at::kDouble);
    const std::vector<std::int32_t> cu_seqlens{0, 12};
    const lt::attention_options options{.causal = true, .scale = 0.7};
    const auto fast =
        lt::varlen_attention(in.q, in.k, in.v, lt::document_layout(cu_seqlens), options);
    const auto slow = lt::reference_attention(in.q, in.k, in.v, cu_seqlens, options);
    BOOST_TEST(difference(fast, slow) <= 1e-13);
    BOOST_TEST(difference(fast, lt::reference_attention(in.q, in.k, in.v, cu_seqlens,
                                                        {})) > 1e-3);
}

namespace {

struct kernel_case {
    std::vector<std::int32_t> queries, keys;
    std::int64_t heads, kv_heads, width;
    lt::attention_options options;
};

const std::vector<std::int32_t> ragged{0, 1, 38, 38, 168, 430};

/// Blocks, tiles, groups, windows, caps, and queries that are the last of their keys.
const std::vector<kernel_case> kernel_cases{
    {ragged, ragged, 4, 2, 64, {}},
    {ragged, ragged, 3, 3, 20, {.scale = 0.3}},
    {ragged, ragged, 2, 1, 128, {.causal = false}},
    {ragged, ragged, 4, 1, 8, {.window = 50}},
    {ragged, ragged, 2, 2, 32, {.window = 1}},
    {ragged, ragged, 4, 2, 16, {.softcap = 2.0}},
    {ragged, ragged, 2, 1, 40, {.window = 200, .softcap = 0.5}},
    {{0, 37, 42, 172}, {0, 50, 55, 355}, 4, 2, 24, {}},
    {{0, 37, 42, 172}, {0, 50, 55, 355}, 4, 2, 24, {.window = 70}},
    {{0, 37, 42, 172}, {0, 50, 55, 355}, 2, 2, 16, {.causal = false}},
    {{0, 5, 5, 9}, {0, 2, 4, 4}, 2, 1, 16, {}},  // queries without keys, and keys alone
    {{0, 2300}, {0, 2300}, 2, 1, 16, {}},        // several ranges of keys
    {{0, 9, 73, 81}, {0, 9, 73, 81}, 2, 1, 80, {}},
    {{0, 9, 73, 81}, {0, 9, 73, 81}, 1, 1, 256, {}},
    {{0, 300}, {0, 300}, 12, 1, 16, {.scale = -0.4, .window = 90}},
};

/// A kernel's result and gradients, of out with direction `weight` and of lse with
/// direction `lse_weight`.
template <class Storage>
outcome run_kernels(const kernel_case& c, const inputs& in, const at::Tensor& lse_weight,
                    const lt::detail::attention_kernels<Storage>& kernels,
                    at::Tensor& lse) {
    const lt::attention_bounds bounds{c.queries, c.keys};
    const auto made = lt::detail::attention_forward(
        in.q.detach(), in.k.detach(), in.v.detach(), bounds, c.options, kernels);
    const auto g = lt::detail::attention_backward(in.weight, lse_weight, in.q.detach(),
                                                  in.k.detach(), in.v.detach(), made,
                                                  bounds, c.options, kernels);
    lse = made.lse;
    return {made.out, g.dq, g.dk, g.dv};
}

double relative(const at::Tensor& a, const at::Tensor& b) {
    const auto size = b.to(at::kDouble).norm().item<double>();
    return (a.to(at::kDouble) - b.to(at::kDouble)).norm().item<double>() /
           std::max(size, 1e-3);
}

/// The log-sum-exp as it is defined, (heads, total_q), with -inf where nothing is seen.
at::Tensor reference_lse(const kernel_case& c, const at::Tensor& q, const at::Tensor& k) {
    const double scale =
        c.options.scale.value_or(1.0 / std::sqrt(static_cast<double>(c.width)));
    std::vector<at::Tensor> parts;
    for (std::size_t i = 0; i + 1 < c.queries.size(); ++i) {
        const auto queries = q.slice(0, c.queries[i], c.queries[i + 1]).transpose(0, 1);
        const auto keys = k.slice(0, c.keys[i], c.keys[i + 1])
                              .repeat_interleave(c.heads / c.kv_heads, 1)
                              .transpose(0, 1);
        auto scores = at::matmul(queries, keys.transpose(1, 2)) * scale;
        if (c.options.softcap > 0)
            scores = at::tanh(scores / c.options.softcap) * c.options.softcap;
        const auto last = at::arange(scores.size(1)).unsqueeze(1) + scores.size(2) -
                          scores.size(1);  // key that each query sees last
        const auto key = at::arange(scores.size(2)).unsqueeze(0);
        auto hidden = c.options.causal ? key > last : key < 0;
        if (c.options.window > 0)
            hidden = hidden.logical_or(key <= last - c.options.window);
        scores = scores.masked_fill(hidden, -INFINITY);
        parts.push_back(at::logsumexp(scores, {-1}));
    }
    return at::cat(parts, 1);
}

template <class Storage>
void check_kernels(const kernel_case& c, at::ScalarType dtype, double tolerance,
                   double gradient_tolerance) {
    at::manual_seed(5);
    const auto make = [&](std::int64_t total, std::int64_t heads) {
        return at::randn({total, heads, c.width}, at::kDouble).to(dtype);
    };
    const inputs in{make(c.queries.back(), c.heads), make(c.keys.back(), c.kv_heads),
                    make(c.keys.back(), c.kv_heads), make(c.queries.back(), c.heads)};
    const auto exact = [](const at::Tensor& t) {
        return t.to(at::kDouble).detach().clone().requires_grad_(true);
    };
    const inputs exact_in{exact(in.q), exact(in.k), exact(in.v),
                          in.weight.to(at::kDouble)};
    const auto slow = evaluate(exact_in, [&](auto& q, auto& k, auto& v) {
        return lt::reference_attention(q, k, v, c.queries, c.keys, c.options);
    });
    const auto slow_lse = reference_lse(c, exact_in.q.detach(), exact_in.k.detach());
    for (const auto& kernels : lt::detail::available_kernels<Storage>()) {
        BOOST_TEST_CONTEXT(lt::to_string(kernels.set)) {
            at::Tensor lse;
            const auto fast = run_kernels(c, in, at::Tensor(), kernels, lse);
            BOOST_TEST(relative(fast.out, slow.out) <= tolerance);
            BOOST_TEST(relative(fast.dq, slow.dq) <= gradient_tolerance);
            BOOST_TEST(relative(fast.dk, slow.dk) <= gradient_tolerance);
            BOOST_TEST(relative(fast.dv, slow.dv) <= gradient_tolerance);
            const auto seen = slow_lse.isfinite();
            BOOST_TEST(at::equal(lse.isfinite(), seen));
            BOOST_TEST(
                difference(lse.masked_select(seen), slow_lse.masked_select(seen)) <=
                (dtype == at::kDouble ? 1e-12 : 1e-5));
        }
    }
}

}  // namespace

BOOST_DATA_TEST_CASE(kernels_of_every_instruction_set,
                     boost::unit_test::data::xrange(kernel_cases.size()), which) {
    check_kernels<double>(kernel_cases[which], at::kDouble, 1e-13, 1e-13);
    check_kernels<float>(kernel_cases[which], at::kFloat, 2e-6, 2e-6);
    // A bfloat16 has a unit of 2^-8 = 0.0039: out is rounded once; gradients start from
    // that rounded out and lose digits where they nearly cancel.
    check_kernels<lt::detail::bf16>(kernel_cases[which], at::kBFloat16, 4e-3, 1e-2);
}

BOOST_AUTO_TEST_CASE(the_log_sum_exp_is_differentiable) {
    // d/dx of Σ w lse, against central differences in float64.
    at::manual_seed(8);
    const std::vector<std::int32_t> bounds{0, 3, 11};
    const lt::document_layout layout(bounds);
    const auto q = at::randn({11, 2, 4}, at::kDouble).requires_grad_(true);
    const auto k = at::randn({11, 1, 4}, at::kDouble).requires_grad_(true);
    const auto v = at::randn({11, 1, 4}, at::kDouble).requires_grad_(true);
    const auto weight = at::randn({2, 11}, at::kDouble);
    const auto out_weight = at::randn({11, 2, 4}, at::kDouble);
    const auto value = [&](const at::Tensor& q_, const at::Tensor& k_) {
        const auto made =
            lt::varlen_attention_with_lse(q_, k_, v, layout, layout, {.softcap = 3.0});
        return (made.lse * weight).sum() + (made.out * out_weight).sum();
    };
    const auto gradients = torch::autograd::grad({value(q, k)}, {q, k});
    const at::NoGradGuard no_grad;
    const double step = 1e-5;
    for (const std::int64_t i : {0, 7, 40, 87}) {
        const auto moved = [&](double by) {
            auto x = q.detach().clone();
            x.view({-1})[i] += by;
            return value(x, k).item<double>();
        };
        BOOST_TEST(std::abs(gradients[0].view({-1})[i].item<double>() -
                            (moved(step) - moved(-step)) / (2 * step)) <= 1e-8);
    }
    for (const std::int64_t i : {0, 13, 43}) {
        const auto moved = [&](double by) {
            auto x = k.detach().clone();
            x.view({-1})[i] += by;
            return value(q, x).item<double>();
        };
        BOOST_TEST(std::abs(gradients[1].view({-1})[i].item<double>() -
                            (moved(step) - moved(-step)) / (2 * step)) <= 1e-8);
    }
}

BOOST_AUTO_TEST_CASE(any_number_of_threads_gives_the_same_bits) {
    const std::vector<std::int32_t> cu_seqlens{0, 300, 310, 1800};
    const lt::document_layout layout(cu_seqlens);
    const int threads = at::get_num_threads();
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
        const auto in = random_inputs(1800, 4, 2, 32, dtype);
        const auto attention = [&](auto& q, auto& k, auto& v) {
            return lt::varlen_attention(q, k, v, layout, {});
        };
        at::set_num_threads(1);
        const auto one = evaluate(in, attention);
        at::set_num_threads(3);
        const auto three = evaluate(in, attention);
        at::set_num_threads(threads);
        BOOST_TEST(at::equal(one.out, three.out));
        BOOST_TEST(at::equal(one.dq, three.dq));
        BOOST_TEST(at::equal(one.dk, three.dk));
        BOOST_TEST(at::equal(one.dv, three.dv));
    }
}

BOOST_AUTO_TEST_CASE(slices_of_a_joined_projection_are_taken_as_they_lie) {
    at::manual_seed(9);
    const lt::document_layout layout({0, 9, 30});
    const auto joined = at::randn({30, 8, 16}, at::kDouble);
    const auto apart = [&](std::int64_t from, std::int64_t count) {
        return joined.narrow(1, from, count);
    };
    const auto out =
        lt::varlen_attention(apart(0, 4), apart(4, 2), apart(6, 2), layout, {});
    const auto copied =
        lt::varlen_attention(apart(0, 4).contiguous(), apart(4, 2).contiguous(),
                             apart(6, 2).contiguous(), layout, {});
    BOOST_TEST(at::equal(out, copied));
}

BOOST_AUTO_TEST_CASE(options_that_do_not_fit_are_refused) {
    const lt::document_layout layout({0, 4});
    const auto rows = at::zeros({4, 2, 8});
    const auto attempt = [&](const lt::attention_options& options) {
        return lt::varlen_attention(rows, rows, rows, layout, options);
    };
    BOOST_CHECK_THROW((void)attempt({.causal = false, .window = 3}), invalid_argument);
    BOOST_CHECK_THROW((void)attempt({.window = -1}), invalid_argument);
    BOOST_CHECK_THROW((void)attempt({.softcap = -1.0}), invalid_argument);
    BOOST_CHECK_THROW((void)lt::varlen_attention_with_lse(
                          rows, rows, rows, layout, lt::document_layout({0, 2, 4}), {}),
                      invalid_argument);
    const auto whole = rows.to(at::kInt);
    BOOST_CHECK_THROW((void)lt::varlen_attention(whole, whole, whole, layout, {}),
                      invalid_argument);
}

BOOST_AUTO_TEST_CASE(float16_is_computed_in_float32) {
    const lt::document_layout layout({0, 3, 7});
    const auto rows = [](std::int64_t seed) {
        return at::arange(seed, seed + 7 * 2 * 8, at::kFloat).sin().view({7, 2, 8});
    };
    const auto grads_of = [&](at::ScalarType type) {
        std::vector<at::Tensor> leaves;
        for (const std::int64_t seed : {0, 5, 9}) {
            const auto rounded = rows(seed).to(at::kHalf).to(type);
            leaves.push_back(rounded.detach().requires_grad_());
        }
        const auto out =
            lt::varlen_attention(leaves[0], leaves[1], leaves[2], layout, {});
        // The gradient of the output is exact in both dtypes.
        out.backward(at::ones_like(out));
        return std::vector<at::Tensor>{out.detach(), leaves[0].grad(), leaves[1].grad(),
                                       leaves[2].grad()};
    };
    const auto narrow = grads_of(at::kHalf);
    const auto wide = grads_of(at::kFloat);
    BOOST_TEST(narrow[0].equal(wide[0].to(at::kHalf)));
    // Backward sees the rounded output: gradients are near, not equal.
    for (std::size_t i = 1; i < narrow.size(); ++i)
        BOOST_TEST((narrow[i].to(at::kFloat) - wide[i]).abs().max().item<float>() < 4e-3);
}

BOOST_AUTO_TEST_CASE(shapes_that_disagree_are_refused) {
    const lt::document_layout layout({0, 4});
    const auto rows = [](std::int64_t total, std::int64_t heads, std::int64_t width) {
        return at::zeros({total, heads, width});
    };
    const auto attempt = [&](const at::Tensor& q, const at::Tensor& k) {
        return lt::varlen_attention(q, k, k, layout, {});
    };
    BOOST_CHECK_THROW((void)attempt(rows(5, 2, 8), rows(5, 2, 8)), invalid_argument);
    BOOST_CHECK_THROW((void)attempt(rows(4, 3, 8), rows(4, 2, 8)), invalid_argument);
    BOOST_CHECK_THROW((void)attempt(rows(4, 2, 8), rows(4, 2, 4)), invalid_argument);
    BOOST_CHECK_THROW((void)attempt(rows(4, 2, 8), rows(4, 2, 8).to(at::kDouble)),
                      invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()
