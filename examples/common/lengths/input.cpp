// SPDX-License-Identifier: Apache-2.0
#include "input.hpp"

#include "common/did_you_mean.hpp"
#include "common/errors.hpp"

#include <array>

namespace packkit::app {
namespace {

struct input_kind {
    std::string_view format;
    std::array<std::string_view, 2> extensions;
    input_shape shape;
    void (*read)(input_file, const row_options&, sample_sink&);
};

constexpr std::array<input_kind, 6> kinds = {{
    {"txt", {".txt", ""}, input_shape::lengths, read_text_lengths},
    {"json", {".json", ""}, input_shape::lengths, read_json_lengths},
    {"npy", {".npy", ""}, input_shape::lengths, read_npy_lengths},
    {"jsonl", {".jsonl", ""}, input_shape::objects, read_jsonl_rows},
    {"parquet", {".parquet", ""}, input_shape::columns, read_parquet_rows},
    {"arrow", {".arrow", ".feather"}, input_shape::columns, read_arrow_rows},
}};

const input_kind& kind_named(std::string_view format) {
    for (const input_kind& kind : kinds) {
        if (kind.format == format) return kind;
    }
    throw usage_error("--input-format", "unknown format " + in_quotes(format) +
                                            "; expected one of " +
                                            name_list(input_formats()) +
                                            did_you_mean(format, input_formats()));
}

/// Null for standard input without a format.
const input_kind* kind_of(const std::string& path, const std::string& format) {
    if (!format.empty()) return &kind_named(format);
    if (path == "-") return nullptr;
    std::string_view name = path;
    name.remove_prefix(name.rfind('/') + 1);  // npos + 1 is 0
    const auto dot = name.rfind('.');
    const std::string_view extension = dot == name.npos ? "" : name.substr(dot);
    std::string known;
    for (const input_kind& kind : kinds) {
        for (const std::string_view one : kind.extensions) {
            if (one.empty()) continue;
            if (one == extension) return &kind;
            known += std::string(one) + ", ";
        }
    }
    throw usage_error(path, (extension.empty() ? std::string("files without an extension")
                                               : in_quotes(extension) + " files") +
                                " cannot be read: this program reads " + known +
                                "and - (standard input); --input-format says what a file "
                                "of another name holds");
}

/// By the first bytes; numbers as text when they tell nothing else.
const input_kind& sniffed(input_file& file) {
    const std::string_view begin = file.peek(64);
    if (begin.starts_with("PAR1")) return kind_named("parquet");
    if (begin.starts_with("\x93NUMPY")) return kind_named("npy");
    if (begin.starts_with("ARROW1") || begin.starts_with("\xFF\xFF\xFF\xFF")) {
        return kind_named("arrow");
    }
    std::string_view text = begin;
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    const auto first = text.find_first_not_of(" \t\r\n");
    const char c = first == text.npos ? '\0' : text[first];
    return kind_named(c == '[' ? "json" : c == '{' ? "jsonl" : "txt");
}

}  // namespace

std::vector<std::string_view> input_formats() {
    std::vector<std::string_view> names;
    for (const input_kind& kind : kinds)
        names.push_back(kind.format);
    return names;
}

std::optional<input_shape> shape_of(const std::string& path, const std::string& format) {
    const input_kind* const kind = kind_of(path, format);
    if (kind == nullptr) return std::nullopt;
    return kind->shape;
}

void read_input(const std::string& path, const std::string& format,
                const row_options& rows, sample_sink& sink) {
    const input_kind* kind = kind_of(path, format);
    input_file file(path);
    if (kind == nullptr) kind = &sniffed(file);
    const std::string name = file.name();
    const std::uint64_t before = sink.samples();
    kind->read(std::move(file), rows, sink);
    if (sink.samples() == before) throw input_error(name, "holds no samples");
}

}  // namespace packkit::app
