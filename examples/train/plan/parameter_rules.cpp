// SPDX-License-Identifier: Apache-2.0
#include "plan/parameter_rules.hpp"

#include "common/errors.hpp"

#include <packkit/model/parameters.hpp>

#include <regex>
#include <string>
#include <string_view>

namespace packkit::train {
namespace {

/// Patterns of parameters' names; counts what each finds.
class name_patterns {
public:
    explicit name_patterns(const std::vector<std::string>& patterns) {
        for (const auto& pattern : patterns)
            patterns_.push_back({pattern, std::regex(with_literal_dots(pattern)), false});
    }

    [[nodiscard]] bool match(const std::string& name) {
        bool found = patterns_.empty();
        for (auto& pattern : patterns_) {
            if (!std::regex_search(name, pattern.regex,
                                   std::regex_constants::match_continuous))
                continue;
            pattern.found = found = true;
        }
        return found;
    }

    void check(const std::string& file) const {
        for (const auto& pattern : patterns_) {
            if (pattern.found) continue;
            throw app::input_error(
                file, "unfrozen_parameters: " + app::in_quotes(pattern.text) +
                          " matches no parameter of the model; it is matched from the "
                          "start of names such as model.layers.0.mlp.up_proj.weight");
        }
    }

private:
    struct compiled_pattern {
        std::string text;
        std::regex regex;
        bool found;
    };

    /// Dots are dots, except before a plus sign.
    static std::string with_literal_dots(const std::string& pattern) {
        std::string result;
        for (std::size_t i = 0; i < pattern.size(); ++i) {
            const bool is_escaped = i > 0 && pattern[i - 1] == '\\';
            const bool repeats = i + 1 < pattern.size() && pattern[i + 1] == '+';
            if (pattern[i] == '.' && !is_escaped && !repeats) result += '\\';
            result += pattern[i];
        }
        return result;
    }

    std::vector<compiled_pattern> patterns_;
};

/// Groups of learning rates: that of embeddings and head first.
class rate_groups {
public:
    explicit rate_groups(const train_config& config) : config_(config) {
        enabled_ =
            config.embedding_lr || config.embedding_lr_scale || !config.lr_groups.empty();
        if (!enabled_) return;
        double rate = config.learning_rate;
        if (config.embedding_lr_scale) {
            rate *= *config.embedding_lr_scale;
        } else if (config.embedding_lr) {
            rate = *config.embedding_lr;
        }
        rates_.push_back(rate);
        for (const auto& group : config.lr_groups)
            rates_.push_back(group.lr);
    }

    void apply(const std::string& name, parameter_rule& rule) {
        if (!enabled_) return;
        const bool is_embedding = name.find("embed_tokens") != std::string::npos ||
                                  name.find("lm_head") != std::string::npos;
        if (is_embedding) {
            rule.weight_decay = false;
            rule.rate_group = 1;
        } else if (rule.weight_decay) {
            rule.rate_group = group_of(name);
        }
    }

    [[nodiscard]] const std::vector<double>& rates() const { return rates_; }

private:
    /// The first group that has a module in the name.
    [[nodiscard]] std::size_t group_of(const std::string& name) const {
        for (std::size_t g = 0; g < config_.lr_groups.size(); ++g) {
            for (const auto& module : config_.lr_groups[g].modules) {
                if (name.find(module) != std::string::npos) return g + 2;
            }
        }
        return 0;
    }

    const train_config& config_;
    bool enabled_ = false;
    std::vector<double> rates_;
};

/// Every module of `lr_groups` is in the name of a parameter.
void check_modules(const train_config& config, const std::vector<unit_shape>& units) {
    const auto is_in_a_name = [&](const std::string& module) {
        for (const auto& unit : units) {
            for (const auto& parameter : unit.parameters) {
                if (parameter.name.find(module) != std::string::npos) return true;
            }
        }
        return false;
    };
    for (const auto& group : config.lr_groups) {
        for (const auto& module : group.modules) {
            if (is_in_a_name(module)) continue;
            throw app::input_error(config.config_path, "lr_groups: module " +
                                                           app::in_quotes(module) +
                                                           " is in no parameter's name");
        }
    }
}

}  // namespace

parameter_rules parameter_rules_of(const train_config& config, const model_shape& shape) {
    const auto units = unit_shapes(shape);
    name_patterns trained(config.unfrozen_parameters);
    rate_groups groups(config);
    check_modules(config, units);
    parameter_rules rules;
    for (const auto& unit : units) {
        auto& of_unit = rules.of_units.emplace_back();
        for (const auto& parameter : unit.parameters) {
            parameter_rule rule{parameter.weight_decay, 0,
                                !trained.match(parameter.name)};
            groups.apply(parameter.name, rule);
            of_unit.push_back(rule);
        }
    }
    trained.check(config.config_path);
    rules.group_rates = groups.rates();
    return rules;
}

}  // namespace packkit::train
