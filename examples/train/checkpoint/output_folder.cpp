// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/output_folder.hpp"

#include "checkpoint/folder.hpp"
#include "common/errors.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace packkit::train {

output_folder::output_folder(const std::string& path, bool resume, bool overwrite) {
    std::error_code fault;
    std::filesystem::create_directories(path, fault);
    if (fault) throw app::usage_error("output_dir", path + ": " + fault.message());
    const std::string lock = path + "/.lock";
    lock_ = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock_ < 0)
        throw app::usage_error("output_dir", lock + ": " + std::strerror(errno));
    if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
        char owner[128] = {};
        const auto count = pread(lock_, owner, sizeof owner - 1, 0);
        close(lock_);
        throw app::usage_error(
            "output_dir",
            path + " is in use by another run" +
                (count > 0 ? " (" + std::string(owner) + ")" : std::string()));
    }
    if (!resume && !overwrite && holds_a_run(path)) {
        close(lock_);
        throw app::usage_error("output_dir",
                               path +
                                   " holds an earlier run; give --resume to go "
                                   "on with it or --overwrite to replace it");
    }
    char host[64] = "unknown host";
    gethostname(host, sizeof host - 1);
    const std::string owner = "pid " + std::to_string(getpid()) + " on " + host;
    if (ftruncate(lock_, 0) != 0 || pwrite(lock_, owner.data(), owner.size(), 0) !=
                                        static_cast<ssize_t>(owner.size())) {
        const int reason = errno;
        close(lock_);
        throw app::usage_error("output_dir", lock + ": " + std::strerror(reason));
    }
    if (overwrite && !resume) remove_run(path);
}

output_folder::~output_folder() {
    close(lock_);
}

}  // namespace packkit::train
