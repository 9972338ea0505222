// SPDX-License-Identifier: Apache-2.0
#include "weight_files.hpp"

#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "common/json.hpp"

#include <filesystem>

namespace packkit::train {
namespace fs = std::filesystem;
namespace {

constexpr const char* single_name = "model.safetensors";
constexpr const char* index_name = "model.safetensors.index.json";

/// Tensor → file name, as the index says.
std::map<std::string, std::string> read_index(const std::string& path) {
    const auto document = app::read_json_file(path);
    if (!document.is_object() || !document.contains("weight_map") ||
        !document["weight_map"].is_object()) {
        throw app::input_error(path,
                               R"(expected {"weight_map": {"tensor": "file", ...}})");
    }
    std::map<std::string, std::string> map;
    for (const auto& [tensor, file] : document["weight_map"].items()) {
        const std::string place = "weight_map: " + tensor + ": ";
        if (!file.is_string()) {
            throw app::input_error(path, place + "expected a file name, found " +
                                             std::string(app::json_kind(file)));
        }
        const auto name = file.get<std::string>();
        if (name.empty() || fs::path(name).filename() != name || name == "..") {
            throw app::input_error(path, place + app::in_quotes(name) +
                                             " is no name of a file beside the index");
        }
        map.emplace(tensor, name);
    }
    return map;
}

}  // namespace

weight_files::weight_files(const std::string& path) : place_(path) {
    files_.emplace_back(path);
    for (const auto& [name, info] : files_.front().tensors())
        holder_.emplace(name, 0);
}

weight_files weight_files::open_folder(const std::string& folder) {
    const std::string single = folder + "/" + single_name;
    const std::string index = folder + "/" + index_name;
    if (fs::exists(single)) return weight_files(single);
    if (!fs::exists(index)) {
        throw app::input_error(single, std::string("is missing, and so is ") +
                                           index_name +
                                           "; set random_init_weights: true to start "
                                           "from random weights");
    }
    weight_files all;
    all.place_ = index;
    std::map<std::string, std::size_t> number;
    for (const auto& [tensor, name] : read_index(index)) {
        const auto [found, is_new] = number.try_emplace(name, all.files_.size());
        if (is_new) all.files_.emplace_back(folder + "/" + name);
        const auto& file = all.files_[found->second];
        if (!file.tensors().contains(tensor)) {
            throw app::input_error(file.path(), "has no tensor " + tensor + ", which " +
                                                    index_name + " says it holds");
        }
        all.holder_.emplace(tensor, found->second);
    }
    return all;
}

const safetensors_file& weight_files::holder(const std::string& name) const {
    const auto found = holder_.find(name);
    if (found != holder_.end()) return files_[found->second];
    std::vector<std::string> names;
    for (const auto& [known, file] : holder_)
        names.push_back(known);
    throw app::input_error(
        place_, "tensor " + name + " is missing" + app::did_you_mean(name, names));
}

const std::string& weight_files::file_of(const std::string& name) const {
    return holder(name).path();
}

const tensor_info& weight_files::info(const std::string& name) const {
    return holder(name).info(name);
}

std::span<const std::byte> weight_files::data(const std::string& name) const {
    return holder(name).data(name);
}

}  // namespace packkit::train
