// SPDX-License-Identifier: Apache-2.0
/// @file
/// YAML as a document.

#include "document.hpp"
#include "document_builder.hpp"
#include "errors.hpp"
#include "input_file.hpp"
#include "utf8.hpp"

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

namespace packkit::app {
namespace {

using kind = document_node::kind;

/// Builds the tree from yaml-cpp's events: its own node graph shares aliased values,
/// knows no limits and takes the last of duplicate keys.
class yaml_events final : public YAML::EventHandler {
public:
    yaml_events(std::string_view text, const std::string& file)
        : text_(text), from_file_(!file.empty()), builder_(file) {}

    [[nodiscard]] document_node take() { return std::move(builder_.root); }

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (documents_++ > 0)
            builder_.refuse(line_of(mark), "a second document; expected one");
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        document_node node;
        node.line = line_of(mark);
        add(std::move(node), anchor);
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        check_tag(mark, tag);
        check_closed(mark);
        document_node node;
        node.type = kind::scalar;
        node.quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
        node.text = value;
        node.line = line_of(mark);
        add(std::move(node), anchor);
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto found = anchors_.find(anchor);
        if (found == anchors_.end()) {
            builder_.refuse(line_of(mark), "an alias stands for the value that holds it");
        }
        const anchored& target = found->second;
        builder_.check_depth(line_of(mark), builder_.depth() + target.depth);
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
        merge(builder_.map());
        end();
    }

private:
    struct anchored {
        document_node node;
        std::size_t nodes = 0;
        std::size_t depth = 0;
    };

    [[nodiscard]] std::size_t line_of(const YAML::Mark& mark) const {
        return from_file_ ? static_cast<std::size_t>(std::max(mark.line, 0)) + 1 : 0;
    }

    void check_tag(const YAML::Mark& mark, const std::string& tag) const {
        if (tag.empty() || tag == "?" || tag == "!" ||
            tag.starts_with("tag:yaml.org,2002:")) {
            return;
        }
        builder_.refuse(line_of(mark), "tag " + in_quotes(tag) + " is not supported");
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
        builder_.refuse(line_of(mark),
                        "broken YAML: the quote that begins here is never closed");
    }

    void count(std::size_t line, std::size_t nodes) {
        nodes_ += nodes;
        if (nodes_ > max_yaml_nodes) {
            builder_.refuse(line, "more than " + std::to_string(max_yaml_nodes) +
                                      " values once aliases are expanded");
        }
    }

    void start(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
               kind type) {
        check_tag(mark, tag);
        builder_.start(type, line_of(mark));
        open_anchors_.push_back(anchor);
    }

    void end() {
        const YAML::anchor_t anchor = open_anchors_.back();
        open_anchors_.pop_back();
        add(builder_.end(), anchor);
    }

    static void measure(const document_node& node, std::size_t depth, anchored& sizes) {
        ++sizes.nodes;
        const bool collection = node.type == kind::sequence || node.type == kind::map;
        sizes.depth = std::max(sizes.depth, depth + (collection ? 1 : 0));
        for (const auto& item : node.items)
            measure(item, depth + 1, sizes);
        for (const auto& member : node.members)
            measure(member.value, depth + 1, sizes);
    }

    void add(document_node node, YAML::anchor_t anchor) {
        count(node.line, 1);
        if (anchor != 0) {
            anchored& target = anchors_[anchor];
            target = {};
            measure(node, 0, target);
            count(node.line, target.nodes);
            target.node = node;
        }
        if (!builder_.wants_key()) {
            builder_.add(std::move(node));
        } else if (node.type == kind::scalar) {
            builder_.key(std::move(node.text), node.line);
        } else {
            builder_.refuse(node.line,
                            "expected the name of a key, found " + describe(node));
        }
    }

    /// What is under << joins the map; its own keys and those merged first come first.
    void merge(document_node& map) {
        auto& lines = builder_.key_lines();
        if (!lines.contains("<<")) return;
        auto& members = map.members;
        const auto found = std::find_if(
            members.begin(), members.end(),
            [](const document_member& member) { return member.key == "<<"; });
        const document_node merged = std::move(found->value);
        members.erase(found);
        const auto join = [&](const document_node& source) {
            if (source.type != kind::map) {
                builder_.refuse(
                    source.line,
                    "<<: expected a map or a list of maps, found " + describe(source));
            }
            for (const auto& member : source.members) {
                if (lines.emplace(member.key, member.line).second)
                    members.push_back(member);
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
    bool from_file_;
    int line_ = 0;  // of the text, and where it begins: the last that was looked at
    std::size_t line_begin_ = text_.starts_with("\xEF\xBB\xBF") ? 3 : 0;
    document_builder builder_;
    std::vector<YAML::anchor_t> open_anchors_;
    std::map<YAML::anchor_t, anchored> anchors_;
    std::size_t nodes_ = 0;
    std::size_t documents_ = 0;
};

void check_utf8(std::string_view text, const std::string& file) {
    const std::size_t at = first_broken_utf8(text);
    if (at == text.npos) return;
    const auto before = text.substr(0, at);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    throw input_error(place_of(file, file.empty() ? 0 : static_cast<std::size_t>(line)),
                      "bytes that are not UTF-8");
}

}  // namespace

document_node parse_yaml(std::string_view text, const std::string& file) {
    check_utf8(text, file);
    yaml_events events(text, file);
    try {
        std::istringstream stream{std::string(text)};
        YAML::Parser parser(stream);
        while (parser.HandleNextDocument(events)) {}
    } catch (const YAML::Exception& error) {
        const bool known = !error.mark.is_null() && !file.empty();
        const std::size_t line =
            known ? static_cast<std::size_t>(error.mark.line) + 1 : 0;
        throw input_error(line == 0 && !file.empty() ? file : place_of(file, line),
                          "broken YAML: " + error.msg);
    }
    return events.take();
}

document_node read_yaml_file(const std::string& path) {
    const std::string text = read_file(path, max_yaml_bytes);
    document_node root = parse_yaml(text, path == "-" ? "stdin" : path);
    if (root.type != kind::map) {
        throw input_error(path, "expected a map of keys, found " + describe(root));
    }
    return root;
}

}  // namespace packkit::app
