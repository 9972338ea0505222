// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Who this process is in a job, as its launcher says in environment variables.

#include <cstdint>
#include <string>

namespace packkit::train {

/// Whose variables say which rank a process is.
enum class rank_source : std::uint8_t { none, torchrun, slurm, mpi };

/// One process alone when nothing is set.
struct rank_environment {
    std::int64_t rank = 0;
    std::int64_t world_size = 1;
    std::int64_t local_rank = 0;
    std::int64_t local_world_size = 1;
    std::string master_addr = "127.0.0.1";
    std::uint16_t master_port = 29500;
    bool store_is_hosted = false;            ///< the launcher hosts the rendezvous store
    rank_source source = rank_source::none;  ///< of world_size
};

/// Reads RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT as
/// torchrun sets them, or what srun (SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID,
/// SLURM_STEP_TASKS_PER_NODE), Open MPI (OMPI_COMM_WORLD_*) or another mpirun (PMI_*,
/// MPI_LOCALRANKID, MPI_LOCALNRANKS) sets. Without MASTER_ADDR rank 0 is on this node, or
/// on the first of SLURM_STEP_NODELIST. The shell of sbatch or salloc is no task of its
/// job, though it has some of Slurm's variables: one process alone.
/// @throws app::usage_error naming the variable for a value that is no number or does not
/// fit, for one of torchrun's that is set without those it needs, and where ranks on
/// several nodes cannot know rank 0's
rank_environment read_rank_environment();

}  // namespace packkit::train
