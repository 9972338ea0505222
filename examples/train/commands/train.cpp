// SPDX-License-Identifier: Apache-2.0
#include "commands/train.hpp"

#include "commands/check.hpp"
#include "commands/preprocess.hpp"
#include "common/errors.hpp"
#include "config/config.hpp"
#include "run/failure_exchange.hpp"
#include "run/launcher.hpp"
#include "run/rank_environment.hpp"
#include "run/trainer.hpp"

#include <packkit/error.hpp>
#include <packkit/torch/communication/communicator.hpp>

#include <c10/util/Exception.h>

#include <cstddef>
#include <cstdio>
#include <new>
#include <span>
#include <stdexcept>

namespace packkit::train {
namespace {

/// The configuration of a training, which takes what `preprocess` has prepared.
train_config config_of(const std::vector<std::string>& words) {
    auto config = load_config(words.front(), std::span(words).subspan(1));
    set_prepared_folder(config, true);
    return config;
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

/// Errors of this rank as its launcher wants them: recorded, not printed.
int reported(rank_slot& slot, failure_kind kind, const std::string& what, int status) {
    slot.report(kind, what);
    return status;
}

/// Trains, and leaves any failure in the slot for the launcher to print.
int train_for_launcher(const std::vector<std::string>& words, const run_options& options,
                       status_board& board) {
    auto& slot = board[static_cast<std::size_t>(read_rank_environment().local_rank)];
    try {
        return train_as_rank(config_of(words), options, &slot);
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

}  // namespace

int run_training(const std::vector<std::string>& words, const run_options& options,
                 const launch_options& launch_given) {
    if (const auto board = status_board::inherited())
        return train_for_launcher(words, options, *board);
    const auto request = read_launch_options(launch_given);
    if (request.machines == 1 && !launch_given.main_process_ip.empty())
        std::fputs("warning: `--main-process-ip` has no effect with one machine\n",
                   stderr);
    const auto config = config_of(words);
    check_run_options(config, options);
    // What is wrong is said once, before any process is started.
    if (!starts_ranks(request, read_rank_environment()))
        return train_as_rank(config, options, nullptr);
    check_mesh(config, request.world_size);
    std::vector<std::string> arguments = words;
    if (options.resume) arguments.emplace_back("--resume");
    if (options.overwrite) arguments.emplace_back("--overwrite");
    return launch(request, arguments);
}

}  // namespace packkit::train
