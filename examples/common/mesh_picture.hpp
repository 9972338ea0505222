// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The mesh as people draw it: which rank sits where.

#include <packkit/mesh/mesh_shape.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

namespace packkit::app {

/// A table with a line for each replica and a column for each shard. In a cell, ranks
/// that split a layer's matrices (tp) stand in brackets, and brackets that split a row
/// (cp) stand side by side:
///
///                  dp_shard 0     dp_shard 1
///     replicate 0  [0 1] [2 3]    [4 5] [6 7]
///
/// At most `most` lines and as many columns, with dots for the rest; no line break at the
/// end.
[[nodiscard]] inline std::string mesh_picture(const mesh_shape& mesh,
                                              std::int64_t most = 8) {
    const auto cell = [&](std::int64_t replica, std::int64_t shard) {
        std::string text;
        const std::int64_t shown = std::min(mesh.cp, most);
        for (std::int64_t cp = 0; cp < shown; ++cp) {
            text += cp == 0 ? "[" : " [";
            const std::int64_t together = std::min(mesh.tp, most);
            for (std::int64_t tp = 0; tp < together; ++tp) {
                if (tp > 0) text += ' ';
                text += std::to_string(rank_of(mesh, {replica, shard, cp, tp}));
            }
            text += together < mesh.tp ? " ..]" : "]";
        }
        return text + (shown < mesh.cp ? " .." : "");
    };
    const std::int64_t lines = std::min(mesh.dp_replicate, most);
    const std::int64_t columns = std::min(mesh.dp_shard, most);
    const std::string side = "replicate ";
    const std::size_t margin = side.size() + std::to_string(lines - 1).size() + 2;
    // The last cell is the widest: its ranks are the largest.
    const std::size_t width =
        std::max(cell(lines - 1, columns - 1).size(),
                 std::string("dp_shard ").size() + std::to_string(columns - 1).size()) +
        3;
    const auto padded = [](std::string text, std::size_t to) {
        if (text.size() < to) text.append(to - text.size(), ' ');
        return text;
    };
    const auto ended = [&](std::string line, bool more) {
        if (more) return line + "..\n";
        return line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    };
    const bool more_columns = columns < mesh.dp_shard;
    std::string head(margin, ' ');
    for (std::int64_t shard = 0; shard < columns; ++shard)
        head += padded("dp_shard " + std::to_string(shard), width);
    std::string picture = ended(head, more_columns);
    for (std::int64_t replica = 0; replica < lines; ++replica) {
        auto line = padded(side + std::to_string(replica), margin);
        for (std::int64_t shard = 0; shard < columns; ++shard)
            line += padded(cell(replica, shard), width);
        picture += ended(line, more_columns);
    }
    if (lines < mesh.dp_replicate) picture += "..\n";
    picture.pop_back();
    return picture;
}

}  // namespace packkit::app
