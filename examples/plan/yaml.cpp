// SPDX-License-Identifier: Apache-2.0
#include "yaml.hpp"

#include "command.hpp"

#include "common/errors.hpp"
#include "common/json.hpp"
#include "common/numbers.hpp"

#include <packkit/mesh/attention_heads.hpp>
#include <packkit/model/model_traits.hpp>
#include <packkit/version.hpp>

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace packkit::plan {
namespace {

using app::usage_error;
namespace fs = std::filesystem;

/// Lines of "key: value  # comment" with the comments below each other.
class yaml_lines {
public:
    void comment(const std::string& text) { text_ += "# " + app::escaped(text) + "\n"; }
    void blank() { text_ += "\n"; }
    void key(const std::string& name, const std::string& value,
             const std::string& comment = {}) {
        constexpr std::size_t column = 46;
        std::string line = name + ": " + value;
        if (!comment.empty()) {
            line.resize(std::max(line.size() + 2, column), ' ');
            line += "# " + comment;
        }
        text_ += line + "\n";
    }
    void key(const std::string& name, std::int64_t value,
             const std::string& comment = {}) {
        key(name, std::to_string(value), comment);
    }
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    std::string text_;
};

/// A double-quoted scalar; YAML reads the escapes of JSON.
std::string quoted(const std::string& option, const std::string& text) {
    try {
        return app::ordered_json(text).dump();
    } catch (const app::json::exception&) {
        throw usage_error(option, app::in_quotes(text) + " is not UTF-8");
    }
}

/// `path` as it reads from the folder of the configuration.
std::string from_config(const std::string& config, const std::string& path) {
    const fs::path given(path);
    if (given.is_absolute()) return path;
    std::error_code error;
    const fs::path folder = fs::absolute(config, error).parent_path();
    const fs::path relative = fs::absolute(given, error)
                                  .lexically_normal()
                                  .lexically_relative(folder.lexically_normal());
    return error || relative.empty() ? path : relative.generic_string();
}

bool holds(const std::string& folder, std::initializer_list<const char*> names) {
    std::error_code ignored;
    return std::any_of(names.begin(), names.end(), [&](const char* name) {
        return fs::exists(fs::path(folder) / name, ignored);
    });
}

void add_model(const yaml_texts& texts, const yaml_run& run, yaml_lines& lines) {
    const std::string& folder =
        texts.base_model.empty() ? run.subject.model.folder : texts.base_model;
    if (folder.empty()) {
        lines.key("base_model", quoted("--base-model", "model"),
                  "to fill in: a Hugging Face folder of " + run.subject.model.name);
    } else {
        lines.key("base_model", quoted("--base-model", from_config(texts.path, folder)));
    }
    const bool weights =
        !folder.empty() &&
        holds(folder, {"model.safetensors", "model.safetensors.index.json"});
    lines.key("random_init_weights", weights ? "false" : "true",
              weights ? "the folder holds weights" : "no weights are known of");
    std::string tokenizer = texts.tokenizer;
    if (tokenizer.empty() && !folder.empty() &&
        holds(folder, {"tokenizer.json", "tokenizer.model"})) {
        tokenizer = folder;
    }
    if (tokenizer.empty() || tokenizer == "bytes") {
        lines.key("tokenizer_type", "bytes",
                  tokenizer.empty() ? "to fill in: a tokenizer's file or folder" : "");
    } else {
        lines.key("tokenizer_type",
                  quoted("--base-tokenizer", from_config(texts.path, tokenizer)));
    }
}

/// Data sets that were named, or the rows that --lengths has read.
void add_data(const yaml_texts& texts, const yaml_run& run, yaml_lines& lines) {
    std::vector<std::string> paths = texts.datasets;
    std::string type = "completion";
    std::string field = "text";
    std::string comment;
    if (run.lengths != nullptr) {
        const app::input_option_texts& inputs = run.lengths->inputs;
        const auto& read = run.lengths->paths;
        const bool rows = std::any_of(read.begin(), read.end(), [](const auto& path) {
            return path.ends_with(".jsonl");
        });
        if (!inputs.text_field.empty()) {
            field = inputs.text_field;
        } else if (rows && inputs.length_field.empty()) {
            type = "tokens";  // what a row holds when nothing else is said
        }
        if (paths.empty() && inputs.length_field.empty()) {
            for (const std::string& path : run.lengths->paths) {
                if (path.ends_with(".jsonl")) paths.push_back(path);
            }
        }
    }
    if (paths.empty()) {
        paths.emplace_back("data.jsonl");
        type = "completion";
        comment = "to fill in";
    }
    std::string list;
    for (const std::string& path : paths) {
        const bool tokens = type == "tokens" && path.ends_with(".jsonl");
        list += (list.empty() ? "" : ", ") + std::string("{path: ") +
                quoted("--dataset", from_config(texts.path, path)) +
                ", type: " + (tokens ? "tokens" : "completion");
        if (!tokens && path.ends_with(".jsonl"))
            list += ", field: " + quoted("--text-field", field);
        list += "}";
    }
    lines.key("datasets", "[" + list + "]", comment);
}

/// What packkit-train does not compute of a model.
void add_model_gaps(const model_shape& model, std::vector<std::string>& gaps) {
    if (traits_of(model).norm != norm_kind::rms_norm) {
        gaps.push_back("models of family " + std::string(to_string(model.family)));
        return;
    }
    if (model.scaling.kind == rope_scaling_kind::dynamic)
        gaps.emplace_back("its rope_scaling");
    if (model.partial_rotary_factor != 1.0)
        gaps.emplace_back("its partial_rotary_factor");
    if (model.attention_dropout != 0.0) gaps.emplace_back("its attention_dropout");
    if (model.hidden_dropout != 0.0) gaps.emplace_back("its hidden_dropout");
}

void add_batch(const training_setup& setup, const yaml_run& run, yaml_lines& lines) {
    lines.key("sequence_len", setup.sequence_len, "tokens a row");
    lines.key("sample_packing", run.subject.packed ? "true" : "false",
              run.subject.packed ? "" : "one sample a row, padded");
    lines.key("pad_to_sequence_len", "true", "rows are planned at their full length");
    if (run.subject.packed && setup.micro_batch_size > 1) {
        lines.key("multipack_real_batches", "true",
                  "rows of sequence_len each, not one long row");
    }
    if (run.lengths != nullptr && !run.lengths->excess.empty())
        lines.key("excess_length_strategy", run.lengths->excess);
    lines.key("micro_batch_size", setup.micro_batch_size, "rows a GPU and micro-batch");
    lines.key("gradient_accumulation_steps", setup.gradient_accumulation_steps,
              "global batch: " + app::grouped(setup.global_rows()) + " rows");
}

void add_mesh(const training_setup& setup, yaml_lines& lines) {
    const mesh_shape& mesh = setup.mesh;
    lines.key("dp_replicate_size", mesh.dp_replicate);
    lines.key("dp_shard_size", mesh.dp_shard,
              app::grouped(mesh.world_size()) + " GPUs in all");
    lines.key("context_parallel_size", mesh.cp);
    lines.key("tensor_parallel_size", mesh.tp);
    if (setup.sequence_parallel && mesh.tp > 1) lines.key("sequence_parallel", "true");
    if (setup.sharding == sharding_kind::zero1 ||
        setup.sharding == sharding_kind::zero2) {
        lines.key("deepspeed", "deepspeed_configs/" +
                                   std::string(to_string(setup.sharding)) + ".json");
    }
    if (setup.sharding != sharding_kind::fsdp) return;  // DDP without the keys of FSDP
    lines.key("fsdp_version", std::int64_t{2});
    std::string fsdp = std::string("{reshard_after_forward: ") +
                       (setup.reshard_after_forward ? "true" : "false");
    if (setup.offload_optimizer) fsdp += ", offload_params: true";
    lines.key("fsdp_config", fsdp + "}");
}

void add_precision(const training_setup& setup, yaml_lines& lines) {
    lines.key("torch_dtype",
              setup.precision == precision_kind::fp64 ? "float64" : "float32",
              "of parameters and optimizer state");
    if (setup.precision == precision_kind::bf16_mixed)
        lines.key("bf16", "true", "bf16 computation");
    if (setup.precision == precision_kind::bf16) lines.key("bf16", "full");
    if (setup.checkpointing == checkpointing_kind::full)
        lines.key("gradient_checkpointing", "true", "blocks are computed again");
    if (setup.checkpointing == checkpointing_kind::selective) {
        lines.key("gradient_checkpointing", "selective",
                  "norms and activations are computed again");
    }
    switch (setup.optimizer) {
        case optimizer_kind::adamw:
            lines.key("optimizer", "adamw_torch_fused");
            break;
        case optimizer_kind::adamw_8bit:
            lines.key("optimizer", "adamw_torch_8bit");
            break;
        case optimizer_kind::sgd:
        case optimizer_kind::sgd_momentum:  // never chosen by the planner
            lines.key("optimizer", "sgd");
            break;
    }
}

}  // namespace

void add_yaml_options(CLI::App& command, yaml_texts& texts) {
    const option_group group(command, "Configuration");
    group.text("--yaml", texts.path, "FILE",
               "Write the plan as a config for packkit-train");
    group.repeated("--dataset", texts.datasets, "PATH",
                   "datasets: a .jsonl or .txt file; may be given several times");
    group.text("--base-model", texts.base_model, "PATH",
               "base_model: the folder of a built-in MODEL");
    group.text("--base-tokenizer", texts.tokenizer, "PATH",
               "tokenizer_type: bytes, or a tokenizer's file or folder");
    group.text("--output-dir", texts.output_dir, "PATH", "output_dir (default out)");
    group.text("--learning-rate", texts.learning_rate, "X",
               "learning_rate (default 1e-4)");
}

std::vector<std::string> trainer_gaps(const training_setup& setup,
                                      const model_shape& model) {
    std::vector<std::string> gaps;
    std::string heads = attention_cut_refusal(model.num_attention_heads, setup.mesh.tp,
                                              setup.mesh.world_size());
    if (!heads.empty()) gaps.push_back(std::move(heads));
    if (setup.sharding == sharding_kind::zero1) gaps.emplace_back("--sharding zero1");
    if (setup.sharding == sharding_kind::zero2) {
        gaps.emplace_back("--sharding zero2 (near to it: --sharding fsdp --no-reshard)");
    }
    if (setup.precision == precision_kind::bf16) {
        gaps.emplace_back("--precision bf16 (parameters stay float32: bf16-mixed)");
    }
    if (setup.optimizer == optimizer_kind::adamw_8bit) {
        gaps.emplace_back(
            "--optimizer adamw_8bit (runs as adamw, with moments in float32)");
    }
    if (setup.offload_optimizer && setup.sharding != sharding_kind::fsdp)
        gaps.emplace_back("--offload-optimizer without --sharding fsdp");
    add_model_gaps(model, gaps);
    return gaps;
}

void check_trainer_runs(const training_setup& setup, const model_shape& model) {
    const std::vector<std::string> gaps = trainer_gaps(setup, model);
    if (gaps.empty()) return;
    std::string list;
    for (const std::string& gap : gaps)
        list += (list.empty() ? "" : ", ") + gap;
    throw usage_error("--yaml", "packkit-train does not run this plan: " + list);
}

std::string render_yaml(const yaml_texts& texts, const yaml_run& run) {
    const plan_estimate& plan = run.plan;
    const training_setup& setup = plan.setup;
    yaml_lines lines;
    lines.comment("Planned by packkit-plan " PACKKIT_VERSION
                  ". Sizes are the plan's; lines marked \"to fill in\" are not known to "
                  "it.");
    lines.comment(run.subject.model.name + " on " + app::grouped(run.subject.gpus.gpus) +
                  " x " + std::string(run.subject.gpus.gpu.name) + ": " +
                  mesh_text(setup.mesh) + run.origin);
    lines.comment("Expected: " + app::bytes_text(plan.memory.bytes.total()) + " of " +
                  app::bytes_text(plan.capacity_bytes) + " a GPU" +
                  (plan.fits ? "" : ", which does not fit") + "; " +
                  app::duration_text(plan.seconds.step) + " a step");
    lines.blank();
    add_model(texts, run, lines);
    add_data(texts, run, lines);
    lines.blank();
    add_batch(setup, run, lines);
    lines.key("num_epochs", app::shortest(run.subject.epochs));
    if (run.subject.drop_last) lines.key("dataloader_drop_last", "true");
    lines.blank();
    add_mesh(setup, lines);
    lines.blank();
    add_precision(setup, lines);
    lines.key("learning_rate",
              app::shortest(texts.learning_rate.empty()
                                ? 1e-4
                                : app::parse_option_real("--learning-rate",
                                                         texts.learning_rate, true)),
              texts.learning_rate.empty() ? "to fill in: no plan knows it" : "");
    lines.key("output_dir",
              quoted("--output-dir", texts.output_dir.empty()
                                         ? "out"
                                         : from_config(texts.path, texts.output_dir)));
    return lines.text();
}

}  // namespace packkit::plan
