// SPDX-License-Identifier: Apache-2.0
#include "errors.hpp"

#include "did_you_mean.hpp"
#include "numbers.hpp"
#include "problems.hpp"
#include "utf8.hpp"

#include <packkit/error.hpp>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <new>

#include <fcntl.h>
#include <unistd.h>

namespace packkit::app {
namespace {

/// Writes everything; false with errno set when the descriptor does not take it.
bool write_all(int descriptor, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
        if (written < 0) {
            if (errno == EINTR) continue;
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

/// A closed standard descriptor would be given to the next file that is opened, and
/// results or errors would be written into it. Each is occupied in the direction that
/// still fails.
void occupy_standard_descriptors() {
    constexpr int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int descriptor = 0; descriptor < 3; ++descriptor) {
        if (::fcntl(descriptor, F_GETFD) == -1 && errno == EBADF) {
            // The lowest free number is this one: those below are open by now.
            [[maybe_unused]] const int opened = ::open("/dev/null", modes[descriptor]);
        }
    }
}

void print_error(std::string_view program, std::string_view what) {
    const std::string line = std::string(program) + ": " + escaped(what) + "\n";
    write_all(STDERR_FILENO, line);  // nowhere else to complain
}

}  // namespace

int run_main(std::string_view program, int argc, char** argv, int (*body)(int, char**)) {
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
    occupy_standard_descriptors();
    try {
        const int status = body(argc, argv);
        errno = 0;
        std::cout.flush();
        if (!std::cout || std::fflush(stdout) != 0) {
            print_error(program, "standard output: cannot be written");
            return status == exit_done ? exit_failed : status;
        }
        return status;
    } catch (const usage_error& error) {
        print_error(program, error.what());
        return exit_wrong_use;
    } catch (const input_problems& error) {
        for (const std::string& line : error.lines())
            print_error(program, line);
        return exit_wrong_use;
    } catch (const input_error& error) {
        print_error(program, error.what());
        return exit_wrong_use;
    } catch (const packkit::invalid_argument& error) {
        print_error(program, error.what());
        return exit_wrong_use;
    } catch (const std::bad_alloc&) {
        print_error(program, "out of memory");
        return exit_failed;
    } catch (const std::exception& error) {
        print_error(program, error.what());
        return exit_failed;
    } catch (...) {
        print_error(program, "failed with an exception of unknown type");
        return exit_failed;
    }
}

void write_stdout(std::string_view text) {
    if (!write_all(STDOUT_FILENO, text)) {
        throw std::runtime_error(std::string("standard output: cannot be written: ") +
                                 std::strerror(errno));
    }
}

std::string escaped(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string result;
    result.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = utf8_length_at(text, at);
        const auto byte = static_cast<unsigned char>(text[at]);
        if (length == 0 || byte < 0x20 || byte == 0x7F) {
            switch (byte) {
                case '\n':
                    result += "\\n";
                    break;
                case '\r':
                    result += "\\r";
                    break;
                case '\t':
                    result += "\\t";
                    break;
                default:
                    result += "\\x";
                    result += digits[byte >> 4U];
                    result += digits[byte & 15U];
            }
            ++at;
        } else {
            result += text.substr(at, length);
            at += length;
        }
    }
    return result;
}

std::string names_there(std::string_view missing, const std::vector<std::string>& names) {
    const std::string all = names.empty()      ? "none"
                            : names.size() > 8 ? std::to_string(names.size()) + " others"
                                               : name_list(names);
    return escaped(all) + did_you_mean(missing, names);
}

std::string in_quotes(std::string_view text) {
    constexpr std::size_t longest = 60;
    if (text.size() <= longest) return "'" + escaped(text) + "'";
    std::size_t cut = longest;
    while (cut > longest - 4 &&
           (static_cast<unsigned char>(text[cut]) & 0xC0U) == 0x80U) {
        --cut;  // not inside a code point
    }
    return "'" + escaped(text.substr(0, cut)) + "'… (" + size_text(text.size()) + ")";
}

}  // namespace packkit::app
