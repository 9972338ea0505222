// SPDX-License-Identifier: Apache-2.0
#include "model_choice.hpp"

#include "command.hpp"

#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "common/model_config.hpp"

#include <packkit/model/presets.hpp>

#include <filesystem>
#include <system_error>

namespace packkit::plan {
namespace {

namespace fs = std::filesystem;

/// "llama" of "models/llama/config.json" and of "models/llama/".
std::string name_of(const fs::path& path) {
    fs::path named = path.lexically_normal();
    if (named.filename() == "config.json") named = named.parent_path();
    if (!named.has_filename()) named = named.parent_path();
    const std::string name = named.filename().string();
    return name.empty() || name == "." || name == ".." ? path.string() : name;
}

chosen_model read_model(const std::string& name) {
    chosen_model model;
    model.shape = app::read_model_config(name);
    model.context_length = model.shape.max_position_embeddings;
    model.name = name_of(name);
    std::error_code ignored;
    const fs::path path(name);
    model.folder = fs::is_directory(path, ignored) ? name : path.parent_path().string();
    if (model.folder.empty()) model.folder = ".";
    return model;
}

}  // namespace

void add_model_argument(CLI::App& command, std::string& model) {
    add_argument(command, "MODEL", model,
                 "A built-in name (packkit-plan models), or a Hugging Face "
                 "config.json or its folder");
}

chosen_model choose_model(const std::string& name) {
    if (name.empty()) {
        throw app::usage_error(
            "MODEL is missing: a name of packkit-plan models, or a Hugging Face "
            "config.json");
    }
    if (const named_model* const known = find_model(name)) {
        return {name, known->shape, known->context_length, {}};
    }
    std::error_code ignored;
    const bool file = fs::exists(name, ignored);
    if (file || name.find('/') != name.npos || name.ends_with(".json"))
        return read_model(name);
    throw app::usage_error("MODEL",
                           "unknown model " + app::in_quotes(name) +
                               "; expected a name of packkit-plan models, or a Hugging "
                               "Face config.json or its folder" +
                               app::did_you_mean(name, names_of(named_models())));
}

}  // namespace packkit::plan
