// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Files that appear whole or not at all.

#include <string>
#include <string_view>

namespace packkit::app {

/// Writes to a temporary file in the folder of `path` and renames it over `path` on
/// commit(); without commit() nothing remains. A path that names a device or a pipe is
/// written directly. A symbolic link is followed, permissions of an existing file are
/// kept.
class atomic_file {
public:
    /// @throws std::runtime_error with the path and the system's reason, as all below.
    explicit atomic_file(const std::string& path);
    atomic_file(const atomic_file&) = delete;
    atomic_file& operator=(const atomic_file&) = delete;
    ~atomic_file();

    /// Appends bytes (buffered).
    void write(std::string_view bytes);

    /// Makes all bytes durable on disk (fsync) without showing the file yet. Called by
    /// commit(); useful by itself to let several files appear together.
    void sync();

    /// Shows the file under its name.
    void commit();

private:
    void flush();
    void discard() noexcept;

    std::string path_;    // as given, for messages
    std::string target_;  // links resolved
    std::string temporary_;
    std::string buffer_;
    int descriptor_ = -1;
};

/// The whole of a file at once. @throws as atomic_file.
void write_file_atomically(const std::string& path, std::string_view content);

/// Whether a file can be written there, without touching it: for a check before long
/// work.
/// @throws usage_error(place) with the reason: the folder is missing, or not writable.
void check_writable(const std::string& path, const std::string& place);

}  // namespace packkit::app
