// SPDX-License-Identifier: Apache-2.0
/// \file
/// packkit-train: trains decoders with packed rows over several processes.

#include "commands/arguments.hpp"
#include "commands/check.hpp"
#include "commands/export.hpp"
#include "commands/inspect.hpp"
#include "commands/keys.hpp"
#include "commands/logits.hpp"
#include "commands/plan.hpp"
#include "commands/preprocess.hpp"
#include "commands/tokenize.hpp"
#include "commands/train.hpp"
#include "common/command_line.hpp"
#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "config/config.hpp"

#include <packkit/torch/ops/instruction_set.hpp>
#include <packkit/version.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::train {
namespace {

constexpr const char* description = R"(Trains a decoder of the Llama kind on packed rows.

  packkit-train [train] CONFIG.yaml [key=value ...] [--processes N] [--resume | --overwrite]
  packkit-train check CONFIG.yaml [key=value ...] [--processes N] [--show N] [--format table|json]
  packkit-train preprocess CONFIG.yaml [key=value ...]
  packkit-train plan CONFIG.yaml [key=value ...] [--processes N] [--format table|json]
  packkit-train keys [PART OF A NAME ...] [--format table|json|csv|markdown]
  packkit-train export CHECKPOINT DIR [--dtype float32|bfloat16|float16|float64]
  packkit-train logits MODEL_DIR TOKENS.json [--dtype float64|float32|bfloat16]
  packkit-train tokenize TOKENIZER [FILE]
  packkit-train inspect PATH [--format table|json]

'check' reads configuration, model and data and says all that is wrong, a line each, without
training; where nothing is, it prints the settings in effect, what became of the data and, with
--show, the first samples with their trained tokens marked. 'preprocess' tokenises all data into
dataset_prepared_path (default last_run_prepared beside the configuration), from where a training
takes it. 'plan' says what a run of N ranks will need: rows, memory by component, bytes sent. 'keys'
lists the keys of a configuration: what each takes, its default, and whether it is followed (done),
has no effect here (noted) or is not supported (rejected). 'export' writes a Hugging Face
folder of a checkpoint (or of the newest one in an output_dir). 'logits' packs
{"documents": [[id, ...], ...]} into one row and prints the logits of each document. 'tokenize'
prints the ids of each line of FILE (or of standard input); TOKENIZER is what tokenizer_type takes:
bytes, a tokenizer.json or SentencePiece .model file, or a folder with one. 'inspect' reads a file
of tensors, rows or a tokenizer, a model's folder or a checkpoint in full and says what it holds, or
where it is broken.

Keys may also be options: --max-steps 5, --max_steps=5 and max_steps=5 are the same.)";

constexpr const char* examples = R"(Examples:
  packkit-train run.yaml --processes 2
  packkit-train run.yaml max_steps=40 learning_rate=3e-4 --resume
  packkit-train train run.yaml --max-steps 40 --fsdp-config.offload-params true
  packkit-train train run.yaml --num-processes 16 --num-machines 2 --machine-rank 0 \
    --main-process-ip 10.0.0.1      # on machine 0; the same with --machine-rank 1 on the other
  packkit-train check run.yaml --processes 8
  packkit-train check run.yaml --show 3
  packkit-train preprocess run.yaml
  packkit-train inspect model --format json
  packkit-train plan run.yaml --processes 8 --format json
  packkit-train keys sample_packing --format markdown
  packkit-train export out model-bf16 --dtype bfloat16
  packkit-train logits out/checkpoint-20 tokens.json --dtype float64
  echo 'Hello world' | packkit-train tokenize model/tokenizer.json

Without --processes and --num-processes, the ranks are those of torchrun (--no-python), Slurm or
MPI, if any. PACKKIT_ISA=plain|avx2|avx512|avx512_bf16|amx holds the CPU kernels to an instruction
set.)";

struct command_line {
    std::vector<std::string> words;  // of the command: CONFIG key=value ...
    launch_options launch;
    run_options run;
    std::string dtype;
    std::string format = "table";
    std::int64_t show = 0;
    std::string part;
    bool join = false;

    [[nodiscard]] std::span<const std::string> settings() const {
        return std::span(words).subspan(1);
    }
};

/// A word that may stand first, and how many may follow it.
struct command {
    std::string_view name;
    std::size_t least;
    std::size_t most;
    const char* operands;
    int (*run)(const command_line& line);
};

constexpr auto any_number = std::numeric_limits<std::size_t>::max();
constexpr const char* a_run = "CONFIG.yaml [key=value ...]";

