// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// A progress bar with the time left, on stderr, and only when stderr is a terminal.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace packkit::app {

/// One line of progress: "reading  42% [████▏     ] 4.2M/10M  00:03 left". Pure, for
/// tests.
/// @param total 0 when unknown: then only the count and the elapsed time are shown.
std::string progress_line(std::string_view label, std::uint64_t done, std::uint64_t total,
                          std::chrono::duration<double> elapsed, int columns);

/// Redraws one line at most ten times a second; does nothing when stderr is no terminal.
/// The line is erased at the end, so that results and errors stand alone.
class progress_bar {
public:
    explicit progress_bar(std::string label, std::uint64_t total = 0);
    progress_bar(const progress_bar&) = delete;
    progress_bar& operator=(const progress_bar&) = delete;
    ~progress_bar();

    /// Sets what is done so far.
    void set(std::uint64_t done);
    void set_total(std::uint64_t total) { total_ = total; }
    /// Text at the end of the line, for instance the loss of the last step.
    void set_note(std::string note) { note_ = std::move(note); }
    /// Erases the line; further calls do nothing.
    void finish();

private:
    using clock = std::chrono::steady_clock;

    std::string label_;
    std::string note_;
    std::uint64_t total_;
    bool active_;
    bool drawn_ = false;
    clock::time_point start_ = clock::now();
    clock::time_point next_draw_ = start_;
};

}  // namespace packkit::app
