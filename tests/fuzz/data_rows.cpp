// SPDX-License-Identifier: Apache-2.0
// Rows of data sets: .csv, .json and both compressed. The first byte chooses.
#include <common/compressed_file.hpp>
#include <common/csv.hpp>
#include <common/errors.hpp>
#include <common/json_rows.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

namespace {

namespace app = packkit::app;

template <class Reader>
void read_all(app::input_file file) {
    Reader reader(std::move(file));
    for (app::json row; reader.next(row);) {
        if (reader.place().empty()) std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    constexpr const char* names[] = {"x.csv", "x.json", "x.csv.gz", "x.json.zst"};
    const std::string name = names[data[0] % 4];
    try {
        auto file = app::decompressed(
            app::input_file(name, std::string(data + 1, data + size)), name);
        if (name.starts_with("x.csv")) {
            read_all<app::csv_reader>(std::move(file));
        } else {
            read_all<app::json_row_reader>(std::move(file));
        }
    } catch (const app::input_error& error) {
        if (!std::string_view(error.what()).starts_with(name)) std::abort();
    }
    return 0;
}
