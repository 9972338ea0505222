// SPDX-License-Identifier: Apache-2.0
#include <packkit/torch/memory/memory_counter.hpp>
#include <packkit/torch/ops/cross_entropy.hpp>
#include <packkit/torch/ops/rms_norm.hpp>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include <boost/test/unit_test.hpp>

#include <thread>
#include <vector>

#include "counted_memory.hpp"

BOOST_AUTO_TEST_SUITE(memory_counter_test,
                      *boost::unit_test::fixture<packkit::test::counted_memory>())

using namespace packkit;
using enum lt::memory_use;

namespace {

at::Tensor of_bytes(std::int64_t bytes) {
    return at::empty({bytes}, at::kByte);
}

/// Takes memory as oneDNN does inside of LibTorch: from one place.
[[gnu::noinline, gnu::noclone]] void* workspace(std::size_t bytes) {
    return c10::GetCPUAllocator()->raw_allocate(bytes);
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_tensor_is_counted_under_its_scope_until_it_is_freed) {
    const auto before = lt::memory_now();
    const auto grown = [&](lt::memory_use use) {
        return lt::memory_now()[use] - before[use];
    };
    {
        const auto kept = of_bytes(1000);
        BOOST_TEST(grown(activations) == 1000);
        at::Tensor shard;
        {
            const lt::memory_scope scope(parameters);
            shard = of_bytes(70);
            {
                const lt::memory_scope inner(optimizer);
                const auto moment = of_bytes(9);
                BOOST_TEST(grown(optimizer) == 9);
            }
            BOOST_TEST(grown(optimizer) == 0);
            BOOST_TEST(grown(parameters) == 70);
        }
        const auto after = of_bytes(5);
        BOOST_TEST(grown(activations) == 1005);
        const auto view = shard.narrow(0, 10, 20);
        BOOST_TEST(grown(parameters) == 70);
        lt::set_memory_use(view, gradients);
        BOOST_TEST(grown(parameters) == 0);
        BOOST_TEST(grown(gradients) == 70);
        BOOST_TEST(lt::memory_now().total() - before.total() == 1075);
    }
    BOOST_TEST((lt::memory_now().bytes == before.bytes));
}

BOOST_AUTO_TEST_CASE(each_use_has_a_largest_of_its_own) {
    lt::reset_memory_peak();
    const auto base = lt::memory_largest();
    BOOST_TEST((base.bytes == lt::memory_now().bytes));
    {
        const lt::memory_scope scope(gathered_parameters);
        { const auto a = of_bytes(400); }
        const auto b = of_bytes(300);
        const auto c = of_bytes(90);
    }
    {
        const lt::memory_scope scope(logits);
        const auto d = of_bytes(1000);
        lt::set_memory_use(d, gradients);
    }
    const auto largest = lt::memory_largest();
    BOOST_TEST(largest[gathered_parameters] - base[gathered_parameters] == 400);
    BOOST_TEST(largest[logits] - base[logits] == 1000);
    BOOST_TEST(largest[gradients] - base[gradients] == 1000);
    BOOST_TEST(largest[parameters] == base[parameters]);
    lt::reset_memory_peak();
    BOOST_TEST((lt::memory_largest().bytes == lt::memory_now().bytes));
}

BOOST_AUTO_TEST_CASE(the_peak_is_what_was_held_when_most_was_held) {
    const auto base = lt::memory_now();
    lt::reset_memory_peak();
    BOOST_TEST(lt::memory_peak().total() == base.total());
    {
        const lt::memory_scope scope(logits);
        const auto a = of_bytes(500);
        { const auto b = of_bytes(300); }  // the peak: 800 of logits
    }
    {
        const lt::memory_scope scope(gradients);
        const auto c = of_bytes(799);  // never more
    }
    auto peak = lt::memory_peak();
    BOOST_TEST(peak[logits] - base[logits] == 800);
    BOOST_TEST(peak[gradients] == base[gradients]);
    lt::reset_memory_peak();
    {
        const lt::memory_scope scope(gradients);
        const auto c = of_bytes(799);
    }
    peak = lt::memory_peak();
    BOOST_TEST(peak[logits] == base[logits]);
    BOOST_TEST(peak[gradients] - base[gradients] == 799);
}

BOOST_AUTO_TEST_CASE(raw_memory_of_kernels_is_workspace_and_in_no_total) {
    const auto release = [](void* memory) {
        c10::GetCPUAllocator()->raw_deallocate(memory);
    };
    release(workspace(100));  // the first piece tells who asks
    const auto base = lt::memory_now();
    lt::reset_memory_peak();
    {
        const lt::memory_scope scope(logits);
        const auto held = of_bytes(500);
        void* const first = workspace(3000);
        void* const second = workspace(50);
        BOOST_TEST(lt::memory_now()[library_workspace] == 3050);
        BOOST_TEST(lt::memory_now().total() - base.total() == 500);
        const auto beside = of_bytes(7);
        release(second);
        release(first);
    }
    BOOST_TEST((lt::memory_now().bytes == base.bytes));
    BOOST_TEST(lt::memory_peak().total() - base.total() == 507);
    BOOST_TEST(lt::memory_peak()[logits] - base[logits] == 507);
    BOOST_TEST(lt::memory_largest()[library_workspace] == 3050);
}

BOOST_AUTO_TEST_CASE(products_in_bfloat16_leave_totals_to_tensors) {
    const auto a = at::ones({256, 512}, at::kBFloat16);
    const auto b = at::ones({128, 512}, at::kBFloat16);
    auto product = at::empty({256, 128}, at::kBFloat16);
    const auto multiply = [&] {
        const at::NoGradGuard no_gradients;
        at::mm_out(product, a, b.t());
    };
    multiply();
    const auto base = lt::memory_now();
    lt::reset_memory_peak();
    multiply();
    BOOST_TEST((lt::memory_now().bytes == base.bytes));
    BOOST_TEST(lt::memory_peak().total() == base.total());
}

BOOST_AUTO_TEST_CASE(a_use_found_out_later_counts_in_the_peak_too) {
    const auto base = lt::memory_now();
    lt::reset_memory_peak();
    const auto known_later = of_bytes(400);
    { const auto temporary = of_bytes(1000); }  // the peak
    const auto not_there_yet = of_bytes(200);
    lt::set_memory_use(known_later, gradients);
    lt::set_memory_use(not_there_yet, logits);
    const auto peak = lt::memory_peak();
    BOOST_TEST(peak[gradients] - base[gradients] == 400);
    BOOST_TEST(peak[activations] - base[activations] == 1000);
    BOOST_TEST(peak[logits] == base[logits]);
    BOOST_TEST(peak.total() - base.total() == 1400);
}

BOOST_AUTO_TEST_CASE(memory_keeps_its_alignment_and_content) {
    for (const std::int64_t bytes : {1, 63, 64, 65, 4096, 1 << 20}) {
        const auto tensor = at::full({bytes}, 7, at::kByte);
        BOOST_TEST(reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr()) % 64 == 0);
        BOOST_TEST(tensor.eq(7).all().item<bool>());
        auto grown = tensor.clone().resize_({bytes + 100});
        BOOST_TEST(grown.narrow(0, 0, bytes).eq(7).all().item<bool>());
    }
    BOOST_TEST(at::empty({0}).numel() == 0);
}

