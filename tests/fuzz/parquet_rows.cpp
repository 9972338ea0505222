// SPDX-License-Identifier: Apache-2.0
#include "read_fuzzed.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    packkit::app::row_options rows;
    rows.tokenizer = "bytes";
    rows.vocab_size = 100;
    fuzz::read(packkit::app::read_parquet_rows, "x.parquet", data, size, rows);
    return 0;
}
