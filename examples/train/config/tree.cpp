// SPDX-License-Identifier: Apache-2.0
#include "config/tree.hpp"

#include "common/errors.hpp"
#include "common/numbers.hpp"

#include <cstddef>
#include <utility>

namespace packkit::train {
namespace {

using app::in_quotes;
using app::input_error;
using kind = config_node::kind;

/// A number that is an index of `items`, or one behind.
config_node& item_at(config_node& list, std::string_view step, std::string_view path) {
    const auto index = app::parse_integer(step);
    if (index.fault != app::integer_fault::none || index.value < 0 ||
        static_cast<std::size_t>(index.value) > list.items.size()) {
        throw input_error("command line", std::string(path) + ": " + in_quotes(step) +
                                              " is no entry of a list of " +
                                              std::to_string(list.items.size()) +
                                              "; entries count from 0");
    }
    const auto at = static_cast<std::size_t>(index.value);
    if (at == list.items.size()) list.items.emplace_back();
    return list.items[at];
}

}  // namespace

void apply_override(config_node& root, std::string_view assignment) {
    const auto equals = assignment.find('=');
    const std::string_view path = assignment.substr(0, equals);
    if (equals == std::string_view::npos || path.empty()) {
        throw input_error("command line",
                          in_quotes(assignment) + " is no setting; expected key=value");
    }
    config_node value;
    try {
        value = app::parse_yaml(assignment.substr(equals + 1), "");
    } catch (const input_error& error) {
        const std::string_view what = error.what();
        constexpr std::string_view place = "command line: ";
        throw input_error("command line", std::string(path) + ": " +
                                              std::string(what.substr(place.size())));
    }
    config_node* at = &root;
    for (std::string_view rest = path; !rest.empty();) {
        const auto dot = rest.find('.');
        const std::string_view step = rest.substr(0, dot);
        rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
        if (step.empty() || (dot != std::string_view::npos && rest.empty())) {
            throw input_error("command line", in_quotes(assignment) +
                                                  " has an empty part between points");
        }
        if (at->type == kind::sequence) {
            at = &item_at(*at, step, path);
            continue;
        }
        if (at->type == kind::null) at->type = kind::map;
        if (at->type != kind::map) {
            throw input_error("command line", std::string(path) + ": no key " +
                                                  in_quotes(step) + " inside the value " +
                                                  describe(*at));
        }
        config_node* next = at->find(step);
        if (next == nullptr) {
            at->members.push_back({std::string(step), {}, 0});
            next = &at->members.back().value;
        }
        at = next;
    }
    *at = std::move(value);
}

}  // namespace packkit::train
