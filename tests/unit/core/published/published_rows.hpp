// SPDX-License-Identifier: Apache-2.0
// Reads throughput.csv: what published runs were, and how fast.
#pragma once

#include <packkit/estimate/device.hpp>
#include <packkit/estimate/flops.hpp>
#include <packkit/estimate/step_time.hpp>
#include <packkit/estimate/training_setup.hpp>
#include <packkit/estimate/workload.hpp>
#include <packkit/model/presets.hpp>

#include <cstdint>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace published {

struct throughput_row {
    std::string text;  ///< the line, for messages
    std::string source, model, gpu;
    packkit::training_setup setup;
    packkit::recomputation recomputed;
    double network_bytes_per_second = 0;  ///< 0: the device's
    double memory_bandwidth = 0;          ///< 0: the device's
    double tokens_per_second_per_gpu = 0;
    double mfu = 0;  ///< 0: not printed; else a share
    double hfu = 0;
};

inline std::vector<throughput_row> read_throughput(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot open " + path);
    std::vector<throughput_row> rows;
    bool header = true;
    for (std::string line; std::getline(file, line);) {
        if (line.empty() || line.front() == '#') continue;
        if (header) {
            header = false;
            continue;
        }
        std::vector<std::string> cells;
        std::stringstream stream(line + ",");
        for (std::string cell; std::getline(stream, cell, ',');)
            cells.push_back(cell);
        if (cells.size() != 20) throw std::runtime_error("not 20 cells: " + line);
        const auto whole = [&](std::size_t i) { return std::stoll(cells[i]); };
        const auto real = [&](std::size_t i) {
            return cells[i].empty() ? 0.0 : std::stod(cells[i]);
        };
        throughput_row row;
        row.text = line;
        row.source = cells[0];
        row.model = cells[1];
        row.gpu = cells[2];
        row.setup.mesh = {whole(3), whole(4), whole(5), whole(6)};
        row.setup.sequence_parallel = row.setup.mesh.tp > 1;
        row.setup.sequence_len = whole(7);
        row.setup.micro_batch_size = whole(8);
        row.setup.gradient_accumulation_steps = whole(9);
        row.setup.reshard_after_forward = whole(10) == 1;
        row.setup.precision = cells[11] == "bf16" ? packkit::precision_kind::bf16
                                                  : packkit::precision_kind::bf16_mixed;
        row.setup.checkpointing = cells[12] == "full" ? packkit::checkpointing_kind::full
                                  : cells[12] == "selective"
                                      ? packkit::checkpointing_kind::selective
                                      : packkit::checkpointing_kind::none;
        row.recomputed = {real(13), real(14)};
        row.network_bytes_per_second = real(15) * 1e9 / 8;
        row.memory_bandwidth = real(16) * 1e9;
        row.tokens_per_second_per_gpu = real(17);
        row.mfu = real(18) / 100;
        row.hfu = real(19) / 100;
        rows.push_back(std::move(row));
    }
    return rows;
}

/// The model of a row: MPT with a table of as many positions as a row has tokens.
inline packkit::model_layout layout_of(const throughput_row& row) {
    const packkit::named_model* const known = packkit::find_model(row.model);
    if (known == nullptr) throw std::runtime_error("no model " + row.model);
    packkit::model_shape shape = known->shape;
    if (shape.family == packkit::model_family::mpt)
        shape.max_position_embeddings = row.setup.sequence_len;
    return packkit::model_layout(shape);
}

/// Estimated over published tokens a second, at an efficiency.
inline double speed_ratio(const throughput_row& row, const packkit::model_layout& layout,
                          double efficiency) {
    // Meta's H100 with HBM2e and 500 W is a type of its own.
    packkit::device on =
        *packkit::find_device(row.gpu == "h100-96gb" ? "h100-80gb" : row.gpu);
    on.efficiency = efficiency;
    if (row.network_bytes_per_second > 0)
        on.network_bytes_per_second = row.network_bytes_per_second;
    if (row.memory_bandwidth > 0) on.memory_bandwidth = row.memory_bandwidth;
    // MPT ran on the first FlashAttention, in Triton and made for A100: shares read off
    // its rows of 65,536 tokens, where attention is nearly all.
    if (row.source == "llm-foundry")
        on.attention_efficiency = row.gpu.starts_with("a100") ? 0.31 : 0.18;
    packkit::time_assumptions assumed;
    assumed.recomputed = row.recomputed;
    if (row.source == "fms-fsdp" || row.source == "torchtitan compiled")
        assumed.elementwise_passes = 1;
    const packkit::workload work = packkit::full_rows(row.setup.sequence_len);
    const auto seconds = packkit::estimate_step_time(
        layout, row.setup, on, work,
        packkit::estimate_communication(layout, row.setup, work), assumed);
    const double tokens = static_cast<double>(row.setup.global_rows()) *
                          work.tokens_per_row /
                          static_cast<double>(row.setup.mesh.world_size());
    return tokens / seconds.step / row.tokens_per_second_per_gpu;
}

/// The rows that a device's efficiency is fitted to.
inline bool is_calibration_row(const throughput_row& row) {
    if (row.gpu == "h100-96gb") return row.tokens_per_second_per_gpu == 6667;
    return row.model == "mpt-3b" && row.setup.sequence_len == 2048;
}

}  // namespace published
