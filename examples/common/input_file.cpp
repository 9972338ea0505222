// SPDX-License-Identifier: Apache-2.0
#include "input_file.hpp"

#include "errors.hpp"
#include "numbers.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace packkit::app {
namespace {

constexpr std::size_t chunk_bytes = std::size_t{1} << 18U;

}  // namespace

input_file::input_file(const std::string& path) : name_(path == "-" ? "stdin" : path) {
    descriptor_ =
        path == "-" ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0) {
        throw input_error(name_,
                          std::string("cannot be opened: ") + std::strerror(errno));
    }
    struct stat status{};
    if (::fstat(descriptor_, &status) == 0) {
        if (S_ISDIR(status.st_mode)) {
            ::close(std::exchange(descriptor_, -1));
            throw input_error(name_, "is a folder; expected a file");
        }
        if (S_ISREG(status.st_mode)) size_ = static_cast<std::uint64_t>(status.st_size);
    }
}

input_file::input_file(std::string name, std::string content)
    : name_(std::move(name)), size_(content.size()), pending_(std::move(content)) {}

input_file::input_file(std::string name, std::unique_ptr<byte_source> source,
                       std::uint64_t size)
    : name_(std::move(name)), size_(size), source_(std::move(source)) {}

input_file::input_file(input_file&& other) noexcept
    : name_(std::move(other.name_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_),
      pending_(std::move(other.pending_)),
      taken_(std::exchange(other.taken_, 0)),
      source_(std::move(other.source_)) {}

input_file& input_file::operator=(input_file&& other) noexcept {
    std::swap(name_, other.name_);
    std::swap(descriptor_, other.descriptor_);
    std::swap(size_, other.size_);
    std::swap(pending_, other.pending_);
    std::swap(taken_, other.taken_);
    std::swap(source_, other.source_);
    return *this;
}

input_file::~input_file() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

std::size_t input_file::read(std::span<char> out) {
    std::size_t done = std::min(out.size(), pending_.size() - taken_);
    std::copy_n(pending_.data() + taken_, done, out.data());
    taken_ += done;
    if (source_ != nullptr) done += source_->read(out.subspan(done));
    while (done < out.size() && descriptor_ >= 0) {
        const ssize_t got = ::read(descriptor_, out.data() + done, out.size() - done);
        if (got < 0) {
            if (errno == EINTR) continue;
            throw input_error(name_,
                              std::string("cannot be read: ") + std::strerror(errno));
        }
        if (got == 0) break;
        done += static_cast<std::size_t>(got);
    }
    return done;
}

std::string_view input_file::peek(std::size_t count) {
    if (pending_.size() - taken_ < count) {
        std::string ahead(count, '\0');
        ahead.resize(read(ahead));
        pending_ = std::move(ahead);
        taken_ = 0;
    }
    return std::string_view(pending_).substr(taken_, count);
}

std::string read_file(const std::string& path, std::uint64_t max_bytes) {
    input_file file(path);
    return read_file(file, max_bytes);
}

std::string read_file(input_file& file, std::uint64_t max_bytes) {
    const auto refuse = [&] {
        throw input_error(file.name(), "has more than " + size_text(max_bytes));
    };
    if (file.size_hint() > max_bytes) refuse();
    std::string content;
    std::size_t filled = 0;
    // One byte more than the expected size, so that the end is seen without growing.
    content.resize(std::max<std::size_t>(file.size_hint() + 1, chunk_bytes));
    while (true) {
        const std::size_t wanted = content.size() - filled;
        const std::size_t got =
            file.read(std::span<char>(content.data() + filled, wanted));
        filled += got;
        if (filled > max_bytes) refuse();
        if (got < wanted) break;
        content.resize(content.size() * 2);
    }
    content.resize(filled);
    return content;
}

line_reader::line_reader(const std::string& path) : file_(path) {}

line_reader::line_reader(input_file file) : file_(std::move(file)) {}

bool line_reader::fill() {
    if (begin_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    if (buffer_.size() - end_ < chunk_bytes) {
        buffer_.resize(std::max(buffer_.size() * 2, end_ + chunk_bytes));
    }
    const std::size_t got =
        file_.read(std::span<char>(buffer_.data() + end_, chunk_bytes));
    end_ += got;
    bytes_read_ += got;
    return got > 0;
}

bool line_reader::next(std::string_view& line) {
    std::size_t searched = 0;  // of the unread bytes, known to hold no line ending
    while (true) {
        const char* const first = buffer_.data() + begin_;
        const std::size_t unread = end_ - begin_;
        const void* const found =
            unread == searched ? nullptr
                               : std::memchr(first + searched, '\n', unread - searched);
        if (found != nullptr || !fill()) {
            // After a failed fill() the bytes may have moved to the buffer's start.
            const char* const start = buffer_.data() + begin_;
            std::size_t length = end_ - begin_;
            if (found != nullptr) {
                length =
                    static_cast<std::size_t>(static_cast<const char*>(found) - start);
            } else if (length == 0) {
                return false;
            }
            terminated_ = found != nullptr;
            begin_ += length + (terminated_ ? 1 : 0);
            line = std::string_view(start, length);
            if (terminated_ && line.ends_with('\r')) line.remove_suffix(1);
            if (++line_number_ == 1 && line.starts_with("\xEF\xBB\xBF"))
                line.remove_prefix(3);
            return true;
        }
        searched = unread;
    }
}

std::string line_reader::place() const {
    return file_.name() + ":" + std::to_string(line_number_);
}

}  // namespace packkit::app
