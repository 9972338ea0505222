// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// For tests of packkit-train: a folder with a small model, ragged text and a
/// configuration.

#include "run_process.hpp"

#include "common/json.hpp"
#include "common/jsonl.hpp"

#include <packkit/utility/random.hpp>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace packkit::test {

/// A temporary folder with model/config.json, data.jsonl and run.yaml.
class training_folder {
public:
    training_folder() {
        std::filesystem::create_directories(folder_.path() / "model");
        write("model/config.json",
              R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama",
                  "vocab_size": 259, "hidden_size": 32, "intermediate_size": 52,
                  "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
                  "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
                  "max_position_embeddings": 128, "tie_word_embeddings": false})");
        write("data.jsonl", ragged_text(240));
        write("run.yaml", R"(base_model: model/
random_init_weights: true
tokenizer_type: bytes
datasets: [{path: data.jsonl, type: completion, field: text}]
sequence_len: 128
sample_packing: true
micro_batch_size: 1
gradient_accumulation_steps: 4
max_steps: 20
learning_rate: 3.0e-3
lr_scheduler: cosine
warmup_steps: 3
weight_decay: 0.1
output_dir: out
)");
    }

    [[nodiscard]] std::string path(const std::string& name = "") const {
        return (folder_.path() / name).string();
    }
    void write(const std::string& name, const std::string& text) const {
        std::ofstream(path(name)) << text;
    }

    /// packkit-train in this folder; `arguments` after the program's name.
    [[nodiscard]] process_result run(std::vector<std::string> arguments,
                                     process_options options = {}) const {
        arguments.insert(arguments.begin(), PACKKIT_TRAIN);
        options.folder = path();
        if (options.timeout < std::chrono::seconds(120)) {
            options.timeout = std::chrono::seconds(120);
        }
        return run_process(arguments, options);
    }

    /// The lines of <output>/metrics.jsonl.
    [[nodiscard]] std::vector<app::json> metrics(const std::string& output) const {
        std::vector<app::json> lines;
        app::jsonl_reader reader(path(output + "/metrics.jsonl"));
        for (app::json line; reader.next(line);)
            lines.push_back(line);
        return lines;
    }

private:
    /// Rows of log-normal length, from a few bytes to a full row.
    static std::string ragged_text(std::size_t rows) {
        std::string text;
        for (std::size_t i = 0; i < rows; ++i) {
            const auto length = static_cast<std::size_t>(
                std::min(120.0, 4.0 + 18.0 * std::exp(packkit::normal(11, i))));
            text += "{\"text\": \"";
            for (std::size_t j = 0; j < length; ++j) {
                const auto letter = packkit::random_below(7, 13, i * 1000 + j);
                text += "abc de."[letter];
            }
            text += "\"}\n";
        }
        return text;
    }

    temporary_folder folder_;
};

/// Largest relative difference between the losses of two runs; infinite when they differ
/// in length.
inline double loss_difference(const std::vector<app::json>& a,
                              const std::vector<app::json>& b) {
    if (a.size() != b.size() || a.empty()) return std::numeric_limits<double>::infinity();
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double left = a[i]["loss"].get<double>();
        const double right = b[i]["loss"].get<double>();
        worst = std::max(worst, std::abs(left - right) / std::abs(left));
    }
    return worst;
}

}  // namespace packkit::test
