// SPDX-License-Identifier: Apache-2.0
#include "interruption.hpp"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace packkit::train {
namespace {

std::atomic<int> received{0};
static_assert(std::atomic<int>::is_always_lock_free);

void remember(int signal) {
    if (received.exchange(signal) != 0) _exit(128 + signal);
}

}  // namespace

void watch_for_interruption() {
    struct sigaction action{};
    action.sa_handler = remember;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    for (const int signal : {SIGINT, SIGTERM, SIGHUP})
        sigaction(signal, &action, nullptr);
}

int interruption() {
    return received.load();
}

}  // namespace packkit::train