constexpr std::array commands = std::to_array<command>({
    {"train", 1, any_number, a_run,
     [](const command_line& line) {
         return run_training(line.words, line.run, line.launch);
     }},
    {"check", 1, any_number, a_run,
     [](const command_line& line) {
         return check(line.words.front(), line.settings(),
                      read_launch_options(line.launch).world_size,
                      {static_cast<std::size_t>(line.show),
                       app::parse_output_format(line.format)});
     }},
    {"preprocess", 1, any_number, a_run,
     [](const command_line& line) {
         if (!line.part.empty() || line.join) {
             throw app::usage_error(
                 line.join ? "--join" : "--part",
                 "is not supported; preprocess reads all data at once");
         }
         app::write_stdout(preprocess(load_config(line.words.front(), line.settings())));
         return app::exit_done;
     }},
    {"inspect", 1, 1, "PATH",
     [](const command_line& line) {
         app::write_stdout(
             inspection_text(line.words[0], app::parse_output_format(line.format)));
         return app::exit_done;
     }},
    {"plan", 1, any_number, a_run,
     [](const command_line& line) {
         return plan_run(load_config(line.words.front(), line.settings()),
                         read_launch_options(line.launch),
                         app::parse_output_format(line.format));
     }},
    {"keys", 0, any_number, "[PART OF A NAME ...]",
     [](const command_line& line) {
         return list_keys(line.words, app::parse_output_format(line.format));
     }},
    {"export", 2, 2, "CHECKPOINT DIR",
     [](const command_line& line) {
         app::write_stdout(export_checkpoint(line.words[0], line.words[1], line.dtype));
         return app::exit_done;
     }},
    {"logits", 2, 2, "MODEL_DIR TOKENS.json",
     [](const command_line& line) {
         app::write_stdout(packed_logits(line.words[0], line.words[1],
                                         line.dtype.empty() ? "float32" : line.dtype));
         return app::exit_done;
     }},
    {"tokenize", 1, 2, "TOKENIZER [FILE]",
     [](const command_line& line) {
         return tokenize(line.words[0], line.words.size() > 1 ? line.words[1] : "-");
     }},
});

void add_options(CLI::App& app, command_line& line) {
    app.add_option("words", line.words,
                   "CONFIG.yaml and key=value overrides, or a command")
        ->required();
    const app::option_group launch(app, "Ranks");
    launch.text("--processes", line.launch.processes, "N",
                "ranks to start on this machine");
    launch.text("--num-processes", line.launch.num_processes, "N",
                "ranks on all machines together, as of accelerate launch");
    launch.text("--num-machines", line.launch.num_machines, "N",
                "machines that train together, each with a command of its own (1)");
    launch.text("--machine-rank", line.launch.machine_rank, "N",
                "number of this machine, from 0");
    launch.text("--main-process-ip", line.launch.main_process_ip, "HOST",
                "name or address of machine 0");
    launch.text(
        "--main-process-port", line.launch.main_process_port, "PORT",
        "port on machine 0 where ranks meet (29500; any free one for one machine)");
    app.add_flag("--resume", line.run.resume,
                 "go on from the newest whole checkpoint in output_dir");
    app.add_flag("--overwrite", line.run.overwrite,
                 "replace what an earlier run left in output_dir");
    app.add_option("--dtype", line.dtype,
                   "logits: float64, float32 (default) or bfloat16; export: that of "
                   "the checkpoint unless given");
    app.add_option("--format", line.format,
                   "check, plan, inspect: table (default) or json; keys: also csv or "
                   "markdown");
    app.add_option("--show", line.show, "check: prints the first N samples")
        ->check(CLI::Range(std::int64_t{0}, std::int64_t{1000000}));
    app.add_option("--part", line.part)->group("");
    app.add_flag("--join", line.join)->group("");
}

/// The command that the first word names, which is then taken away; training where it
/// names a configuration.
const command& take_command(std::vector<std::string>& words) {
    const std::string first = words.front();
    const auto found = std::find_if(commands.begin(), commands.end(),
                                    [&](const auto& each) { return each.name == first; });
    if (found != commands.end()) {
        words.erase(words.begin());
        return *found;
    }
    std::vector<std::string_view> names;
    for (const auto& each : commands)
        names.push_back(each.name);
    const auto meant = app::closest_name(first, names);
    if (!meant.empty() && !std::filesystem::exists(first)) {
        throw app::usage_error(
            first, "is no command and no file; did you mean '" + meant + "'?");
    }
    return commands.front();
}

int packkit_train(int argc, char** argv) {
    CLI::App app(description, "packkit-train");
    app.footer(examples);
    app.set_version_flag("--version", std::string("packkit-train ") + PACKKIT_VERSION);
    command_line line;
    add_options(app, line);
    const std::vector<std::string> given(argv + std::min(argc, 1), argv + argc);
    auto arguments = translate_arguments(app, given);
    if (app::parse_command_line(app, std::move(arguments.words))) return app::exit_done;
    for (const auto& warning : arguments.warnings)
        std::fprintf(stderr, "warning: %s\n", warning.c_str());

    // A set that this machine lacks is an error for every command.
    static_cast<void>(lt::forced_instruction_set());
    const command& chosen = take_command(line.words);
    if (line.words.size() < chosen.least || line.words.size() > chosen.most) {
        throw app::usage_error(
            std::string(chosen.name),
            "expected packkit-train " + std::string(chosen.name) + " " + chosen.operands);
    }
    return chosen.run(line);
}

}  // namespace
}  // namespace packkit::train

int main(int argc, char** argv) {
    return packkit::app::run_main("packkit-train", argc, argv,
                                  packkit::train::packkit_train);
}
