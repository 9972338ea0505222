// SPDX-License-Identifier: Apache-2.0
#include "prediction.hpp"

#include "common/numbers.hpp"
#include "common/table.hpp"

#include <packkit/packkit_train_activations.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace packkit::train {

training_setup setup_of(const train_config& config, const mesh_shape& mesh) {
    training_setup setup;
    setup.mesh = mesh;
    setup.sequence_len = config.sequence_len;
    setup.micro_batch_size = config.micro_batch_size;
    setup.gradient_accumulation_steps = config.gradient_accumulation_steps;
    setup.sharding =
        mesh.effective_shard_size() > 1 ? sharding_kind::fsdp : sharding_kind::ddp;
    setup.reshard_after_forward = config.reshard_after_forward;
    setup.precision = config.bf16                            ? precision_kind::bf16_mixed
                      : config.torch_dtype == dtype::float64 ? precision_kind::fp64
                                                             : precision_kind::fp32;
    return setup;
}

workload workload_of(const data_plan& plan) {
    const auto lengths = plan.lengths();
    double tokens = 0, squared = 0, computed = 0, computed_squared = 0;
    for (std::size_t bin = 0; bin < plan.bins().size(); ++bin) {
        double row = 0;
        for (const std::uint32_t sample : plan.bins()[bin]) {
            const auto length = static_cast<double>(lengths[sample]);
            row += length;
            squared += length * length;
        }
        const double padding =
            plan.pads() ? static_cast<double>(plan.row_capacity()) - row : 0.0;
        tokens += row;
        computed += row + padding;
        computed_squared += padding * padding;
    }
    const auto rows = static_cast<double>(plan.bins().size());
    workload work;
    work.tokens_per_row = tokens / rows;
    work.squared_per_row = squared / rows;
    work.computed_tokens_per_row = computed / rows;
    work.computed_squared_per_row = (squared + computed_squared) / rows;
    work.rows_per_epoch = rows;
    work.samples = static_cast<std::int64_t>(lengths.size());
    work.tokens = static_cast<std::int64_t>(tokens);
    work.efficiency = tokens / computed;
    return work;
}

prediction predict(const train_config& config, const model_shape& shape,
                   const mesh_shape& mesh, const data_plan& plan) {
    prediction predicted;
    predicted.setup = setup_of(config, mesh);
    predicted.rows = workload_of(plan);
    // Padded micro-batches are all alike.
    const std::int64_t steps = plan.pads() ? 1 : plan.total_steps();
    for (std::int64_t step = 0; step < steps; ++step) {
        for (std::int64_t micro = 0; micro < plan.micro_steps(); ++micro) {
            predicted.longest_micro_batch = std::max(
                predicted.longest_micro_batch, plan.micro_batch_tokens(step, micro, 0));
        }
    }
    const model_layout layout(shape);
    auto longest = predicted.setup;
    longest.micro_batch_size = 1;
    longest.sequence_len = predicted.longest_micro_batch;
    predicted.memory = estimate_memory(layout, longest, packkit_train_activations);
    predicted.communication =
        estimate_communication(layout, predicted.setup, predicted.rows);
    return predicted;
}

namespace {

using named_bytes = std::pair<const char*, std::int64_t>;

std::array<named_bytes, 7> components_of(const memory_bytes& bytes) {
    return {{{"parameters", bytes.parameters},
             {"gradients", bytes.gradients},
             {"optimizer", bytes.optimizer},
             {"activations", bytes.activations},
             {"logits", bytes.logits},
             {"gathered parameters", bytes.gathered_parameters},
             {"communication", bytes.communication}}};
}

std::array<named_bytes, 5> collectives_of(const collective_bytes& sent) {
    return {{{"all_reduce", sent.all_reduce},
             {"all_gather", sent.all_gather},
             {"reduce_scatter", sent.reduce_scatter},
             {"all_to_all", sent.all_to_all},
             {"send_recv", sent.send_recv}}};
}

/// "+1.25 %", "equal", or "-" where nothing was predicted.
std::string deviation(std::int64_t predicted, std::int64_t measured) {
    if (predicted == measured) return "equal";
    if (predicted == 0) return "-";
    const double share =
        static_cast<double>(measured - predicted) / static_cast<double>(predicted);
    return (share > 0 ? "+" : "") + app::percent(share);
}

}  // namespace

std::string to_log_line(const prediction& predicted) {
    const auto sent = predicted.communication.total();
    std::string text = "predicted: " + app::grouped(predicted.memory.bytes.total()) +
                       " bytes of tensors at the peak (" +
                       std::string(to_string(predicted.memory.at)) + "), " +
                       app::grouped(sent.total()) + " bytes sent a step in " +
                       app::grouped(sent.collectives) + " collectives (";
    for (const auto& [name, bytes] : collectives_of(sent)) {
        if (bytes != 0) text += std::string(name) + " " + app::grouped(bytes) + ", ";
    }
    text.resize(text.size() - 2);
    return text + (sent.total() > 0 ? ")" : "");
}

std::string compare(const prediction& predicted, const step_metrics& step,
                    const step_metrics& largest) {
    app::table table({{"bytes of rank 0", app::alignment::left},
                      {"predicted"},
                      {"measured"},
                      {"deviation"}});
    const auto row = [&](const std::string& name, std::int64_t expected,
                         std::int64_t found) {
        if (expected == 0 && found == 0) return;
        table.add_row({name, app::grouped(expected), app::grouped(found),
                       deviation(expected, found)});
    };
    const auto sent = collectives_of(predicted.communication.total());
    const std::array<std::int64_t, 5> counted = {
        step.bytes.all_reduce, step.bytes.all_gather, step.bytes.reduce_scatter,
        step.bytes.all_to_all, step.bytes.send_recv};
    for (std::size_t i = 0; i < sent.size(); ++i)
        row(std::string("sent a step: ") + sent[i].first, sent[i].second, counted[i]);
    const auto& held = largest.allocated_bytes;
    const auto& expected = predicted.memory.bytes;
    row("peak memory", expected.total(), held.total);
    if (held.parts.total() > 0) {
        const auto parts = components_of(expected);
        const auto found = components_of(held.parts);
        for (std::size_t i = 0; i < parts.size(); ++i)
            row(std::string("  ") + parts[i].first, parts[i].second, found[i].second);
        row("  other", 0, held.other);
    }
    return table.to_text();
}

}  // namespace packkit::train
