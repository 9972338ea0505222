// SPDX-License-Identifier: Apache-2.0
#include "commands/check_report.hpp"

#include "common/json.hpp"
#include "common/numbers.hpp"
#include "common/problems.hpp"
#include "config/schema.hpp"
#include "data/tokenizer.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace packkit::train {
namespace {

using app::ordered_json;

/// Who has decided a setting.
enum class setting_origin : std::uint8_t { file, command_line, defaults, other_keys };
}  // namespace
template <>
inline constexpr auto names_of<setting_origin> =
    in_order<setting_origin>("file", "command line", "default", "other keys");
namespace {

struct shown_setting {
    std::string key;
    std::string value;
    setting_origin from = setting_origin::defaults;
    std::size_t line = 0;  ///< of the file
};

/// The value under a key as "datasets.0.path"; nullptr when the configuration has none.
const config_node* find_value(const config_node& root, std::string_view key) {
    const config_node* node = &root;
    while (!key.empty()) {
        const auto point = std::min(key.find('.'), key.size());
        const auto part = key.substr(0, point);
        key.remove_prefix(std::min(point + 1, key.size()));
        if (node->type == config_node::kind::sequence) {
            std::size_t at = 0;
            const auto read = std::from_chars(part.data(), part.data() + part.size(), at);
            if (read.ec != std::errc() || at >= node->items.size()) return nullptr;
            node = &node->items[at];
        } else {
            node = node->find(part);
            if (node == nullptr) return nullptr;
        }
    }
    return node->type == config_node::kind::null ? nullptr : node;
}

std::vector<shown_setting> settings_of(const checked_config& checked) {
    train_config plain;
    plain.datasets.resize(checked.config.datasets.size());
    std::map<std::string, std::string> defaults;
    for (auto& [key, value] : resolved_settings(plain))
        defaults.emplace(key, value);
    std::vector<shown_setting> settings;
    for (auto& [key, value] : resolved_settings(checked.config)) {
        shown_setting one{key, value};
        if (const auto* const node = find_value(checked.root, key)) {
            one.line = node->line;
            one.from =
                node->line == 0 ? setting_origin::command_line : setting_origin::file;
        } else if (defaults[key] != value) {
            one.from = setting_origin::other_keys;
        }
        settings.push_back(std::move(one));
    }
    return settings;
}

double share_of(std::int64_t part, std::int64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

ordered_json data_json(const token_store& samples) {
    const dataset_report& report = samples.report();
    const auto targets = samples.valid_targets();
    return {{"rows", report.rows},
            {"samples", samples.size()},
            {"tokens", report.tokens},
            {"targets", report.valid_targets},
            {"samples_without_targets", std::count(targets.begin(), targets.end(), 0)},
            {"dropped", report.dropped},
            {"truncated", report.truncated},
            {"split", report.split},
            {"empty", report.empty},
            {"dropped_tokens", report.dropped_tokens},
            {"truncated_tokens", report.cut_tokens},
            {"dropped_share", share_of(report.dropped_tokens, report.tokens_read)},
            {"truncated_share", share_of(report.cut_tokens, report.tokens_read)}};
}

/// Tokens of a sample as text, one piece a run of tokens that are trained or not.
class sample_text {
public:
    explicit sample_text(const tokenizer* tokens) : tokens_(tokens) {}

    /// The bytes of tokens; of ids without a tokenizer the ids.
    [[nodiscard]] std::string of(std::span<const std::int32_t> ids) const {
        std::string text;
        for (const std::int32_t id : ids) {
            if (tokens_ != nullptr) {
                text += tokens_->token_text(id);
            } else {
                text += (text.empty() ? "" : " ") + std::to_string(id);
            }
        }
        return text;
    }

    [[nodiscard]] std::string marked(const token_store& samples, std::size_t sample,
                                     bool in_colour) const {
        const auto ids = samples.tokens(sample);
        const auto labels = samples.labels(sample);
        // No token comes before the first, so that nothing predicts it.
        const auto trained = [&](std::size_t i) {
            return i > 0 && labels[i] != ignored_label;
        };
        std::string text;
        for (std::size_t begin = 0; begin < ids.size();) {
            std::size_t end = begin + 1;
            while (end < ids.size() && trained(end) == trained(begin))
                ++end;
            const auto part = app::escaped(of(ids.subspan(begin, end - begin)));
            if (trained(begin)) {
                text += (in_colour ? "\x1b[32m" : "[[") + part +
                        (in_colour ? "\x1b[0m" : "]]");
            } else {
                text += part;
            }
            begin = end;
        }
        return text;
    }

private:
    const tokenizer* tokens_;
};

std::string json_text(const checked_config& checked, const token_store& samples,
                      const tokenizer* tokens, const std::string& summary,
                      std::size_t show) {
    ordered_json result = {{"summary", summary}};
    auto& settings = result["settings"] = ordered_json::object();
    for (const auto& one : settings_of(checked)) {
        auto& entry = settings[one.key];
        entry = {{"value", one.value}, {"from", name_of(one.from)}};
        if (one.from == setting_origin::file) entry["line"] = one.line;
    }
    result["data"] = data_json(samples);
    auto& shown = result["samples"] = ordered_json::array();
    const sample_text text(tokens);
    for (std::size_t i = 0; i < show; ++i) {
        const auto ids = samples.tokens(i);
        const auto labels = samples.labels(i);
        shown.push_back(
            {{"text", text.of(ids)},
             {"ids", std::vector<std::int32_t>(ids.begin(), ids.end())},
             {"labels", std::vector<std::int32_t>(labels.begin(), labels.end())}});
    }
    // Tokens may end inside a character.
    return result.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::string settings_table(const checked_config& checked) {
    app::table table({{"key", app::alignment::left},
                      {"value", app::alignment::left},
                      {"from", app::alignment::left}});
    for (const auto& one : settings_of(checked)) {
        std::string from(name_of(one.from));
        if (one.from == setting_origin::file)
            from += ", line " + std::to_string(one.line);
        table.add_row({one.key, app::escaped(one.value), from});
    }
    return table.to_text();
}

std::string data_lines(const token_store& samples) {
    const dataset_report& report = samples.report();
    const auto targets = samples.valid_targets();
    const auto without = std::count(targets.begin(), targets.end(), 0);
    const auto share = [&](std::int64_t tokens) {
        return app::percent(share_of(tokens, report.tokens_read), 1) + " of all tokens";
    };
    return "data: " + app::counted(report.rows, "row") + ", " +
           app::counted(report.samples, "sample") + ", " +
           app::counted(report.tokens, "token") + ", " +
           app::counted(report.valid_targets, "target") +
           "\n  dropped: " + app::counted(report.dropped, "row") + ", " +
           share(report.dropped_tokens) +
           "\n  truncated: " + app::counted(report.truncated, "row") + ", " +
           share(report.cut_tokens) + "\n  split: " + app::counted(report.split, "row") +
           "\n  empty: " + app::counted(report.empty, "row") +
           "\n  without a target: " + app::counted(without, "sample") + "\n";
}

}  // namespace

std::string check_report(const checked_config& checked, const token_store& samples,
                         const tokenizer* tokens, const std::string& summary,
                         const check_options& options, bool in_colour) {
    const std::size_t show = std::min(options.show, samples.size());
    if (options.format == app::output_format::json)
        return json_text(checked, samples, tokens, summary, show);
    if (options.format != app::output_format::table)
        throw app::usage_error("--format", "check prints table or json");
    std::string text = settings_table(checked) + "\n" + data_lines(samples);
    if (show > 0) {
        const sample_text decoded(tokens);
        for (std::size_t i = 0; i < show; ++i) {
            text += "\nsample " + std::to_string(i + 1) + ": " +
                    app::counted(static_cast<std::int64_t>(samples.tokens(i).size()),
                                 "token") +
                    ", " + app::counted(samples.valid_targets()[i], "target") +
                    (in_colour ? " in green" : " in [[ ]]") + "\n  " +
                    decoded.marked(samples, i, in_colour) + "\n";
        }
    }
    return text + "\n" + summary + "\n";
}

}  // namespace packkit::train
