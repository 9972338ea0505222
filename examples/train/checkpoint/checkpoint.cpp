// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/checkpoint.hpp"

#include "checkpoint/shard_index.hpp"
#include "checkpoint/tensors.hpp"
#include "checkpoint/weight_files.hpp"
#include "common/atomic_file.hpp"
#include "config/model_config.hpp"
#include "data/checksum.hpp"

#include <packkit/model/parameters.hpp>
#include <packkit/torch/memory/to_device.hpp>

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace packkit::train {
namespace fs = std::filesystem;
namespace {

/// Throws lt::communication_error with the words of the first rank that has a fault.
/// Collective, once it is known that one has.
[[noreturn]] void end_with_first_fault(lt::communicator& world, at::Device device,
                                       const std::exception_ptr& fault) {
    constexpr std::size_t most = 512;
    std::vector<std::uint8_t> text(most);
    try {
        if (fault) std::rethrow_exception(fault);
    } catch (const std::exception& cause) {
        const std::string_view words = cause.what();
        std::copy_n(words.begin(), std::min(words.size(), most - 1), text.begin());
    } catch (...) { text[0] = '?'; }
    const auto mine = lt::upload(text, device);
    auto all = at::empty({world.size(), mine.numel()}, mine.options());
    world.all_gather(all, mine).wait();
    if (fault) std::rethrow_exception(fault);
    const auto read = all.cpu();
    for (int rank = 0; rank < world.size(); ++rank) {
        const auto row = read[rank];
        const auto* const words =
            reinterpret_cast<const char*>(row.const_data_ptr<std::uint8_t>());
        if (*words == '\0') continue;
        throw lt::communication_error(
            "rank " + std::to_string(rank) +
            " could not write its part of the checkpoint: " + words);
    }
    throw lt::communication_error("a rank could not write its part of the checkpoint");
}

/// Runs `work` on every rank and returns every rank's number. Collective. What it throws
/// goes on after all have come to its end; ranks without a fault of their own then throw
/// lt::communication_error with the first that failed and its words.
template <class Work>
std::vector<std::int64_t> on_every_rank(lt::communicator& world, at::Device device,
                                        Work work) {
    std::exception_ptr fault;
    std::int64_t result = 0;
    try {
        result = work();
    } catch (...) { fault = std::current_exception(); }
    const auto mine =
        lt::upload(std::vector<std::int64_t>{fault ? 1 : 0, result}, device);
    auto all = at::empty({world.size(), mine.numel()}, mine.options());
    world.all_gather(all, mine).wait();
    const auto read = all.cpu();
    std::vector<std::int64_t> results;
    for (int rank = 0; rank < world.size(); ++rank) {
        const auto* row = read.const_data_ptr<std::int64_t>() + 2 * rank;
        if (row[0] != 0) end_with_first_fault(world, device, fault);
        results.push_back(row[1]);
    }
    return results;
}

/// One save, by all ranks.
class saving {
public:
    saving(fs::path unfinished, model& state, lt::optimizer& optimizer,
           lt::communicator& world, bool only_model)
        : unfinished_(std::move(unfinished)),
          state_(state),
          optimizer_(optimizer),
          world_(world),
          only_model_(only_model) {}

    /// Each returns the checksums of the files it wrote, on rank 0.
    std::map<std::string, std::string> write_full() {
        std::map<std::string, std::string> checksums;
        checksums[full_weights_name] = write(full_weights_name, weight_buffers(state_));
        const auto moments = moment_buffers(optimizer_);
        if (!only_model_ && !moments.empty())
            checksums[full_moments_name] = write(full_moments_name, moments);
        return checksums;
    }

    std::map<std::string, std::string> write_shards() {
        const auto buffers =
            only_model_ ? weight_buffers(state_) : training_buffers(state_, optimizer_);
        const auto of_ranks =
            on_every_rank(world_, state_.options().device, [&]() -> std::int64_t {
                if (own_shard_file(state_) == 0) return 0;
                if (!fs::is_directory(unfinished_)) {
                    throw std::runtime_error(
                        unfinished_.string() +
                        ": rank 0 has made this folder and it is not there; "
                        "SHARDED_STATE_DICT needs an output_dir that all ranks share");
                }
                return std::bit_cast<std::int64_t>(
                    write_shard_file(unfinished_, state_, buffers));
            });
        if (world_.rank() > 0) return {};
        // Ranks of the first replica are the first ranks, in the order of their files.
        std::vector<std::uint64_t> checksums;
        for (std::int64_t i = 0; i < shard_file_count(state_); ++i) {
            checksums.push_back(
                std::bit_cast<std::uint64_t>(of_ranks[static_cast<std::size_t>(i)]));
        }
        const auto text = to_json_text(index_of_shards(state_, buffers, checksums));
        const auto path = (unfinished_ / shard_index_name).string();
        app::write_file_atomically(path, text);
        return {{shard_index_name, file_checksum(path)}};
    }

private:
    std::string write(const char* name, const std::vector<named_buffer>& buffers) {
        return write_full_tensors(unfinished_ / name, state_, buffers,
                                  world_.rank() == 0);
    }

    fs::path unfinished_;
    model& state_;
    lt::optimizer& optimizer_;
    lt::communicator& world_;
    bool only_model_;
};

}  // namespace

std::string save_checkpoint(const save_settings& settings, std::int64_t step,
                            model& state, lt::optimizer& optimizer,
                            const app::ordered_json& model_config,
                            const run_identity& identity, lt::communicator& world,
                            const std::optional<loss_scaling>& scaling) {
    const bool is_first = world.rank() == 0;
    const auto target = checkpoint_path(settings.output_dir, step);
    auto unfinished = unfinished_path(target, getpid());
    try {
        const auto pids = on_every_rank(world, state.options().device, [&] {
            if (is_first) begin_checkpoint(unfinished);
            return std::int64_t{getpid()};
        });
        if (!is_first) unfinished = unfinished_path(target, pids.front());
        saving now(unfinished, state, optimizer, world, settings.only_model);
        auto checksums = settings.form == checkpoint_form::full ? now.write_full()
                                                                : now.write_shards();
        if (!is_first) return target.string();
        const bool wide = state.options().master_dtype == at::kDouble;
        if (settings.companions != nullptr)
            write_companions(unfinished, *settings.companions);
        describe_checkpoint(
            unfinished, {target.string(), step, settings.only_model},
            saved_model_config(model_config, wide ? "float64" : "float32"), identity,
            std::move(checksums), scaling);
        finish_checkpoint(unfinished, target, settings.keep);
    } catch (...) {
        std::error_code ignored;
        if (is_first) fs::remove_all(unfinished, ignored);
        throw;
    }
    return target.string();
}

void load_checkpoint(const resume_point& from, model& state, lt::optimizer& optimizer) {
    auto files = weight_files::open_folder(from.folder);
    const auto moments = from.folder + "/" + full_moments_name;
    if (fs::exists(moments)) files.add(moments);
    read_tensors(files, state, training_buffers(state, optimizer));
}

void load_weights(const std::string& folder, model& state,
                  std::int64_t stored_vocabulary) {
    const auto files = weight_files::open_folder(folder);
    read_tensors(files, state, weight_buffers(state), stored_vocabulary);
}

std::string unused_head_warning(const std::string& folder, const model_shape& shape) {
    constexpr const char* head = "lm_head.weight";
    if (!shape.tie_word_embeddings) return {};
    const auto files = weight_files::open_folder(folder);
    const std::string embedding = unit_shapes(shape).front().parameters.front().name;
    if (!files.contains(head) || !files.contains(embedding)) return {};
    if (same_tensor(files, head, embedding)) return {};
    return files.place_of(head) + ": " + head +
           " is not used: config.json has tie_word_embeddings: true, so " + embedding +
           " is the head, as in Transformers; to train the stored head set "
           "overrides_of_model_config: {tie_word_embeddings: false}";
}

}  // namespace packkit::train
