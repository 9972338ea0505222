// SPDX-License-Identifier: Apache-2.0
/// @file
/// The fused elementwise kernels of every instruction set that this machine has, against
/// LibTorch's operations in float64, and their gradients, memory and threads.

#include <packkit/torch/memory/memory_counter.hpp>
#include <packkit/torch/ops/gated_activation.hpp>
#include <packkit/torch/ops/rms_norm.hpp>
#include <packkit/torch/ops/rotary.hpp>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include "counted_memory.hpp"

BOOST_AUTO_TEST_SUITE(elementwise_test,
                      *boost::unit_test::fixture<packkit::test::counted_memory>())

using namespace packkit;

namespace {

const std::vector<at::ScalarType> dtypes{at::kDouble, at::kFloat, at::kBFloat16};

/// Half the distance of neighbouring numbers of `dtype` around 1, or what float32
/// arithmetic may add to it.
double rounding(at::ScalarType dtype) {
    return dtype == at::kDouble ? 1e-15 : dtype == at::kFloat ? 6e-7 : 0.0040;
}

at::Tensor random(at::IntArrayRef shape, at::ScalarType dtype) {
    return at::randn(shape, at::kDouble).to(dtype);
}

/// Largest difference in units of the larger of 1 and the expected element.
double error_of(const at::Tensor& found, const at::Tensor& expected) {
    const auto wide = found.to(at::kDouble);
    return ((wide - expected).abs() / expected.abs().clamp_min(1.0)).max().item<double>();
}

/// {value, gradients of the inputs} of function(inputs), upstream one or more.
template <class Function>
std::vector<at::Tensor> differentiated(Function function, std::vector<at::Tensor> inputs,
                                       const std::vector<at::Tensor>& upstream) {
    for (auto& input : inputs)
        input = input.detach().clone().requires_grad_(true);
    std::vector<at::Tensor> values = function(inputs);
    auto results = torch::autograd::grad(values, inputs, upstream);
    for (const auto& value : values)
        results.push_back(value.detach());
    return results;
}

/// `fused` in each dtype against `composed` in float64 of the same numbers.
template <class Fused, class Composed>
void check_equal(Fused fused, Composed composed, const std::vector<at::Tensor>& inputs,
                 const std::vector<at::Tensor>& upstream, double slack = 1.0) {
    const auto in_double = [](const std::vector<at::Tensor>& tensors) {
        std::vector<at::Tensor> wide;
        for (const auto& tensor : tensors)
            wide.push_back(tensor.to(at::kDouble));
        return wide;
    };
    const auto found = differentiated(fused, inputs, upstream);
    const auto expected =
        differentiated(composed, in_double(inputs), in_double(upstream));
    const auto dtype = inputs[0].scalar_type();
    BOOST_TEST_REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
        BOOST_TEST(found[i].scalar_type() == dtype);
        BOOST_TEST(error_of(found[i], expected[i]) <= slack * rounding(dtype),
                   c10::toString(dtype)
                       << ", result " << i << ": " << error_of(found[i], expected[i]));
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(norms_equal_their_definition) {
    for (const auto dtype : dtypes) {
        for (const std::int64_t width : {1, 7, 16, 48, 65}) {
            for (const double offset : {0.0, 1.0}) {
                at::manual_seed(width);
                const auto x = random({5, 40, width}, dtype);
                const auto weight = random({width}, dtype);
                const auto norm = [&](const auto& in) {
                    return std::vector{lt::rms_norm(in[0], in[1], 1e-5, offset)};
                };
                const auto definition = [&](const at::Tensor& h, const at::Tensor& w) {
                    return h / (h.square().mean(-1, true) + 1e-5).sqrt() * (w + offset);
                };
                // Sums over the 200 rows in the weight's gradient.
                const double slack = dtype == at::kBFloat16 ? 1.0 : 20.0;
                check_equal(
                    norm,
                    [&](const auto& in) { return std::vector{definition(in[0], in[1])}; },
                    {x, weight}, {random({5, 40, width}, dtype)}, slack);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(the_norm_of_a_sum_is_the_sum_and_its_norm) {
    for (const auto dtype : dtypes) {
        at::manual_seed(11);
        const auto x = random({70, 33}, dtype);
        const auto added = random({70, 33}, dtype);
        const auto weight = random({33}, dtype);
        const auto [sum, normed] = lt::add_rms_norm(x, added, weight, 1e-6, 1.0);
        BOOST_TEST(sum.equal(x + added));
        BOOST_TEST(normed.equal(lt::rms_norm(sum, weight, 1e-6, 1.0)));
        const auto fused = [&](const auto& in) {
            const auto [h, n] = lt::add_rms_norm(in[0], in[1], in[2], 1e-6, 1.0);
            return std::vector{h, n};
        };
        const auto composed = [&](const auto& in) {
            // The norm is of the sum as rounded.
            const auto exact = in[0] + in[1];
            const auto h = exact + (exact.to(dtype).to(at::kDouble) - exact).detach();
            return std::vector{
                h, h / (h.square().mean(-1, true) + 1e-6).sqrt() * (in[2] + 1.0)};
        };
        check_equal(fused, composed, {x, added, weight},
                    {random({70, 33}, dtype), random({70, 33}, dtype)},
                    dtype == at::kBFloat16 ? 1.0 : 20.0);
        // Only one of the two is used.
        for (const bool of_sum : {true, false}) {
            const auto one = [&](const auto& both) {
                return [&, both](const auto& in) {
                    return std::vector{both(in)[of_sum ? 0 : 1]};
                };
            };
            const auto upstream = random({70, 33}, dtype);
            auto in = std::vector{x.clone().requires_grad_(true),
                                  added.clone().requires_grad_(true)};
            const auto both = one([&](const auto& two) {
                return fused(std::vector{two[0], two[1], weight});
            });
            const auto want = one([&](const auto& two) {
                return composed(std::vector{two[0], two[1], weight.to(two[0].dtype())});
            });
            check_equal(both, want, in, {upstream}, dtype == at::kBFloat16 ? 1.0 : 20.0);
        }
    }
}

BOOST_AUTO_TEST_CASE(the_gradient_of_the_norms_weight_is_the_same_on_any_threads) {
    const int threads = at::get_num_threads();
    at::manual_seed(5);
    const auto x = random({3000, 24}, at::kFloat);
    const auto weight = random({24}, at::kFloat);
    const auto upstream = random({3000, 24}, at::kFloat);
    const auto run = [&] {
        return differentiated(
            [](const auto& in) { return std::vector{lt::rms_norm(in[0], in[1], 1e-6)}; },
            {x, weight}, {upstream});
    };
    at::set_num_threads(1);
    const auto alone = run();
    for (const int count : {2, 3, 7}) {
        at::set_num_threads(count);
        const auto together = run();
        for (std::size_t i = 0; i < alone.size(); ++i)
            BOOST_TEST(together[i].equal(alone[i]));
    }
    at::set_num_threads(threads);
}

BOOST_AUTO_TEST_CASE(rotations_equal_their_definition) {
    for (const auto dtype : dtypes) {
        for (const std::int64_t head_dim : {2, 6, 32, 64, 80}) {
            at::manual_seed(head_dim);
            const auto cos = random({9, 1, head_dim}, dtype);  // halves differ, too
            const auto sin = random({9, 1, head_dim}, dtype);
            const auto upstream = random({9, 3, head_dim}, dtype);
            const auto wide = [&](const at::Tensor& like, const at::Tensor& table) {
                return table.to(like.scalar_type());
            };
            check_equal(
                [&](const auto& in) { return std::vector{lt::rotate(in[0], cos, sin)}; },
                [&](const auto& in) {
                    return std::vector{
                        lt::rotate_composed(in[0], wide(in[0], cos), wide(in[0], sin))};
                },
                {random({9, 3, head_dim}, dtype)}, {upstream}, 4.0);
            // Heads among others, as in one projection of queries and keys; and a layout
            // that must be copied.
            const auto both = random({9, 5, head_dim}, dtype);
            const auto part = both.slice(1, 1, 4);
            BOOST_TEST(lt::rotate(part, cos, sin)
                           .equal(lt::rotate(part.contiguous(), cos, sin)));
            const auto turned = both.transpose(1, 2).contiguous().transpose(1, 2);
            BOOST_TEST(lt::rotate(turned, cos, sin).equal(lt::rotate(both, cos, sin)));
        }
    }
    const auto x = at::zeros({4, 2, 6});
    BOOST_CHECK_THROW(lt::rotate(x, at::zeros({3, 1, 6}), at::zeros({4, 1, 6})),
                      invalid_argument);
    BOOST_CHECK_THROW(
        lt::rotate(at::zeros({4, 2, 5}), at::zeros({4, 1, 5}), at::zeros({4, 1, 5})),
        invalid_argument);
    BOOST_CHECK_THROW(lt::rotate(x, at::zeros({4, 1, 6}, at::kDouble),
                                 at::zeros({4, 1, 6}, at::kDouble)),
                      invalid_argument);
}

BOOST_AUTO_TEST_CASE(gated_activations_equal_their_definition) {
    for (const auto dtype : dtypes) {
        for (const auto kind : {activation_kind::silu, activation_kind::gelu,
                                activation_kind::gelu_tanh, activation_kind::relu}) {
            BOOST_TEST_CONTEXT(to_string(kind)) {
                at::manual_seed(17);
                // Also far out, where exponentials overflow.
                auto gate = random({13, 37}, dtype);
                gate.select(0, 3).mul_(30);
                gate.select(0, 4).mul_(300);
                check_equal(
                    [&](const auto& in) {
                        return std::vector{lt::gated_activation(kind, in[0], in[1])};
                    },
                    [&](const auto& in) {
                        return std::vector{
                            lt::gated_activation_composed(kind, in[0], in[1])};
                    },
                    {gate, random({13, 37}, dtype)}, {random({13, 37}, dtype)}, 6.0);
            }
        }
    }
    const auto gate = at::zeros({4, 2});
    BOOST_CHECK_THROW(
        lt::gated_activation(activation_kind::silu, gate, at::zeros({2, 4})),
        invalid_argument);
    BOOST_CHECK_THROW(
        lt::gated_activation(activation_kind::silu, gate, at::zeros({4, 2}, at::kDouble)),
        invalid_argument);
}

BOOST_AUTO_TEST_CASE(bfloat16_is_rounded_once) {
    at::manual_seed(23);
    const auto gate = random({64, 50}, at::kBFloat16);
    const auto up = random({64, 50}, at::kBFloat16);
    const auto wide = lt::gated_activation_composed(
        activation_kind::silu, gate.to(at::kDouble), up.to(at::kDouble));
    const auto once = wide.to(at::kBFloat16);
    const auto fused = lt::gated_activation(activation_kind::silu, gate, up);
    // All but what lies between two numbers to the last bits of float32.
    BOOST_TEST(fused.ne(once).sum().item<std::int64_t>() <= 2);
    const auto composed = lt::gated_activation_composed(activation_kind::silu, gate, up);
    BOOST_TEST(composed.ne(once).sum().item<std::int64_t>() > 100);
}

BOOST_AUTO_TEST_CASE(what_is_not_a_number_stays_so) {
    for (const auto dtype : dtypes) {
        const auto gate =
            at::full({40}, std::numeric_limits<double>::quiet_NaN(), at::kDouble)
                .to(dtype);
        const auto up = at::ones({40}, at::kDouble).to(dtype);
        for (const auto kind : {activation_kind::silu, activation_kind::gelu,
                                activation_kind::gelu_tanh, activation_kind::relu}) {
            BOOST_TEST(lt::gated_activation(kind, gate, up).isnan().all().item<bool>());
            BOOST_TEST(lt::gated_activation(kind, up, gate).isnan().all().item<bool>());
        }
        const auto x = gate.view({2, 20});
        BOOST_TEST(lt::rms_norm(x, up.slice(0, 0, 20), 1e-6).isnan().all().item<bool>());
    }
    // Every bit of the fraction set: rounding must not carry it into a number.
    const auto odd = at::full({16}, std::numeric_limits<std::int32_t>::max(), at::kInt)
                         .view(at::kFloat);
    BOOST_TEST(odd.isnan().all().item<bool>());
    const auto narrow = odd.to(at::kBFloat16);
    const auto one = at::ones({16}, at::kBFloat16);
    BOOST_TEST(lt::gated_activation(activation_kind::relu, one, narrow)
                   .isnan()
                   .all()
                   .item<bool>());
}

BOOST_AUTO_TEST_CASE(a_gated_activation_keeps_its_inputs_alone) {
    const auto gate = at::randn({32, 64}).requires_grad_(true);
    const auto up = at::randn({32, 64}).requires_grad_(true);
    const auto before = lt::memory_now().total();
    const auto y = lt::gated_activation(activation_kind::silu, gate, up);
    BOOST_TEST(lt::memory_now().total() - before == 32 * 64 * 4);
    const auto cos = at::randn({32, 1, 16});
    const auto x = gate.view({32, 4, 16});
    const auto then = lt::memory_now().total();
    const auto turned = lt::rotate(x, cos, cos);
    BOOST_TEST(lt::memory_now().total() - then == 32 * 64 * 4);
}

namespace {

/// What kernels of one instruction set make of the same input.
template <class Storage>
std::vector<at::Tensor> results_of(
    const lt::detail::elementwise_kernels<Storage>& kernels, at::ScalarType dtype) {
    using namespace lt::detail;
    at::manual_seed(29);
    const std::int64_t rows = 6;
    const std::int64_t width = 38;
    const auto x = random({rows, width}, dtype);
    const auto other = random({rows, width}, dtype);
    const auto upstream = random({rows, width}, dtype);
    const auto weight = random({width}, dtype);
    std::vector<at::Tensor> made;
    const auto fresh = [&] {
        made.push_back(at::zeros_like(x));
        return write_elements<Storage>(made.back());
    };
    rms_norm_problem<Storage> norm;
    norm.width = width;
    norm.eps = static_cast<compute_type<Storage>>(1e-6);
    norm.x = read_elements<Storage>(x);
    norm.weight = read_elements<Storage>(weight);
    norm.dy = read_elements<Storage>(upstream);
    norm.y = fresh();
    norm.dx = fresh();
    kernels.rms_norm(norm, 0, rows);
    made.push_back(at::zeros({width}, dtype == at::kDouble ? at::kDouble : at::kFloat));
    kernels.rms_norm_gradients(norm, 0, rows,
                               write_elements<compute_type<Storage>>(made.back()));
    rotary_problem<Storage> turn;
    turn.heads = 1;
    turn.head_dim = width;
    turn.x_stride = width;
    turn.x = read_elements<Storage>(x);
    turn.cos = read_elements<Storage>(other);
    turn.sin = read_elements<Storage>(upstream);
    turn.y = fresh();
    kernels.rotate(turn, 0, rows);
    for (std::size_t kind = 0; kind < activation_names.size(); ++kind) {
        gated_problem<Storage> gated;
        gated.gate = read_elements<Storage>(x);
        gated.up = read_elements<Storage>(other);
        gated.dy = read_elements<Storage>(upstream);
        gated.y = fresh();
        gated.dgate = fresh();
        gated.dup = fresh();
        kernels.gate[kind](gated, 0, rows * width);
        kernels.gate_gradients[kind](gated, 0, rows * width);
    }
    return made;
}

template <class Storage>
void check_instruction_sets(at::ScalarType dtype) {
    const auto all = lt::detail::available_elementwise_kernels<Storage>();
    const auto expected = results_of<Storage>(all.back(), dtype);
    for (const auto& kernels : all) {
        const auto found = results_of<Storage>(kernels, dtype);
        for (std::size_t i = 0; i < found.size(); ++i) {
            BOOST_TEST(
                error_of(found[i], expected[i].to(at::kDouble)) <= 8.0 * rounding(dtype),
                lt::to_string(kernels.set) << ", result " << i);
        }
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(instruction_sets_agree) {
    check_instruction_sets<double>(at::kDouble);
    check_instruction_sets<float>(at::kFloat);
    check_instruction_sets<lt::detail::bf16>(at::kBFloat16);
}

BOOST_AUTO_TEST_SUITE_END()
