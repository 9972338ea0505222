// SPDX-License-Identifier: Apache-2.0
/// @file
/// The index of a sharded checkpoint: whatever it holds, it is refused with its place, or
/// its pieces cover each tensor once and it is the same when written and read again.

#include <checkpoint/shard_index.hpp>

#include <common/errors.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace packkit;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::string name = "index";
    train::shard_index index;
    try {
        index = train::parse_shard_index(text, name);
    } catch (const app::input_error& error) {
        if (!std::string_view(error.what()).starts_with(name)) std::abort();
        return 0;
    }
    for (const auto& [tensor, stored] : index.tensors) {
        std::int64_t elements = 0;
        for (const auto& piece : stored.pieces) {
            if (piece.file >= index.files.size()) std::abort();
            elements += piece.part.elements();
        }
        if (elements != train::whole_slice(stored.shape).elements()) std::abort();
    }
    const auto again = train::parse_shard_index(to_json_text(index), name);
    if (again.files != index.files || again.tensors != index.tensors) std::abort();
    return 0;
}
