// SPDX-License-Identifier: Apache-2.0
#include <packkit/torch/attention_reference.hpp>
#include <packkit/torch/varlen_attention.hpp>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <vector>

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
