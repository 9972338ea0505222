// SPDX-License-Identifier: Apache-2.0
#include "compressed_file.hpp"

#include "common/errors.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include <zlib.h>
#include <zstd.h>

namespace packkit::app {
namespace {

constexpr std::string_view gzip_ending = ".gz";
constexpr std::string_view zstd_ending = ".zst";
constexpr std::size_t packed_chunk_bytes = std::size_t{1} << 18U;

/// The compressed bytes, a chunk at a time.
class chunk_reader {
public:
    explicit chunk_reader(input_file file)
        : file_(std::move(file)), buffer_(packed_chunk_bytes) {}

    /// Bytes that are not used up yet; none at the end of the file.
    std::span<char> rest() {
        if (begin_ == end_) {
            begin_ = 0;
            end_ = file_.read(buffer_);
            taken_ += end_;
        }
        return std::span(buffer_).subspan(begin_, end_ - begin_);
    }
    void use(std::size_t bytes) { begin_ += bytes; }

    [[nodiscard]] std::uint64_t taken() const { return taken_; }
    [[noreturn]] void refuse(const std::string& what) const {
        throw input_error(file_.name(), what);
    }

private:
    input_file file_;
    std::vector<char> buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::uint64_t taken_ = 0;
};

class gzip_source : public byte_source {
public:
    explicit gzip_source(input_file file) : chunks_(std::move(file)) {
        constexpr int window_of_gzip = 15 + 16;
        if (inflateInit2(&stream_, window_of_gzip) != Z_OK) throw std::bad_alloc();
    }
    gzip_source(const gzip_source&) = delete;
    gzip_source& operator=(const gzip_source&) = delete;
    ~gzip_source() override { inflateEnd(&stream_); }

    std::size_t read(std::span<char> out) override {
        std::size_t done = 0;
        while (done < out.size()) {
            const auto in = chunks_.rest();
            if (in.empty()) {
                if (inside_ || !began_) chunks_.refuse("the gzip data is cut short");
                break;
            }
            if (!inside_) {
                inflateReset(&stream_);
                inside_ = began_ = true;
            }
            const std::size_t room = std::min(out.size() - done, packed_chunk_bytes);
            stream_.next_in = reinterpret_cast<Bytef*>(in.data());
            stream_.avail_in = static_cast<uInt>(in.size());
            stream_.next_out = reinterpret_cast<Bytef*>(out.data() + done);
            stream_.avail_out = static_cast<uInt>(room);
            const int status = inflate(&stream_, Z_NO_FLUSH);
            if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
                chunks_.refuse("the gzip data is damaged" +
                               (stream_.msg != nullptr ? ": " + std::string(stream_.msg)
                                                       : std::string()));
            }
            chunks_.use(in.size() - stream_.avail_in);
            done += room - stream_.avail_out;
            inside_ = status != Z_STREAM_END;
        }
        return done;
    }
    [[nodiscard]] std::uint64_t bytes_taken() const override { return chunks_.taken(); }

private:
    chunk_reader chunks_;
    z_stream stream_{};
    bool began_ = false;
    bool inside_ = false;  // a member has begun and not ended
};

class zstd_source : public byte_source {
public:
    explicit zstd_source(input_file file)
        : chunks_(std::move(file)), stream_(ZSTD_createDStream(), ZSTD_freeDStream) {
        if (stream_ == nullptr) throw std::bad_alloc();
    }

    std::size_t read(std::span<char> out) override {
        ZSTD_outBuffer to{out.data(), out.size(), 0};
        while (to.pos < to.size) {
            const auto bytes = chunks_.rest();
            if (bytes.empty() && (inside_ || !began_) && !flushing_)
                chunks_.refuse("the Zstandard data is cut short");
            if (bytes.empty() && !flushing_) break;
            ZSTD_inBuffer from{bytes.data(), bytes.size(), 0};
            const std::size_t before = to.pos;
            const std::size_t status = ZSTD_decompressStream(stream_.get(), &to, &from);
            if (ZSTD_isError(status) != 0) {
                chunks_.refuse("the Zstandard data is damaged: " +
                               std::string(ZSTD_getErrorName(status)));
            }
            chunks_.use(from.pos);
            began_ = true;
            inside_ = status != 0;
            // The decoder may hold output for which there was no room.
            flushing_ = inside_ && to.pos == to.size && to.pos > before;
        }
        return to.pos;
    }
    [[nodiscard]] std::uint64_t bytes_taken() const override { return chunks_.taken(); }

private:
    chunk_reader chunks_;
    std::unique_ptr<ZSTD_DStream, std::size_t (*)(ZSTD_DStream*)> stream_;
    bool began_ = false;
    bool inside_ = false;    // a frame has begun and not ended
    bool flushing_ = false;  // output was cut off for lack of room
};

}  // namespace

std::string_view without_compression(std::string_view path) {
    for (const std::string_view ending : {gzip_ending, zstd_ending}) {
        if (path.ends_with(ending)) return path.substr(0, path.size() - ending.size());
    }
    return path;
}

bool is_compressed(std::string_view path) {
    return without_compression(path).size() < path.size();
}

input_file decompressed(input_file file, std::string_view name) {
    if (!is_compressed(name)) return file;
    const std::string path = file.name();
    const std::uint64_t size = file.size_hint();
    std::unique_ptr<byte_source> source;
    if (name.ends_with(gzip_ending)) {
        source = std::make_unique<gzip_source>(std::move(file));
    } else {
        source = std::make_unique<zstd_source>(std::move(file));
    }
    return {path, std::move(source), size};
}

input_file open_data_file(const std::string& path) {
    return decompressed(input_file(path), path);
}

}  // namespace packkit::app
