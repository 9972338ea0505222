// SPDX-License-Identifier: Apache-2.0
// YAML as a tree: what is read, and what is refused.
#include <config/config.hpp>
#include <config/tree.hpp>

#include <packkit/utility/random.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <string_view>

BOOST_AUTO_TEST_SUITE(config_tree_test)

using namespace packkit::train;
using train_test::error_of;
using train_test::run_folder;
using kind = config_node::kind;

namespace {

const run_folder run;

/// The tree in one line: scalars in quotes, null as ~.
std::string flat(const config_node& node) {
    std::string text;
    switch (node.type) {
        case kind::null:
            return "~";
        case kind::scalar:
            return "'" + node.text + "'";
        case kind::sequence:
            for (const auto& item : node.items)
                text += flat(item) + " ";
            return "[ " + text + "]";
        case kind::map:
            for (const auto& member : node.members) {
                text += member.key + ":" + flat(member.value) + " ";
            }
            return "{ " + text + "}";
    }
    return text;
}

std::string read(std::string_view yaml) {
    try {
        return flat(packkit::app::parse_yaml(yaml, "c.yaml"));
    } catch (const packkit::app::input_error& error) { return error.what(); }
}

}  // namespace

BOOST_AUTO_TEST_CASE(values) {
    BOOST_TEST(read("") == "~");
    BOOST_TEST(read("a: 1\nb: [x, ~, {c: 'd'}]\n") == "{ a:'1' b:[ 'x' ~ { c:'d' } ] }");
    BOOST_TEST(read("a:\nb: null\nc: 'null'\nd: ''\n") == "{ a:~ b:~ c:'null' d:'' }");
    BOOST_TEST(read("a: |\n  x\n  y\n") == "{ a:'x\ny\n' }");
    BOOST_TEST(read("a: !!str 5\n") == "{ a:'5' }");
    BOOST_TEST(read("a: 'it''s'\n\"b\\\"\": \"x\\\\\"\nc: '\n  d'\n") ==
               "{ a:'it's' b\":'x\\' c:' d' }");
    BOOST_TEST(read("\xEF\xBB\xBF'a': \"\xC3\xA9\"\r\n") == "{ a:'\xC3\xA9' }");
    BOOST_TEST(read("\xEF\xBB\xBF"
                    "a: \xC3\xA9\r\nb: 2\r\n") == "{ a:'\xC3\xA9' b:'2' }");
}

BOOST_AUTO_TEST_CASE(lines) {
    const config_node root =
        packkit::app::parse_yaml("\na: 1\n\nb:\n  - x\n  - {y:\n      2}\n", "c");
    BOOST_TEST(root.members[0].line == 2u);
    BOOST_TEST(root.members[0].value.line == 2u);
    BOOST_TEST(root.members[1].line == 4u);
    BOOST_TEST(root.members[1].value.items[0].line == 5u);
    BOOST_TEST(root.members[1].value.items[1].find("y")->line == 7u);
    BOOST_TEST(packkit::app::parse_yaml("a: 1", "").find("a")->line == 0u);
}

BOOST_AUTO_TEST_CASE(aliases_and_merge_keys) {
    BOOST_TEST(read("a: &x [1]\nb: *x\n") == "{ a:[ '1' ] b:[ '1' ] }");
    BOOST_TEST(read("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\n") ==
               "{ a:{ p:'1' q:'2' } b:{ q:'3' p:'1' } }");
    BOOST_TEST(read("a: &x {p: 1}\nc: &y {p: 2, r: 3}\nb: {<<: [*x, *y]}\n") ==
               "{ a:{ p:'1' } c:{ p:'2' r:'3' } b:{ p:'1' r:'3' } }");
    BOOST_TEST(read("b: {<<: 5}\n") ==
               "c.yaml:1: <<: expected a map or a list of maps, found '5'");
    BOOST_TEST(read("a: &x\n  b: *x\n") ==
               "c.yaml:2: an alias stands for the value that holds it");
    BOOST_TEST(read("a: *x\n").starts_with("c.yaml:1: broken YAML: "));
}

