// SPDX-License-Identifier: Apache-2.0
#include "config/checks.hpp"

#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "config/keys.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace packkit::train {
namespace {

using namespace std::string_view_literals;
using app::in_quotes;

[[noreturn]] void refuse_unsupported(const key_reader& keys, const config_member& member,
                                     std::string_view note) {
    std::string what = keys.prefix() + member.key + " is not supported";
    if (!note.empty()) what += "; " + std::string(note);
    throw app::input_error(place_of(keys.file(), member.line), what);
}

/// Contradictions that have a message of their own also where a key is not supported.
void check_conflicts(const key_reader& keys) {
    const bool packing = keys.truth("sample_packing").value_or(false);
    if (!keys.off("deepspeed") && (keys.has("fsdp") || keys.has("fsdp_config"))) {
        keys.conflict("deepspeed", "deepspeed and fsdp cannot be used together.");
    }
    if (packing && !keys.off("rl")) {
        keys.conflict("rl", "`sample_packing: true` does not work with RLHF training");
    }
    if (packing && !keys.off("eval_table_size") &&
        !(keys.has("eval_sample_packing") && keys.off("eval_sample_packing"))) {
        keys.conflict(
            "eval_table_size",
            "eval_table_size and eval_sample_packing are not supported together with "
            "sample_packing. Please set 'eval_sample_packing' to false.");
    }
    if (!keys.off("pretraining_dataset") && keys.off("max_steps")) {
        keys.conflict(
            "pretraining_dataset",
            "max_steps must be set when using iterable pretraining_dataset, the "
            "length cannot be inferred");
    }
    const config_node* const optimizer = keys.find("optimizer");
    if (optimizer == nullptr) return;
    constexpr std::array bits8 = {"adamw_8bit"sv, "adamw_bnb_8bit"sv,
                                  "paged_adamw_8bit"sv};
    if (!contains(bits8, optimizer->text)) return;
    constexpr auto instead = "; here: adamw_torch_fused or adamw_torch";
    if (keys.whole("tensor_parallel_size", 1).value_or(1) > 1) {
        keys.conflict("optimizer",
                      "tensor_parallel_size > 1 is not compatible with optimizer " +
                          optimizer->text + instead);
    }
    const config_node* const version = keys.find("fsdp_version");
    if (version != nullptr && version->text == "2") {
        keys.conflict("optimizer", "FSDP2 not compatible with " + optimizer->text +
                                       ", use `adamw_torch_8bit` instead" + instead);
    }
}

/// What a file of such a name holds, or "".
std::string_view kind_of_name(std::string_view path) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 4> endings = {
        {{".jsonl", "json"},
         {".parquet", "parquet"},
         {".arrow", "arrow"},
         {".txt", "text"}}};
    for (const auto& [ending, kind] : endings) {
        if (path.ends_with(ending)) return kind;
    }
    return {};
}

}  // namespace

void refuse_unknown(const key_reader& keys, const config_member& member,
                    std::span<const std::string_view> known) {
    throw app::input_error(place_of(keys.file(), member.line),
                           "key " + in_quotes(keys.prefix() + member.key) +
                               " is unknown" + app::did_you_mean(member.key, known));
}

void check_top_level_keys(const key_reader& keys, std::vector<std::string>& warnings) {
    check_conflicts(keys);
    std::vector<std::string_view> known(top_level_keys().begin(), top_level_keys().end());
    for (const auto& key : inert_keys())
        known.push_back(key.name);
    for (const auto& member : keys.map().members) {
        if (contains(top_level_keys(), member.key)) continue;
        const auto inert = std::find_if(
            inert_keys().begin(), inert_keys().end(),
            [&member](const named_key& key) { return key.name == member.key; });
        if (inert != inert_keys().end()) {
            if (keys.has(member.key)) {
                warnings.push_back("`" + member.key +
                                   "` has no effect: " + std::string(inert->note));
            }
            continue;
        }
        const std::string_view* const note = unsupported_key(member.key);
        if (note == nullptr) refuse_unknown(keys, member, known);
        if (!keys.off(member.key)) refuse_unsupported(keys, member, *note);
    }
}

void check_dataset_key(const key_reader& keys, const config_member& member) {
    if (contains(dataset_keys(), member.key)) return;
    const std::string_view* const note = unsupported_dataset_key(member.key);
    if (note == nullptr) refuse_unknown(keys, member, dataset_keys());
    if (!keys.off(member.key)) refuse_unsupported(keys, member, *note);
}

void check_dataset_type(const key_reader& keys) {
    constexpr std::array others = {
        "sharegpt"sv,      "pretrain"sv,      "context_qa"sv,   "gpteacher"sv,
        "jeopardy"sv,      "oasst"sv,         "reflection"sv,   "explainchoice"sv,
        "concisechoice"sv, "summarizetldr"sv, "alpaca_chat"sv,  "alpaca_w_system"sv,
        "metharme"sv,      "messages"sv,      "user_defined"sv, "stepwise_supervised"sv};
    const config_node* const type = keys.find("type");
    if (type == nullptr) return;
    // "chat_template.default", "alpaca:chat": variants of what is known plainly.
    const std::string name = type->text.substr(0, type->text.find_first_of(".:"));
    constexpr std::array known = {"completion"sv, "tokens"sv, "alpaca"sv,
                                  "input_output"sv, "chat_template"sv};
    const bool variant = name != type->text && contains(known, name);
    if (type->type == config_node::kind::map || variant || contains(others, name)) {
        keys.fail("type", describe(*type) + " is not supported; expected one of " +
                              app::name_list(known));
    }
}

std::string_view file_kind(const dataset_config& data) {
    return data.ds_type.empty() ? kind_of_name(data.path) : data.ds_type;
}

void check_dataset_file(const key_reader& keys, dataset_config& data) {
    constexpr std::array formats = {"json"sv, "parquet"sv, "arrow"sv, "text"sv};
    const auto by_name = kind_of_name(data.path);
    if (const auto format = keys.one_of("ds_type", formats)) {
        if (!by_name.empty() && *format != by_name) {
            keys.fail("ds_type", in_quotes(*format) + " does not fit the file " +
                                     in_quotes(data.path) +
                                     "; the name's ending decides");
        }
        data.ds_type = *format;
    }
    const bool text = file_kind(data) == "text";
    const bool completion = data.type == "completion";
    if (file_kind(data).empty() || (text && !completion)) {
        keys.expected("path", completion
                                  ? "a .jsonl, .parquet, .arrow or .txt file for type "
                                    "completion, or ds_type"
                                  : "a .jsonl, .parquet or .arrow file for type " +
                                        data.type + (text ? "" : ", or ds_type"));
    }
    if (!completion && data.type != "tokens" && keys.has("field")) {
        keys.fail("field", "is for type completion, the type is " + data.type);
    }
    constexpr std::array splits = {"train"sv};
    static_cast<void>(keys.one_of("split", splits));
    if (keys.has("sample_by") && !text) {
        keys.fail("sample_by",
                  "is for .txt files; a row of " + in_quotes(data.path) + " is a sample");
    }
}

}  // namespace packkit::train
