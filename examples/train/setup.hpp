// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What a run needs before its first step: inputs, device, the other ranks, the output
/// folder.

#include "checkpoint.hpp"
#include "common/json.hpp"
#include "config.hpp"
#include "data_plan.hpp"
#include "dataset.hpp"
#include "model.hpp"
#include "rank_environment.hpp"
#include "trainer.hpp"

#include <packkit/torch/rendezvous.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <string>

namespace packkit::train {

/// Model shape and samples, read and checked.
struct run_inputs {
    model_shape shape;
    app::ordered_json model_config;  ///< config.json that the shape was read from
    std::unique_ptr<const tokenizer> tokens;
    token_store samples;
};

/// Reads model folder and data sets, and checks that the model fits the mesh
/// (`check_cut`). `show_progress`: a bar on a terminal.
run_inputs read_inputs(const train_config& config, const mesh_shape& mesh,
                       bool show_progress);

/// Device and dtypes of this rank; also sets its number of threads.
model_options choose_model_options(const train_config& config,
                                   const rank_environment& environment);

/// The ranks' mesh. Throws app::usage_error.
mesh_shape choose_mesh(const train_config& config, std::int64_t world_size);

/// Throws app::usage_error when the ranks of tp cannot cut the model.
void check_cut(const model_shape& shape, const mesh_shape& mesh);

/// The store where the ranks meet; null where there is one rank.
c10::intrusive_ptr<c10d::Store> open_store(const train_config& config,
                                           const rank_environment& environment);

/// The other ranks' `meet` throws `what` as this rank's; it will not come itself.
void tell_failure(c10d::Store* store, const rank_environment& environment,
                  const std::string& what);

/// prepare(); the other ranks are told what it throws.
template <class Prepare>
auto or_tell_failure(c10d::Store* store, const rank_environment& environment,
                     Prepare prepare) {
    try {
        return prepare();
    } catch (const std::exception& fault) {
        tell_failure(store, environment, fault.what());
        throw;
    }
}

/// Meets the other ranks, checks that all have the same program, configuration, model and
/// data, and makes the groups. Throws app::usage_error naming the first that differs, and
/// both values, or what another rank failed of.
lt::mesh_groups meet(const train_config& config, const rank_environment& environment,
                     const mesh_shape& mesh, const run_inputs& inputs, at::Device device,
                     const c10::intrusive_ptr<c10d::Store>& store);

/// What a checkpoint must agree with.
run_identity identity_of(const train_config& config, const model_shape& shape,
                         const data_plan& plan, const token_store& samples,
                         const mesh_shape& mesh);

/// Holds output_dir for one run: a second run finds it locked.
class output_folder {
public:
    /// Creates and locks the folder. Throws app::usage_error when it cannot be written,
    /// is locked by another process (named), or holds another run and neither resume nor
    /// overwrite is given.
    output_folder(const std::string& path, bool resume, bool overwrite);
    output_folder(const output_folder&) = delete;
    output_folder& operator=(const output_folder&) = delete;
    ~output_folder();

private:
    int lock_ = -1;
};

/// Operations a second that this device reaches in `dtype`: its published dense peak if
/// known (CUDA), else the rate of a matrix product measured now, in about a tenth of a
/// second.
double peak_flops(at::Device device, at::ScalarType dtype);

}  // namespace packkit::train
