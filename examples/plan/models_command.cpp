// SPDX-License-Identifier: Apache-2.0
// packkit-plan models: the models that have a name.
#include "command.hpp"

#include "common/errors.hpp"
#include "common/numbers.hpp"

#include <packkit/model/parameters.hpp>
#include <packkit/model/presets.hpp>

#include <memory>
#include <string>

namespace packkit::plan {
namespace {

using app::alignment;
using app::grouped;
using app::ordered_json;

constexpr const char* description = "The models that have a name, with their sizes.";

constexpr const char* footer =
    R"(Parameters are counted tensor by tensor from the published config; a tied embedding counts
once. Active: those that one token uses, in a mixture of experts.

Examples:
  packkit-plan models
  packkit-plan models llama
  packkit-plan models --format csv

Exit status: 0 done, 1 failed, 2 wrong usage or wrong input.)";

struct models_texts {
    std::string part;
    output_texts output;
};

void run(const models_texts& texts) {
    check_output_paths({{"--output", texts.output.output}}, {});
    const app::output_format format = parse_format(texts.output);
    ordered_json rows = ordered_json::array();
    app::table shown({{"name", alignment::left},
                      {"family", alignment::left},
                      {"parameters"},
                      {"active"},
                      {"layers"},
                      {"hidden"},
                      {"heads"},
                      {"kv heads"},
                      {"vocabulary"},
                      {"context"}});
    for (const named_model& model : named_models()) {
        if (model.name.find(texts.part) == model.name.npos) continue;
        const model_shape& shape = model.shape;
        const std::int64_t parameters = parameter_count(shape);
        const std::int64_t active = active_parameter_count(shape);
        rows.push_back({{"name", model.name},
                        {"family", to_string(shape.family)},
                        {"parameters", parameters},
                        {"active_parameters", active},
                        {"embedding_parameters", shape.vocab_size * shape.hidden_size},
                        {"num_hidden_layers", shape.num_hidden_layers},
                        {"hidden_size", shape.hidden_size},
                        {"intermediate_size", shape.intermediate_size},
                        {"num_attention_heads", shape.num_attention_heads},
                        {"num_key_value_heads", shape.num_key_value_heads},
                        {"vocab_size", shape.vocab_size},
                        {"context_length", model.context_length}});
        shown.add_row({std::string(model.name), std::string(to_string(shape.family)),
                       grouped(parameters), active == parameters ? "" : grouped(active),
                       std::to_string(shape.num_hidden_layers),
                       grouped(shape.hidden_size),
                       std::to_string(shape.num_attention_heads),
                       std::to_string(shape.num_key_value_heads),
                       grouped(shape.vocab_size), grouped(model.context_length)});
    }
    if (rows.empty()) {
        throw app::usage_error("no model's name has " + app::in_quotes(texts.part) +
                               " in it; packkit-plan models lists all");
    }
    write_outputs(texts.output, render_rows("models", rows, shown, format));
}

}  // namespace

void add_models_command(CLI::App& program, action& chosen) {
    const auto texts = std::make_shared<models_texts>();
    CLI::App& command = add_command(program, "models", description, footer, chosen,
                                    [texts] { run(*texts); });
    add_argument(command, "PART", texts->part, "Only names with this in them");
    add_output_options(command, texts->output);
}

}  // namespace packkit::plan
