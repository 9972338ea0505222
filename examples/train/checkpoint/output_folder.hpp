// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The folder that a run writes to, and nobody else meanwhile.

#include <string>

namespace packkit::train {

/// Holds output_dir for one run: a second run finds it locked. At its end the lock goes,
/// and the folder, too, if this made it and nothing is in it. A lock of a process that
/// was killed is taken over.
class output_folder {
public:
    /// Creates and locks the folder. Throws app::usage_error when it cannot be written,
    /// is locked by another process (named), or holds another run and neither resume nor
    /// overwrite is given.
    output_folder(const std::string& path, bool resume, bool overwrite);
    output_folder(const output_folder&) = delete;
    output_folder& operator=(const output_folder&) = delete;
    ~output_folder();

private:
    void release();

    std::string path_;
    bool made_ = false;
    int lock_ = -1;
};

}  // namespace packkit::train
