// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/folder.hpp"

#include "checkpoint/shard_index.hpp"
#include "common/atomic_file.hpp"
#include "common/document_field.hpp"
#include "common/errors.hpp"
#include "common/input_file.hpp"
#include "common/numbers.hpp"
#include "data/checksum.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <utility>

namespace packkit::train {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view prefix = "checkpoint-";
constexpr std::string_view unfinished_mark = ".partial-";
constexpr const char* state_name = "trainer_state.json";
constexpr const char* config_name = "config.json";

/// The step in "checkpoint-20", if `name` is such a name.
std::optional<std::int64_t> step_in(std::string_view name) {
    if (!name.starts_with(prefix)) return std::nullopt;
    const auto [step, fault] = app::parse_integer(name.substr(prefix.size()));
    return fault == app::integer_fault::none ? std::optional(step) : std::nullopt;
}

/// Checkpoint folders below `output_dir`, newest first.
std::vector<resume_point> list_checkpoints(const std::string& output_dir) {
    std::vector<resume_point> found;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(output_dir, ignored)) {
        const auto step = step_in(entry.path().filename().string());
        if (step && entry.is_directory()) found.push_back({entry.path().string(), *step});
    }
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return a.step > b.step; });
    return found;
}

void make_durable(const fs::path& folder) {
    const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool done = descriptor >= 0 && fsync(descriptor) == 0;
    const int reason = errno;
    if (descriptor >= 0) close(descriptor);
    if (!done) throw std::runtime_error(folder.string() + ": " + std::strerror(reason));
}

void remove_leftovers(const fs::path& output_dir) {
    for (const auto& entry : fs::directory_iterator(output_dir)) {
        const auto name = entry.path().filename().string();
        if (name.starts_with(prefix) && name.find(unfinished_mark) != std::string::npos) {
            fs::remove_all(entry.path());
        }
    }
}

/// What trainer_state.json says: a step and two objects.
struct saved_state {
    explicit saved_state(const std::string& folder)
        : path(folder + "/" + state_name),
          document(app::read_json_document(path)),
          step(app::document_field(document, path).member("step").whole(0)),
          only_model(says_only_model()),
          identity(app::document_field(document, path).member("identity")),
          checksums(app::document_field(document, path).member("checksums")) {
        (void)identity.members();
        (void)checksums.members();
    }
    saved_state(const saved_state&) = delete;  // fields point into the document

    [[nodiscard]] std::optional<loss_scaling> scaling() const {
        const auto saved = app::document_field(document, path).find("loss_scaling");
        if (!saved) return std::nullopt;
        return loss_scaling{saved->member("scale").number(),
                            saved->member("good_steps").whole(0),
                            saved->member("skipped_steps").whole(0)};
    }

    std::string path;
    app::document_node document;
    std::int64_t step;
    bool only_model;
    app::document_field identity, checksums;

    /// The texts of an object; none where an older program has not written it.
    [[nodiscard]] named_values values(std::string_view key) const {
        named_values found;
        const app::document_field state(document, path);
        if (!state.has(key)) return found;
        const auto object = state.member(key);
        for (const auto& member : object.members())
            found.emplace(member.key, object.at(member).text());
        return found;
    }

private:
    [[nodiscard]] bool says_only_model() const {
        const app::document_field state(document, path);
        return state.has("save_only_model") && state.member("save_only_model").truth();
    }
};

/// "max_steps 4 -> 8".
std::string change_text(const std::string& name, const std::string& before,
                        const std::string& now) {
    const auto shown = [](const std::string& value) {
        return value.empty() ? std::string("(not set)") : value;
    };
    return name + " " + shown(before) + " -> " + shown(now);
}

/// Adds change_text() of each value that both have and that differs.
void add_changes(const named_values& before, const named_values& now,
                 std::vector<std::string>& changes) {
    for (const auto& [name, value] : now) {
        const auto found = before.find(name);
        if (found != before.end() && found->second != value)
            changes.push_back(change_text(name, found->second, value));
    }
}

void check_file(const std::string& path, const std::string& wanted) {
    if (!fs::exists(path)) throw app::input_error(path, "is missing");
    const auto found = file_checksum(path);
    if (found != wanted) {
        throw app::input_error(
            path, "is damaged: its checksum is " + found + ", expected " + wanted);
    }
}

void check_files(const std::string& folder, const saved_state& state, file_share share) {
    const auto& checksums = state.checksums;
    const auto check_listed = [&](const char* name) {
        check_file(folder + "/" + name, checksums.member(name).text());
    };
    check_listed(config_name);
    if (!checksums.has(shard_index_name)) {
        check_listed(full_weights_name);
        // SGD without momentum has no state to save.
        if (!state.only_model && checksums.has(full_moments_name))
            check_listed(full_moments_name);
        return;
    }
    check_listed(shard_index_name);
    const auto shards = read_shard_index(folder + "/" + shard_index_name).files;
    for (std::size_t i = 0; i < shards.size(); ++i) {
        if (static_cast<std::int64_t>(i) % share.ranks == share.rank)
            check_file(folder + "/" + shards[i].name, shards[i].checksum);
    }
}

}  // namespace

resume_point open_checkpoint(const std::string& folder, file_share share) {
    if (!fs::is_directory(folder))
        throw app::input_error(folder, "is no checkpoint folder");
    const saved_state state(folder);
    check_files(folder, state, share);
    return {folder, state.step, state.only_model, state.scaling()};
}

