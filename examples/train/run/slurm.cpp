// SPDX-License-Identifier: Apache-2.0
#include "run/slurm.hpp"

#include "common/numbers.hpp"

namespace packkit::train {
namespace {

/// The positive number that `text` is as a whole.
std::optional<std::int64_t> positive(std::string_view text) {
    const auto [value, fault] = app::parse_integer(text);
    return fault == app::integer_fault::none && value > 0 ? std::optional(value)
                                                          : std::nullopt;
}

}  // namespace

std::string first_host(std::string_view node_list) {
    const auto end = node_list.find_first_of(",[");
    std::string host(node_list.substr(0, end));
    if (end == std::string_view::npos || node_list[end] == ',') return host;
    // In brackets numbers and ranges of them, zeros in front kept; then the rest of the
    // name, which may have brackets of its own.
    const auto inside = node_list.substr(end + 1);
    const auto close = inside.find(']');
    host += inside.substr(0, inside.find_first_of(",-]"));
    if (close != std::string_view::npos) host += first_host(inside.substr(close + 1));
    return host;
}

std::optional<std::int64_t> tasks_of_node(std::string_view tasks_per_node,
                                          std::int64_t node) {
    while (!tasks_per_node.empty()) {
        const auto comma = tasks_per_node.find(',');
        const auto each = tasks_per_node.substr(0, comma);
        tasks_per_node = comma == std::string_view::npos
                             ? std::string_view()
                             : tasks_per_node.substr(comma + 1);
        const auto open = each.find("(x");
        const auto tasks = positive(each.substr(0, open));
        std::optional<std::int64_t> nodes = 1;
        if (open != std::string_view::npos) {
            if (!each.ends_with(')')) return std::nullopt;
            nodes = positive(each.substr(open + 2, each.size() - open - 3));
        }
        if (!tasks || !nodes) return std::nullopt;
        if (node < *nodes) return tasks;
        node -= *nodes;
    }
    return std::nullopt;
}

}  // namespace packkit::train
