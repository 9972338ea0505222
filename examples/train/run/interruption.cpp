// SPDX-License-Identifier: Apache-2.0
#include "run/interruption.hpp"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace packkit::train {
namespace {

std::atomic<int> received{0};
std::atomic<std::int64_t> received_at{0};  // milliseconds
static_assert(std::atomic<int>::is_always_lock_free);
static_assert(std::atomic<std::int64_t>::is_always_lock_free);

/// A service manager signals all processes of a job, and its launcher passes the same
/// signal on: within this time it is one.
constexpr std::int64_t same_signal_ms = 500;

std::int64_t now_ms() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

void remember(int signal) {
    const auto now = now_ms();
    if (received.exchange(signal) == 0) {
        received_at = now;
    } else if (now - received_at > same_signal_ms) {
        _exit(128 + signal);
    }
}

}  // namespace

void watch_for_interruption() {
    struct sigaction action{};
    action.sa_handler = remember;
    // One at a time: a handler is not interrupted by another signal's.
    sigfillset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    for (const int signal : {SIGINT, SIGTERM, SIGHUP})
        sigaction(signal, &action, nullptr);
}

int interruption() {
    return received.load();
}

}  // namespace packkit::train
