// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <packkit/planner/training_cost.hpp>

#include <cmath>

namespace packkit::plan {

std::optional<schedule> schedule_of(const plan_subject& subject, const workload& work,
                                    const plan_figures& plan) {
    if (!(work.rows_per_epoch > 0)) return std::nullopt;
    const run_cost cost =
        cost_of_run(plan, work, subject.epochs,
                    subject.gpus.price_per_gpu_hour.value_or(0), subject.drop_last);
    schedule time{static_cast<std::int64_t>(std::llround(work.rows_per_epoch)),
                  cost.steps_per_epoch,
                  cost.steps,
                  cost.hours,
                  cost.gpu_hours,
                  std::nullopt};
    if (subject.gpus.price_per_gpu_hour) time.cost = cost.price;
    return time;
}

std::vector<memory_part> memory_parts(const memory_bytes& bytes) {
    return {{"parameters", "parameters", bytes.parameters},
            {"gradients", "gradients", bytes.gradients},
            {"optimizer", "optimizer state", bytes.optimizer},
            {"activations", "activations", bytes.activations},
            {"logits", "logits", bytes.logits},
            {"gathered_parameters", "gathered parameters", bytes.gathered_parameters},
            {"communication", "communication", bytes.communication}};
}

std::vector<communication_part> communication_parts(const plan_figures& plan) {
    const mesh_shape& mesh = plan.setup.mesh;
    const bool replicas_only = plan.setup.sharding == sharding_kind::ddp;
    const std::int64_t shards = plan.setup.sharding_ranks();
    std::vector<communication_part> parts;
    const auto add = [&](const char* name, std::int64_t ranks,
                         const collective_bytes& bytes) {
        if (ranks > 1) parts.push_back({name, ranks, bytes});
    };
    add("dp_replicate", replicas_only ? mesh.dp_replicate * shards : mesh.dp_replicate,
        plan.communication.dp_replicate);
    add(mesh.cp > 1 ? "dp_shard x cp" : "dp_shard", replicas_only ? 1 : shards,
        plan.communication.dp_shard);
    add("cp", mesh.cp, plan.communication.cp);
    add("tp", mesh.tp, plan.communication.tp);
    add("world", mesh.world_size(), plan.communication.world);
    return parts;
}

std::string mesh_text(const mesh_shape& mesh) {
    std::string text;
    const auto add = [&](const char* name, std::int64_t size) {
        if (size > 1)
            text += (text.empty() ? "" : " x ") + std::string(name) + " " +
                    std::to_string(size);
    };
    add("dp_replicate", mesh.dp_replicate);
    add("dp_shard", mesh.dp_shard);
    add("cp", mesh.cp);
    add("tp", mesh.tp);
    return text.empty() ? "1 GPU" : text;
}

std::string variant_text(const training_setup& setup, bool brief) {
    std::string text(to_string(setup.sharding));
    if (setup.sharding == sharding_kind::fsdp && !setup.reshard_after_forward)
        text += ", no reshard";
    if (setup.checkpointing != checkpointing_kind::none) {
        text += ", " + std::string(to_string(setup.checkpointing)) +
                (brief ? "" : " checkpointing");
    }
    if (setup.sequence_parallel) text += brief ? ", sp" : ", sequence parallel";
    if (setup.offload_optimizer) text += brief ? ", offload" : ", optimizer offloaded";
    return text;
}

}  // namespace packkit::plan
