// SPDX-License-Identifier: Apache-2.0
/// \file
/// packkit-train: trains decoders with packed rows over several processes.

#include "commands/check.hpp"
#include "commands/export.hpp"
#include "commands/logits.hpp"
#include "commands/plan.hpp"
#include "common/command_line.hpp"
#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "config/config.hpp"
#include "config/schema.hpp"
#include "data/tokenizer.hpp"
#include "run/failure_exchange.hpp"
#include "run/launcher.hpp"
#include "run/rank_environment.hpp"
#include "run/trainer.hpp"

#include <packkit/torch/communication/communicator.hpp>
#include <packkit/torch/ops/instruction_set.hpp>
#include <packkit/version.hpp>

#include <c10/util/Exception.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <filesystem>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::train {
namespace {

constexpr const char* description = R"(Trains a decoder of the Llama kind on packed rows.

  packkit-train CONFIG.yaml [key=value ...] [--processes N] [--resume | --overwrite]
  packkit-train check CONFIG.yaml [key=value ...] [--processes N]
  packkit-train plan CONFIG.yaml [key=value ...] [--processes N] [--format table|json]
  packkit-train keys [PART OF A NAME ...] [--format table|json|csv|markdown]
  packkit-train export CHECKPOINT DIR [--dtype float32|bfloat16|float16|float64]
  packkit-train logits MODEL_DIR TOKENS.json [--dtype float64|float32|bfloat16]
  packkit-train tokenize TOKENIZER [FILE]

'check' reads configuration, model and data and says all that is wrong, a line each, without
training; 'plan' says what a run of N ranks will need: rows, memory by component, bytes sent. 'keys'
lists the keys of a configuration: what each takes, its default, and whether it is followed (done),
has no effect here (noted) or is not supported (rejected). 'export' writes a Hugging Face
folder of a checkpoint (or of the newest one in an output_dir). 'logits' packs
{"documents": [[id, ...], ...]} into one row and prints the logits of each document. 'tokenize'
prints the ids of each line of FILE (or of standard input); TOKENIZER is what tokenizer_type takes:
bytes, a tokenizer.json or SentencePiece .model file, or a folder with one.)";

constexpr const char* examples = R"(Examples:
  packkit-train run.yaml --processes 2
  packkit-train run.yaml max_steps=40 learning_rate=3e-4 --resume
  packkit-train check run.yaml --processes 8
  packkit-train plan run.yaml --processes 8 --format json
  packkit-train keys sample_packing --format markdown
  packkit-train export out model-bf16 --dtype bfloat16
  packkit-train logits out/checkpoint-20 tokens.json --dtype float64
  echo 'Hello world' | packkit-train tokenize model/tokenizer.json

Without --processes, the ranks are those of torchrun (--no-python), Slurm or MPI, if any.
PACKKIT_ISA=plain|avx2|avx512|avx512_bf16|amx holds the CPU kernels to an instruction set.)";

struct command_line {
    std::vector<std::string> words;  // CONFIG key=value ...
    int processes = 0;
    run_options run;
    std::string dtype;
    std::string format = "table";
};

/// Errors of this rank as its launcher wants them: recorded, not printed.
int reported(rank_slot& slot, failure_kind kind, const std::string& what, int status) {
    slot.report(kind, what);
    return status;
}

/// LibTorch's errors carry a stack; people need the first line.
std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

int train_as_rank(const train_config& config, const run_options& options,
                  rank_slot* slot) {
    try {
        return train(config, options, slot);
    } catch (const c10::Error& fault) {
        throw std::runtime_error(first_line(fault.what_without_backtrace()));
    }
}

/// Trains, and leaves any failure in the slot for the launcher to print.
int train_for_launcher(const command_line& line, status_board& board) {
    auto& slot = board[static_cast<std::size_t>(read_rank_environment().local_rank)];
    try {
        const auto config =
            load_config(line.words.front(), std::span(line.words).subspan(1));
        return train_as_rank(config, line.run, &slot);
    } catch (const app::usage_error& fault) {
        return reported(slot, failure_kind::wrong_use, fault.what(), app::exit_wrong_use);
    } catch (const app::input_error& fault) {
        return reported(slot, failure_kind::wrong_use, fault.what(), app::exit_wrong_use);
    } catch (const invalid_argument& fault) {
        return reported(slot, failure_kind::wrong_use, fault.what(), app::exit_wrong_use);
    } catch (const lt::communication_error& fault) {
        return reported(slot, failure_kind::communication, fault.what(),
                        app::exit_failed);
    } catch (const std::bad_alloc&) {
        return reported(slot, failure_kind::failed, "out of memory", app::exit_failed);
    } catch (const std::exception& fault) {
        return reported(slot, failure_kind::failed, fault.what(), app::exit_failed);
    }
}

