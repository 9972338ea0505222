// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// For tests of programs: runs one and collects what it says, and a folder that goes
/// away.

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace packkit::test {

struct process_options {
    std::string input;          ///< its standard input
    std::string stdout_path;    ///< a file in place of a pipe
    bool close_stdout = false;  ///< started with descriptor 1 closed
    std::string folder;         ///< working folder; empty: ours
    std::vector<std::pair<std::string, std::string>> environment;  ///< added to ours
    std::chrono::seconds timeout{60};                              ///< then killed
};

struct process_result {
    int exit_code = -1;  ///< -1 when a signal ended it
    int signal = 0;
    bool timed_out = false;
    std::string out;
    std::string err;
};

namespace detail {

struct pipe_ends {
    int read = -1;
    int write = -1;
    pipe_ends() {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0)
            throw std::runtime_error("pipe2 failed");
        read = ends[0];
        write = ends[1];
    }
    pipe_ends(const pipe_ends&) = delete;
    pipe_ends& operator=(const pipe_ends&) = delete;
    ~pipe_ends() {
        close_end(read);
        close_end(write);
    }
    static void close_end(int& end) {
        if (end >= 0) ::close(end);
        end = -1;
    }
};

/// Our environment with `added` in it, "NAME=value" each.
inline std::vector<std::string> environment_with(
    const std::vector<std::pair<std::string, std::string>>& added) {
    std::vector<std::string> result;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        const auto name = text.substr(0, text.find('='));
        if (std::none_of(added.begin(), added.end(),
                         [&](const auto& each) { return each.first == name; }))
            result.emplace_back(text);
    }
    for (const auto& [name, value] : added)
        result.push_back(name + "=" + value);
    return result;
}

/// What exec wants of them.
inline std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (auto& text : texts)
        result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

/// From now on a child that does not read on is an error of write(), no signal. For all
/// threads and until the end: no thread takes it back from another that still writes.
inline void ignore_broken_pipes() {
    static const auto before = std::signal(SIGPIPE, SIG_IGN);
    static_cast<void>(before);
}

}  // namespace detail

/// Runs `arguments[0]` (a path) to its end. Several threads may do so at once.
/// @throws std::runtime_error when it cannot be started; a wrong exit is a result
inline process_result run_process(const std::vector<std::string>& arguments,
                                  const process_options& options = {}) {
    detail::pipe_ends in;
    detail::pipe_ends out;
    detail::pipe_ends err;
    auto words = arguments;
    auto variables = detail::environment_with(options.environment);
    const auto argv = detail::pointers_to(words);
    const auto envp = detail::pointers_to(variables);
    detail::ignore_broken_pipes();

    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error("fork failed");
    if (child == 0) {
        // Between fork and exec nothing but system calls: other threads may hold locks.
        ::signal(SIGPIPE, SIG_DFL);
        ::dup2(in.read, STDIN_FILENO);
        ::dup2(err.write, STDERR_FILENO);
        if (options.close_stdout) {
            ::close(STDOUT_FILENO);
        } else if (!options.stdout_path.empty()) {
            const int file =
                ::open(options.stdout_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
            if (file < 0) ::_exit(126);
            ::dup2(file, STDOUT_FILENO);
        } else {
            ::dup2(out.write, STDOUT_FILENO);
        }
        if (!options.folder.empty() && ::chdir(options.folder.c_str()) != 0) ::_exit(126);
        ::execve(argv[0], argv.data(), envp.data());
        ::_exit(127);
    }
    detail::pipe_ends::close_end(in.read);
    detail::pipe_ends::close_end(out.write);
    detail::pipe_ends::close_end(err.write);
    ::fcntl(in.write, F_SETFL, O_NONBLOCK);

    process_result result;
    std::string_view rest = options.input;
    const auto deadline = std::chrono::steady_clock::now() + options.timeout;
    while (out.read >= 0 || err.read >= 0) {
        if (rest.empty()) detail::pipe_ends::close_end(in.write);
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) {
            result.timed_out = true;
            ::kill(child, SIGKILL);
            break;
        }
        std::array<pollfd, 3> polled = {
            {{in.write, POLLOUT, 0}, {out.read, POLLIN, 0}, {err.read, POLLIN, 0}}};
        ::poll(polled.data(), polled.size(), static_cast<int>(left.count()));
        if (polled[0].revents != 0) {
            const ssize_t sent = ::write(in.write, rest.data(), rest.size());
            if (sent >= 0) {
                rest.remove_prefix(static_cast<std::size_t>(sent));
            } else if (errno != EAGAIN) {
                rest = {};  // it does not want more
            }
        }
        const auto receive = [](int& end, short events, std::string& text) {
            if (events == 0) return;
            std::array<char, 65536> chunk{};
            const ssize_t got = ::read(end, chunk.data(), chunk.size());
            if (got > 0) {
                text.append(chunk.data(), static_cast<std::size_t>(got));
            } else if (got == 0 || errno != EINTR) {
                detail::pipe_ends::close_end(end);
            }
        };
        receive(out.read, polled[1].revents, result.out);
        receive(err.read, polled[2].revents, result.err);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (WIFEXITED(status)) {
        result.exit_code = WEXITSTATUS(status);
        if (result.exit_code == 127 && result.err.empty() && result.out.empty()) {
            throw std::runtime_error("cannot run " + arguments.front());
        }
    } else if (WIFSIGNALED(status)) {
        result.signal = WTERMSIG(status);
    }
    return result;
}

/// The whole content of a file. @throws std::runtime_error when there is none
inline std::string file_content(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("no file " + path.string());
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// A new empty folder, removed with all it holds at the end.
class temporary_folder {
public:
    temporary_folder() {
        std::string name =
            (std::filesystem::temp_directory_path() / "packkit-test-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
        path_ = name;
    }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;
    ~temporary_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

    /// The path of a file in the folder.
    [[nodiscard]] std::string operator/(std::string_view name) const {
        return (path_ / name).string();
    }

    /// Makes a file and returns its path.
    std::string write(std::string_view name, std::string_view content) const {
        const std::string path = *this / name;
        // A new file each time: some file systems flush one that is cut and rewritten.
        std::filesystem::remove(path);
        std::ofstream file(path, std::ios::binary);
        file << content;
        file.close();
        if (!file) throw std::runtime_error("cannot write " + path);
        return path;
    }

    /// How many entries the folder holds: leftovers are found this way.
    [[nodiscard]] std::size_t entries() const {
        return static_cast<std::size_t>(
            std::distance(std::filesystem::directory_iterator(path_),
                          std::filesystem::directory_iterator()));
    }

private:
    std::filesystem::path path_;
};

}  // namespace packkit::test
