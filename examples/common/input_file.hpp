// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Reading of files and of standard input with the system's reason in every error.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace packkit::app {

/// Bytes that come one after the other, as those of a file that is decompressed.
class byte_source {
public:
    virtual ~byte_source() = default;
    /// Fills `out` as far as there are bytes and returns their number.
    virtual std::size_t read(std::span<char> out) = 0;
    /// Bytes of the underlying file that are used up.
    [[nodiscard]] virtual std::uint64_t bytes_taken() const = 0;
};

/// An open file, or standard input for the path "-". Movable; closes on destruction.
class input_file {
public:
    /// @throws input_error when the path cannot be opened or is a folder.
    explicit input_file(const std::string& path);
    /// A file that lies in memory, under a name for messages.
    input_file(std::string name, std::string content);
    /// Bytes of a source that needs no descriptor; `size` is that of the underlying file.
    input_file(std::string name, std::unique_ptr<byte_source> source, std::uint64_t size);
    input_file(input_file&& other) noexcept;
    input_file& operator=(input_file&& other) noexcept;
    input_file(const input_file&) = delete;
    input_file& operator=(const input_file&) = delete;
    ~input_file();

    /// The path as given, or "stdin" for "-": the name used in messages.
    [[nodiscard]] const std::string& name() const { return name_; }

    /// Fills as much of `out` as the file still has and returns the number of bytes;
    /// fewer than asked only at the end of the file. @throws input_error when reading
    /// fails.
    std::size_t read(std::span<char> out);

    /// The next bytes, up to `count` of them, without taking them: read() begins there.
    /// Valid until the next call. @throws as read()
    std::string_view peek(std::size_t count);

    /// Bytes of a regular file, 0 for pipes and the like.
    [[nodiscard]] std::uint64_t size_hint() const { return size_; }

    /// The source that the bytes come from, or nullptr for a plain file.
    [[nodiscard]] const byte_source* source() const { return source_.get(); }

    /// The system's descriptor, for libraries that read by themselves; -1 in memory.
    [[nodiscard]] int descriptor() const { return descriptor_; }

private:
    std::string name_;
    int descriptor_ = -1;
    std::uint64_t size_ = 0;
    std::string pending_;    // read ahead by peek(), or the file in memory
    std::size_t taken_ = 0;  // of pending_
    std::unique_ptr<byte_source> source_;
};

/// The whole content of a file ("-": standard input).
/// @throws input_error when it cannot be read or has more than `max_bytes`.
std::string read_file(const std::string& path,
                      std::uint64_t max_bytes = std::uint64_t{1} << 40);
/// The same from an open file, from where it stands.
std::string read_file(input_file& file, std::uint64_t max_bytes = std::uint64_t{1} << 40);

/// Lines of a file, one at a time in bounded memory. "\n" and "\r\n" end a line, a last
/// line without an ending counts, a UTF-8 byte order mark at the start is passed over.
class line_reader {
public:
    /// @throws input_error when the file cannot be opened.
    explicit line_reader(const std::string& path);
    explicit line_reader(input_file file);

    /// Moves to the next line; false at the end. `line` stays valid until the next call.
    bool next(std::string_view& line);

    /// Number of the current line, from 1; 0 before the first.
    [[nodiscard]] std::size_t line_number() const { return line_number_; }

    /// Whether the current line ended with a line ending rather than with the file.
    [[nodiscard]] bool terminated() const { return terminated_; }

    /// "data.jsonl:17": the place of the current line.
    [[nodiscard]] std::string place() const;

    /// Bytes taken from the file so far, for a progress bar.
    [[nodiscard]] std::uint64_t bytes_read() const {
        return file_.source() != nullptr ? file_.source()->bytes_taken() : bytes_read_;
    }

    [[nodiscard]] const input_file& file() const { return file_; }

private:
    bool fill();

    input_file file_;
    std::string buffer_;
    std::size_t begin_ = 0;  // unread bytes: buffer_[begin_, end_)
    std::size_t end_ = 0;
    std::size_t line_number_ = 0;
    std::uint64_t bytes_read_ = 0;
    bool terminated_ = false;
};

}  // namespace packkit::app
