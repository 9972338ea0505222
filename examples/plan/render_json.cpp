// SPDX-License-Identifier: Apache-2.0
#include "render.hpp"

#include <algorithm>
#include <string_view>

namespace packkit::plan {
namespace {

using app::ordered_json;

ordered_json collectives(const collective_bytes& bytes) {
    return {{"all_reduce", bytes.all_reduce},
            {"all_gather", bytes.all_gather},
            {"reduce_scatter", bytes.reduce_scatter},
            {"all_to_all", bytes.all_to_all},
            {"send_recv", bytes.send_recv}};
}

ordered_json communication_json(const communication_estimate& sent) {
    ordered_json result = collectives(sent.total());
    result["total"] = sent.total().total();
    result["by_dimension"] = {{"dp_replicate", collectives(sent.dp_replicate)},
                              {"dp_shard", collectives(sent.dp_shard)},
                              {"cp", collectives(sent.cp)},
                              {"tp", collectives(sent.tp)},
                              {"world", collectives(sent.world)}};
    return result;
}

ordered_json mesh_json(const mesh_shape& mesh) {
    return {{"dp_replicate", mesh.dp_replicate},
            {"dp_shard", mesh.dp_shard},
            {"cp", mesh.cp},
            {"tp", mesh.tp},
            {"world", mesh.world_size()}};
}

ordered_json setup_json(const training_setup& setup) {
    return {{"sequence_len", setup.sequence_len},
            {"sharding", to_string(setup.sharding)},
            {"reshard_after_forward", setup.reshard_after_forward},
            {"precision", to_string(setup.precision)},
            {"optimizer", to_string(setup.optimizer)},
            {"activation_checkpointing", to_string(setup.checkpointing)},
            {"sequence_parallel", setup.sequence_parallel},
            {"offload_optimizer", setup.offload_optimizer},
            {"gpus_per_node", setup.gpus_per_node}};
}

ordered_json batch_json(const training_setup& setup, const workload& work) {
    const auto rows = static_cast<double>(setup.global_rows());
    ordered_json batch = {
        {"global_samples", setup.global_rows()},
        {"global_tokens", setup.global_rows() * setup.sequence_len},
        {"real_tokens", rows * work.tokens_per_row},
        {"micro_batch_size", setup.micro_batch_size},
        {"gradient_accumulation_steps", setup.gradient_accumulation_steps},
        {"data_parallel_size", setup.mesh.data_parallel_size()}};
    if (work.rows_per_epoch > 0 && work.samples > 0) {
        batch["packed_samples"] =
            rows * static_cast<double>(work.samples) / work.rows_per_epoch;
    }
    return batch;
}

ordered_json memory_json(const plan_figures& plan) {
    ordered_json memory = ordered_json::object();
    for (const memory_part& part : memory_parts(plan.memory.bytes))
        memory[part.key] = part.bytes;
    memory["total"] = plan.memory.bytes.total();
    memory["capacity"] = plan.capacity_bytes;
    memory["host"] = plan.memory.host_bytes;
    return memory;
}

ordered_json seconds_json(const step_seconds& seconds) {
    return {{"forward", seconds.forward},
            {"backward", seconds.backward},
            {"optimizer", seconds.optimizer},
            {"compute", seconds.compute},
            {"communication", seconds.communication},
            {"exposed_communication", seconds.exposed_communication},
            {"step", seconds.step}};
}

ordered_json schedule_json(const schedule& time) {
    return {{"rows_per_epoch", time.rows_per_epoch},
            {"steps_per_epoch", time.steps_per_epoch},
            {"steps", time.steps},
            {"hours", time.hours},
            {"gpu_hours", time.gpu_hours},
            {"cost", time.cost ? ordered_json(*time.cost) : ordered_json()}};
}

ordered_json packing_json(const estimate_report& report) {
    ordered_json all = ordered_json::object();
    for (const arrangement& one : report.arrangements) {
        ordered_json entry = {
            {"efficiency", one.work.efficiency},
            {"tokens_per_second_per_gpu", one.figures.tokens_per_second_per_gpu},
            {"seconds_per_step", one.figures.seconds.step},
            {"attention_length", one.work.attention_length()}};
        entry.update(schedule_json(one.time));
        all[one.key] = std::move(entry);
    }
    const workload& work = report.subject.work;
    return {{"samples", work.samples},
            {"tokens", work.tokens},
            {"dropped_samples", work.dropped_samples},
            {"dropped_tokens", work.dropped_tokens},
            {"cut_tokens", work.cut_tokens},
            {"arrangements", std::move(all)}};
}

ordered_json model_json(const plan_subject& subject) {
    return {{"name", subject.model.name},
            {"parameters", subject.parameters},
            {"embedding_parameters", subject.embedding_parameters},
            {"active_parameters", subject.active_parameters}};
}

ordered_json gpu_json(const plan_subject& subject, precision_kind precision) {
    const device& gpu = subject.gpus.gpu;
    return {{"name", gpu.name},
            {"memory_bytes", gpu.memory_bytes},
            {"peak_tflops", gpu.peak_flops(precision) / 1e12},
            {"link_bytes_per_second", gpu.link_bytes_per_second},
            {"network_bytes_per_second", gpu.network_bytes_per_second},
            {"efficiency", gpu.efficiency}};
}

/// The figures of one plan, with the keys that scripts use.
ordered_json plan_json(const plan_subject& subject, const plan_estimate& plan) {
    return {{"model", model_json(subject)},
            {"gpu", gpu_json(subject, plan.setup.precision)},
            {"mesh", mesh_json(plan.setup.mesh)},
            {"setup", setup_json(plan.setup)},
            {"batch", batch_json(plan.setup, subject.work)},
            {"memory_bytes", memory_json(plan)},
            {"peak_moment", to_string(plan.memory.at)},
            {"system", subject.system.name},
            {"fits", plan.fits},
            {"flops_per_token", plan.flops_per_token},
            {"flop_convention", to_string(subject.convention)},
            {"attention_length", subject.work.attention_length()},
            {"communication_bytes", communication_json(plan.communication)},
            {"seconds", seconds_json(plan.seconds)},
            {"tokens_per_second_per_gpu", plan.tokens_per_second_per_gpu},
            {"mfu", plan.mfu},
            {"hfu", plan.hfu},
            {"dp_imbalance", plan.dp_imbalance},
            {"cp_imbalance", plan.cp_imbalance},
            {"warnings", plan.warnings}};
}

/// "memory_bytes.total": the path to every value that is no list.
void flatten(const ordered_json& value, const std::string& path, ordered_json& row) {
    if (value.is_array()) return;
    if (!value.is_object()) {
        row[path] = value;
        return;
    }
    for (const auto& [name, inner] : value.items())
        flatten(inner, path.empty() ? name : path + "." + name, row);
}

}  // namespace

ordered_json estimate_json(const estimate_report& report) {
    ordered_json document = plan_json(report.subject, report.plan);
    document["warnings"] = report.warnings;
    document["advice"] = report.advice;
    document["notes"] = report.notes;
    if (report.time) document["schedule"] = schedule_json(*report.time);
    if (!report.arrangements.empty()) document["packing"] = packing_json(report);
    return document;
}

ordered_json search_json(const search_report& report) {
    ordered_json plans = ordered_json::array();
    for (std::size_t i = 0; i < std::min(report.shown, report.found.plans.size()); ++i) {
        const plan_estimate& plan = report.found.plans[i];
        ordered_json entry = plan_json(report.subject, plan);
        if (const auto time = schedule_of(report.subject, report.subject.work, plan))
            entry["schedule"] = schedule_json(*time);
        plans.push_back(std::move(entry));
    }
    ordered_json rejected = ordered_json::array();
    for (const rejected_plan& plan : report.found.rejected) {
        rejected.push_back(
            {{"mesh", mesh_json(plan.setup.mesh)}, {"reason", plan.reason}});
    }
    ordered_json document = {{"plans", std::move(plans)},
                             {"rejected", std::move(rejected)},
                             {"fitting_meshes", report.found.plans.size()},
                             {"variants", report.found.variants},
                             {"warnings", report.warnings},
                             {"advice", report.advice},
                             {"suggestions", report.suggestions},
                             {"notes", report.notes}};
    if (report.best && !report.best->arrangements.empty())
        document["packing"] = packing_json(*report.best);
    return document;
}

std::string plans_csv(const std::vector<ordered_json>& plans) {
    ordered_json rows = ordered_json::array();
    for (const ordered_json& plan : plans) {
        ordered_json row = ordered_json::object();
        flatten(plan, "", row);
        rows.push_back(std::move(row));
    }
    return app::csv_of(rows);
}

}  // namespace packkit::plan
