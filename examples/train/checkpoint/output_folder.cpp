// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/output_folder.hpp"

#include "checkpoint/folder.hpp"
#include "common/errors.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace packkit::train {
namespace {

std::string lock_of(const std::string& folder) {
    return folder + "/.lock";
}

/// Whether `path` is still the file that is open as `descriptor`.
bool names(const std::string& path, int descriptor) {
    struct stat open{}, named{};
    return fstat(descriptor, &open) == 0 && stat(path.c_str(), &named) == 0 &&
           open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

[[noreturn]] void fail(const std::string& lock, int reason) {
    throw app::usage_error("output_dir", lock + ": " + std::strerror(reason));
}

/// The descriptor of a lock that is ours. A run that ends removes its lock: one that was
/// opened just before counts for nothing, then.
int take_lock(const std::string& folder) {
    const auto lock = lock_of(folder);
    for (;;) {
        const int descriptor = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (descriptor < 0) fail(lock, errno);
        if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
            char owner[128] = {};
            const auto count = pread(descriptor, owner, sizeof owner - 1, 0);
            close(descriptor);
            const std::string whose = count > 0 ? " (" + std::string(owner) + ")" : "";
            throw app::usage_error("output_dir",
                                   folder + " is in use by another run" + whose);
        }
        if (names(lock, descriptor)) return descriptor;
        close(descriptor);
    }
}

}  // namespace

output_folder::output_folder(const std::string& path, bool resume, bool overwrite)
    : path_(path) {
    std::error_code fault;
    made_ = std::filesystem::create_directories(path, fault);
    if (fault) throw app::usage_error("output_dir", path + ": " + fault.message());
    lock_ = take_lock(path);
    try {
        if (!resume && !overwrite && holds_a_run(path)) {
            throw app::usage_error(
                "output_dir", path +
                                  " holds an earlier run; give --resume to go on with "
                                  "it or --overwrite to replace it");
        }
        char host[64] = "unknown host";
        gethostname(host, sizeof host - 1);
        const std::string owner = "pid " + std::to_string(getpid()) + " on " + host;
        if (ftruncate(lock_, 0) != 0 || pwrite(lock_, owner.data(), owner.size(), 0) !=
                                            static_cast<ssize_t>(owner.size()))
            fail(lock_of(path), errno);
        if (overwrite && !resume) remove_run(path);
    } catch (...) {
        release();
        throw;
    }
}

output_folder::~output_folder() {
    release();
}

void output_folder::release() {
    unlink(lock_of(path_).c_str());
    close(lock_);
    if (made_) rmdir(path_.c_str());  // only if there is nothing in it
}

}  // namespace packkit::train
