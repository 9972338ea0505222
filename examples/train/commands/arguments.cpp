// SPDX-License-Identifier: Apache-2.0
#include "commands/arguments.hpp"

#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "config/kinds.hpp"
#include "config/option_keys.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace packkit::train {
namespace {

using namespace std::string_view_literals;

/// What becomes of an option of another launcher.
enum class option_fate : std::uint8_t { noted, rejected };

/// An option of `axolotl`, `accelerate launch` or `torchrun` that is none of this
/// program.
struct foreign_option {
    std::string_view name;
    bool has_value;
    option_fate fate;
    std::string_view note;
};

constexpr auto own_ranks = "packkit-train starts its ranks itself"sv;
constexpr auto from_config = "the configuration decides"sv;
constexpr auto use_fsdp = "use fsdp_version: 2"sv;
constexpr auto use_store =
    "use --num-machines, --machine-rank, --main-process-ip and --main-process-port"sv;
constexpr std::array foreign_options = std::to_array<foreign_option>({
    {"launcher", true, option_fate::noted, own_ranks},
    {"accelerate", false, option_fate::noted, own_ranks},
    {"no-accelerate", false, option_fate::noted, own_ranks},
    {"multi-gpu", false, option_fate::noted, own_ranks},
    {"same-network", false, option_fate::noted, own_ranks},
    {"mixed-precision", true, option_fate::noted, from_config},
    {"debug", false, option_fate::noted, "the log is the same with and without it"},
    {"no-debug", false, option_fate::noted, "the log is the same with and without it"},
    {"download", false, option_fate::noted, "nothing is downloaded"},
    {"no-download", false, option_fate::noted, "nothing is downloaded"},
    {"debug-text-only", false, option_fate::rejected, "use packkit-train check CONFIG"},
    {"debug-num-examples", true, option_fate::rejected, "use packkit-train check CONFIG"},
    {"prompter", true, option_fate::rejected, "use the type of each data set"},
    {"shard", false, option_fate::rejected, use_fsdp},
    {"cloud", true, option_fate::rejected, "a run starts on this machine"},
    {"sweep", true, option_fate::rejected, "start a run for each configuration"},
    {"config-file", true, option_fate::rejected,
     "give --num-processes, and fsdp_version: 2 in CONFIG"},
    {"use-fsdp", false, option_fate::rejected, use_fsdp},
    {"use-deepspeed", false, option_fate::rejected, use_fsdp},
    {"gpu-ids", true, option_fate::rejected, "set CUDA_VISIBLE_DEVICES"},
    {"num-cpu-threads-per-process", true, option_fate::rejected, "set OMP_NUM_THREADS"},
    {"nproc-per-node", true, option_fate::rejected, "use --processes"},
    {"nnodes", true, option_fate::rejected, use_store},
    {"node-rank", true, option_fate::rejected, use_store},
    {"master-addr", true, option_fate::rejected, use_store},
    {"master-port", true, option_fate::rejected, use_store},
    {"rdzv-endpoint", true, option_fate::rejected, use_store},
    {"rdzv-backend", true, option_fate::rejected, use_store},
    {"rdzv-id", true, option_fate::rejected, use_store},
});

std::string with_dashes(std::string_view name) {
    std::string option(name);
    std::replace(option.begin(), option.end(), '_', '-');
    return option;
}

/// One pass over a command line.
class translation {
public:
    translation(const CLI::App& app, std::span<const std::string> arguments)
        : app_(app), left_(arguments) {}

    translated_arguments run() {
        while (!left_.empty()) {
            const std::string& word = take();
            if (word == "--") continue;
            if (word.starts_with("--")) {
                translate(word);
            } else {
                words_.push_back(word);
            }
        }
        // The command and the configuration come first, whatever stood before them.
        if (has_keys_) {
            std::stable_partition(words_.begin(), words_.end(), [](const auto& word) {
                return word.find('=') == std::string::npos || word.starts_with('-');
            });
        }
        return {std::move(words_), std::move(warnings_)};
    }

private:
    const std::string& take() {
        const std::string& word = left_.front();
        left_ = left_.subspan(1);
        return word;
    }

