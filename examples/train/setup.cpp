// SPDX-License-Identifier: Apache-2.0
#include "setup.hpp"

#include "checksum.hpp"
#include "common/errors.hpp"
#include "common/json.hpp"
#include "common/progress.hpp"
#include "model_config.hpp"

#include <packkit/attention_cut.hpp>
#include <packkit/random.hpp>
#include <packkit/version.hpp>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#ifdef PACKKIT_CUDA
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDAFunctions.h>
#endif

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

namespace packkit::train {
namespace fs = std::filesystem;

run_inputs read_inputs(const train_config& config, const mesh_shape& mesh,
                       bool show_progress) {
    run_inputs inputs;
    inputs.shape = read_model_config(config.base_model);
    check_cut(inputs.shape, mesh);
    inputs.model_config = read_model_document(config.base_model);
    // Rows of ids need none; nobody asks this one then.
    inputs.tokens =
        load_tokenizer(config.tokenizer_type.empty() ? "bytes" : config.tokenizer_type);
    std::optional<app::progress_bar> bar;
    if (show_progress) bar.emplace("reading data");
    inputs.samples = read_datasets(config, *inputs.tokens, inputs.shape.vocab_size,
                                   [&](std::uint64_t done, std::uint64_t total) {
                                       if (!bar) return;
                                       bar->set_total(total);
                                       bar->set(done);
                                   });
    return inputs;
}

model_options choose_model_options(const train_config& config,
                                   const rank_environment& environment) {
    model_options chosen;
    chosen.master_dtype = config.torch_dtype == dtype::float64 ? at::kDouble : at::kFloat;
    chosen.compute_dtype = config.bf16 ? at::kBFloat16 : chosen.master_dtype;
    chosen.reshard_after_forward = config.reshard_after_forward;
    chosen.prefetch_gathers = config.prefetch_gathers;
    if (config.offload_params)
        chosen.states = config.cpu_offload_pin_memory ? memory_place::pinned_host
                                                      : memory_place::pageable_host;
    chosen.checkpointing = config.gradient_checkpointing;
    if (config.canonical_reduction) chosen.gradient_sums = lt::summation::canonical;
    chosen.context = config.ring_attn_func;
    chosen.sequence_parallel = config.sequence_parallel;
    chosen.residual_dropout = config.residual_dropout;
    chosen.dropout_seed = config.seed;
#ifdef PACKKIT_CUDA
    const bool available = at::hasCUDA() && c10::cuda::device_count() > 0;
    if (config.device == "cuda" && !available) {
        throw app::usage_error("device", "cuda is asked for, and no GPU is found here");
    }
    if (config.device != "cpu" && available) {
        const auto index = static_cast<c10::DeviceIndex>(environment.local_rank);
        if (index >= c10::cuda::device_count()) {
            throw app::usage_error(
                "device", "local rank " + std::to_string(environment.local_rank) +
                              " has no GPU of its own, there are " +
                              std::to_string(c10::cuda::device_count()));
        }
        c10::cuda::set_device(index);
        chosen.device = at::Device(at::kCUDA, index);
        if (!config.bf16) {
            throw app::usage_error("bf16",
                                   "must be true on a GPU: its attention kernels "
                                   "compute in bf16");
        }
    }
#else
    if (config.device == "cuda") {
        throw app::usage_error("device",
                               "cuda is asked for, but this program was built without "
                               "it; build the cuda preset");
    }
#endif
    if (std::getenv("OMP_NUM_THREADS") == nullptr) {
        const auto cores = static_cast<std::int64_t>(std::thread::hardware_concurrency());
        at::set_num_threads(static_cast<int>(
            std::max<std::int64_t>(1, cores / environment.local_world_size)));
    }
    return chosen;
}

namespace {

/// The tree of a canonical sum has 2^k leaves on each level.
void check_canonical(const train_config& config, const mesh_shape& mesh) {
    const auto refuse = [](const std::string& what, std::int64_t value,
                           const std::string& expected) {
        throw app::usage_error("reduction", "canonical with " + what + " " +
                                                std::to_string(value) + "; expected " +
                                                expected);
    };
    if (mesh.tp > 1) refuse("tensor_parallel_size", mesh.tp, "1");
    const auto power = [&](const std::string& what, std::int64_t value) {
        if (!std::has_single_bit(static_cast<std::uint64_t>(value)))
            refuse(what, value, "a power of two");
    };
    power("dp_replicate_size", mesh.dp_replicate);
    power("dp_shard_size × context_parallel_size", mesh.effective_shard_size());
    power("gradient_accumulation_steps", config.gradient_accumulation_steps);
}

}  // namespace

mesh_shape choose_mesh(const train_config& config, std::int64_t world_size) {
    const auto mesh = [&] {
        try {
            return resolve_mesh(world_size, config.mesh);
        } catch (const invalid_argument& fault) {
            throw app::usage_error("mesh", fault.what());
        }
    }();
    if (config.canonical_reduction) check_canonical(config, mesh);
    return mesh;
}

void check_cut(const model_shape& shape, const mesh_shape& mesh) {
    const auto refusal =
        attention_cut_refusal(shape.num_attention_heads, mesh.tp, mesh.world_size());
    if (!refusal.empty()) throw app::usage_error("tensor_parallel_size", refusal);
}

namespace {

bool is_loopback(const std::string& host) {
    return host == "localhost" || host.starts_with("127.") || host == "::1";
}

// What must be the same on all ranks besides the configuration.
constexpr const char* program_key = "program (hash)";
constexpr const char* model_key = "config.json of base_model (hash)";
constexpr const char* data_key = "content of datasets (hash)";
// In place of all settings: why a rank does not come.
constexpr const char* failure_key = "failed";
constexpr const char* exchange_key = "settings";

constexpr auto replace_what_is_no_utf8 = app::ordered_json::error_handler_t::replace;

std::chrono::milliseconds timeout_of(const train_config& config) {
    return std::chrono::milliseconds(
        static_cast<std::int64_t>(config.ddp_timeout * 1000.0));
}

/// This rank's program and settings as one JSON object. The program as the system runs
/// it, even if its file has been replaced since.
std::string settings_text(const train_config& config, const run_inputs& inputs) {
    app::ordered_json settings;
    settings[program_key] = PACKKIT_VERSION " (" + file_checksum("/proc/self/exe") + ")";
    for (const auto& [key, value] : resolved_settings(config))
        settings[key] = value;
    settings[model_key] = std::to_string(hash64(inputs.model_config.dump()));
    settings[data_key] = std::to_string(inputs.samples.content_hash());
    return settings.dump();
}

/// What ranks need that differ in `key`.
std::string needed_for(const std::string& key) {
    if (key == program_key) return "the same build";
    if (key == model_key) return "the same model";
    return key == data_key ? "the same data" : "the same configuration";
}

/// Throws what a rank failed of, or for the first setting in which two ranks differ.
void compare_settings(const std::vector<std::string>& texts) {
    for (std::size_t rank = 0; rank < texts.size(); ++rank) {
        const auto settings = app::ordered_json::parse(texts[rank]);
        if (settings.contains(failure_key)) {
            throw app::usage_error("rank " + std::to_string(rank),
                                   settings[failure_key].get<std::string>());
        }
    }
    const auto first = app::ordered_json::parse(texts.front());
    for (std::size_t rank = 1; rank < texts.size(); ++rank) {
        const auto other = app::ordered_json::parse(texts[rank]);
        for (const auto& [key, value] : first.items()) {
            const auto text = [&key](const app::ordered_json& settings) {
                return settings.contains(key) ? settings[key].get<std::string>()
                                              : "(not set)";
            };
            if (text(other) != text(first)) {
                throw app::usage_error(key, "rank 0 has " + text(first) + ", rank " +
                                                std::to_string(rank) + " has " +
                                                text(other) + "; all ranks need " +
                                                needed_for(key));
            }
        }
    }
}

}  // namespace

c10::intrusive_ptr<c10d::Store> open_store(const train_config& config,
                                           const rank_environment& environment) {
    if (environment.world_size == 1) return {};
    return lt::connect_store(
        {.host = environment.master_addr,
         .port = environment.master_port,
         .is_server = environment.rank == 0 && !environment.store_is_hosted,
         .timeout = timeout_of(config)});
}

void tell_failure(c10d::Store* store, const rank_environment& environment,
                  const std::string& what) {
    if (store == nullptr) return;
    const auto text = app::ordered_json{{failure_key, what}}.dump(
        -1, ' ', false, replace_what_is_no_utf8);
    try {
        if (environment.rank == 0) {  // may host the store: stays until the others know
            static_cast<void>(lt::exchange_values(*store, exchange_key, 0,
                                                  environment.world_size, text,
                                                  std::chrono::seconds(5)));
        } else {
            lt::leave_value(*store, exchange_key, environment.rank,
                            environment.world_size, text);
        }
    } catch (const std::exception&) {}  // this rank has its own failure to tell
}

lt::mesh_groups meet(const train_config& config, const rank_environment& environment,
                     const mesh_shape& mesh, const run_inputs& inputs, at::Device device,
                     const c10::intrusive_ptr<c10d::Store>& store) {
    const auto timeout = timeout_of(config);
    if (environment.world_size > 1) {
        compare_settings(lt::exchange_values(*store, exchange_key, environment.rank,
                                             environment.world_size,
                                             settings_text(config, inputs), timeout));
    }
    const lt::group_options options{
        .timeout = timeout,
        .address = is_loopback(environment.master_addr) ? "127.0.0.1" : ""};
    return lt::make_mesh_groups(
        mesh, environment.rank, [&](const std::string& name, const auto& members) {
#ifdef PACKKIT_CUDA
            if (device.is_cuda()) {
                return lt::make_nccl_group(store, name, members, environment.rank,
                                           options);
            }
#endif
            static_cast<void>(device);
            return lt::make_gloo_group(store, name, members, environment.rank, options);
        });
}

run_identity identity_of(const train_config& config, const model_shape& shape,
                         const data_plan& plan, const token_store& samples,
                         const mesh_shape& mesh) {
    const auto rows = config.micro_batch_size * config.gradient_accumulation_steps *
                      mesh.data_parallel_size();
    return {{"model_type", std::string(to_string(shape.family))},
            {"hidden_size", std::to_string(shape.hidden_size)},
            {"vocab_size", std::to_string(shape.vocab_size)},
            {"intermediate_size", std::to_string(shape.intermediate_size)},
            {"num_hidden_layers", std::to_string(shape.num_hidden_layers)},
            {"num_attention_heads", std::to_string(shape.num_attention_heads)},
            {"num_key_value_heads", std::to_string(shape.num_key_value_heads)},
            {"head_dim", std::to_string(shape.head_dim)},
            {"tie_word_embeddings", shape.tie_word_embeddings ? "true" : "false"},
            {"torch_dtype", std::string(to_string(config.torch_dtype))},
            {"optimizer", config.optimizer},
            {"seed", std::to_string(config.seed)},
            {"sequence_len", std::to_string(config.sequence_len)},
            {"sample_packing", config.sample_packing ? "true" : "false"},
            {"rows of a global batch", std::to_string(rows)},
            {"content of datasets (hash)", std::to_string(samples.content_hash())},
            {"packing plan (hash)", std::to_string(plan.hash())}};
}

output_folder::output_folder(const std::string& path, bool resume, bool overwrite) {
    std::error_code fault;
    fs::create_directories(path, fault);
    if (fault) throw app::usage_error("output_dir", path + ": " + fault.message());
    const std::string lock = path + "/.lock";
    lock_ = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock_ < 0)
        throw app::usage_error("output_dir", lock + ": " + std::strerror(errno));
    if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
        char owner[128] = {};
        const auto count = pread(lock_, owner, sizeof owner - 1, 0);
        close(lock_);
        throw app::usage_error(
            "output_dir",
            path + " is in use by another run" +
                (count > 0 ? " (" + std::string(owner) + ")" : std::string()));
    }
    if (!resume && !overwrite && holds_a_run(path)) {
        close(lock_);
        throw app::usage_error("output_dir",
                               path +
                                   " holds an earlier run; give --resume to go "
                                   "on with it or --overwrite to replace it");
    }
    char host[64] = "unknown host";
    gethostname(host, sizeof host - 1);
    const std::string owner = "pid " + std::to_string(getpid()) + " on " + host;
    if (ftruncate(lock_, 0) != 0 || pwrite(lock_, owner.data(), owner.size(), 0) !=
                                        static_cast<ssize_t>(owner.size())) {
        const int reason = errno;
        close(lock_);
        throw app::usage_error("output_dir", lock + ": " + std::strerror(reason));
    }
    if (overwrite && !resume) remove_run(path);
}

output_folder::~output_folder() {
    close(lock_);
}

double peak_flops(at::Device device, at::ScalarType dtype) {
#ifdef PACKKIT_CUDA
    if (device.is_cuda()) {
        const std::string name = at::cuda::getCurrentDeviceProperties()->name;
        if (name.find("H100") != std::string::npos ||
            name.find("H200") != std::string::npos) {
            return 989.5e12;
        }
        if (name.find("A100") != std::string::npos) return 312e12;
    }
#endif
    constexpr std::int64_t n = 768;
    const auto options = at::TensorOptions().device(device).dtype(dtype);
    const auto a = at::ones({n, n}, options);
    const auto b = at::ones({n, n}, options);
    using clock = std::chrono::steady_clock;
    double best = 0;
    for (const auto end = clock::now() + std::chrono::milliseconds(100);
         clock::now() < end;) {
        const auto begin = clock::now();
        static_cast<void>(at::matmul(a, b).sum().item<double>());
        const std::chrono::duration<double> seconds = clock::now() - begin;
        best = std::max(best, 2.0 * n * n * n / seconds.count());
    }
    return best;
}

}  // namespace packkit::train
