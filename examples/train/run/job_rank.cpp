// SPDX-License-Identifier: Apache-2.0
#include "run/job_rank.hpp"

#include "common/errors.hpp"
#include "common/json.hpp"
#include "data/checksum.hpp"
#include "plan/identity.hpp"
#include "run/node_address.hpp"

#include <packkit/error.hpp>
#include <packkit/utility/random.hpp>
#include <packkit/version.hpp>

#include <cstdlib>
#include <cstring>

namespace packkit::train {
namespace {

// What must be the same on all ranks besides the configuration.
constexpr const char* program_key = "program (hash)";
constexpr const char* model_key = "config.json of base_model (hash)";

// What a rank has failed of begins with one of these.
constexpr const char* wrong_use = "wrong use ";
constexpr const char* failed = "failed ";

/// This rank's program and settings as one JSON object. The program as the system runs
/// it, even if its file has been replaced since.
std::string settings_text(const train_config& config, const run_inputs& inputs) {
    app::ordered_json settings;
    settings[program_key] = PACKKIT_VERSION " (" + file_checksum("/proc/self/exe") + ")";
    for (const auto& [key, value] : resolved_settings(config))
        settings[key] = value;
    settings[model_key] = std::to_string(hash64(inputs.model_config.dump()));
    settings[data_identity] = std::to_string(inputs.content_hash);
    return settings.dump();
}

/// What ranks need that differ in `key`.
std::string needed_for(const std::string& key) {
    if (key == program_key) return "the same build";
    if (key == model_key) return "the same model";
    return key == data_identity ? "the same data" : "the same configuration";
}

/// Throws for the first setting in which two ranks differ.
void compare_settings(const std::vector<std::string>& texts) {
    const auto first = app::ordered_json::parse(texts.front());
    for (std::size_t rank = 1; rank < texts.size(); ++rank) {
        const auto other = app::ordered_json::parse(texts[rank]);
        for (const auto& [key, value] : first.items()) {
            const auto text = [&key](const app::ordered_json& settings) {
                return settings.contains(key) ? settings[key].get<std::string>()
                                              : "(not set)";
            };
            if (text(other) != text(first)) {
                throw app::usage_error(key, "rank 0 has " + text(first) + ", rank " +
                                                std::to_string(rank) + " has " +
                                                text(other) + "; all ranks need " +
                                                needed_for(key));
            }
        }
    }
}

}  // namespace

job_rank::job_rank(const train_config& config, const rank_environment& environment)
    : environment_(environment),
      timeout_(static_cast<std::int64_t>(config.ddp_timeout * 1000.0)) {
    if (environment.world_size == 1) return;
    store_ = lt::connect_store({.host = environment.master_addr,
                                .port = environment.master_port,
                                .is_server = is_first() && !environment.store_is_hosted,
                                .timeout = timeout_});
}

void job_rank::publish_error(const std::string& name, const std::exception& fault) const {
    if (!store_) return;
    const bool of_use = dynamic_cast<const app::usage_error*>(&fault) != nullptr ||
                        dynamic_cast<const app::input_error*>(&fault) != nullptr ||
                        dynamic_cast<const invalid_argument*>(&fault) != nullptr;
    const auto text = std::string(of_use ? wrong_use : failed) + fault.what();
    const auto ranks = environment_.world_size;
    try {
        if (is_first()) {  // may host the store: stays until the others know
            static_cast<void>(lt::exchange_values(*store_, name, 0, ranks, text,
                                                  std::chrono::seconds(5)));
        } else {
            lt::publish(*store_, name, environment_.rank, ranks, text);
        }
    } catch (const std::exception&) {}  // this rank has its own failure to tell
}

void job_rank::collect_errors(const std::string& name) const {
    if (!store_) return;
    const auto heard = lt::exchange_values(*store_, name, environment_.rank,
                                           environment_.world_size, "", timeout_);
    for (std::size_t rank = 0; rank < heard.size(); ++rank) {
        const std::string& text = heard[rank];
        const std::string who = "rank " + std::to_string(rank);
        if (text.starts_with(wrong_use))
            throw app::usage_error(who, text.substr(std::strlen(wrong_use)));
        if (!text.empty())
            throw lt::communication_error(who + ": " + text.substr(std::strlen(failed)));
    }
}

std::string job_rank::text_of_first(const std::string& name,
                                    const std::string& text) const {
    if (!store_) return text;
    return lt::exchange_values(*store_, name, environment_.rank, environment_.world_size,
                               text, timeout_)
        .front();
}

lt::mesh_groups meet(const train_config& config, const job_rank& rank,
                     const mesh_shape& mesh, const run_inputs& inputs,
                     at::Device device) {
    const auto& environment = rank.environment();
    lt::group_options options{.timeout = rank.timeout()};
    if (environment.world_size > 1) {
        compare_settings(lt::exchange_values(
            *rank.store(), "settings", environment.rank, environment.world_size,
            settings_text(config, inputs), rank.timeout()));
        options.address =
            address_towards(environment.master_addr, environment.master_port);
        if (const char* names = std::getenv("GLOO_SOCKET_IFNAME"))
            options.interface = std::string(names, std::strcspn(names, ","));
    }
    return lt::make_mesh_groups(
        mesh, environment.rank, [&](const std::string& name, const auto& members) {
#ifdef PACKKIT_CUDA
            if (device.is_cuda()) {
                return lt::make_nccl_group(rank.store(), name, members, environment.rank,
                                           options);
            }
#endif
            static_cast<void>(device);
            return lt::make_gloo_group(rank.store(), name, members, environment.rank,
                                       options);
        });
}

}  // namespace packkit::train