int run_training(const command_line& line) {
    if (const auto board = status_board::inherited())
        return train_for_launcher(line, *board);
    // What is wrong with the configuration is said once, before any process is started.
    const auto config = load_config(line.words.front(), std::span(line.words).subspan(1));
    if (line.processes > 1) {
        std::vector<std::string> arguments = line.words;
        if (line.run.resume) arguments.emplace_back("--resume");
        if (line.run.overwrite) arguments.emplace_back("--overwrite");
        check_mesh(config, line.processes);
        return launch(line.processes, arguments);
    }
    return train_as_rank(config, line.run, nullptr);
}

int packkit_train(int argc, char** argv) {
    CLI::App app(description, "packkit-train");
    app.footer(examples);
    app.set_version_flag("--version", std::string("packkit-train ") + PACKKIT_VERSION);
    command_line line;
    app.add_option("words", line.words,
                   "CONFIG.yaml and key=value overrides, or a command")
        ->required();
    app.add_option("--processes", line.processes, "ranks to start on this machine")
        ->check(CLI::Range(1, 1024));
    app.add_flag("--resume", line.run.resume,
                 "go on from the newest whole checkpoint in output_dir");
    app.add_flag("--overwrite", line.run.overwrite,
                 "replace what an earlier run left in output_dir");
    app.add_option("--dtype", line.dtype,
                   "logits: float64, float32 (default) or bfloat16; export: that of "
                   "the checkpoint unless given");
    app.add_option("--format", line.format,
                   "plan: table (default) or json; keys: also csv or markdown");
    if (app::parse_command_line(app, argc, argv)) return app::exit_done;

    // A set that this machine lacks is an error for every command.
    static_cast<void>(lt::forced_instruction_set());
    const std::string command = line.words.front();
    const auto operands = [&](std::size_t least, const char* usage) {
        line.words.erase(line.words.begin());
        if (line.words.size() < least) {
            throw app::usage_error(command, std::string("expected ") + usage);
        }
    };
    if (command == "check") {
        operands(1, "packkit-train check CONFIG.yaml [key=value ...]");
        return check(line.words.front(), std::span(line.words).subspan(1),
                     std::max(1, line.processes));
    }
    if (command == "plan") {
        operands(1, "packkit-train plan CONFIG.yaml [key=value ...]");
        return plan_run(load_config(line.words.front(), std::span(line.words).subspan(1)),
                        std::max(1, line.processes),
                        app::parse_output_format(line.format));
    }
    if (command == "keys") {
        operands(0, "packkit-train keys [PART OF A NAME ...]");
        app::write_stdout(
            key_documentation(line.words, app::parse_output_format(line.format)));
        return app::exit_done;
    }
    if (command == "export") {
        operands(2, "packkit-train export CHECKPOINT DIR");
        app::write_stdout(export_checkpoint(line.words[0], line.words[1], line.dtype));
        return app::exit_done;
    }
    if (command == "logits") {
        operands(2, "packkit-train logits MODEL_DIR TOKENS.json");
        app::write_stdout(packed_logits(line.words[0], line.words[1],
                                        line.dtype.empty() ? "float32" : line.dtype));
        return app::exit_done;
    }
    if (command == "tokenize") {
        operands(1, "packkit-train tokenize TOKENIZER [FILE]");
        const std::string file = line.words.size() > 1 ? line.words[1] : "-";
        app::write_stdout(tokenize_lines(*load_tokenizer(line.words[0]), file));
        return app::exit_done;
    }
    constexpr std::string_view commands[] = {"check",  "plan",   "keys",
                                             "export", "logits", "tokenize"};
    const auto meant = app::closest_name(command, commands);
    if (!meant.empty() && !std::filesystem::exists(command)) {
        throw app::usage_error(
            command, "is no command and no file; did you mean '" + meant + "'?");
    }
    return run_training(line);
}

}  // namespace
}  // namespace packkit::train

int main(int argc, char** argv) {
    return packkit::app::run_main("packkit-train", argc, argv,
                                  packkit::train::packkit_train);
}
