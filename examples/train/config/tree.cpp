// SPDX-License-Identifier: Apache-2.0
#include "config/tree.hpp"

#include "common/errors.hpp"
#include "common/input_file.hpp"
#include "common/numbers.hpp"
#include "common/utf8.hpp"

#include <algorithm>
#include <map>
#include <sstream>
#include <unordered_map>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

namespace packkit::train {
namespace {

using app::in_quotes;
using app::input_error;
using kind = config_node::kind;

/// Builds the tree from yaml-cpp's events: its own node graph shares aliased values,
/// knows no limits and takes the last of duplicate keys.
class tree_builder final : public YAML::EventHandler {
public:
    /// \param path "" for a value from the command line: its nodes get line 0.
    tree_builder(std::string_view text, std::string path)
        : text_(text), path_(std::move(path)) {}

    config_node root;

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (documents_++ > 0) refuse(line_of(mark), "a second document; expected one");
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        config_node node;
        node.line = line_of(mark);
        add(std::move(node), anchor);
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        check_tag(mark, tag);
        check_closed(mark);
        config_node node;
        node.type = kind::scalar;
        node.text = value;
        node.line = line_of(mark);
        add(std::move(node), anchor);
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto found = anchors_.find(anchor);
        if (found == anchors_.end()) {
            refuse(line_of(mark), "an alias stands for the value that holds it");
        }
        const anchored& target = found->second;
        check_depth(line_of(mark), open_.size() + target.depth);
        count(line_of(mark), target.nodes);
        add(target.node, 0);
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag,
                         YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
        start(mark, tag, anchor, kind::sequence);
    }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        start(mark, tag, anchor, kind::map);
    }
    void OnSequenceEnd() override { end(); }
    void OnMapEnd() override {
        merge(open_.back());
        end();
    }

private:
    struct anchored {
        config_node node;
        std::size_t nodes = 0;
        std::size_t depth = 0;
    };
    struct level {
        config_node node;
        YAML::anchor_t anchor = 0;
        std::unordered_map<std::string, std::size_t> key_lines;  // of a map
        std::string key;
        bool has_key = false;
    };

    [[nodiscard]] std::size_t line_of(const YAML::Mark& mark) const {
        return path_.empty() ? 0 : static_cast<std::size_t>(std::max(mark.line, 0)) + 1;
    }

    [[noreturn]] void refuse(std::size_t line, const std::string& what) const {
        throw input_error(place_of(path_, line), what);
    }

    void check_tag(const YAML::Mark& mark, const std::string& tag) const {
        if (tag.empty() || tag == "?" || tag == "!" ||
            tag.starts_with("tag:yaml.org,2002:")) {
            return;
        }
        refuse(line_of(mark), "tag " + in_quotes(tag) + " is not supported");
    }

    /// yaml-cpp takes the end of the text for the end of a quote. (Where a tag or an
    /// anchor stands before the quote, the mark is theirs and nothing is checked.)
    void check_closed(const YAML::Mark& mark) {
        if (mark.line < line_) return;  // events come in the order of the text
        for (; line_ < mark.line; ++line_)
            line_begin_ = text_.find('\n', line_begin_) + 1;
        const std::size_t begin =
            line_begin_ + static_cast<std::size_t>(std::max(mark.column, 0));
        if (begin >= text_.size()) return;
        const char quote = text_[begin];
        if (quote != '\'' && quote != '"') return;
        for (std::size_t at = begin + 1; at < text_.size(); ++at) {
            const bool pair = at + 1 < text_.size() && text_[at + 1] == quote;
            if (quote == '"' ? text_[at] == '\\' : text_[at] == quote && pair) {
                ++at;  // an escaped character, or a doubled quote
            } else if (text_[at] == quote) {
                return;
            }
        }
        refuse(line_of(mark), "broken YAML: the quote that begins here is never closed");
    }

    void check_depth(std::size_t line, std::size_t depth) const {
        if (depth > max_config_depth) {
            refuse(line,
                   "nested deeper than " + std::to_string(max_config_depth) + " levels");
        }
    }

    void count(std::size_t line, std::size_t nodes) {
        nodes_ += nodes;
        if (nodes_ > max_config_nodes) {
            refuse(line, "more than " + std::to_string(max_config_nodes) +
                             " values once aliases are expanded");
        }
    }

    void start(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
               kind type) {
        check_tag(mark, tag);
        check_depth(line_of(mark), open_.size() + 1);
        level opened;
        opened.node.type = type;
        opened.node.line = line_of(mark);
        opened.anchor = anchor;
        open_.push_back(std::move(opened));
    }

    void end() {
        level closed = std::move(open_.back());
        open_.pop_back();
        add(std::move(closed.node), closed.anchor);
    }