std::optional<resume_point> find_newest_checkpoint(const std::string& output_dir,
                                                   std::vector<std::string>& faults,
                                                   bool with_optimizer) {
    for (const auto& candidate : list_checkpoints(output_dir)) {
        try {
            auto found = open_checkpoint(candidate.folder);
            if (!with_optimizer || !found.only_model) return found;
            faults.push_back(found.folder + ": holds the model alone (save_only_model)");
        } catch (const std::exception& fault) { faults.emplace_back(fault.what()); }
    }
    return std::nullopt;
}

identity_changes check_identity(const resume_point& from, const run_identity& identity) {
    const saved_state saved(from.folder);
    const auto recorded = saved.values("identity");
    identity_changes found;
    add_changes(saved.values("data"), identity.data, found.changed);
    // What has a name says more than a hash of many things.
    const auto is_hash = [](const auto& each) { return each.first.ends_with("(hash)"); };
    std::vector<std::pair<std::string, std::string>> values(identity.fixed.begin(),
                                                            identity.fixed.end());
    std::stable_partition(values.begin(), values.end(), std::not_fn(is_hash));
    for (const auto& [name, value] : values) {
        const auto before = recorded.find(name);
        if (before == recorded.end()) {
            // What is not set need not be recorded: earlier versions did not have every
            // key.
            if (!value.empty()) found.not_recorded.push_back(name);
        } else if (before->second != value) {
            const auto cause = name == data_identity && !found.changed.empty()
                                   ? fmt::format(" ({})", fmt::join(found.changed, ", "))
                                   : "";
            throw app::input_error(
                from.folder,
                fmt::format("{} was {} when this checkpoint was written and "
                            "is {} now{}; it cannot be resumed",
                            name, before->second.empty() ? "not set" : before->second,
                            value.empty() ? "not set" : value, cause));
        }
    }
    add_changes(saved.values("settings"), identity.changeable, found.changed);
    return found;
}

bool is_checkpoint(const std::string& folder) {
    const auto state = fs::path(folder) / state_name;
    if (!fs::exists(state)) return false;
    const auto document = app::read_json_file(state.string());
    return document.is_object() && document.contains("checksums");
}

bool holds_a_run(const std::string& output_dir) {
    return fs::exists(fs::path(output_dir) / "metrics.jsonl") ||
           !list_checkpoints(output_dir).empty();
}

void remove_run(const std::string& output_dir) {
    for (const auto& checkpoint : list_checkpoints(output_dir))
        fs::remove_all(checkpoint.folder);
    if (fs::is_directory(output_dir)) remove_leftovers(output_dir);
    fs::remove(fs::path(output_dir) / "metrics.jsonl");
}

fs::path checkpoint_path(const std::string& output_dir, std::int64_t step) {
    return fs::path(output_dir) / (std::string(prefix) + std::to_string(step));
}

fs::path unfinished_path(const fs::path& checkpoint, std::int64_t writer) {
    return checkpoint.string() + std::string(unfinished_mark) + std::to_string(writer);
}

void begin_checkpoint(const fs::path& unfinished) {
    remove_leftovers(unfinished.parent_path());
    fs::create_directories(unfinished);
}

void write_companions(const fs::path& unfinished, const app::file_texts& files) {
    for (const auto& [name, text] : files)
        app::write_file_atomically((unfinished / name).string(), text);
}

app::file_texts read_companions(const fs::path& folder) {
    app::file_texts files;
    std::error_code ignored;
    const auto add = [&](std::string_view name) {
        const auto path = folder / name;
        if (fs::is_regular_file(path, ignored))
            files[std::string(name)] = app::read_file(path.string());
    };
    for (const auto name : app::tokenizer_file_names)
        add(name);
    add("generation_config.json");
    return files;
}

void describe_checkpoint(const fs::path& unfinished, const resume_point& point,
                         const std::string& config, const run_identity& identity,
                         std::map<std::string, std::string> checksums,
                         const std::optional<loss_scaling>& scaling) {
    const auto config_path = (unfinished / config_name).string();
    app::write_file_atomically(config_path, config);
    checksums[config_name] = file_checksum(config_path);
    app::ordered_json text = {{"step", point.step},
                              {"identity", identity.fixed},
                              {"settings", identity.changeable},
                              {"data", identity.data},
                              {"checksums", checksums}};
    if (point.only_model) text["save_only_model"] = true;
    if (scaling) {
        text["loss_scaling"] = {{"scale", scaling->scale},
                                {"good_steps", scaling->good_steps},
                                {"skipped_steps", scaling->skipped_steps}};
    }
    app::write_file_atomically((unfinished / state_name).string(), text.dump(2) + "\n");
}

void finish_checkpoint(const fs::path& unfinished, const fs::path& checkpoint,
                       std::int64_t keep) {
    const auto output_dir = checkpoint.parent_path();
    make_durable(unfinished);
    fs::remove_all(checkpoint);  // a damaged one of the same step
    fs::rename(unfinished, checkpoint);
    make_durable(output_dir);
    if (keep <= 0) return;
    const auto all = list_checkpoints(output_dir.string());
    for (std::size_t i = static_cast<std::size_t>(keep); i < all.size(); ++i)
        fs::remove_all(all[i].folder);
}

}  // namespace packkit::train
