// SPDX-License-Identifier: Apache-2.0
#include "config/dataset_files.hpp"

#include "common/compressed_file.hpp"
#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "common/hub_cache.hpp"
#include "common/json.hpp"
#include "config/schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include <fnmatch.h>

namespace packkit::train {
namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;
using app::in_quotes;

using name_list = std::vector<std::string>;

constexpr named<file_format> endings[] = {
    {".jsonl", file_format::json},      {".json", file_format::json},
    {".parquet", file_format::parquet}, {".arrow", file_format::arrow},
    {".csv", file_format::csv},         {".txt", file_format::text}};

/// Words in names of files and folders that stand for a split, as `datasets` knows them.
struct split_word {
    std::string_view word;
    std::string_view split;
};
constexpr split_word split_words[] = {
    {"train", "train"},      {"training", "train"}, {"validation", "validation"},
    {"valid", "validation"}, {"val", "validation"}, {"dev", "validation"},
    {"test", "test"},        {"testing", "test"},   {"eval", "test"},
    {"evaluation", "test"}};

constexpr auto formats_read = ".jsonl, .json, .parquet, .arrow, .csv or .txt"sv;

[[noreturn]] void fail(const std::string& message, std::string_view key = "path") {
    throw dataset_not_found(key, message);
}

bool is_file(const fs::path& path) {
    std::error_code error;
    return fs::is_regular_file(path, error);
}

bool is_folder(const fs::path& path) {
    std::error_code error;
    return fs::is_directory(path, error);
}

bool exists(const fs::path& path) {
    std::error_code error;
    return fs::exists(path, error);
}

bool has_pattern(std::string_view name) {
    return name.find_first_of("*?[") != std::string_view::npos;
}

/// Adds the files below `folder` that match the steps of a pattern.
void add_matches(const fs::path& folder, std::span<const std::string> steps,
                 name_list& found) {
    const std::string& step = steps.front();
    const auto rest = steps.subspan(1);
    if (step == "**" && !rest.empty()) add_matches(folder, rest, found);
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with('.') && !step.starts_with('.')) continue;
        const bool any = step == "**";
        if (!any && fnmatch(step.c_str(), name.c_str(), FNM_PERIOD) != 0) continue;
        if (any && is_folder(entry.path())) {
            add_matches(entry.path(), steps, found);
        } else if (rest.empty() && is_file(entry.path())) {
            found.push_back(entry.path().string());
        } else if (!any && !rest.empty() && is_folder(entry.path())) {
            add_matches(entry.path(), rest, found);
        }
    }
}

/// The files that match a pattern, which is relative to `folder`. What `folder` itself is
/// called is no pattern.
name_list matches_of(fs::path folder, const std::string& pattern) {
    if (fs::path(pattern).is_absolute()) folder.clear();
    std::vector<std::string> steps;
    for (const fs::path& part : fs::path(pattern)) {
        if (steps.empty() && !has_pattern(part.string())) {
            folder /= part;
        } else {
            steps.push_back(part.string());
        }
    }
    name_list found;
    add_matches(folder.empty() ? "." : folder, steps, found);
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
}

/// The split whose word stands alone in a name, or "".
std::string_view split_in(std::string_view name) {
    for (std::size_t at = 0; at < name.size();) {
        const auto is_letter = [&](std::size_t i) {
            return std::isalpha(static_cast<unsigned char>(name[i])) != 0;
        };
        std::size_t end = at;
        while (end < name.size() && is_letter(end))
            ++end;
        for (const auto& [word, split] : split_words) {
            if (name.substr(at, end - at) == word) return split;
        }
        at = std::max(end, at + 1);
    }
    return {};
}

/// Search for the files of one data set.
class file_search {
public:
    explicit file_search(const file_request& request)
        : request_(request), split_(request.split.empty() ? "train" : request.split) {}

    found_files run() {
        result_.format = request_.ds_type;
        const std::string& first = request_.paths.front();
        const auto builder = builder_of(first);
        if (!request_.data_files.empty()) {
            if (builder) result_.format = builder;
            for (const std::string& name : request_.data_files)
                add_data_file(name, builder ? std::string() : first);
        } else if (builder) {
            fail(in_quotes(first) +
                 " is a format without files; name them in data_files");
        } else {
            for (const std::string& name : request_.paths)
                add_path(name);
        }
        return std::move(result_);
    }

private:
    /// The format that a path like `json` stands for, unless there is such a file.
    [[nodiscard]] std::optional<file_format> builder_of(const std::string& path) const {
        if (request_.paths.size() != 1 || exists(resolved(path))) return std::nullopt;
        for (const auto& [name, format] : names_of<file_format>) {
            if (name == path) return format;
        }
        return std::nullopt;
    }

