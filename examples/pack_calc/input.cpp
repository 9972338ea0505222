// SPDX-License-Identifier: Apache-2.0
#include "input.hpp"

#include "common/errors.hpp"

#include <array>
#include <string_view>

namespace packkit::app {
namespace {

struct input_kind {
    std::string_view extension;
    void (*read_lengths)(const std::string&, sample_sink&);
    void (*read_rows)(const std::string&, const row_options&, sample_sink&);
};

constexpr std::array<input_kind, 4> kinds = {{
    {".txt", read_text_lengths, nullptr},
    {".json", read_json_lengths, nullptr},
    {".npy", read_npy_lengths, nullptr},
    {".jsonl", nullptr, read_jsonl_rows},
}};

const input_kind& kind_of(const std::string& path) {
    if (path == "-") return kinds.front();
    std::string_view name = path;
    name.remove_prefix(name.rfind('/') + 1);  // npos + 1 is 0
    const auto dot = name.rfind('.');
    const std::string_view extension = dot == name.npos ? "" : name.substr(dot);
    std::string known;
    for (const input_kind& kind : kinds) {
        if (kind.extension == extension) return kind;
        known += std::string(kind.extension) + ", ";
    }
    throw usage_error(path, (extension.empty() ? std::string("files without an extension")
                                               : in_quotes(extension) + " files") +
                                " cannot be read: this build reads " + known +
                                "and - (standard input)");
}

}  // namespace

void read_input(const std::string& path, const row_options& rows, sample_sink& sink) {
    const input_kind& kind = kind_of(path);
    const std::uint64_t before = sink.samples();
    if (kind.read_rows != nullptr) {
        kind.read_rows(path, rows, sink);
    } else {
        kind.read_lengths(path, sink);
    }
    if (sink.samples() == before) {
        throw input_error(path == "-" ? "stdin" : path, "holds no samples");
    }
}

bool has_rows(const std::string& path) {
    return kind_of(path).read_rows != nullptr;
}

}  // namespace packkit::app
