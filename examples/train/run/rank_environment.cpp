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

bool is_set(const char* name) {
    return !text_in(name).empty();
}

/// Tasks of a Slurm step on this node.
std::optional<std::int64_t> tasks_of_this_node() {
    const auto node = number_in({"SLURM_NODEID"}, 0, most).value_or(0);
    return tasks_of_node(text_in("SLURM_STEP_TASKS_PER_NODE"), node);
}

/// Whether this process is a task that srun has started. The shell of sbatch has
/// SLURM_PROCID and SLURM_NTASKS of the job, but no step.
bool is_slurm_task() {
    if (!is_set("SLURM_PROCID")) return false;
    const bool in_step = is_set("SLURM_STEP_ID") || is_set("SLURM_STEP_NODELIST") ||
                         is_set("SLURM_STEP_NUM_TASKS");
    return in_step || !is_set("SLURM_JOB_ID");
}

/// How many ranks there are, or which of them this process is.
struct job_number {
    std::optional<std::int64_t> value;
    rank_source source = rank_source::none;
};

job_number job_size() {
    if (const auto size = number_in({"WORLD_SIZE"}, 1, most))
        return {size, rank_source::torchrun};
    // Before Slurm: under it, mpirun's daemons are its tasks, and ranks inherit that.
    if (const auto size = number_in({"OMPI_COMM_WORLD_SIZE"}, 1, most))
        return {size, rank_source::mpi};
    if (is_slurm_task()) {
        if (const auto size =
                number_in({"SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"}, 1, most))
            return {size, rank_source::slurm};
    }
    return {number_in({"PMI_SIZE"}, 1, most), rank_source::mpi};
}

std::optional<std::int64_t> job_rank_number() {
    if (const auto rank = number_in({"RANK"}, 0, most)) return rank;
    if (const auto rank = number_in({"OMPI_COMM_WORLD_RANK"}, 0, most)) return rank;
    if (is_slurm_task()) return number_in({"SLURM_PROCID"}, 0, most);
    return number_in({"PMI_RANK"}, 0, most);
}

/// Rejects variables of torchrun that do not say who this process is.
void check_complete(bool has_size, bool has_rank) {
    const auto refuse = [](const char* name, const std::string& missing) {
        throw app::usage_error(
            std::string("environment variable ") + name,
            fmt::format("is {}, and {} not set; expected RANK, WORLD_SIZE and LOCAL_RANK "
                        "together, as torchrun sets them; unset {} to train without "
                        "that launcher",
                        text_in(name), missing, name));
    };
    if (has_size && has_rank) return;
    if (is_set("RANK") && !has_size) refuse("RANK", "WORLD_SIZE is");
    if (is_set("WORLD_SIZE") && !has_rank && text_in("WORLD_SIZE") != "1")
        refuse("WORLD_SIZE", "RANK is");
    for (const char* name : {"LOCAL_RANK", "LOCAL_WORLD_SIZE"}) {
        if (is_set(name)) refuse(name, "RANK and WORLD_SIZE are");
    }
}

/// Throws unless `value` < `bound`.
void check_below(const char* name, std::int64_t value, const char* bound_name,
                 std::int64_t bound) {
    if (value < bound) return;
    throw app::usage_error(
        std::string("environment variable ") + name,
        fmt::format("{} is not below {} {}", value, bound_name, bound));
}

}  // namespace

rank_environment read_rank_environment() {
    rank_environment here;
    const auto world = job_size();
    const auto rank = job_rank_number();
    check_complete(world.value.has_value(), rank.has_value());
    if (!world.value || !rank) return here;
    here.world_size = *world.value;
    here.source = world.source;
    here.rank = *rank;
    check_below("RANK", here.rank, "WORLD_SIZE", here.world_size);
    const bool by_slurm = is_slurm_task() && here.source != rank_source::mpi;
    auto local = number_in(
        {"LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID"}, 0, most);
    if (!local && by_slurm) local = number_in({"SLURM_LOCALID"}, 0, most);
    here.local_rank = local.value_or(here.rank);
    const auto local_world_size = number_in(
        {"LOCAL_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"}, 1, most);
    here.local_world_size = local_world_size.value_or(
        (by_slurm ? tasks_of_this_node() : std::nullopt).value_or(here.world_size));
    if (is_set("LOCAL_WORLD_SIZE"))
        check_below("LOCAL_RANK", here.local_rank, "LOCAL_WORLD_SIZE",
                    here.local_world_size);
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
