// SPDX-License-Identifier: Apache-2.0
// Tokenised data kept between runs.
#include <data/dataset.hpp>
#include <data/prepared_data.hpp>

#include <common/input_file.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <functional>
#include <set>
#include <string>

BOOST_AUTO_TEST_SUITE(prepared_data_test)

using namespace packkit::train;
namespace fs = std::filesystem;

namespace {

const byte_tokenizer bytes;

train_config config_in(const train_test::temporary_folder& folder) {
    train_config config;
    dataset_config data;
    data.path = folder.write(
        "d.jsonl",
        "{\"input_ids\":[1,2,3],\"labels\":[-100,2,3]}\n{\"input_ids\":[4,5]}\n");
    data.type = dataset_type::tokens;
    config.datasets.push_back(data);
    config.tokenizer_type = "bytes";
    config.dataset_prepared_path = folder / "prepared";
    return config;
}

void require_equal(const token_store& a, const token_store& b) {
    BOOST_TEST(a.content_hash() == b.content_hash());
    BOOST_CHECK(a.report() == b.report());
    BOOST_TEST(a.has_labels() == b.has_labels());
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_kept_is_what_was_read) {
    const train_test::temporary_folder folder;
    auto config = config_in(folder);
    const auto first = read_datasets(config, bytes, 259);
    BOOST_TEST(first.note().empty());
    const std::string file = prepared_file(config, 259);
    BOOST_REQUIRE(fs::exists(file));
    std::string fault;
    const auto kept = read_prepared(file, 259, fault);
    BOOST_REQUIRE(kept.has_value());
    BOOST_TEST(fault.empty());
    require_equal(*kept, first);
    require_equal(read_datasets(config, bytes, 259), first);
    config.dataset_prepared_path.clear();
    require_equal(read_datasets(config, bytes, 259), first);
    // Nothing but the one file is left behind.
    BOOST_TEST(std::distance(fs::directory_iterator(folder / "prepared"),
                             fs::directory_iterator()) == 1);
}

BOOST_AUTO_TEST_CASE(the_file_is_really_read) {
    const train_test::temporary_folder folder;
    const auto config = config_in(folder);
    token_store other;
    other.append(std::vector<std::int32_t>{7, 7});
    write_prepared(prepared_file(config, 259), other);
    BOOST_TEST(read_datasets(config, bytes, 259).content_hash() == other.content_hash());
}

BOOST_AUTO_TEST_CASE(every_change_means_another_file) {
    const train_test::temporary_folder folder;
    const auto base = config_in(folder);
    std::set<std::string> files = {prepared_file(base, 259), prepared_file(base, 260)};
    using change = std::function<void(train_config&)>;
    const std::vector<change> changes = {
        [](train_config& c) { c.sequence_len = 2; },
        [](train_config& c) {
            c.excess_length_strategy = packkit::excess_length_strategy::split;
        },
        [](train_config& c) { c.train_on_inputs = true; },
        [](train_config& c) { c.eot_tokens = {"x"}; },
        [](train_config& c) { c.datasets[0].type = dataset_type::alpaca; },
        [](train_config& c) { c.datasets[0].field = "x"; },
        [](train_config& c) { c.datasets.push_back(c.datasets[0]); },
        [&](train_config& c) { c.datasets[0].path = folder.write("e.jsonl", "{}\n"); },
        [&](train_config& c) {
            fs::create_directories(folder.path() / "t");
            c.tokenizer_type = folder.write("t/tokenizer.json", "{}");
        },
        [&](train_config& c) {
            c.tokenizer_type = folder.write("t/tokenizer.json", "{}");
            folder.write("t/tokenizer_config.json", "{}");
        }};
    for (const change& apply : changes) {
        auto config = base;
        apply(config);
        files.insert(prepared_file(config, 259));
    }
    BOOST_TEST(files.size() == changes.size() + 2);
    // What does not touch the tokens keeps the file, and so does a copy elsewhere.
    auto config = base;
    config.seed = 7;
    config.learning_rate = 1;
    fs::copy_file(config.datasets[0].path, folder / "copy.jsonl");
    config.datasets[0].path = folder / "copy.jsonl";
    BOOST_TEST(prepared_file(config, 259) == prepared_file(base, 259));
    // The same name with another content.
    folder.write("d.jsonl", "{\"input_ids\":[1]}\n");
    BOOST_TEST(prepared_file(base, 259) != prepared_file(config, 259));
}

BOOST_AUTO_TEST_CASE(damage_is_found_and_mended) {
    const train_test::temporary_folder folder;
    const auto config = config_in(folder);
    const auto first = read_datasets(config, bytes, 259);
    const std::string file = prepared_file(config, 259);
    const std::string good = packkit::app::read_file(file);
    const std::string name = "prepared/" + fs::path(file).filename().string();
    const auto mended = [&](const std::string& content) {
        folder.write(name, content);
        const auto store = read_datasets(config, bytes, 259);
        require_equal(store, first);
        BOOST_TEST(packkit::app::read_file(file) == good);
        return store.note();
    };
    for (std::size_t i = 0; i < good.size(); ++i) {
        std::string broken = good;
        broken[i] = static_cast<char>(broken[i] ^ 0x10);
        BOOST_TEST(mended(broken).ends_with("; it was made anew"), "byte " << i);
        BOOST_TEST(mended(good.substr(0, i)).ends_with("; it was made anew"));
    }
    BOOST_TEST(mended(good + "x") ==
               file + ": is cut short, or longer than it says; it was made anew");
    BOOST_TEST(mended(good).empty());
    std::string fault;
    BOOST_TEST(!read_prepared(file, 4, fault).has_value());
    BOOST_TEST(fault == file + ": it has ids outside the vocabulary");
    BOOST_TEST(!read_prepared(folder / "none", 4, fault).has_value());
    BOOST_TEST(fault.empty());
}

BOOST_AUTO_TEST_CASE(a_folder_that_cannot_be_made) {
    const train_test::temporary_folder folder;
    auto config = config_in(folder);
    config.dataset_prepared_path = folder.write("file", "x") + "/below";
    const auto store = read_datasets(config, bytes, 259);
    BOOST_TEST(store.size() == 2u);
    BOOST_TEST(store.note().starts_with("the prepared data is not kept: "));
}

BOOST_AUTO_TEST_SUITE_END()
