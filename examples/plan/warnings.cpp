// SPDX-License-Identifier: Apache-2.0
#include "warnings.hpp"

#include "blocks.hpp"

#include "common/numbers.hpp"

#include <packkit/planner/rejection.hpp>
#include <packkit/planner/search.hpp>

namespace packkit::plan {
namespace {

using app::grouped;
using app::rate_text;

/// Single changes that make it fit, with the speed that they leave.
void add_remedies(const plan_subject& subject, const model_layout& layout,
                  const plan_estimate& plan, std::vector<std::string>& advice) {
    constexpr std::size_t most = 3;
    std::size_t said = 0;
    for (const remedy& change : remedies(plan.setup)) {
        if (said == most) break;
        const plan_figures changed = estimate(layout, change.setup, subject.gpus.gpu,
                                              subject.work, options_of(subject));
        if (!changed.fits) continue;
        advice.push_back("It would fit with " + change.what + ": " +
                         app::bytes_text(changed.memory.bytes.total()) + ", " +
                         rate_text(changed.tokens_per_second_per_gpu) +
                         " tokens/s a GPU.");
        ++said;
    }
    if (said == 0) {
        advice.emplace_back(
            "No single change makes it fit; packkit-plan search tries all meshes.");
    }
}

/// The best plan for the same GPUs, batch and precision, if it is faster.
void add_faster(const plan_subject& subject, const model_layout& layout,
                const plan_estimate& plan, std::vector<std::string>& advice) {
    const training_setup& setup = plan.setup;
    search_options options;
    options.gpus = setup.mesh.world_size();
    options.gpus_per_node = setup.gpus_per_node;
    options.sequence_len = setup.sequence_len;
    options.precision = setup.precision;
    options.optimizer = setup.optimizer;
    options.offload_optimizer = setup.offload_optimizer;
    options.global_batch_size = setup.global_rows();
    options.one_row_with_cp = one_row_with_cp(subject);
    options.estimates = options_of(subject);
    const plan_search found = search(layout, subject.gpus.gpu, options, subject.work);
    if (found.plans.empty()) return;
    const plan_estimate& best = found.plans.front();
    const double gain =
        best.tokens_per_second_per_gpu / plan.tokens_per_second_per_gpu - 1;
    if (plan.fits && gain < 0.02) {
        advice.push_back(
            "No mesh of these GPUs is more than 2 % faster with this batch.");
        return;
    }
    advice.push_back(
        (plan.fits ? "Faster with this batch: " : "Fits with this batch: ") +
        mesh_text(best.setup.mesh) + " (" + variant_text(best.setup) + ", micro-batch " +
        grouped(best.setup.micro_batch_size) + "), " +
        rate_text(best.tokens_per_second_per_gpu) + " tokens/s a GPU" +
        (plan.fits ? ", " + app::percent(gain, 0) + " more" : std::string()) + ", " +
        app::bytes_text(best.memory.bytes.total()) + ".");
}

}  // namespace

std::vector<std::string> all_warnings(const plan_subject& subject,
                                      const plan_estimate& plan) {
    const training_setup& setup = plan.setup;
    std::vector<std::string> warnings = plan.warnings;
    const std::int64_t context = subject.model.context_length;
    if (context > 0 && setup.sequence_len > context) {
        warnings.push_back("rows of " + grouped(setup.sequence_len) +
                           " tokens are longer than the context of " + grouped(context) +
                           " that the model was made for");
    }
    if (setup.mesh.cp > 1 && setup.sequence_len % (2 * setup.mesh.cp) != 0) {
        warnings.push_back("cp " + grouped(setup.mesh.cp) +
                           " cuts each row into two slices a rank: rows of " +
                           grouped(setup.sequence_len) + " tokens are no multiple of " +
                           grouped(2 * setup.mesh.cp) + " and would be padded to one");
    }
    if (setup.mesh.cp > 1 && setup.micro_batch_size > 1 && one_row_with_cp(subject)) {
        warnings.push_back("cp " + grouped(setup.mesh.cp) + " with micro-batches of " +
                           grouped(setup.micro_batch_size) +
                           " packed rows: ring attention over packed rows takes "
                           "micro_batch_size 1 in Axolotl");
    }
    if (setup.optimizer == optimizer_kind::adamw_8bit && setup.mesh.tp > 1) {
        warnings.emplace_back(
            "tensor_parallel_size > 1 is not compatible with adamw_8bit in Axolotl");
    }
    if (subject.gpus.gpus > setup.gpus_per_node &&
        subject.gpus.gpus % setup.gpus_per_node != 0) {
        warnings.push_back(grouped(subject.gpus.gpus) + " GPUs do not fill nodes of " +
                           grouped(setup.gpus_per_node) +
                           ": the last one is used in part");
    }
    if (setup.precision == precision_kind::bf16 &&
        setup.optimizer != optimizer_kind::sgd) {
        warnings.emplace_back(
            "bf16 without float32 masters: small updates of weights are lost in "
            "rounding");
    }
    if (subject.work.efficiency < 0.9 && subject.from_lengths && subject.packed) {
        warnings.push_back("packed rows are only " +
                           app::percent(subject.work.efficiency, 1) +
                           " full: packkit-pack says which capacity fills better");
    }
    return warnings;
}

std::vector<std::string> plan_advice(const plan_subject& subject,
                                     const model_layout& layout,
                                     const plan_estimate& plan) {
    std::vector<std::string> advice;
    if (!plan.fits) add_remedies(subject, layout, plan, advice);
    add_faster(subject, layout, plan, advice);
    return advice;
}

}  // namespace packkit::plan
