// SPDX-License-Identifier: Apache-2.0
#include "run/rank_environment.hpp"

#include "common/errors.hpp"
#include "common/numbers.hpp"
#include "run/slurm.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string_view>

namespace packkit::train {
namespace {

/// The first of `names` that is set and not empty, as a number.
std::optional<std::int64_t> number_in(std::initializer_list<const char*> names,
                                      std::int64_t minimum, std::int64_t maximum) {
    for (const char* name : names) {
        const char* text = std::getenv(name);
        if (text == nullptr || *text == '\0') continue;
        return app::parse_option_integer(std::string("environment variable ") + name,
                                         text, minimum, maximum);
    }
    return std::nullopt;
}

std::string text_in(const char* name) {
    const char* text = std::getenv(name);
    return text == nullptr ? "" : text;
}

constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();

/// Tasks of a Slurm step on this node.
std::optional<std::int64_t> tasks_of_this_node() {
    const auto node = number_in({"SLURM_NODEID"}, 0, most).value_or(0);
    return tasks_of_node(text_in("SLURM_STEP_TASKS_PER_NODE"), node);
}

}  // namespace

rank_environment read_rank_environment() {
    rank_environment here;
    const auto world = number_in(
        {"WORLD_SIZE", "SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}, 1, most);
    const auto rank =
        number_in({"RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK"}, 0, most);
    if (!world || !rank) return here;  // an sbatch shell sets only some of them
    here.world_size = *world;
    here.rank = *rank;
    if (here.rank >= here.world_size) {
        throw app::usage_error(
            "environment variable RANK",
            fmt::format("{} is not below WORLD_SIZE {}", here.rank, here.world_size));
    }
    here.local_rank = number_in({"LOCAL_RANK", "SLURM_LOCALID",
                                 "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID"},
                                0, most)
                          .value_or(here.rank);
    const auto local_world_size = number_in(
        {"LOCAL_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"}, 1, most);
    const bool by_slurm = !text_in("SLURM_PROCID").empty();
    here.local_world_size = local_world_size.value_or(
        (by_slurm ? tasks_of_this_node() : std::nullopt).value_or(here.world_size));
    here.master_addr = text_in("MASTER_ADDR");
    if (here.master_addr.empty() && here.local_world_size < here.world_size) {
        if (by_slurm) here.master_addr = first_host(text_in("SLURM_STEP_NODELIST"));
        if (here.master_addr.empty()) {
            throw app::usage_error(
                "environment variable MASTER_ADDR",
                fmt::format("is not set, and {} of {} ranks are on this node; expected "
                            "the name or address of rank 0's node",
                            here.local_world_size, here.world_size));
        }
    }
    if (here.master_addr.empty()) here.master_addr = "127.0.0.1";
    here.master_port =
        static_cast<std::uint16_t>(number_in({"MASTER_PORT"}, 1, 65535).value_or(29500));
    here.store_is_hosted = text_in("PACKKIT_STORE_IS_HOSTED") == "1" ||
                           text_in("TORCHELASTIC_USE_AGENT_STORE") == "True";
    return here;
}

}  // namespace packkit::train