BOOST_AUTO_TEST_CASE(scopes_hold_in_backward_and_belong_to_a_thread) {
    struct doubled : torch::autograd::Function<doubled> {
        static at::Tensor forward(torch::autograd::AutogradContext*,
                                  const at::Tensor& x) {
            return x * 2;
        }
        static torch::autograd::tensor_list backward(torch::autograd::AutogradContext*,
                                                     torch::autograd::tensor_list g) {
            BOOST_TEST((lt::detail::current_use == communication));
            const lt::memory_scope scope(gradients);
            return {g[0] * 2};
        }
    };
    const auto x = at::ones({256}).requires_grad_(true);
    const auto y = doubled::apply(x).sum();
    const auto before = lt::memory_now();
    {
        const lt::memory_scope scope(communication);
        const auto gradient = torch::autograd::grad({y}, {x});
        BOOST_TEST(lt::memory_now()[gradients] - before[gradients] == 1024);
        BOOST_TEST(gradient[0].eq(2).all().item<bool>());
    }
    // Threads count at once, each under its own scope; a block made in one and freed in
    // another is balanced.
    const auto start = lt::memory_now();
    std::vector<at::Tensor> made(4);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < made.size(); ++t) {
        threads.emplace_back([&made, t] {
            const lt::memory_scope scope(t % 2 == 0 ? logits : optimizer);
            for (int i = 0; i < 1000; ++i)
                made[t] = of_bytes(100 + i % 7);
            made[t] = of_bytes(100);
        });
    }
    for (auto& thread : threads)
        thread.join();
    BOOST_TEST(lt::memory_now()[logits] - start[logits] == 200);
    BOOST_TEST(lt::memory_now()[optimizer] - start[optimizer] == 200);
    made.clear();
    BOOST_TEST(lt::memory_now().total() == start.total());
}

