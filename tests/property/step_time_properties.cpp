// SPDX-License-Identifier: Apache-2.0
#include <packkit/estimate/flops.hpp>
#include <packkit/estimate/step_time.hpp>
#include <packkit/estimate/throughput_claim.hpp>
#include <packkit/model/presets.hpp>

#include <cmath>
#include <cstdint>

#include <rapidcheck/boost_test.h>

BOOST_AUTO_TEST_SUITE(step_time_properties)

namespace {

using packkit::device;
using packkit::flop_convention;
using packkit::model_layout;
using packkit::training_setup;

const packkit::named_model& any_model() {
    const auto models = packkit::named_models();
    return models[*rc::gen::inRange<std::size_t>(0, models.size())];
}

const device& any_device() {
    const auto all = packkit::devices();
    return all[*rc::gen::inRange<std::size_t>(0, all.size())];
}

training_setup any_setup() {
    const auto power = [](int below) {
        return std::int64_t{1} << *rc::gen::inRange(0, below);
    };
    training_setup setup;
    setup.mesh = {power(4), power(6), power(3), power(4)};
    setup.sequence_len = power(15) + 7;
    setup.micro_batch_size = power(4);
    setup.gradient_accumulation_steps = power(4);
    setup.sharding =
        *rc::gen::element(packkit::sharding_kind::ddp, packkit::sharding_kind::zero1,
                          packkit::sharding_kind::zero2, packkit::sharding_kind::fsdp);
    setup.checkpointing = *rc::gen::element(packkit::checkpointing_kind::none,
                                            packkit::checkpointing_kind::selective,
                                            packkit::checkpointing_kind::full);
    setup.reshard_after_forward = *rc::gen::arbitrary<bool>();
    setup.sequence_parallel = *rc::gen::arbitrary<bool>();
    setup.offload_optimizer = *rc::gen::arbitrary<bool>();
    return setup;
}

packkit::step_seconds estimate(const model_layout& layout, const training_setup& setup,
                               const device& on, const packkit::workload& work) {
    return packkit::estimate_step_time(
        layout, setup, on, work, packkit::estimate_communication(layout, setup, work));
}

}  // namespace

RC_BOOST_PROP(a_step_is_its_parts, ()) {
    const model_layout layout(any_model().shape);
    const training_setup setup = any_setup();
    const auto work = packkit::full_rows(setup.sequence_len);
    const auto s = estimate(layout, setup, any_device(), work);
    for (const double part :
         {s.forward, s.backward, s.optimizer, s.communication, s.exposed_communication,
          s.recomputation, s.attention, s.imbalance}) {
        RC_ASSERT(std::isfinite(part));
        RC_ASSERT(part >= 0.0);
    }
    RC_ASSERT(std::abs(s.forward + s.backward + s.optimizer - s.compute) <=
              1e-12 * s.compute);
    RC_ASSERT(std::abs(s.compute + s.exposed_communication - s.step) <= 1e-12 * s.step);
    RC_ASSERT(s.backward >= s.recomputation);
}

RC_BOOST_PROP(nothing_is_faster_than_the_peak, ()) {
    const model_layout layout(any_model().shape);
    const training_setup setup = any_setup();
    const device& on = any_device();
    const auto work = packkit::full_rows(setup.sequence_len);
    const auto s = estimate(layout, setup, on, work);
    const double tokens = static_cast<double>(setup.global_rows()) * work.tokens_per_row /
                          static_cast<double>(setup.mesh.world_size());
    // By B without attention: what every model must at least compute.
    const double flops = packkit::flops_per_token(layout, flop_convention::B, 0);
    RC_ASSERT(packkit::mfu(flops, tokens / s.step, on.peak_flops(setup.precision)) < 1.0);
}