BOOST_AUTO_TEST_CASE(what_is_refused) {
    BOOST_TEST(read("a: 1\nb: 2\na: 3\n") ==
               "c.yaml:3: key 'a' appears twice, first in line 1");
    BOOST_TEST(read("a: {b: 1,\n  b: 2}\n") ==
               "c.yaml:2: key 'b' appears twice, first in line 1");
    BOOST_TEST(read("? [a]\n: 1\n") ==
               "c.yaml:1: expected the name of a key, found a list");
    BOOST_TEST(read(": 1\n") == "c.yaml:1: expected the name of a key, found nothing");
    BOOST_TEST(read("a: !!python/object:os.system x\n") == "{ a:'x' }");
    BOOST_TEST(read("a: !secret x\n") == "c.yaml:1: tag '!secret' is not supported");
    BOOST_TEST(read("a: 1\nb: 'x\n  y\n") ==
               "c.yaml:2: broken YAML: the quote that begins here is never closed");
    BOOST_TEST(read("a: 1\n---\nb: 2\n") == "c.yaml:2: a second document; expected one");
    BOOST_TEST(read("a: 1\nb: \xff\n") == "c.yaml:2: bytes that are not UTF-8");
    for (const char* const broken :
         {"a: [1\n", "a: 1\n b: 2\n", "a: 'x\n", "\ta: 1\n", "a: b: c\n", "{a: 1\n",
          "a: @x\n", "a: \"x\n", "a: 'it''s\nb: 1\n", "a: \"x\\\"\n", "'a: 1\n"}) {
        const std::string error = read(broken);
        BOOST_TEST(error.starts_with("c.yaml:"), broken << " gave " << error);
        BOOST_TEST(error.find(": broken YAML: ") != std::string::npos,
                   broken << " gave " << error);
    }
}

BOOST_AUTO_TEST_CASE(limits) {
    const auto nested = [](std::size_t levels) {
        return std::string(levels, '[') + std::string(levels, ']');
    };
    BOOST_TEST(read(nested(64)).starts_with("[ [ "));
    BOOST_TEST(read(nested(65)) == "c.yaml:1: nested deeper than 64 levels");
    BOOST_TEST(read(nested(100000)).starts_with("c.yaml:1: "));
    // The same by way of aliases.
    std::string deep = "a0: &a0 [1]\n";
    for (int i = 1; i < 70; ++i) {
        deep += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" +
                std::to_string(i - 1) + "]\n";
    }
    BOOST_TEST(read(deep) == "c.yaml:64: nested deeper than 64 levels");
    // Ten values, ten times ten, …
    std::string bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
    for (int i = 1; i < 10; ++i) {
        const std::string before = "*a" + std::to_string(i - 1);
        bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
        for (int j = 1; j < 10; ++j)
            bomb += ", " + before;
        bomb += "]\n";
    }
    BOOST_TEST(read(bomb) ==
               "c.yaml:5: more than 100000 values once aliases are expanded");
    // One large value, many times.
    std::string many = "a: &a [";
    for (int i = 0; i < 9999; ++i)
        many += "1,";
    many += "1]\nb: [*a, *a, *a, *a, *a, *a, *a]";
    BOOST_TEST(read(many).starts_with("{ a:[ '1' "));
    many.insert(many.size() - 1, ", *a");
    BOOST_TEST(read(many) ==
               "c.yaml:2: more than 100000 values once aliases are expanded");
    std::string wide = "[";
    for (int i = 0; i < 99998; ++i)
        wide += "1,";
    BOOST_TEST(read(wide + "1]").starts_with("[ '1' "));
    BOOST_TEST(read(wide + "1,1]") ==
               "c.yaml:1: more than 100000 values once aliases are expanded");
}

// Changed bytes give a config or an error with a place; never anything else.
BOOST_AUTO_TEST_CASE(damaged_configs) {
    const std::string good = run_folder::config_with(
        "sample_packing: true\nfsdp_config: &f {reshard_after_forward: false}\n"
        "warmup_steps: 3 # some\n'max_steps': \"7\"\nplugins: []\n");
    constexpr std::string_view pool = "\n :,[]{}&*!|>'\"%@`#-?0a\t\xC3\xFF~<\\.";
    std::size_t loaded = 0;
    std::size_t refused = 0;
    for (std::uint64_t round = 0; round < 4000; ++round) {
        std::string text = good;
        const auto draw = [&](std::uint64_t what, std::size_t below) {
            return static_cast<std::size_t>(packkit::random_bits(round, what)[0] % below);
        };
        for (std::uint64_t change = 0; change <= draw(0, 4); ++change) {
            const std::size_t at = draw(10 + 3 * change, text.size());
            const char byte = pool[draw(11 + 3 * change, pool.size())];
            switch (draw(12 + 3 * change, 3)) {
                case 0:
                    text[at] = byte;
                    break;
                case 1:
                    text.insert(at, 1, byte);
                    break;
                default:
                    text.erase(at, 1);
            }
        }
        const std::string path = run.write(text);
        const std::string error = error_of(run.folder, [&] { load_config(path); });
        ++(error == "no error" ? loaded : refused);
        BOOST_TEST((error == "no error" || error.starts_with("config.yaml")),
                   error << " of\n"
                         << text);
    }
    BOOST_TEST(loaded > 50u);
    BOOST_TEST(refused > 2000u);
}

BOOST_AUTO_TEST_SUITE_END()
