// SPDX-License-Identifier: Apache-2.0
#include "config/hub_cache.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace packkit::train {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
}

bool is_part_of_hub_name(std::string_view part) {
    constexpr std::size_t longest = 96;
    if (part.empty() || part.size() > longest || part.starts_with('.')) return false;
    return std::all_of(part.begin(), part.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' ||
               c == '.';
    });
}

}  // namespace

std::string hub_folder() {
    if (const auto cache = environment("HF_HUB_CACHE"); !cache.empty()) return cache;
    if (const auto home = environment("HF_HOME"); !home.empty()) return home + "/hub";
    const std::string cache = environment("XDG_CACHE_HOME");
    return (cache.empty() ? environment("HOME") + "/.cache" : cache) + "/huggingface/hub";
}

bool is_hub_name(std::string_view name) {
    const std::size_t slash = name.find('/');
    if (slash == std::string_view::npos) return is_part_of_hub_name(name);
    return is_part_of_hub_name(name.substr(0, slash)) &&
           is_part_of_hub_name(name.substr(slash + 1));
}

std::optional<std::string> hub_dataset(const std::string& name,
                                       const std::string& revision) {
    if (!is_hub_name(name)) return std::nullopt;
    std::string folder = "datasets--" + name;
    if (const auto slash = folder.find('/'); slash != std::string::npos)
        folder.replace(slash, 1, "--");
    const fs::path root = fs::path(hub_folder()) / folder;
    const std::string wanted = revision.empty() ? "main" : revision;
    std::string commit;
    std::ifstream(root / "refs" / wanted) >> commit;
    const fs::path snapshot = root / "snapshots" / (commit.empty() ? wanted : commit);
    std::error_code error;
    if (!fs::is_directory(snapshot, error)) return std::nullopt;
    return snapshot.string();
}

}  // namespace packkit::train