    static void measure(const config_node& node, std::size_t depth, anchored& sizes) {
        ++sizes.nodes;
        const bool collection = node.type == kind::sequence || node.type == kind::map;
        sizes.depth = std::max(sizes.depth, depth + (collection ? 1 : 0));
        for (const auto& item : node.items)
            measure(item, depth + 1, sizes);
        for (const auto& member : node.members)
            measure(member.value, depth + 1, sizes);
    }

    void add(config_node node, YAML::anchor_t anchor) {
        count(node.line, 1);
        if (anchor != 0) {
            anchored& target = anchors_[anchor];
            target = {};
            measure(node, 0, target);
            count(node.line, target.nodes);
            target.node = node;
        }
        if (open_.empty()) {
            root = std::move(node);
            return;
        }
        level& top = open_.back();
        if (top.node.type == kind::sequence) {
            top.node.items.push_back(std::move(node));
        } else if (!top.has_key) {
            set_key(top, node);
        } else {
            top.has_key = false;
            const std::size_t line = top.key_lines.at(top.key);
            top.node.members.push_back({std::move(top.key), std::move(node), line});
        }
    }

    void set_key(level& map, const config_node& key) {
        if (key.type != kind::scalar) {
            refuse(key.line, "expected the name of a key, found " + describe(key));
        }
        const auto [first, fresh] = map.key_lines.emplace(key.text, key.line);
        if (!fresh) {
            std::string what = "key " + in_quotes(key.text) + " appears twice";
            if (first->second > 0)
                what += ", first in line " + std::to_string(first->second);
            refuse(key.line, what);
        }
        map.key = key.text;
        map.has_key = true;
    }

    /// What is under << joins the map; its own keys and those merged first come first.
    void merge(level& map) {
        if (!map.key_lines.contains("<<")) return;
        auto& members = map.node.members;
        const auto found =
            std::find_if(members.begin(), members.end(),
                         [](const config_member& member) { return member.key == "<<"; });
        const config_node merged = std::move(found->value);
        members.erase(found);
        const auto join = [&](const config_node& source) {
            if (source.type != kind::map) {
                refuse(source.line,
                       "<<: expected a map or a list of maps, found " + describe(source));
            }
            for (const auto& member : source.members) {
                if (map.key_lines.emplace(member.key, member.line).second) {
                    members.push_back(member);
                }
            }
        };
        if (merged.type == kind::sequence) {
            for (const auto& source : merged.items)
                join(source);
        } else {
            join(merged);
        }
    }

    std::string_view text_;
    int line_ = 0;  // of the text, and where it begins: the last that was looked at
    std::size_t line_begin_ = text_.starts_with("\xEF\xBB\xBF") ? 3 : 0;
    std::string path_;
    std::vector<level> open_;
    std::map<YAML::anchor_t, anchored> anchors_;
    std::size_t nodes_ = 0;
    std::size_t documents_ = 0;
};

void check_utf8(std::string_view text, const std::string& path) {
    std::size_t line = 1;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = app::utf8_length_at(text, at);
        if (length == 0) {
            throw input_error(place_of(path, path.empty() ? 0 : line),
                              "bytes that are not UTF-8");
        }
        if (text[at] == '\n') ++line;
        at += length;
    }
}

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

const config_node* config_node::find(std::string_view key) const {
    for (const auto& member : members) {
        if (member.key == key) return &member.value;
    }
    return nullptr;
}

config_node* config_node::find(std::string_view key) {
    return const_cast<config_node*>(std::as_const(*this).find(key));
}

std::string place_of(const std::string& path, std::size_t line) {
    return line == 0 ? "command line" : path + ":" + std::to_string(line);
}

std::string describe(const config_node& node) {
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

config_node parse_config_text(std::string_view text, const std::string& path) {
    check_utf8(text, path);
    tree_builder builder(text, path);
    try {
        std::istringstream stream{std::string(text)};
        YAML::Parser parser(stream);
        while (parser.HandleNextDocument(builder)) {}
    } catch (const YAML::Exception& error) {
        const bool known = !error.mark.is_null() && !path.empty();
        const std::size_t line =
            known ? static_cast<std::size_t>(error.mark.line) + 1 : 0;
        throw input_error(line == 0 && !path.empty() ? path : place_of(path, line),
                          "broken YAML: " + error.msg);
    }
    return std::move(builder.root);
}

config_node read_config_file(const std::string& path) {
    const std::string text = app::read_file(path, max_config_bytes);
    config_node root = parse_config_text(text, path == "-" ? "stdin" : path);
    if (root.type != kind::map) {
        throw input_error(path, "expected a map of keys, found " + describe(root));
    }
    return root;
}

void apply_override(config_node& root, std::string_view assignment) {
    const auto equals = assignment.find('=');
    const std::string_view path = assignment.substr(0, equals);
    if (equals == std::string_view::npos || path.empty()) {
        throw input_error("command line",
                          in_quotes(assignment) + " is no setting; expected key=value");
    }
    config_node value;
    try {
        value = parse_config_text(assignment.substr(equals + 1), "");
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
