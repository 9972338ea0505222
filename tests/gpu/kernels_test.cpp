// SPDX-License-Identifier: Apache-2.0
/// @file
/// What blocks are made of, on a GPU against the definitions on the CPU in float64.

#include "gpu.hpp"

#include <packkit/torch/ops/attention_reference.hpp>
#include <packkit/torch/ops/cross_entropy.hpp>
#include <packkit/torch/ops/dropout.hpp>
#include <packkit/torch/ops/gated_activation.hpp>
#include <packkit/torch/ops/linear_cross_entropy.hpp>
#include <packkit/torch/ops/rms_norm.hpp>
#include <packkit/torch/ops/rotary.hpp>
#include <packkit/torch/ops/varlen_attention.hpp>

#include <functional>
#include <vector>

BOOST_AUTO_TEST_SUITE(kernels_test)

using namespace packkit;
using boost::unit_test::precondition;
using test::has_gpu;

namespace {

using tensors = std::vector<at::Tensor>;

/// Result and gradients of function(inputs), for a gradient of the result that is fixed.
tensors with_gradients(const std::function<at::Tensor(const tensors&)>& function,
                       const tensors& inputs, at::Device device, at::ScalarType dtype) {
    tensors moved;
    for (const auto& input : inputs)
        moved.push_back(input.to(device, dtype).detach().requires_grad_(true));
    const auto result = function(moved);
    const auto direction = at::sin(at::arange(0, result.numel(), at::kDouble))
                               .view(result.sizes())
                               .to(device, result.scalar_type());
    (result * direction).sum().backward();
    tensors seen{result};
    for (const auto& input : moved)
        seen.push_back(input.grad());
    return seen;
}

/// On the GPU in `dtype` against float64 on the CPU, of inputs that `dtype` can hold.
void compare(const char* name, const std::function<at::Tensor(const tensors&)>& on_gpu,
             const std::function<at::Tensor(const tensors&)>& definition,
             const tensors& inputs, at::ScalarType dtype, double tolerance) {
    tensors held;
    for (const auto& input : inputs)
        held.push_back(input.to(dtype));
    const auto found = with_gradients(on_gpu, held, at::kCUDA, dtype);
    const auto expected = with_gradients(definition, held, at::kCPU, at::kDouble);
    for (std::size_t i = 0; i < found.size(); ++i) {
        BOOST_TEST(test::relative_difference(found[i], expected[i]) <= tolerance,
                   name << ", " << (i == 0 ? "result" : "gradient") << " " << i);
    }
}

at::Tensor drawn(std::initializer_list<std::int64_t> shape) {
    return at::randn(at::IntArrayRef(shape.begin(), shape.size()), at::kDouble);
}

}  // namespace

BOOST_AUTO_TEST_CASE(attention_inside_documents, *precondition(has_gpu)) {
    at::manual_seed(1);
    const std::vector<std::int32_t> bounds{0, 1, 18, 18, 147, 403};
    for (const std::int64_t window : {0, 40}) {
        for (const std::int64_t kv_heads : {8, 2}) {
            const lt::attention_options options{.causal = true, .window = window};
            compare(
                "attention",
                [&](const tensors& t) {
                    return lt::varlen_attention(t[0], t[1], t[2],
                                                lt::document_layout(bounds, at::kCUDA),
                                                options);
                },
                [&](const tensors& t) {
                    return lt::reference_attention(t[0], t[1], t[2], bounds, options);
                },
                {drawn({403, 8, 64}), drawn({403, kv_heads, 64}),
                 drawn({403, kv_heads, 64})},
                at::kBFloat16, 0.02);
        }
    }
}

BOOST_AUTO_TEST_CASE(norms_positions_and_activations, *precondition(has_gpu)) {
    at::manual_seed(2);
    for (const auto& [dtype, tolerance] :
         {std::pair{at::kDouble, 1e-12}, std::pair{at::kFloat, 1e-5},
          std::pair{at::kBFloat16, 0.03}}) {
        for (const double offset : {0.0, 1.0}) {
            const auto norm = [offset](const tensors& t) {
                return lt::rms_norm(t[0], t[1], 1e-5, offset);
            };
            compare("norm", norm, norm, {drawn({70, 96}), drawn({96})}, dtype, tolerance);
            const auto sum = [offset](const tensors& t) {
                const auto [h, normed] = lt::add_rms_norm(t[0], t[1], t[2], 1e-5, offset);
                return h + normed;
            };
            compare("residual and norm", sum, sum,
                    {drawn({70, 96}), drawn({70, 96}), drawn({96})}, dtype, tolerance);
        }
        for (const auto kind : {activation_kind::silu, activation_kind::gelu_tanh}) {
            const auto gate = [kind](const tensors& t) {
                return lt::gated_activation(kind, t[0], t[1]);
            };
            compare("gate", gate, gate, {drawn({70, 96}), drawn({70, 96})}, dtype,
                    tolerance);
        }
        const auto angles = drawn({70, 32});
        const auto rotated = [&](const tensors& t) {
            const auto table = [&](const at::Tensor& of) {
                return at::cat({of, of}, 1).to(t[0].device(), t[0].scalar_type());
            };
            return lt::rotate(t[0], table(angles.cos()), table(angles.sin()));
        };
        compare("rotary", rotated, rotated, {drawn({70, 4, 64})}, dtype, tolerance);
    }
}

BOOST_AUTO_TEST_CASE(head_and_loss, *precondition(has_gpu)) {
    at::manual_seed(3);
    auto targets = at::randint(0, 503, {600}, at::kLong);
    targets.slice(0, 100, 150).fill_(-100);
    for (const auto& [dtype, tolerance] :
         {std::pair{at::kDouble, 1e-12}, std::pair{at::kFloat, 1e-5},
          std::pair{at::kBFloat16, 0.03}}) {
        compare(
            "loss",
            [&](const tensors& t) {
                return lt::linear_cross_entropy_sum(t[0], t[1], targets.to(at::kCUDA));
            },
            [&](const tensors& t) {
                return lt::cross_entropy_sum(at::linear(t[0], t[1]), targets);
            },
            {drawn({600, 64}), drawn({503, 64}) / 8}, dtype, tolerance);
    }
}

BOOST_AUTO_TEST_CASE(dropout_of_the_same_elements, *precondition(has_gpu)) {
    const auto tokens = at::arange(0, 200, at::kLong) * 1000003;
    for (const std::uint32_t step : {0U, 7U}) {
        const auto key = lt::dropout_key::of(42, "model.layers.1.mlp", step);
        const auto expected = lt::dropout_mask(0.3, key, tokens, 67);
        const auto found = lt::dropout_mask(0.3, key, tokens.to(at::kCUDA), 67);
        BOOST_TEST(at::equal(found.cpu(), expected));
    }
}

BOOST_AUTO_TEST_SUITE_END()
