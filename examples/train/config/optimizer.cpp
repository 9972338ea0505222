// SPDX-License-Identifier: Apache-2.0
#include "config/optimizer.hpp"

#include "common/json.hpp"
#include "common/numbers.hpp"
#include "config/kinds.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <regex>
#include <span>
#include <string_view>
#include <utility>

namespace packkit::train {
namespace {

using namespace std::string_view_literals;
using node_kind = config_node::kind;

/// The arguments of `optim_args` as names and values.
std::vector<std::pair<std::string, config_node>> optimizer_arguments_of(
    const key_reader& keys, const config_node& node) {
    std::vector<std::pair<std::string, config_node>> arguments;
    if (node.type == node_kind::map) {
        for (const auto& member : node.members)
            arguments.emplace_back(member.key, member.value);
        return arguments;
    }
    if (node.type != node_kind::scalar)
        keys.expected("optim_args", "a map or a text as \"beta1=0.9,beta2=0.95\"");
    std::string text = node.text;
    std::erase(text, ' ');
    for (std::size_t begin = 0; begin < text.size();) {
        const auto end = std::min(text.find(',', begin), text.size());
        const auto part = text.substr(begin, end - begin);
        begin = end + 1;
        const auto sign = part.find('=');
        if (sign == std::string::npos)
            keys.expected("optim_args", "a map or a text as \"beta1=0.9,beta2=0.95\"");
        config_node value = node;
        value.text = part.substr(sign + 1);
        arguments.emplace_back(part.substr(0, sign), std::move(value));
    }
    return arguments;
}

/// The argument's value, or a problem of `optim_args`.
template <class Kind>
auto argument(const key_reader& keys, const std::string& name, const config_node& node,
              const Kind& kind) {
    const auto value = kind.read(node);
    if (!value)
        keys.fail("optim_args", name + ": " + expected_found(kind.expected(), node));
    return *value;
}

void set_adam_argument(const key_reader& keys, const std::string& name,
                       const config_node& node, train_config& config) {
    struct known {
        std::string_view name;
        std::string_view key;
        double train_config::* member;
        real_range range;
    };
    constexpr std::array table = {
        known{"beta1", "adam_beta1", &train_config::adam_beta1, below_one},
        known{"beta2", "adam_beta2", &train_config::adam_beta2, below_one},
        known{"eps", "adam_epsilon", &train_config::adam_epsilon, positive},
        known{"epsilon", "adam_epsilon", &train_config::adam_epsilon, positive}};
    for (const auto& [argument_name, key, member, range] : table) {
        if (name != argument_name) continue;
        if (keys.has(key)) {
            keys.conflict("optim_args", fmt::format("optim_args.{} and {} are the same "
                                                    "setting; set only one of them",
                                                    name, key));
        }
        config.*member = argument(keys, name, node, real{range});
        return;
    }
    keys.fail("optim_args", app::in_quotes(name) + " is no argument of optimizer " +
                                std::string(to_string(config.optimizer)) +
                                "; it takes beta1, beta2, "
                                "eps");
}

void set_sgd_argument(const key_reader& keys, const std::string& name,
                      const config_node& node, train_config& config) {
    if (name == "momentum") {
        config.sgd.momentum = argument(keys, name, node, real{not_negative});
    } else if (name == "dampening") {
        config.sgd.dampening = argument(keys, name, node, real{any_number});
    } else if (name == "nesterov") {
        config.sgd.nesterov = argument(keys, name, node, truth{});
    } else {
        keys.fail("optim_args", app::in_quotes(name) +
                                    " is no argument of optimizer sgd; it takes "
                                    "momentum, dampening, nesterov");
    }
}

void apply_optimizer_arguments(const key_reader& keys, train_config& config) {
    const config_node* const node = keys.find("optim_args");
    if (node == nullptr) return;
    for (const auto& [name, value] : optimizer_arguments_of(keys, *node)) {
        if (is_adamw(config.optimizer)) {
            set_adam_argument(keys, name, value, config);
        } else {
            set_sgd_argument(keys, name, value, config);
        }
    }
    const auto& sgd = config.sgd;
    if (sgd.nesterov && (sgd.momentum == 0 || sgd.dampening != 0))
        keys.fail("optim_args", "nesterov needs a momentum above 0 and a dampening of 0");
}

/// Keys of AdamW that SGD does not read.
void note_unused_adam_keys(const key_reader& keys, train_config& config) {
    if (is_adamw(config.optimizer)) return;
    for (const auto key : {"adam_beta1"sv, "adam_beta2"sv, "adam_epsilon"sv}) {
        if (keys.has(key))
            config.warnings.push_back("`" + std::string(key) +
                                      "` has no effect: optimizer sgd has no moments");
    }
}

/// A key of `lr_scheduler_kwargs` and the schedules that take it.
struct scheduler_key {
    std::string_view name;
    std::initializer_list<decay_shape> taken_by;
};

void check_scheduler_arguments(const key_reader& keys, const train_config& config) {
    using enum decay_shape;
    const bool own_cosine =
        config.lr_scheduler == cosine &&
        (config.lr_quadratic_warmup || config.cosine_min_lr_ratio.value_or(0) != 0);
    static const std::array<scheduler_key, 12> table = {
        {{"num_cycles",
          {cosine, cosine_with_restarts, cosine_with_min_lr, cosine_warmup_with_min_lr,
           warmup_stable_decay}},
         {"min_lr", {cosine_with_min_lr, cosine_warmup_with_min_lr}},
         {"min_lr_rate", {cosine_with_min_lr, cosine_warmup_with_min_lr}},
         {"warmup_lr_rate", {cosine_warmup_with_min_lr}},
         {"power", {polynomial}},
         {"lr_end", {polynomial}},
         {"min_lr_ratio", {warmup_stable_decay}},
         {"timescale", {inverse_sqrt}},
         {"num_decay_steps", {warmup_stable_decay}},
         {"num_stable_steps", {warmup_stable_decay}},
         {"warmup_type", {warmup_stable_decay}},
         {"decay_type", {warmup_stable_decay}}}};
    const auto takes = [&](const scheduler_key& key) {
        const auto& shapes = key.taken_by;
        return !own_cosine && std::find(shapes.begin(), shapes.end(),
                                        config.lr_scheduler) != shapes.end();
    };
    std::vector<std::string_view> taken;
    for (const auto& key : table) {
        if (takes(key)) taken.push_back(key.name);
    }
    const key_reader inner = keys.inner("lr_scheduler_kwargs");
    for (const auto& key : table) {
        if (!inner.has(key.name) || takes(key)) continue;
        inner.fail(key.name,
                   fmt::format("lr_scheduler {}{} does not take it; it takes {}",
                               to_string(config.lr_scheduler),
                               own_cosine ? (config.lr_quadratic_warmup
                                                 ? " with lr_quadratic_warmup"
                                                 : " with cosine_min_lr_ratio")
                                          : "",
                               taken.empty() ? "no arguments" : app::name_list(taken)));
    }
}

/// Arguments that a schedule needs, or that must fit each other.
void check_scheduler_needs(const key_reader& keys, const train_config& config) {
    using enum decay_shape;
    const auto& given = config.lr_scheduler_kwargs;
    const auto name = std::string(to_string(config.lr_scheduler));
    const key_reader inner = keys.inner("lr_scheduler_kwargs");
    if (config.lr_scheduler == cosine_with_min_lr ||
        config.lr_scheduler == cosine_warmup_with_min_lr) {
        if (given.min_lr && given.min_lr_rate)
            inner.conflict("min_lr",
                           "lr_scheduler_kwargs.min_lr and lr_scheduler_kwargs."
                           "min_lr_rate are mutually exclusive");
        if (!given.min_lr && !given.min_lr_rate)
            keys.conflict("lr_scheduler", "lr_scheduler: " + name +
                                              " needs lr_scheduler_kwargs.min_lr or "
                                              "lr_scheduler_kwargs.min_lr_rate");
        if (given.min_lr && config.learning_rate == 0)
            inner.conflict("min_lr",
                           "lr_scheduler_kwargs.min_lr needs a learning_rate "
                           "above 0");
    }
    if (config.lr_scheduler == warmup_stable_decay && !given.num_decay_steps)
        keys.conflict("lr_scheduler", "lr_scheduler: " + name +
                                          " needs lr_scheduler_kwargs.num_decay_steps");
    if (config.lr_scheduler == polynomial &&
        config.learning_rate <= given.lr_end.value_or(1e-7))
        keys.conflict("lr_scheduler",
                      "lr_scheduler: polynomial needs a learning_rate above "
                      "lr_scheduler_kwargs.lr_end, 1e-7 unless set");
}

void note_schedule(const key_reader& keys, train_config& config) {
    auto& warnings = config.warnings;
    const bool is_cosine = config.lr_scheduler == decay_shape::cosine;
    const bool is_rex = config.lr_scheduler == decay_shape::rex;
    const auto name = std::string(to_string(config.lr_scheduler));
    const auto no_effect = [&](std::string_view key, const std::string& why) {
        if (!keys.off(key))
            warnings.push_back("`" + std::string(key) + "` has no effect: " + why);
    };
    if (config.lr_scheduler == decay_shape::constant) {
        no_effect("warmup_steps",
                  "lr_scheduler constant has no warmup; use constant_with_warmup");
        no_effect("warmup_ratio",
                  "lr_scheduler constant has no warmup; use constant_with_warmup");
    }
    if (!is_cosine) no_effect("lr_quadratic_warmup", "lr_scheduler is " + name);
    if (!is_cosine && !is_rex)
        no_effect("cosine_min_lr_ratio", "lr_scheduler is " + name);
    if (is_cosine && config.lr_quadratic_warmup)
        no_effect("cosine_min_lr_ratio", "lr_quadratic_warmup goes before it");
    if (!is_cosine || config.lr_quadratic_warmup ||
        config.cosine_min_lr_ratio.value_or(0) == 0)
        no_effect("cosine_constant_lr_ratio",
                  "it needs lr_scheduler: cosine and cosine_min_lr_ratio");
    if (config.embedding_lr_scale.value_or(0) != 0)
        no_effect("embedding_lr", "embedding_lr_scale goes before it");
}

void check_patterns(const key_reader& keys, const train_config& config) {
    static const std::regex range(R"(^.+\[[0-9]*(:[0-9]*)?\]$)");
    for (const auto& pattern : config.unfrozen_parameters) {
        if (std::regex_match(pattern, range)) {
            keys.fail("unfrozen_parameters",
                      app::in_quotes(pattern) +
                          ": ranges of rows are not supported; leave out [...] to train "
                          "the whole parameter");
        }
        try {
            static_cast<void>(std::regex(pattern));
        } catch (const std::regex_error&) {
            keys.fail("unfrozen_parameters",
                      app::in_quotes(pattern) + " is no regular expression");
        }
    }
}

}  // namespace

int moment_bits(optimizer_name name) {
    switch (name) {
        case optimizer_name::adamw_torch_4bit:
        case optimizer_name::ao_adamw_4bit:
            return 4;
        case optimizer_name::adamw_8bit:
        case optimizer_name::adamw_bnb_8bit:
        case optimizer_name::adamw_torch_8bit:
        case optimizer_name::adamw_torch_fp8:
        case optimizer_name::ao_adamw_8bit:
        case optimizer_name::ao_adamw_fp8:
        case optimizer_name::paged_adamw_8bit:
            return 8;
        default:
            return 32;
    }
}

std::optional<std::string> optimizer_note(const train_config& config,
                                          std::optional<std::int64_t> state_bytes) {
    const int bits = moment_bits(config.optimizer);
    const bool is_paged = config.optimizer == optimizer_name::paged_adamw_8bit ||
                          config.optimizer == optimizer_name::paged_adamw_32bit;
    if (bits == 32 && !is_paged) return std::nullopt;
    const std::int64_t element = config.torch_dtype == dtype::float64 ? 8 : 4;
    std::string note = fmt::format(
        "optimizer {} runs as AdamW with {} moments{}", to_string(config.optimizer),
        to_string(config.torch_dtype), is_paged ? " that stay on the device" : "");
    if (bits == 32 || !state_bytes) return note;
    const std::int64_t more = *state_bytes - *state_bytes / element * bits / 8;
    return note + fmt::format(", {} more per rank than with moments of {} bits",
                              app::bytes_text(static_cast<std::uint64_t>(more)), bits);
}

std::optional<std::vector<learning_rate_group>> learning_rate_groups::read(
    const config_node& node) const {
    if (node.type != node_kind::sequence) return std::nullopt;
    std::vector<learning_rate_group> groups;
    for (const config_node& item : node.items) {
        if (item.type != node_kind::map || item.members.size() != 3) return std::nullopt;
        const config_node* const name = item.find("name");
        const config_node* const modules = item.find("modules");
        const config_node* const rate = item.find("lr");
        if (name == nullptr || modules == nullptr || rate == nullptr) return std::nullopt;
        auto read_name = plain_text{}.read(*name);
        auto read_modules = text_list{""}.read(*modules);
        const auto read_rate = real{not_negative}.read(*rate);
        if (!read_name || !read_modules || !read_rate) return std::nullopt;
        groups.push_back({std::move(*read_name), std::move(*read_modules), *read_rate});
    }
    return groups;
}

std::string learning_rate_groups::text(
    const std::vector<learning_rate_group>& value) const {
    if (value.empty()) return "";
    auto list = app::ordered_json::array();
    for (const auto& group : value)
        list.push_back(
            {{"name", group.name}, {"modules", group.modules}, {"lr", group.lr}});
    return list.dump();
}

std::optional<std::vector<std::string>> parameter_patterns::read(
    const config_node& node) const {
    if (node.type == node_kind::scalar && !node.text.empty()) return {{node.text}};
    return text_list{""}.read(node);
}

std::string parameter_patterns::text(const std::vector<std::string>& value) const {
    return value.empty() ? "" : text_list{""}.text(value);
}

void apply_optimizer_rules(const key_reader& keys, train_config& config,
                           config_problems& problems) {
    problems.attempt_with(keys, {"optimizer", "optim_args"},
                          [&] { apply_optimizer_arguments(keys, config); });
    problems.attempt_with(keys, {"optimizer"},
                          [&] { note_unused_adam_keys(keys, config); });
    problems.attempt_with(keys, {"warmup_steps", "warmup_ratio"}, [&] {
        if (config.warmup_steps.value_or(0) > 0 && config.warmup_ratio.value_or(0.0) > 0)
            keys.conflict("warmup_ratio",
                          "warmup_steps and warmup_ratio are mutually exclusive");
    });
    problems.attempt_with(keys,
                          {"lr_scheduler", "lr_scheduler_kwargs", "lr_quadratic_warmup",
                           "cosine_min_lr_ratio", "cosine_constant_lr_ratio"},
                          [&] {
                              check_scheduler_arguments(keys, config);
                              note_schedule(keys, config);
                          });
    problems.attempt_with(keys, {"lr_scheduler", "lr_scheduler_kwargs", "learning_rate"},
                          [&] { check_scheduler_needs(keys, config); });
    problems.attempt_with(keys, {"unfrozen_parameters"},
                          [&] { check_patterns(keys, config); });
}

}  // namespace packkit::train
