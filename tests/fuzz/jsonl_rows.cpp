// SPDX-License-Identifier: Apache-2.0
#include "read_fuzzed.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    namespace app = packkit::app;
    app::row_options rows;
    fuzz::read(app::read_jsonl_rows, "x.jsonl", data, size, rows);
    rows.content = app::row_content::text;
    rows.fields = {"a.b"};
    rows.tokenizer = "bytes";
    fuzz::read(app::read_jsonl_rows, "x.jsonl", data, size, rows);
    rows.content = app::row_content::length;
    rows.fields = {"n"};
    fuzz::read(app::read_jsonl_rows, "x.jsonl", data, size, rows);
    return 0;
}
