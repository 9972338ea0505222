// SPDX-License-Identifier: Apache-2.0
#include "record/metrics.hpp"

#include "common/atomic_file.hpp"
#include "common/input_file.hpp"

#include <fmt/format.h>

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
    return fmt::format("{:016x}", std::bit_cast<std::uint64_t>(value));
}

std::array<named_bytes, 7> components_of(const memory_bytes& bytes) {
    return {{{"parameters", bytes.parameters},
             {"gradients", bytes.gradients},
             {"optimizer", bytes.optimizer},
             {"activations", bytes.activations},
             {"logits", bytes.logits},
             {"gathered_parameters", bytes.gathered_parameters},
             {"communication", bytes.communication}}};
}

std::array<named_bytes, 5> collectives_of(const collective_bytes& sent) {
    return {{{"all_reduce", sent.all_reduce},
             {"all_gather", sent.all_gather},
             {"reduce_scatter", sent.reduce_scatter},
             {"all_to_all", sent.all_to_all},
             {"send_recv", sent.send_recv}}};
}

app::ordered_json to_object(std::span<const named_bytes> members) {
    app::ordered_json object;
    for (const auto& [name, bytes] : members)
        object[name] = bytes;
    return object;
}

std::string to_json(const step_metrics& m) {
    app::ordered_json allocated = {{"total", m.allocated_bytes.total}};
    allocated.update(to_object(components_of(m.allocated_bytes.parts)));
    allocated["other"] = m.allocated_bytes.other;
    const app::ordered_json seconds = {{"data", m.seconds.data},
                                       {"forward", m.seconds.forward},
                                       {"backward", m.seconds.backward},
                                       {"optimizer", m.seconds.optimizer},
                                       {"communication", m.seconds.communication},
                                       {"step", m.seconds.step}};
    const app::ordered_json line = {
        {"step", m.step},
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
        {"allocated_bytes", allocated},
        {"library_workspace_bytes", m.library_workspace_bytes},
        {"seconds", seconds},
        {"bytes", to_object(collectives_of(m.sent))},
        {"collectives", m.sent.collectives},
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
            throw std::runtime_error(
                fmt::format("{}: cannot write the line of step {}: {}", path_,
                            metrics.step, std::strerror(count == 0 ? ENOSPC : errno)));
        }
        done += static_cast<std::size_t>(count);
    }
}

}  // namespace packkit::train
