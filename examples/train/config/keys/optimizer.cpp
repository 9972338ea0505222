// SPDX-License-Identifier: Apache-2.0
// Keys of the optimizer and its schedule.
#include "config/keys/keys.hpp"

namespace packkit::train {
namespace {

using namespace std::string_view_literals;
using enum key_status;
using enum key_effect;
using C = train_config;
using K = config_key<train_config>;

constexpr named<decay_shape> schedules[] = {{"cosine", decay_shape::cosine},
                                            {"linear", decay_shape::linear},
                                            {"constant", decay_shape::constant}};

}  // namespace

// A row is a line.
// clang-format off
std::vector<K> optimizer_keys() { return {
    K("max_steps", &C::max_steps, whole{-1}, "steps of the run, instead of num_epochs; 0 and -1: not set").affecting(change),
    K("num_epochs", &C::num_epochs, real{positive}, "passes over the data").affecting(change).told("max_steps"),
    K("optimizer", &C::optimizer, choice<optimizer_name>{}, "both names mean the same AdamW").affecting(run),
    K("learning_rate", &C::learning_rate, real{not_negative}, "highest rate of the schedule").affecting(change),
    K("lr_scheduler", &C::lr_scheduler, choice<decay_shape>{schedules}, "how the rate falls after warm-up").affecting(change).told(),
    K("warmup_steps", &C::warmup_steps, whole{0}, "steps in which the rate rises").affecting(change),
    K("warmup_ratio", &C::warmup_ratio, real{below_one}, "share of all steps, instead of warmup_steps").affecting(change),
    K("weight_decay", &C::weight_decay, real{not_negative}, "decoupled weight decay").affecting(change),
    K("adam_beta1", &C::adam_beta1, real{below_one}, "decay of the first moment").affecting(run),
    K("adam_beta2", &C::adam_beta2, real{below_one}, "decay of the second moment").affecting(run),
    K("adam_epsilon", &C::adam_epsilon, real{positive}, "added to the root of the second moment").affecting(run),
    K("max_grad_norm", &C::max_grad_norm, real{not_negative}, "gradients are clipped to this norm; 0: they are not").affecting(run),
}; }
// clang-format on

}  // namespace packkit::train
