// SPDX-License-Identifier: Apache-2.0
#include "config/model_source.hpp"

#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "common/hub_cache.hpp"
#include "common/tokenizer.hpp"
#include "config/model_config.hpp"
#include "config/schema.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <vector>

namespace packkit::train {
namespace {

namespace fs = std::filesystem;
using app::in_quotes;

bool is_there(const std::string& path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
}

/// The path under a key, or the folder in the cache of the name that stands there.
std::string located(const key_reader& keys, std::string_view key, const std::string& path,
                    const std::string& revision) {
    if (is_there(path)) return path;
    const std::string& name = keys.find(key)->text;
    if (!app::is_hub_name(name, app::hub_kind::model))
        keys.fail(key, in_quotes(path) + " does not exist");
    const auto folder = app::find_in_hub_caches(name, app::hub_kind::model, revision);
    if (folder.empty()) keys.fail(key, app::not_in_hub_caches(name, revision));
    return folder;
}

void locate_model(const key_reader& keys, train_config& config) {
    const bool is_local = is_there(config.base_model);
    config.base_model =
        located(keys, "base_model", config.base_model, config.revision_of_model);
    if (is_local && keys.has("revision_of_model")) {
        config.warnings.emplace_back(
            "`revision_of_model` has no effect: base_model is a folder");
    }
}

/// What config.json calls the model: model_type and class names. Empty when it cannot be
/// read: that is said where it is needed.
std::vector<std::string> names_of_model(const train_config& config) {
    app::ordered_json document;
    try {
        document = read_model_document(config_folder(config));
    } catch (const app::input_error&) { return {}; }
    std::vector<std::string> names;
    const auto add = [&](const app::ordered_json& name) {
        if (name.is_string() && name != "") names.push_back(name);
    };
    if (!document.is_object()) return {};
    const auto classes = document.value("architectures", app::ordered_json());
    for (const auto& name : classes)
        add(name);
    const auto type = document.value("model_type", app::ordered_json());
    if (type.is_string()) add(architecture_of(type.get<std::string>()));
    add(type);
    return names;
}

void check_model_type(const key_reader& keys, const train_config& config) {
    const auto given = keys.read("model_type", plain_text());
    constexpr std::string_view any_class = "AutoModel";
    if (!given || given->starts_with(any_class)) return;
    const auto names = names_of_model(config);
    if (names.empty() || std::find(names.begin(), names.end(), *given) != names.end())
        return;
    keys.fail("model_type",
              in_quotes(*given) + " contradicts config.json of base_model, which says " +
                  in_quotes(names.front()) + "; expected that or AutoModelForCausalLM");
}

void check_overrides(const key_reader& keys, std::string_view key,
                     config_problems& problems) {
    const auto inner = keys.inner(key);
    for (const auto& member : inner.map().members) {
        const auto known = model_config_keys();
        if (std::find(known.begin(), known.end(), member.key) != known.end()) continue;
        problems.attempt([&] {
            throw config_error(place_of(keys.file(), member.line),
                               std::string(key) + ": key " + in_quotes(member.key) +
                                   " of config.json is not read here" +
                                   app::did_you_mean(member.key, known),
                               inner.prefix() + member.key, member.line);
        });
    }
}

/// A text that names a class of Transformers, as LlamaTokenizerFast.
bool names_a_class(std::string_view text) {
    constexpr std::string_view fast = "Fast";
    if (text.ends_with(fast)) text.remove_suffix(fast.size());
    return text.ends_with("Tokenizer") &&
           std::all_of(text.begin(), text.end(),
                       [](unsigned char c) { return std::isalnum(c) != 0; });
}

/// Why a tokenizer cannot be loaded, or "" when its file is there.
std::string tokenizer_problem(const std::string& name) {
    try {
        static_cast<void>(app::tokenizer_file(name));
    } catch (const app::input_error& error) { return error.what(); }
    return {};
}

/// Whether all datasets hold ids; nothing where a problem hides their types.
std::optional<bool> hold_ids_alone(const train_config& config,
                                   const config_problems& problems) {
    if (problems.has("datasets")) return std::nullopt;
    bool ids_alone = true;
    for (std::size_t i = 0; i < config.datasets.size(); ++i) {
        const std::string name = "datasets." + std::to_string(i);
        if (problems.has(name) || problems.has(name + ".type")) return std::nullopt;
        ids_alone = ids_alone && config.datasets[i].type == dataset_type::tokens;
    }
    return ids_alone;
}

/// The tokenizer of tokenizer_config or of the model.
void find_tokenizer(const key_reader& keys, train_config& config,
                    const config_problems& problems) {
    if (keys.has("tokenizer_config")) {
        config.tokenizer_type = config.tokenizer_config =
            located(keys, "tokenizer_config", config.tokenizer_config, "main");
        const auto problem = tokenizer_problem(config.tokenizer_type);
        if (!problem.empty()) keys.fail("tokenizer_config", problem);
        return;
    }
    const bool adds =
        !config.token_changes.empty() || config.resize_token_embeddings_to_32x;
    const auto ids_alone = hold_ids_alone(config, problems);
    const bool named = keys.has("tokenizer_type");
    const bool needed = !ids_alone || !*ids_alone || named || adds;
    config.tokenizer_type.clear();
    if (!needed || !keys.has("base_model")) return;
    const std::string folder = config_folder(config);
    if (tokenizer_problem(folder).empty()) {
        config.tokenizer_type = folder;
        return;
    }
    if (!ids_alone || (*ids_alone && !adds)) return;
    const std::string what = in_quotes(folder) +
                             " has neither tokenizer.json nor tokenizer.model; set "
                             "tokenizer_config to a tokenizer's file or folder, or "
                             "tokenizer_type: bytes";
    if (named) {
        keys.fail("tokenizer_type", keys.find("tokenizer_type")->text +
                                        " is the tokenizer of base_model, and " + what);
    }
    keys.conflict("tokenizer_type", "tokenizer_type is missing, and base_model " + what +
                                        "; only data sets of type tokens do without");
}

}  // namespace

void settle_model(const key_reader& keys, train_config& config,
                  config_problems& problems) {
    if (!keys.has("base_model")) return;
    problems.attempt_with(keys, {"base_model", "revision_of_model"},
                          [&] { locate_model(keys, config); });
    problems.attempt_with(keys, {"base_model_config"}, [&] {
        if (keys.has("base_model_config")) {
            config.base_model_config =
                located(keys, "base_model_config", config.base_model_config, "main");
        }
    });
    problems.attempt_with(keys, {"base_model", "base_model_config", "model_type"},
                          [&] { check_model_type(keys, config); });
    for (const std::string_view key : {"overrides_of_model_config", "model_config"}) {
        if (problems.sound(key)) check_overrides(keys, key, problems);
    }
}

void settle_tokenizer(const key_reader& keys, train_config& config,
                      config_problems& problems) {
    problems.attempt_with(
        keys, {"base_model", "base_model_config", "tokenizer_type", "tokenizer_config"},
        [&] {
            const std::string given = config.tokenizer_type;
            const std::string path = resolved_path(keys.file(), given);
            if (given.empty() || (names_a_class(given) && !is_there(path)))
                return find_tokenizer(keys, config, problems);
            if (keys.has("tokenizer_config")) {
                keys.conflict("tokenizer_config",
                              "tokenizer_config and tokenizer_type " + in_quotes(given) +
                                  " name two tokenizers; use tokenizer_type: "
                                  "AutoTokenizer, or only one of the keys");
            }
            const bool elsewhere =
                !is_there(path) && app::is_hub_name(given, app::hub_kind::model) &&
                !given.ends_with(".json") && !given.ends_with(".model");
            config.tokenizer_type = given == "bytes" ? given
                                    : elsewhere
                                        ? located(keys, "tokenizer_type", path, "main")
                                        : path;
            const auto problem = tokenizer_problem(config.tokenizer_type);
            if (!problem.empty()) keys.fail("tokenizer_type", problem);
        });
    const bool adds = !config.token_changes.empty();
    if (adds && config.tokenizer_type == "bytes") {
        problems.attempt_with(keys, {"tokenizer_type"}, [&] {
            keys.fail("tokenizer_type",
                      "bytes takes no special_tokens, tokens or added_tokens_overrides; "
                      "expected a tokenizer.json");
        });
    }
}

}  // namespace packkit::train