    /// The folder that names are relative to: that of the configuration file.
    [[nodiscard]] fs::path base_folder() const {
        return fs::path(request_.config_file).parent_path();
    }
    [[nodiscard]] std::string resolved(const std::string& name) const {
        return resolved_path(request_.config_file, name);
    }

    void add(std::string file) { result_.files.push_back(std::move(file)); }

    /// A file of data_files, which is looked for in the data set's folder first.
    void add_data_file(const std::string& name, const std::string& path) {
        std::vector<fs::path> folders;
        if (!path.empty()) {
            if (is_folder(resolved(path))) {
                folders.emplace_back(resolved(path));
            } else if (const auto folder = cached(path); !folder.empty()) {
                folders.emplace_back(folder);
            } else if (!exists(resolved(path))) {
                refuse_missing(path);
            }
        }
        folders.push_back(base_folder());
        for (const fs::path& folder : folders) {
            const fs::path place = (folder / name).lexically_normal();
            if (is_file(place)) return add(place.string());
            if (!has_pattern(name)) continue;
            const name_list found = matches_of(folder, name);
            result_.files.insert(result_.files.end(), found.begin(), found.end());
            if (!found.empty()) return;
        }
        refuse_remote(name, "data_files");
        fail(has_pattern(name) ? "no file matches " + in_quotes(name)
                               : in_quotes(name) + " does not exist",
             "data_files");
    }

    void add_path(const std::string& name) {
        const std::string path = resolved(name);
        if (is_folder(path)) return add_folder(path, name);
        if (exists(path)) return add(path);
        refuse_remote(name, "path");
        if (has_pattern(name)) {
            const name_list found = matches_of(base_folder(), name);
            if (found.empty()) fail("no file matches " + in_quotes(path));
            result_.files.insert(result_.files.end(), found.begin(), found.end());
            return;
        }
        const std::string folder = cached(name);
        if (folder.empty()) refuse_missing(name);
        result_.notes.push_back(
            fmt::format("{} is read from the local Hugging Face cache", in_quotes(name)));
        add_folder(folder, name);
    }

    static void refuse_remote(const std::string& name, std::string_view key) {
        if (name.find("://") == std::string::npos) return;
        fail(in_quotes(name) +
                 " is not on this machine and nothing is downloaded; fetch it first "
                 "(curl, aws s3 cp, gcloud storage cp) and give the path of the file",
             key);
    }

    /// The folder of a data set in the local Hugging Face cache, or "".
    [[nodiscard]] std::string cached(const std::string& name) const {
        const std::string& revision = request_.revision;
        return app::find_in_hub_caches(name, app::hub_kind::dataset,
                                       revision.empty() ? "main" : revision);
    }

    [[noreturn]] void refuse_missing(const std::string& name) const {
        const std::string missing = in_quotes(resolved(name)) + " does not exist";
        if (format_of_name(name) || !app::is_hub_name(name, app::hub_kind::dataset))
            fail(missing);
        const auto caches = app::hub_caches();
        fail(fmt::format(
            "{}, and the local Hugging Face cache {} holds no data set {}; nothing is "
            "downloaded, so run: huggingface-cli download --repo-type dataset {}",
            missing, in_quotes(caches.empty() ? std::string() : caches.front()),
            in_quotes(name), name.size() <= 100 ? name : "NAME"));
    }

    void add_folder(const fs::path& folder, const std::string& name) {
        if (is_file(folder / "state.json")) return add_saved(folder);
        if (is_file(folder / "dataset_dict.json")) {
            const fs::path part = folder / split_;
            if (!is_file(part / "state.json")) {
                fail(fmt::format("the folder {} has no split {}{}", in_quotes(name),
                                 in_quotes(split_), splits_saved(folder)),
                     "split");
            }
            result_.by_split = true;
            return add_saved(part);
        }
        fs::path searched = folder;
        if (!request_.name.empty()) {
            searched = folder / request_.name;
            if (!is_folder(searched)) {
                if (request_.name != "default") {
                    fail(fmt::format("{} has no folder {}; name its files in data_files",
                                     in_quotes(name), in_quotes(request_.name)),
                         "name");
                }
                searched = folder;
            }
        }
        add_files_below(searched, name);
    }

