// SPDX-License-Identifier: Apache-2.0
#include "atomic_file.hpp"

#include "errors.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace packkit::app {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{1} << 18U;

[[noreturn]] void fail(const std::string& path, const char* what, int error) {
    throw std::runtime_error(path + ": " + what + ": " + std::strerror(error));
}

/// The file behind a chain of links, also when the last one points to nothing yet.
std::string resolved(const std::string& path) {
    std::error_code error;
    std::filesystem::path target = path;
    for (int links = 0; links < 40 && std::filesystem::is_symlink(target, error);
         ++links) {
        const auto next = std::filesystem::read_symlink(target, error);
        if (error) break;
        target = next.is_absolute() ? next : target.parent_path() / next;
    }
    return target.string();
}

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

atomic_file::atomic_file(const std::string& path) : path_(path), target_(resolved(path)) {
    struct stat status{};
    const bool exists = ::stat(target_.c_str(), &status) == 0;
    if (exists && !S_ISREG(status.st_mode)) {
        if (S_ISDIR(status.st_mode)) fail(path_, "cannot be written", EISDIR);
        descriptor_ = ::open(target_.c_str(), O_WRONLY | O_CLOEXEC);
        if (descriptor_ < 0) fail(path_, "cannot be written", errno);
        return;
    }
    for (int attempt = 0; descriptor_ < 0; ++attempt) {
        temporary_ = target_ + "." + std::to_string(::getpid()) + "-" +
                     std::to_string(attempt) + ".tmp";
        descriptor_ =
            ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor_ < 0 && (errno != EEXIST || attempt == 100)) {
            const int error = errno;
            temporary_.clear();
            fail(path_, "cannot be written", error);
        }
    }
    if (exists) {
        // Best effort: without it the file gets the permissions of a new one.
        [[maybe_unused]] const int changed =
            ::fchmod(descriptor_, status.st_mode & 07777U);
    }
}

atomic_file::~atomic_file() {
    discard();
}

void atomic_file::discard() noexcept {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
    temporary_.clear();
}

void atomic_file::write(std::string_view bytes) {
    buffer_ += bytes;
    if (buffer_.size() >= buffer_bytes) flush();
}

void atomic_file::flush() {
    std::string_view rest = buffer_;
    while (!rest.empty()) {
        const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
        if (written < 0) {
            if (errno == EINTR) continue;
            const int error = errno;
            discard();
            fail(path_, "cannot be written", error);
        }
        rest.remove_prefix(static_cast<std::size_t>(written));
    }
    buffer_.clear();
}

void atomic_file::sync() {
    flush();
    if (temporary_.empty()) return;  // a device or a pipe
    int result = 0;
    do {
        result = ::fsync(descriptor_);
    } while (result != 0 && errno == EINTR);
    if (result != 0 && errno != EINVAL && errno != EROFS) {
        const int error = errno;
        discard();
        fail(path_, "cannot be written to disk", error);
    }
}

void atomic_file::commit() {
    sync();
    if (::close(std::exchange(descriptor_, -1)) != 0 && errno != EINTR) {
        const int error = errno;
        discard();
        fail(path_, "cannot be closed", error);
    }
    if (temporary_.empty()) return;
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
        const int error = errno;
        discard();
        fail(path_, "cannot be replaced", error);
    }
    temporary_.clear();
    // The new name is durable once its folder is; not every file system allows this.
    const int folder =
        ::open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
        [[maybe_unused]] const int synced = ::fsync(folder);
        ::close(folder);
    }
}

void write_file_atomically(const std::string& path, std::string_view content) {
    atomic_file file(path);
    file.write(content);
    file.commit();
}

void check_writable(const std::string& path, const std::string& place) {
    if (path.empty()) throw usage_error(place, "is empty; expected the name of a file");
    const std::string target = resolved(path);
    const auto refuse = [&](const std::string& what) {
        throw usage_error(place, "cannot write " + in_quotes(path) + ": " + what);
    };
    struct stat status{};
    if (::stat(target.c_str(), &status) == 0) {
        if (S_ISDIR(status.st_mode)) refuse("it is a folder");
        if (!S_ISREG(status.st_mode)) {
            if (::access(target.c_str(), W_OK) != 0) refuse(std::strerror(errno));
            return;
        }
    }
    const std::string folder = folder_of(target);
    if (::stat(folder.c_str(), &status) != 0) {
        refuse("folder " + in_quotes(folder) + ": " + std::strerror(errno));
    }
    if (!S_ISDIR(status.st_mode)) refuse(in_quotes(folder) + " is no folder");
    if (::access(folder.c_str(), W_OK | X_OK) != 0) {
        refuse("folder " + in_quotes(folder) + ": " + std::strerror(errno));
    }
}

}  // namespace packkit::app