RC_BOOST_PROP(better_hardware_is_not_slower, ()) {
    const model_layout layout(any_model().shape);
    const training_setup setup = any_setup();
    const device& on = any_device();
    const auto work = packkit::full_rows(setup.sequence_len);
    const double before = estimate(layout, setup, on, work).step;
    device better = on;
    const double factor = *rc::gen::inRange(2, 5);
    switch (*rc::gen::inRange(0, 5)) {
        case 0:
            better.peak_flops_bf16 *= factor;
            break;
        case 1:
            better.memory_bandwidth *= factor;
            break;
        case 2:
            better.link_bytes_per_second *= factor;
            break;
        case 3:
            better.network_bytes_per_second *= factor;
            break;
        default:
            better.collective_latency_seconds = better.network_latency_seconds = 0;
    }
    // Faster compute hides less: the step is never longer for it.
    RC_ASSERT(estimate(layout, setup, better, work).step <= before * (1 + 1e-12));
}

RC_BOOST_PROP(more_work_takes_longer, ()) {
    const model_layout layout(any_model().shape);
    const training_setup setup = any_setup();
    const device& on = any_device();
    const auto work = packkit::full_rows(setup.sequence_len);
    const double before = estimate(layout, setup, on, work).step;
    training_setup more = setup;
    switch (*rc::gen::inRange(0, 3)) {
        case 0:
            more.micro_batch_size *= 2;
            break;
        case 1:
            more.gradient_accumulation_steps *= 2;
            break;
        default:
            more.checkpointing = packkit::checkpointing_kind::full;
    }
    RC_ASSERT(estimate(layout, more, on, work).step >= before * (1 - 1e-12));
    auto uneven = work;
    uneven.dp_imbalance = 1.5;
    RC_ASSERT(estimate(layout, setup, on, uneven).step >= before * (1 - 1e-12));
}

RC_BOOST_PROP(conventions_are_ordered, ()) {
    const model_layout layout(any_model().shape);
    const double length = *rc::gen::inRange(0, 1 << 20);
    const double a = packkit::flops_per_token(layout, flop_convention::A, length);
    const double b = packkit::flops_per_token(layout, flop_convention::B, length);
    const double c = packkit::flops_per_token(layout, flop_convention::C, length);
    RC_ASSERT(a >= b);
    RC_ASSERT(b >= c);
    RC_ASSERT(c > 0.0);
    // Linear in the attention length.
    const double a0 = packkit::flops_per_token(layout, flop_convention::A, 0);
    const double a2 = packkit::flops_per_token(layout, flop_convention::A, 2 * length);
    RC_ASSERT(std::abs((a2 - a0) - 2 * (a - a0)) <= 1e-9 * a2);
}

RC_BOOST_PROP(a_claim_agrees_with_its_own_mfu, ()) {
    const model_layout layout(any_model().shape);
    const double peak = any_device().peak_flops_bf16;
    const double length = *rc::gen::inRange(1, 1 << 17);
    const auto convention =
        *rc::gen::element(flop_convention::A, flop_convention::B, flop_convention::C);
    const double share = *rc::gen::inRange(1, 200) / 100.0;
    const double flops = packkit::flops_per_token(layout, convention, length);
    const double rate = packkit::tokens_per_second_at(share, peak, flops);
    packkit::throughput_claim claim{rate, length};
    claim.mfu = share;
    claim.model_flops = share * peak;
    const auto check = packkit::check_claim(layout, claim, peak, 1e-9);
    RC_ASSERT(check.convention.has_value());
    RC_ASSERT(check.possible() == (check.required_mfu <= 1.0));
    // Contradicted only where it is impossible.
    RC_ASSERT(check.contradictions.size() == (check.possible() ? 0u : 1u));
    // Twice the MFU of the same row is no convention's (A is at most twice C).
    claim.mfu = share * 2.5;
    claim.model_flops.reset();
    RC_ASSERT(!packkit::check_claim(layout, claim, peak, 0.02).convention.has_value() ||
              convention == flop_convention::C);
}

BOOST_AUTO_TEST_SUITE_END()
