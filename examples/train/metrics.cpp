// SPDX-License-Identifier: Apache-2.0
#include "metrics.hpp"

#include "common/atomic_file.hpp"
#include "common/input_file.hpp"
#include "common/json.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace packkit::train {

std::string bits_of(double value) {
    static constexpr char digits[] = "0123456789abcdef";
    auto bits = std::bit_cast<std::uint64_t>(value);
    std::string text(16, '0');
    for (auto digit = text.rbegin(); digit != text.rend(); ++digit, bits >>= 4) {
        *digit = digits[bits & 15];
    }
    return text;
}

std::string to_json(const step_metrics& m) {
    const auto& held = m.allocated_bytes.parts;
    const app::ordered_json line = {{"step", m.step},
                                    {"epoch", m.epoch},
                                    {"loss", m.loss},
                                    {"loss_bits", bits_of(m.loss)},
                                    {"grad_norm", m.grad_norm},
                                    {"learning_rate", m.learning_rate},
                                    {"tokens", m.tokens},
                                    {"tokens_per_second", m.tokens_per_second},
                                    {"mfu", m.mfu},
                                    {"flops", m.flops},
                                    {"memory_bytes", m.memory_bytes},
                                    {"allocated_bytes",
                                     {{"total", m.allocated_bytes.total},
                                      {"parameters", held.parameters},
                                      {"gradients", held.gradients},
                                      {"optimizer", held.optimizer},
                                      {"activations", held.activations},
                                      {"logits", held.logits},
                                      {"gathered_parameters", held.gathered_parameters},
                                      {"communication", held.communication},
                                      {"other", m.allocated_bytes.other}}},
                                    {"library_workspace_bytes",
                                     m.library_workspace_bytes},
                                    {"seconds",
                                     {{"data", m.seconds.data},
                                      {"forward", m.seconds.forward},
                                      {"backward", m.seconds.backward},
                                      {"optimizer", m.seconds.optimizer},
                                      {"communication", m.seconds.communication},
                                      {"step", m.seconds.step}}},
                                    {"bytes",
                                     {{"all_reduce", m.bytes.all_reduce},
                                      {"all_gather", m.bytes.all_gather},
                                      {"reduce_scatter", m.bytes.reduce_scatter},
                                      {"all_to_all", m.bytes.all_to_all},
                                      {"send_recv", m.bytes.send_recv}}},
                                    {"collectives", m.collectives},
                                    {"slowest_rank", m.slowest_rank},
                                    {"slowest_over_mean", m.slowest_over_mean}};
    return line.dump();
}

namespace {

/// The whole lines of `path` whose step is at most `last_step`.
std::string kept_lines(const std::string& path, std::int64_t last_step) {
    std::string kept;
    app::line_reader lines(path);
    std::string_view line;
    while (lines.next(line) && lines.terminated()) {
        const auto row = app::parse_json(line, lines.place(), 0);
        if (!row.is_object() || !row.contains("step") ||
            !row["step"].is_number_integer()) {
            throw app::input_error(lines.place(), "is no line of metrics");
        }
        if (row["step"].get<std::int64_t>() <= last_step)
            kept.append(line).push_back('\n');
    }
    return kept;
}

}  // namespace

metrics_file::metrics_file(const std::string& path, std::int64_t last_step)
    : path_(path) {
    const bool exists = std::filesystem::exists(path);
    app::write_file_atomically(
        path, exists && last_step > 0 ? kept_lines(path, last_step) : "");
    descriptor_ = open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (descriptor_ < 0) throw std::runtime_error(path + ": " + std::strerror(errno));
}

metrics_file::~metrics_file() {
    struct stat file{};
    if (fstat(descriptor_, &file) == 0 && file.st_size == 0) unlink(path_.c_str());
    close(descriptor_);
}

void metrics_file::append(const step_metrics& metrics) {
    const std::string line = to_json(metrics) + "\n";
    std::size_t done = 0;
    while (done < line.size()) {
        const auto count = write(descriptor_, line.data() + done, line.size() - done);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) {
            throw std::runtime_error(path_ + ": cannot write the line of step " +
                                     std::to_string(metrics.step) + ": " +
                                     std::strerror(count == 0 ? ENOSPC : errno));
        }
        done += static_cast<std::size_t>(count);
    }
}

}  // namespace packkit::train
