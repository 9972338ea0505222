// SPDX-License-Identifier: Apache-2.0
#include "progress.hpp"

#include "numbers.hpp"
#include "table.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include <sys/ioctl.h>
#include <unistd.h>

namespace packkit::app {
namespace {

constexpr auto redraw_interval = std::chrono::milliseconds(100);

/// "00:07", "12:34", "1:02:03".
std::string clock_text(double seconds) {
    const auto whole = static_cast<std::int64_t>(std::min(seconds, 1e9) + 0.5);
    const auto two = [](std::int64_t value) {
        return (value < 10 ? "0" : "") + std::to_string(value);
    };
    std::string text = two(whole / 60 % 60) + ":" + two(whole % 60);
    if (whole >= 3600) text = std::to_string(whole / 3600) + ":" + text;
    return text;
}

/// The first `columns` code points: a line that wraps could not be redrawn.
std::string cut(const std::string& text, int columns) {
    int seen = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const bool begins = (static_cast<unsigned char>(text[at]) & 0xC0U) != 0x80U;
        if (begins && seen++ == columns) return text.substr(0, at);
    }
    return text;
}

int terminal_columns() {
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    return 80;
}

void write_stderr(std::string_view text) {
    // Progress that cannot be shown is no failure of the work.
    [[maybe_unused]] const ssize_t written =
        ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

std::string progress_line(std::string_view label, std::uint64_t done, std::uint64_t total,
                          std::chrono::duration<double> elapsed, int columns) {
    std::string head(label);
    if (total == 0) {
        return cut(head + "  " + short_count(done) + "  " + clock_text(elapsed.count()),
                   columns);
    }
    const double share =
        std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
    // Rounded down: 100 % is said when it is all done.
    head += " " +
            padded(std::to_string(static_cast<int>(share * 100.0)), 3, alignment::right);
    head += "%";
    std::string tail = short_count(done) + "/" + short_count(total);
    if (done > 0 && done < total) {
        tail += "  " + clock_text(elapsed.count() * (1.0 - share) / share) + " left";
    }
    const int space =
        columns - static_cast<int>(display_width(head) + display_width(tail)) - 5;
    const int width = std::min(space, 40);
    if (width < 5) return cut(head + "  " + tail, columns);
    return head + " [" +
           padded(text_bar(share, static_cast<std::size_t>(width)),
                  static_cast<std::size_t>(width), alignment::left) +
           "] " + tail;
}

progress_bar::progress_bar(std::string label, std::uint64_t total)
    : label_(std::move(label)), total_(total), active_(::isatty(STDERR_FILENO) == 1) {}

progress_bar::~progress_bar() {
    finish();
}

void progress_bar::set(std::uint64_t done) {
    if (!active_) return;
    const auto now = clock::now();
    if (now < next_draw_) return;
    next_draw_ = now + redraw_interval;
    drawn_ = true;
    std::string note = note_.empty() ? "" : "  " + note_;
    const int columns = terminal_columns() - 1 - static_cast<int>(display_width(note));
    write_stderr("\r\x1b[K" + progress_line(label_, done, total_, now - start_, columns) +
                 note);
}

void progress_bar::finish() {
    if (active_ && drawn_) write_stderr("\r\x1b[K");
    active_ = false;
}

}  // namespace packkit::app