    static std::string splits_saved(const fs::path& folder) {
        std::vector<std::string> there;
        std::error_code error;
        for (const auto& entry : fs::directory_iterator(folder, error)) {
            if (is_folder(entry.path()))
                there.push_back(entry.path().filename().string());
        }
        std::sort(there.begin(), there.end());
        return "; it has " + app::name_list(there);
    }

    /// The files of a folder that datasets.save_to_disk has written.
    void add_saved(const fs::path& folder) {
        const std::string place = (folder / "state.json").string();
        try {
            const app::json state = app::read_json_file(place);
            for (const auto& file : state.at("_data_files"))
                add((folder / file.at("filename").get<std::string>()).string());
        } catch (const app::json::exception&) {
            fail("the folder " + in_quotes(folder.string()) +
                 " has a state.json that names no _data_files");
        } catch (const app::input_error& error) { fail(error.what()); }
        result_.format = file_format::arrow;
    }

    /// The data files below a folder whose format is wanted, in the order of their names.
    [[nodiscard]] name_list data_files_below(const fs::path& folder) const {
        name_list found;
        std::error_code error;
        fs::recursive_directory_iterator at(
            folder, fs::directory_options::follow_directory_symlink, error);
        for (const fs::recursive_directory_iterator end; at != end; at.increment(error)) {
            const std::string name = at->path().filename().string();
            const bool hidden = name.starts_with('.') || name.starts_with("__");
            if (hidden && at->is_directory()) at.disable_recursion_pending();
            if (hidden || !is_file(at->path()) || name.starts_with("dataset_info") ||
                name == "dataset_dict.json") {
                continue;
            }
            const auto format = format_of_name(name);
            const bool wanted =
                request_.ds_type ? format == request_.ds_type : format.has_value();
            if (wanted) found.push_back(at->path().string());
        }
        // An error ends the loop above: nothing below may be left out unheard.
        if (error) fail(in_quotes(folder.string()) + ": " + error.message());
        std::sort(found.begin(), found.end());
        return found;
    }

    void add_files_below(const fs::path& folder, const std::string& name) {
        const name_list all = data_files_below(folder);
        if (all.empty()) {
            fail(fmt::format("the folder {} holds no {} file", in_quotes(name),
                             formats_read));
        }
        std::map<std::string_view, name_list> by_split;
        for (const std::string& file : all)
            by_split[split_in(fs::path(file).lexically_relative(folder).string())]
                .push_back(file);
        const bool named = by_split.size() > 1 || by_split.begin()->first != "";
        name_list chosen = all;
        if (named) {
            const auto split = by_split.find(split_in(split_));
            if (split == by_split.end() || split->first.empty()) {
                std::vector<std::string_view> there;
                for (const auto& [word, files] : by_split) {
                    if (!word.empty()) there.push_back(word);
                }
                fail(fmt::format("{} has no split {}; its files are of {}",
                                 in_quotes(name), in_quotes(split_),
                                 app::name_list(there)),
                     "split");
            }
            chosen = split->second;
            result_.by_split = true;
            const auto left = all.size() - chosen.size();
            if (left > 0) {
                result_.notes.push_back(fmt::format(
                    "of {} {} of {} files are read, those of the split {}",
                    in_quotes(name), chosen.size(), all.size(), split->first));
            }
        }
        require_one_format(chosen, name);
        for (std::string& file : chosen)
            add(std::move(file));
    }

    static void require_one_format(const name_list& files, const std::string& name) {
        for (const std::string& file : files) {
            if (format_of_name(file) == format_of_name(files.front())) continue;
            fail(
                fmt::format("the folder {} holds files of several formats ({}, {}); "
                            "choose with ds_type, data_files or a pattern",
                            in_quotes(name), fs::path(files.front()).filename().string(),
                            fs::path(file).filename().string()));
        }
    }

    const file_request& request_;
    std::string split_;
    found_files result_;
};

}  // namespace

std::optional<file_format> format_of_name(std::string_view path) {
    const std::string_view name = app::without_compression(path);
    for (const auto& [ending, format] : endings) {
        if (name.ends_with(ending)) return format;
    }
    return std::nullopt;
}

found_files find_dataset_files(const file_request& request) {
    return file_search(request).run();
}

}  // namespace packkit::train
