// SPDX-License-Identifier: Apache-2.0
/// @file
/// Hands bytes to a reader as a file in memory: read, or refused with a place.
#pragma once

#include <common/lengths/input.hpp>

#include <common/errors.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace fuzz {

using reader = void(packkit::app::input_file, const packkit::app::row_options&,
                    packkit::app::sample_sink&);

inline void read(reader& read_file, const std::string& name, const std::uint8_t* data,
                 std::size_t size, const packkit::app::row_options& rows = {}) {
    std::string content(data, data + size);
    packkit::app::sample_sink sink;
    try {
        read_file(packkit::app::input_file(name, std::move(content)), rows, sink);
    } catch (const packkit::app::input_error& error) {
        if (!std::string_view(error.what()).starts_with(name)) std::abort();
        return;
    } catch (const packkit::app::usage_error&) {
        return;  // a text without a tokenizer, say
    }
    const packkit::app::sample_table table = std::move(sink).take();
    for (const std::uint32_t length : table.lengths) {
        if (length == 0) std::abort();
    }
}

}  // namespace fuzz