BOOST_AUTO_TEST_CASE(rms_norm_differentiates_as_libtorchs_and_keeps_less) {
    for (const auto dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
        at::manual_seed(3);
        const auto x = at::randn({64, 48}, at::kDouble).to(dtype).requires_grad_(true);
        const auto w = at::randn({48}, at::kDouble).add(1).to(dtype).requires_grad_(true);
        const auto upstream = at::randn({64, 48}, at::kDouble).to(dtype);
        const auto gradients_of = [&](auto norm) {
            const auto before = lt::memory_now().total();
            const auto y = norm(x, w);
            const auto kept = lt::memory_now().total() - before -
                              static_cast<std::int64_t>(y.storage().nbytes());
            auto g = torch::autograd::grad({y}, {x, w}, {upstream});
            g.push_back(y.detach());
            return std::pair{g, kept};
        };
        const auto [ours, kept] = gradients_of(
            [](const auto& a, const auto& b) { return lt::rms_norm(a, b, 1e-5); });
        const auto [theirs, kept_by_them] = gradients_of(
            [](const auto& a, const auto& b) { return at::rms_norm(a, {48}, b, 1e-5); });
        const double tolerance = dtype == at::kDouble  ? 1e-13
                                 : dtype == at::kFloat ? 2e-5
                                                       : 6e-2;
        for (std::size_t i = 0; i < ours.size(); ++i) {
            const auto scale = theirs[i].abs().max().to(at::kDouble).item<double>();
            const auto worst = (ours[i].to(at::kDouble) - theirs[i].to(at::kDouble))
                                   .abs()
                                   .max()
                                   .item<double>();
            BOOST_TEST(worst <= tolerance * scale);
        }
        BOOST_TEST(kept == 0);
        BOOST_TEST(kept_by_them >= 64 * 48 * 4);
    }
}

BOOST_AUTO_TEST_CASE(cross_entropy_differentiates_as_libtorchs) {
    at::manual_seed(5);
    const auto targets =
        at::tensor({3, -100, 0, 6, 6, -100}, at::TensorOptions().dtype(at::kLong));
    for (const auto dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
        const auto logits =
            at::randn({6, 7}, at::kDouble).mul(3).to(dtype).requires_grad_(true);
        const auto wide = dtype == at::kBFloat16 ? at::kFloat : dtype;
        const auto ours =
            torch::autograd::grad({lt::cross_entropy_sum(logits, targets) / 5}, {logits});
        const auto expected = at::nll_loss(at::log_softmax(logits.to(wide), -1), targets,
                                           {}, at::Reduction::None, -100)
                                  .to(at::kDouble)
                                  .sum();
        const auto theirs = torch::autograd::grad({expected / 5}, {logits});
        const double tolerance = dtype == at::kDouble  ? 1e-15
                                 : dtype == at::kFloat ? 2e-7
                                                       : 2e-3;
        BOOST_TEST(ours[0].scalar_type() == dtype);
        BOOST_TEST((ours[0] - theirs[0]).abs().max().item<double>() <= tolerance);
        BOOST_TEST(ours[0][1].eq(0).all().item<bool>());
        BOOST_TEST(lt::cross_entropy_sum(logits, targets).item<double>() ==
                   expected.item<double>());
    }
    // Its record is spent by the first backward.
    const auto logits = at::randn({6, 7}, at::kDouble).requires_grad_(true);
    const auto loss = lt::cross_entropy_sum(logits, targets);
    const auto once = torch::autograd::grad({loss}, {logits}, {}, true);
    BOOST_CHECK_THROW(torch::autograd::grad({loss}, {logits}), std::exception);
}

BOOST_AUTO_TEST_SUITE_END()
