// SPDX-License-Identifier: Apache-2.0
// Keys of the optimizer and its schedule.
#include "config/optimizer.hpp"
#include "config/keys/keys.hpp"

#include <array>
#include <limits>

namespace packkit::train {
namespace {

using namespace key_rows;

constexpr auto other_rule =
    "is not supported: only AdamW and SGD are; use adamw_torch_fused, which any of its "
    "configurations runs with"sv;
constexpr auto other_optimizers =
    rejected_names(other_rule, "adafactor", "adagrad", "adalomo", "adamw_anyprecision",
                   "adamw_torch_npu_fused", "adamw_torch_xla", "ademamix*", "adopt_adamw",
                   "apollo*", "came_pytorch", "dion", "flash_*", "galore*", "grokadamw",
                   "lion*", "lomo", "muon", "paged_ademamix*", "paged_lion*", "q_galore*",
                   "rmsprop*", "schedule_free*", "sinkgd", "stable_adamw");

constexpr auto needs_evaluation =
    "is not supported: it follows evaluations; use cosine or constant_with_warmup"sv;
constexpr auto changes_betas =
    "is not supported: it changes adam_beta1 in every step; use cosine or rex"sv;
constexpr std::array<rejected_name, 4> other_schedules = {
    {{"reduce_lr_on_plateau", needs_evaluation},
     {"greedy", needs_evaluation},
     {"one_cycle", changes_betas},
     {"log_sweep", "is not supported; expected"}}};

/// A map or a text, which a rule looks at.
struct arguments {
    [[nodiscard]] std::optional<bool> read(const config_node& node) const {
        const bool good =
            node.type == config_node::kind::map || node.type == config_node::kind::scalar;
        return good ? std::optional(true) : std::nullopt;
    }
    [[nodiscard]] std::string expected() const {
        return "a map or a text as \"beta1=0.9,beta2=0.95\"";
    }
};

constexpr real_range share{0.0, 1.0, true, true, "a number from 0 to 1"};

/// A member of the arguments of the schedule.
template <class Value>
auto in_schedule(Value scheduler_arguments::* member) {
    return [member](auto& config) -> auto& { return config.lr_scheduler_kwargs.*member; };
}

/// The name, and for a resume the rule that it stands for: many names mean AdamW.
void add_optimizer_settings(const train_config& config, setting_list& list) {
    list.push_back({"optimizer", std::string(to_string(config.optimizer)), none});
    // Checkpoints of earlier versions, all of AdamW, record none.
    list.push_back({"optimizer_rule", is_adamw(config.optimizer) ? "" : "sgd", run});
}

std::string sgd_text(const train_config& config) {
    if (config.sgd == sgd_arguments{}) return "";
    return "momentum=" + real{not_negative}.text(config.sgd.momentum) +
           ",dampening=" + real{not_negative}.text(config.sgd.dampening) +
           ",nesterov=" + truth{}.text(config.sgd.nesterov);
}

key_table<train_config> scheduler_keys() {
    using A = scheduler_arguments;
    static const std::vector<K> keys = {
        K("num_cycles", in_schedule(&A::num_cycles), real{positive},
          "waves of cosine schedules, 0.5 unless set; restarts, 1 unless set"),
        K("min_lr", in_schedule(&A::min_lr), real{not_negative},
          "lowest rate of cosine_with_min_lr and cosine_warmup_with_min_lr"),
        K("min_lr_rate", in_schedule(&A::min_lr_rate), real{share},
          "lowest rate as a share of learning_rate, instead of min_lr"),
        K("warmup_lr_rate", in_schedule(&A::warmup_lr_rate), real{share},
          "first rate of cosine_warmup_with_min_lr as a share of learning_rate"),
        K("power", in_schedule(&A::power), real{positive},
          "power of polynomial, 1 unless set"),
        K("lr_end", in_schedule(&A::lr_end), real{not_negative},
          "last rate of polynomial, 1e-7 unless set"),
        K("min_lr_ratio", in_schedule(&A::min_lr_ratio), real{share},
          "lowest rate of warmup_stable_decay as a share of learning_rate"),
        K("timescale", in_schedule(&A::timescale), whole{1},
          "steps of inverse_sqrt; unless set those of warmup, or 10000"),
        K("num_decay_steps", in_schedule(&A::num_decay_steps), whole{0},
          "steps in which warmup_stable_decay falls"),
        K("num_stable_steps", in_schedule(&A::num_stable_steps), whole{0},
          "steps of warmup_stable_decay at learning_rate; unless set all others"),
        K("warmup_type", in_schedule(&A::warmup_type), choice<ramp_shape>{},
          "curve of the warmup of warmup_stable_decay"),
        K("decay_type", in_schedule(&A::decay_type), choice<ramp_shape>{},
          "curve of the decay of warmup_stable_decay")};
    return keys;
}

}  // namespace

// A row is a line.
// clang-format off
std::vector<K> optimizer_keys() { return {
    K("max_steps", &C::max_steps, whole{-1}, "steps of the run, instead of num_epochs; 0 and -1: not set").affecting(change),
    K("num_epochs", &C::num_epochs, real{positive}, "passes over the data").affecting(change).told("max_steps"),
    K("optimizer", &C::optimizer, choice<optimizer_name>{names_of<optimizer_name>, other_optimizers}, "all names but sgd mean the same AdamW").listed(add_optimizer_settings),
    K("optim_args", arguments{}, "beta1, beta2, eps of AdamW; momentum, dampening, nesterov of SGD").printed("optim_args", sgd_text).affecting(run),
    K("learning_rate", &C::learning_rate, real{not_negative}, "highest rate of the schedule").affecting(change),
    K("lr_scheduler", &C::lr_scheduler, choice<decay_shape>{names_of<decay_shape>, other_schedules}, "how the rate falls after warm-up; constant: no warm-up").told().affecting(change),
    K("lr_scheduler_kwargs", collection{config_node::kind::map, "keys, as {min_lr_rate: 0.1}"}, "").with_keys(scheduler_keys),
    K("lr_quadratic_warmup", &C::lr_quadratic_warmup, truth{}, "with lr_scheduler cosine: the rate rises by the square of the steps").affecting(change),
    K("cosine_min_lr_ratio", &C::cosine_min_lr_ratio, real{share}, "with lr_scheduler cosine or rex: lowest rate as a share of learning_rate").affecting(change),
    K("cosine_constant_lr_ratio", &C::cosine_constant_lr_ratio, real{share}, "with cosine_min_lr_ratio: share of all steps after which the rate stays lowest").affecting(change),
    K("warmup_steps", &C::warmup_steps, whole{0}, "steps in which the rate rises").by_default("3 % of all steps, at most 100").affecting(change).told("warmup_ratio"),
    K("warmup_ratio", &C::warmup_ratio, real{below_one}, "share of all steps, instead of warmup_steps").affecting(change),
    K("weight_decay", &C::weight_decay, real{not_negative}, "decoupled weight decay").affecting(change),
    K("adam_beta1", &C::adam_beta1, real{below_one}, "decay of the first moment").affecting(run),
    K("adam_beta2", &C::adam_beta2, real{below_one}, "decay of the second moment").affecting(run),
    K("adam_epsilon", &C::adam_epsilon, real{positive}, "added to the root of the second moment").affecting(run),
    K("adam_epsilon2", rejected, "only optimizer came_pytorch reads it, which is not supported"),
    K("adam_beta3", rejected, "only optimizer came_pytorch reads it, which is not supported"),
    K("lr_groups", &C::lr_groups, learning_rate_groups{}, "learning rates of weights whose names contain one of the modules; embeddings and head then have no weight decay").affecting(run),
    K("embedding_lr", &C::embedding_lr, real{positive}, "learning rate of embeddings and head, which then have no weight decay").affecting(run),
    K("embedding_lr_scale", &C::embedding_lr_scale, real{positive}, "learning rate of embeddings and head as a multiple of learning_rate").affecting(run),
    K("unfrozen_parameters", &C::unfrozen_parameters, parameter_patterns{}, "regular expressions of the parameters that are trained, matched from the start of the name; dots are dots").affecting(run),
    K("loss_watchdog_threshold", &C::loss_watchdog_threshold, real{any_number}, "a logged loss above it counts as too high"),
    K("loss_watchdog_patience", &C::loss_watchdog_patience, whole{0}, "the run stops after so many losses in a row that are too high; 0: 3"),
    K("max_grad_norm", &C::max_grad_norm, real{not_negative}, "gradients are clipped to this norm; 0: they are not").affecting(run),
}; }
// clang-format on

}  // namespace packkit::train
