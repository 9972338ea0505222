// SPDX-License-Identifier: Apache-2.0
#include "run/announce.hpp"

#include "common/numbers.hpp"
#include "config/optimizer.hpp"
#include "plan/mesh.hpp"
#include "record/report.hpp"
#include "run/memory_check.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace packkit::train {
namespace {

/// "precision: bf16 computation, float32 parameters".
std::string precision_text(const train_config& config, bool on_cpu) {
    const std::string parameters(to_string(config.torch_dtype));
    std::string text = "precision: " +
                       (config.bf16   ? std::string("bf16")
                        : config.fp16 ? std::string("fp16")
                                      : parameters) +
                       " computation, " + parameters + " parameters";
    if (config.automatic_precision)
        text += on_cpu ? " (bf16: auto, on a CPU)" : " (bf16: auto, on a GPU)";
    return text;
}

/// Logs which parameters are trained, where not all are, and their learning rates.
void log_parameter_rules(const run_plan& plan, const run_log& log) {
    std::int64_t frozen = 0;
    const auto units = unit_shapes(plan.inputs.shape);
    for (std::size_t u = 0; u < units.size(); ++u) {
        for (std::size_t i = 0; i < units[u].parameters.size(); ++i) {
            if (plan.rules.of_units[u][i].frozen)
                frozen += units[u].parameters[i].elements();
        }
    }
    if (frozen > 0)
        log.say(
            "unfrozen_parameters: " + app::grouped(plan.layout.parameters() - frozen) +
            " of " + app::grouped(plan.layout.parameters()) +
            " parameters are trained; predictions of memory and bytes sent count all of "
            "them as trained");
    const auto& rates = plan.rules.group_rates;
    if (rates.empty()) return;
    log.say("embeddings and head: learning rate " + app::shortest(rates.front()) +
            ", no weight decay");
    for (std::size_t g = 1; g < rates.size(); ++g)
        log.say("lr_groups: " + plan.config.lr_groups[g - 1].name + ": learning rate " +
                app::shortest(rates[g]));
}

}  // namespace

void announce(const run_plan& plan, const job_rank& rank, const model& network,
              const lt::optimizer& optimizer, const run_log& log) {
    const train_config& config = plan.config;
    const bool on_cpu = network.options().device.is_cpu();
    for (const auto& note : config.notes)
        log.note(note);
    for (const auto& warning : config.warnings)
        log.warn(warning);
    if (config.offload_params && on_cpu)
        log.warn(
            "fsdp_config.offload_params has no effect without a GPU: parameters are in "
            "host memory anyway");
    log_parameter_rules(plan, log);
    log.say(precision_text(config, on_cpu));
    if (const auto note = optimizer_note(config, optimizer.state_bytes())) log.say(*note);
    if (on_cpu) log.kernels();
    log.data(plan.inputs.samples, plan.config);
    log.vocabulary(config, plan.inputs);
    log.mesh(plan.mesh());
    if (const auto note = mesh_note_of(config, rank.environment().world_size);
        !note.empty())
        log.say(note);
    log.packing(config, *plan.data);
    log.say(std::string(plan.setup.sharding == sharding_kind::fsdp ? "FSDP" : "DDP") +
            ": " + app::grouped(network.parameter_bytes()) +
            " bytes of parameters per rank, " + app::grouped(plan.layout.parameters()) +
            " parameters in all");
    log.say("activation checkpointing: " +
            std::string(to_string(config.gradient_checkpointing)));
    log.say(to_log_line(plan.predicted));
    if (!on_cpu) return;
    const auto ranks_here = rank.environment().local_world_size;
    if (const auto warning = memory_warning(plan.predicted, ranks_here))
        log.warn(*warning);
}

}  // namespace packkit::train