    void translate(const std::string& word) {
        const auto equals = word.find('=');
        const std::string_view given = std::string_view(word).substr(2, equals - 2);
        std::optional<std::string> value;
        if (equals != std::string::npos) value = word.substr(equals + 1);
        const std::string name = with_dashes(given);
        if (take_own(name, value)) return;
        if (take_foreign(name, value)) return;
        if (take_key(given, value)) return;
        refuse("--" + std::string(given));
    }

    /// An option of the program, with its value where it takes one.
    bool take_own(const std::string& name, const std::optional<std::string>& value) {
        const CLI::Option* const option = app_.get_option_no_throw("--" + name);
        if (option == nullptr) return false;
        const bool takes_next =
            !value && option->get_items_expected_max() == 1 && !left_.empty();
        words_.push_back("--" + name +
                         (value        ? "=" + *value
                          : takes_next ? "=" + take()
                                       : ""));
        return true;
    }

    bool take_foreign(const std::string& name, const std::optional<std::string>& value) {
        const auto found =
            std::find_if(foreign_options.begin(), foreign_options.end(),
                         [&](const auto& each) { return each.name == name; });
        if (found == foreign_options.end()) return false;
        if (found->fate == option_fate::rejected) {
            throw app::usage_error("--" + name,
                                   "is not supported; " + std::string(found->note));
        }
        if (found->has_value && !value && !left_.empty()) take();
        warnings_.push_back("`--" + name +
                            "` has no effect: " + std::string(found->note));
        return true;
    }

    /// A key of the configuration, or "no-" and one that is true or false.
    bool take_key(std::string_view name, const std::optional<std::string>& value) {
        if (const auto key = find_option_key(name)) {
            add_setting(key->path,
                        value ? *value : value_of("--" + std::string(name), key->value));
            return true;
        }
        if (value || name.size() < 3 || with_dashes(name.substr(0, 3)) != "no-")
            return false;
        const auto key = find_option_key(name.substr(3));
        if (!key || key->value == option_value::required) return false;
        add_setting(key->path, "false");
        return true;
    }

    void add_setting(const std::string& key, const std::string& value) {
        words_.push_back(key + "=" + value);
        has_keys_ = true;
    }

    /// The value of a key in the words that follow its option.
    std::string value_of(const std::string& option, option_value expected) {
        const bool last = left_.empty() || left_.front().starts_with("--");
        switch (expected) {
            case option_value::truth:
                return !last && parse_truth(left_.front()) ? take() : "true";
            case option_value::unknown:
                return last || is_file(left_.front()) ? "true" : take();
            case option_value::required:
                break;
        }
        if (last) throw app::usage_error(option, "its value is missing");
        return take();
    }

    /// A configuration rather than a value.
    static bool is_file(std::string_view word) {
        return word.ends_with(".yaml") || word.ends_with(".yml");
    }

    [[noreturn]] void refuse(const std::string& name) const {
        auto known = option_key_names();
        for (const CLI::Option* option : app_.get_options()) {
            for (const std::string& own : option->get_lnames())
                known.push_back("--" + own);
        }
        constexpr std::size_t longest = 100;  // the search takes quadratic time
        throw app::usage_error(
            "unknown option " + app::in_quotes(name) +
            (name.size() > longest ? std::string() : app::did_you_mean(name, known)));
    }

    const CLI::App& app_;
    std::span<const std::string> left_;
    std::vector<std::string> words_;
    bool has_keys_ = false;  // among the options
    std::vector<std::string> warnings_;
};

}  // namespace

translated_arguments translate_arguments(const CLI::App& app,
                                         std::span<const std::string> arguments) {
    return translation(app, arguments).run();
}

}  // namespace packkit::train
