// SPDX-License-Identifier: Apache-2.0
#include "document.hpp"

#include "document_builder.hpp"
#include "errors.hpp"
#include "problems.hpp"

#include <utility>

namespace packkit::app {

using kind = document_node::kind;

const document_node* document_node::find(std::string_view key) const {
    for (const auto& member : members) {
        if (member.key == key) return &member.value;
    }
    return nullptr;
}

document_node* document_node::find(std::string_view key) {
    return const_cast<document_node*>(std::as_const(*this).find(key));
}

std::string place_of(const std::string& file, std::size_t line) {
    return line == 0 ? "command line" : file + ":" + std::to_string(line);
}

std::string describe(const document_node& node) {
    switch (node.type) {
        case kind::null:
            return "nothing";
        case kind::scalar:
            return in_quotes(node.text);
        case kind::sequence:
            return "a list";
        case kind::map:
            return "a map";
    }
    return {};
}

std::string describe_json(const document_node& node) {
    switch (node.type) {
        case kind::null:
            return "null";
        case kind::scalar:
            return node.quoted ? in_quotes(node.text) : with_short_words(node.text);
        case kind::sequence:
            return "an array";
        case kind::map:
            return "an object";
    }
    return {};
}

void document_builder::refuse(std::size_t line, const std::string& what) const {
    throw input_error(place_of(file_, line), what);
}

void document_builder::check_depth(std::size_t line, std::size_t depth) const {
    if (depth > max_document_depth) {
        refuse(line,
               "nested deeper than " + std::to_string(max_document_depth) + " levels");
    }
}

void document_builder::start(kind type, std::size_t line) {
    check_depth(line, open_.size() + 1);
    level& opened = open_.emplace_back();
    opened.node.type = type;
    opened.node.line = line;
}

document_node document_builder::end() {
    document_node closed = std::move(open_.back().node);
    open_.pop_back();
    return closed;
}

bool document_builder::wants_key() const {
    return !open_.empty() && open_.back().node.type == kind::map && !open_.back().has_key;
}

void document_builder::key(std::string name, std::size_t line) {
    level& map = open_.back();
    const auto [first, fresh] = map.key_lines.emplace(name, line);
    if (!fresh) {
        std::string what = "key " + in_quotes(name) + " appears twice";
        if (first->second > 0) what += ", first in line " + std::to_string(first->second);
        refuse(line, what);
    }
    map.node.members.push_back({std::move(name), {}, line});
    map.has_key = true;
}

void document_builder::add(document_node node) {
    if (open_.empty()) {
        root = std::move(node);
    } else if (level& top = open_.back(); top.node.type == kind::sequence) {
        top.node.items.push_back(std::move(node));
    } else {
        top.node.members.back().value = std::move(node);
        top.has_key = false;
    }
}

}  // namespace packkit::app
