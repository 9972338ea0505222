// SPDX-License-Identifier: Apache-2.0
#include "hub_cache.hpp"

#include "errors.hpp"
#include "input_file.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <utility>

namespace packkit::app {
namespace {

namespace fs = std::filesystem;

bool is_part_of_name(std::string_view text) {
    constexpr std::size_t longest = 96;
    return !text.empty() && text.size() <= longest && text.front() != '.' &&
           text.front() != '-' &&
           std::all_of(text.begin(), text.end(), [](unsigned char c) {
               return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
           });
}

std::string repository_folder(const std::string& name, hub_kind kind) {
    std::string folder = (kind == hub_kind::model ? "models--" : "datasets--") + name;
    if (const auto slash = folder.find('/'); slash != std::string::npos)
        folder.replace(slash, 1, "--");
    return folder;
}

}  // namespace

bool is_hub_name(std::string_view text, hub_kind kind) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos)
        return kind == hub_kind::dataset && is_part_of_name(text);
    return is_part_of_name(text.substr(0, slash)) &&
           is_part_of_name(text.substr(slash + 1));
}

std::vector<std::string> hub_caches() {
    constexpr std::pair<const char*, const char*> places[] = {
        {"HF_HUB_CACHE", ""},
        {"HF_HOME", "hub"},
        {"XDG_CACHE_HOME", "huggingface/hub"},
        {"HOME", ".cache/huggingface/hub"}};
    std::vector<std::string> folders;
    for (const auto& [variable, below] : places) {
        const char* const value = std::getenv(variable);
        if (value == nullptr || *value == '\0') continue;
        const fs::path folder =
            *below == '\0' ? fs::path(value) : fs::path(value) / below;
        folders.push_back(folder.string());
    }
    return folders;
}

std::string find_in_hub_caches(const std::string& name, hub_kind kind,
                               const std::string& revision) {
    std::error_code ignored;
    if (!is_hub_name(name, kind)) return {};
    for (const auto& cache : hub_caches()) {
        const fs::path repository = fs::path(cache) / repository_folder(name, kind);
        const fs::path reference = repository / "refs" / revision;
        std::string snapshot = revision;
        if (fs::is_regular_file(reference, ignored)) {
            constexpr std::uint64_t most_bytes = 4096;
            snapshot = read_file(reference.string(), most_bytes);
            while (!snapshot.empty() &&
                   std::isspace(static_cast<unsigned char>(snapshot.back())) != 0) {
                snapshot.pop_back();
            }
        }
        // A name of one part: nothing outside of the folder of snapshots.
        if (snapshot.empty() || snapshot.front() == '.' ||
            snapshot.find('/') != std::string::npos) {
            continue;
        }
        const fs::path folder = repository / "snapshots" / snapshot;
        if (fs::is_directory(folder, ignored)) return folder.string();
    }
    return {};
}

std::string not_in_hub_caches(const std::string& name, const std::string& revision) {
    std::string where;
    for (const auto& folder : hub_caches())
        where += (where.empty() ? "" : ", ") + folder;
    const bool is_default = revision == "main";
    return in_quotes(name) + (is_default ? "" : " with revision " + in_quotes(revision)) +
           " is no folder and not in the Hugging Face cache (looked in " +
           (where.empty() ? "no folder: HF_HOME and HOME are not set" : where) +
           "); fetch it with: huggingface-cli download " + name +
           (is_default ? "" : " --revision " + revision);
}

}  // namespace packkit::app
