// SPDX-License-Identifier: Apache-2.0
/// @file
/// One-dimensional `.npy` files of int32, written by streaming and read by mapping: so
/// that C++ and Python pack the same file. NumPy's format 1.0, little-endian.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

inline constexpr std::size_t npy_header = 128;

/// Writes `count` values, length_of(0) … length_of(count − 1), a block at a time.
/// @throws std::runtime_error with the path if the file cannot be written in full
template <class LengthOf>
void write_npy(const std::string& path, std::size_t count, LengthOf length_of) {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr) throw std::runtime_error(path + ": cannot be opened to write");
    std::string header("\x93NUMPY\x01\x00", 8);
    header += static_cast<char>(npy_header - 10);
    header += '\0';
    header += "{'descr': '<i4', 'fortran_order': False, 'shape': (" +
              std::to_string(count) + ",), }";
    header.resize(npy_header - 1, ' ');
    header += '\n';
    bool good = std::fwrite(header.data(), 1, header.size(), file) == header.size();
    constexpr std::size_t block = 1 << 16;
    std::vector<std::int32_t> values(block);
    for (std::size_t at = 0; good && at < count; at += block) {
        const std::size_t n = count - at < block ? count - at : block;
        for (std::size_t i = 0; i < n; ++i)
            values[i] = length_of(at + i);
        good = std::fwrite(values.data(), sizeof(std::int32_t), n, file) == n;
    }
    good = std::fclose(file) == 0 && good;
    if (!good) throw std::runtime_error(path + ": could not be written in full");
}

/// The int32 values of a `.npy` file, mapped: pages are the kernel's to keep or drop.
class npy_file {
public:
    /// @throws std::runtime_error with the path unless it is what `write_npy` (or NumPy,
    ///   for a 1-D int32 array) writes
    explicit npy_file(const std::string& path) {
        const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (file < 0) throw std::runtime_error(path + ": cannot be opened");
        struct stat status{};
        const bool sized = ::fstat(file, &status) == 0 && status.st_size > 10;
        bytes_ = sized ? static_cast<std::size_t>(status.st_size) : 0;
        void* mapped =
            sized ? ::mmap(nullptr, bytes_, PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
        ::close(file);
        if (mapped == MAP_FAILED) throw std::runtime_error(path + ": cannot be mapped");
        data_ = static_cast<const char*>(mapped);
        ::madvise(mapped, bytes_, MADV_SEQUENTIAL);
        const std::string_view all(data_, bytes_);
        const std::size_t header =
            10 + static_cast<unsigned char>(data_[8]) +
            256 * static_cast<std::size_t>(static_cast<unsigned char>(data_[9]));
        const bool good =
            all.starts_with(std::string_view("\x93NUMPY\x01", 7)) && header <= bytes_ &&
            header % sizeof(std::int32_t) == 0 &&
            all.substr(10, header - 10).find("'descr': '<i4'") !=
                std::string_view::npos &&
            all.substr(10, header - 10).find(",), ") != std::string_view::npos;
        if (!good) {
            ::munmap(mapped, bytes_);
            throw std::runtime_error(path + ": not a 1-D .npy file of int32");
        }
        values_ = {reinterpret_cast<const std::int32_t*>(data_ + header),
                   (bytes_ - header) / sizeof(std::int32_t)};
    }
    npy_file(const npy_file&) = delete;
    npy_file& operator=(const npy_file&) = delete;
    ~npy_file() { ::munmap(const_cast<char*>(data_), bytes_); }

    [[nodiscard]] std::span<const std::int32_t> values() const { return values_; }

private:
    const char* data_ = nullptr;
    std::size_t bytes_ = 0;
    std::span<const std::int32_t> values_;
};

}  // namespace bench
