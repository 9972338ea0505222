// SPDX-License-Identifier: Apache-2.0
#include "run/launcher.hpp"

#include "common/errors.hpp"
#include "run/failure_exchange.hpp"

#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <fmt/format.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <thread>

extern char** environ;

namespace packkit::train {
namespace {

using clock = std::chrono::steady_clock;

/// How long the other ranks may take to end by themselves once one has failed.
constexpr auto grace = std::chrono::milliseconds(1500);

/// How long machine 0 keeps the store once one of its ranks has failed.
constexpr auto time_for_other_machines = std::chrono::seconds(2);

std::runtime_error system_error(const std::string& what) {
    return std::runtime_error(what + ": " + std::strerror(errno));
}

/// A listening socket and its port.
struct listener {
    int descriptor = -1;
    std::uint16_t port = 0;
};

/// Listens on loopback, or with `everywhere` on all IPv4 addresses of this machine. Port
/// 0: one of the system's choice.
listener listen_for_ranks(std::uint16_t port, bool everywhere) {
    listener made;
    made.descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    // A run that has just ended leaves connections behind that would hold its port.
    const int yes = 1;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(everywhere ? INADDR_ANY : INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (made.descriptor < 0 ||
        setsockopt(made.descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(made.descriptor, generic, size) != 0 ||
        listen(made.descriptor, SOMAXCONN) != 0 ||
        getsockname(made.descriptor, generic, &size) != 0) {
        if (port == 0) throw system_error("rendezvous on 127.0.0.1");
        throw app::usage_error("--main-process-port",
                               fmt::format("port {} cannot be used: {}; expected a free "
                                           "port of machine 0",
                                           port, std::strerror(errno)));
    }
    made.port = ntohs(address.sin_port);
    return made;
}

/// A rank as the launcher sees it.
struct child {
    pid_t pid = -1;
    bool running = false;
    int status = 0;            // as waitpid gives it, once it has ended
    bool ended_by_us = false;  // we sent the signal that ended it
};

/// This process's environment without the variables that `added` sets, and those.
std::vector<std::string> environment_with(const std::vector<std::string>& added) {
    std::vector<std::string> result;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        const bool replaced = std::any_of(added.begin(), added.end(), [&](const auto& a) {
            return text.substr(0, text.find('=') + 1) == a.substr(0, a.find('=') + 1);
        });
        if (!replaced) result.emplace_back(text);
    }
    result.insert(result.end(), added.begin(), added.end());
    return result;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (auto& text : texts)
        result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

pid_t start_rank(const std::vector<std::string>& arguments,
                 const std::vector<std::string>& variables) {
    std::vector<std::string> command{"packkit-train"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    auto environment = environment_with(variables);
    const auto argv = pointers(command);
    const auto envp = pointers(environment);
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) throw system_error("starting a rank");
    if (pid > 0) return pid;
    // The child: only calls that are safe between fork and exec.
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    setpgid(0, 0);  // Ctrl-C reaches the launcher alone, which passes it on once
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    execve("/proc/self/exe", argv.data(), envp.data());
    _exit(127);
}

/// The job under way.
class job {
public:
    /// `first_rank`: number of the first rank of this machine.
    job(std::size_t processes, std::int64_t first_rank, status_board& board)
        : children_(processes), first_rank_(first_rank), board_(board) {}

    child& operator[](std::size_t rank) { return children_[rank]; }

    [[nodiscard]] bool running() const {
        return std::any_of(children_.begin(), children_.end(),
                           [](const child& c) { return c.running; });
    }

    void send(int signal) {
        for (auto& c : children_) {
            if (!c.running) continue;
            if (signal == SIGKILL) c.ended_by_us = true;
            kill(c.pid, signal);
        }
    }

    /// Collects the ranks that have ended.
    void reap() {
        for (auto& c : children_) {
            if (c.running && waitpid(c.pid, &c.status, WNOHANG) == c.pid)
                c.running = false;
        }
    }

    [[nodiscard]] bool any_failed() const {
        return std::any_of(children_.begin(), children_.end(), [](const child& c) {
            return !c.running && !(WIFEXITED(c.status) && WEXITSTATUS(c.status) == 0);
        });
    }

    /// After the end: prints the root cause, if there is one, and returns the exit
    /// status.
    /// `asked`: the signal that ended it, 0 if none did.
    int conclude(int asked);

private:
    [[nodiscard]] std::string label(std::size_t rank, bool with_step = true) {
        const auto step = board_[rank].step.load();
        return fmt::format("rank {} (pid {}){}",
                           first_rank_ + static_cast<std::int64_t>(rank),
                           children_[rank].pid,
                           !with_step ? ""
                           : step < 0 ? ", before the first step"
                                      : fmt::format(", step {}", step));
    }
    /// The failure that the others followed from: death by a foreign signal, then a
    /// rank's own error, then a rank that we had to end because it hung, then a failed
    /// collective.
    std::optional<std::size_t> root();
    /// 128 + signal where a signal ended all ranks: after a save, whoever of them it was
    /// sent to; or, as `asked` of the launcher, without one.
    [[nodiscard]] std::optional<int> interrupted(int asked) const;

    std::vector<child> children_;
    std::int64_t first_rank_;
    status_board& board_;
};

std::optional<std::size_t> job::root() {
    const auto importance = [&](std::size_t rank) {
        const auto& c = children_[rank];
        if (WIFSIGNALED(c.status) && !c.ended_by_us) return 5;
        switch (board_[rank].failure.load(std::memory_order_acquire)) {
            case failure_kind::wrong_use:
            case failure_kind::failed:
                return 4;
            case failure_kind::communication:
                return 1;
            case failure_kind::none:
                break;
        }
        if (WIFSIGNALED(c.status)) return 2;
        return WEXITSTATUS(c.status) == 0 ? 0 : 3;
    };
    std::optional<std::size_t> found;
    for (std::size_t rank = 0; rank < children_.size(); ++rank) {
        if (importance(rank) > (found ? importance(*found) : 0)) found = rank;
    }
    return found;
}

std::optional<int> job::interrupted(int asked) const {
    const auto ended_by = [asked](const child& c) {
        if (WIFEXITED(c.status)) return std::max(0, WEXITSTATUS(c.status) - 128);
        return c.ended_by_us ? asked : 0;
    };
    const int signal = ended_by(children_.front());
    const bool all = std::all_of(children_.begin(), children_.end(),
                                 [&](const child& c) { return ended_by(c) == signal; });
    if (!all || signal == 0) return std::nullopt;
    return 128 + signal;
}

int job::conclude(int asked) {
    if (const auto status = interrupted(asked)) return *status;
    const auto rank = root();
    if (!rank) return 0;
    const auto& c = children_[*rank];
    const auto& slot = board_[*rank];
    std::string text = slot.message;
    // One that has told its failure and is slow to end is ended by us.
    if (WIFSIGNALED(c.status) && !(c.ended_by_us && !text.empty())) {
        const int number = WTERMSIG(c.status);
        text =
            label(*rank) + (c.ended_by_us ? ": did not answer and was ended"
                                          : fmt::format(": was killed by signal {} ({})",
                                                        number, strsignal(number)));
    } else if (text.empty()) {
        text =
            fmt::format("{}: ended with status {}", label(*rank), WEXITSTATUS(c.status));
    } else if (slot.failure.load() != failure_kind::wrong_use) {
        text = label(*rank, !text.starts_with("step ")) + ": " + text;
    }
    std::fprintf(stderr, "packkit-train: %s\n", text.c_str());
    return slot.failure.load() == failure_kind::wrong_use ? app::exit_wrong_use
                                                          : app::exit_failed;
}

/// What this machine's rank number `local` finds in its environment.
std::vector<std::string> variables_of_rank(const launch_request& request,
                                           std::size_t local, std::uint16_t port,
                                           const status_board& board) {
    return {
        fmt::format("RANK={}", request.first_rank() + static_cast<std::int64_t>(local)),
        fmt::format("LOCAL_RANK={}", local),
        fmt::format("WORLD_SIZE={}", request.world_size),
        fmt::format("LOCAL_WORLD_SIZE={}", request.ranks_here),
        "MASTER_ADDR=" + request.address,
        fmt::format("MASTER_PORT={}", port),
        "PACKKIT_STORE_IS_HOSTED=1",
        fmt::format("{}={}:{}", status_board::variable, board.descriptor(),
                    request.ranks_here)};
}

void start_ranks(const launch_request& request, const std::vector<std::string>& arguments,
                 std::uint16_t port, const status_board& board, job& ranks) {
    for (std::size_t local = 0; local < board.size(); ++local) {
        ranks[local].pid =
            start_rank(arguments, variables_of_rank(request, local, port, board));
        ranks[local].running = true;
        std::fprintf(
            stderr, "rank %lld pid %d\n",
            static_cast<long long>(request.first_rank()) + static_cast<long long>(local),
            static_cast<int>(ranks[local].pid));
    }
}

c10::intrusive_ptr<c10d::TCPStore> host_store(const listener& rendezvous) {
    c10d::TCPStoreOptions options;
    options.port = rendezvous.port;
    options.isServer = true;
    options.waitWorkers = false;
    options.masterListenFd = rendezvous.descriptor;
    return c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options);
}

/// Waits until all ranks have ended and passes signals on. Returns the signal that asked
/// them to end, 0 if none did.
int wait_for_ranks(job& ranks, const sigset_t& watched) {
    int asked_to_end = 0;
    std::optional<clock::time_point> deadline;
    while (ranks.running()) {
        const timespec wait{0, 100'000'000};
        const int signal = sigtimedwait(&watched, nullptr, &wait);
        if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP) {
            ranks.send(asked_to_end == 0 ? signal : SIGKILL);
            asked_to_end = signal;
        }
        ranks.reap();
        if (!deadline && ranks.any_failed()) deadline = clock::now() + grace;
        if (deadline && clock::now() > *deadline) ranks.send(SIGKILL);
    }
    return asked_to_end;
}

}  // namespace

int launch(const launch_request& request, const std::vector<std::string>& arguments) {
    sigset_t watched;
    sigemptyset(&watched);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD})
        sigaddset(&watched, signal);
    sigprocmask(SIG_BLOCK, &watched, nullptr);

    const auto count = static_cast<std::size_t>(request.ranks_here);
    auto board = status_board::create(count);
    job ranks(count, request.first_rank(), board);
    listener rendezvous{-1, request.port};
    if (request.hosts_store())
        rendezvous = listen_for_ranks(request.port, request.machines > 1);
    start_ranks(request, arguments, rendezvous.port, board, ranks);
    c10::intrusive_ptr<c10d::TCPStore> store;
    if (request.hosts_store()) store = host_store(rendezvous);
    const int asked_to_end = wait_for_ranks(ranks, watched);
    // Ranks of other machines may still read here why a rank has failed.
    if (store && request.machines > 1 && ranks.any_failed())
        std::this_thread::sleep_for(time_for_other_machines);
    return ranks.conclude(asked_to_end);
}

}  // namespace packkit::train
