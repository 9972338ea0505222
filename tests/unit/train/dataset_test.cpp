// SPDX-License-Identifier: Apache-2.0
#include <data/dataset.hpp>

#include <packkit/lengths/excess_length.hpp>
#include <packkit/utility/random.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

BOOST_AUTO_TEST_SUITE(dataset_test)

using namespace packkit::train;
using packkit::excess_length_strategy;
using train_test::error_of;
using ids = std::vector<std::int32_t>;

namespace {

const train_test::temporary_folder folder;
const byte_tokenizer bytes;

/// A config with one dataset of that content.
train_config with_file(std::string_view name, std::string_view content,
                       dataset_type type = dataset_type::completion) {
    train_config config;
    dataset_config data;
    data.path = folder.write(name, content);
    data.type = type;
    config.datasets.push_back(data);
    return config;
}

token_store read(const train_config& config, std::int64_t vocab_size = 259) {
    return read_datasets(config, bytes, vocab_size);
}

std::string error(const train_config& config, std::int64_t vocab_size = 259) {
    return error_of(folder, [&] { read(config, vocab_size); });
}

std::string text_error(std::string_view rows) {
    return error(with_file("d.jsonl", rows));
}
std::string token_error(std::string_view rows) {
    return error(with_file("d.jsonl", rows, dataset_type::tokens));
}

/// The texts of all samples, without bos and eos, each between bars.
std::string texts(const token_store& store) {
    std::string all = "|";
    for (std::size_t i = 0; i < store.size(); ++i) {
        const auto sample = store.tokens(i);
        BOOST_REQUIRE(sample.size() >= 2u);
        BOOST_TEST(sample.front() == 256);
        BOOST_TEST(sample.back() == 257);
        all += bytes.decode(sample) + "|";
    }
    return all;
}

ids copy(std::span<const std::int32_t> values) {
    return {values.begin(), values.end()};
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_store) {
    token_store store;
    BOOST_TEST(store.empty());
    const auto empty_hash = store.content_hash();
    store.append(ids{1, 2, 3});
    BOOST_TEST(!store.has_labels());
    BOOST_CHECK(copy(store.labels(0)) == (ids{1, 2, 3}));
    store.append(ids{4, 5}, ids{4, 5});
    BOOST_TEST(!store.has_labels());
    store.append(ids{6, 7, 8}, ids{-100, 7, -100});
    BOOST_TEST(store.has_labels());
    store.append(ids{9});
    BOOST_TEST(store.size() == 4u);
    BOOST_CHECK(copy(store.tokens(1)) == (ids{4, 5}));
    BOOST_CHECK(copy(store.labels(0)) == (ids{1, 2, 3}));
    BOOST_CHECK(copy(store.labels(1)) == (ids{4, 5}));
    BOOST_CHECK(copy(store.labels(2)) == (ids{-100, 7, -100}));
    BOOST_CHECK(copy(store.labels(3)) == (ids{9}));
    BOOST_TEST(store.lengths() == (std::vector<std::int64_t>{3, 2, 3, 1}),
               boost::test_tools::per_element());
    BOOST_TEST(store.valid_targets() == (std::vector<std::int64_t>{2, 1, 1, 0}),
               boost::test_tools::per_element());
    BOOST_TEST(store.offsets() == (std::vector<std::size_t>{0, 3, 5, 8, 9}),
               boost::test_tools::per_element());
    BOOST_TEST(store.all_tokens().size() == 9u);
    BOOST_TEST(store.all_labels().size() == 9u);
    BOOST_TEST(store.content_hash() != empty_hash);
}

BOOST_AUTO_TEST_CASE(the_hash_tells_data_apart) {
    const auto hash = [](const std::vector<std::pair<ids, ids>>& samples) {
        token_store store;
        for (const auto& [tokens, labels] : samples)
            store.append(tokens, labels);
        return store.content_hash();
    };
    const std::set<std::uint64_t> hashes = {
        hash({}),
        hash({{{1, 2}, {1, 2}}}),
        hash({{{1}, {1}}, {{2}, {2}}}),
        hash({{{2, 1}, {2, 1}}}),
        hash({{{1, 2}, {1, -100}}}),
        hash({{{1, 2}, {-100, 2}}}),
        hash({{{1, 2, 3}, {1, 2, 3}}}),
    };
    BOOST_TEST(hashes.size() == 7u);
    token_store unlabelled;
    unlabelled.append(ids{1, 2});
    BOOST_TEST(unlabelled.content_hash() == hash({{{1, 2}, {1, 2}}}));
}

BOOST_AUTO_TEST_CASE(completion_rows) {
    const auto store =
        read(with_file("d.jsonl",
                       "{\"text\":\"ab\"}\n\n{\"text\":\"\xC3\xA9\",\"x\":1}\r\n"
                       "{\"text\":\"\"}\n{\"text\":\"c\"}"));
    BOOST_TEST(texts(store) == "|ab|\xC3\xA9|c|");
    BOOST_CHECK(copy(store.tokens(0)) == (ids{256, 97, 98, 257}));
    BOOST_TEST(!store.has_labels());
    BOOST_TEST(store.valid_targets()[0] == 3);
    const auto& report = store.report();
    BOOST_TEST(report.rows == 4);
    BOOST_TEST(report.empty == 1);
    BOOST_TEST(report.samples == 3);
    BOOST_TEST(report.tokens_read == 11);
    BOOST_TEST(report.tokens == 11);
    BOOST_TEST(report.valid_targets == 8);
}

BOOST_AUTO_TEST_CASE(completion_fields) {
    auto config =
        with_file("d.jsonl", R"({"a":{"b":{"c":"x"}},"a.b":"y","d":{"e.f":"z"}})");
    const auto text = [&](const char* field) {
        config.datasets[0].field = field;
        return texts(read(config));
    };
    BOOST_TEST(text("a.b.c") == "|x|");
    BOOST_TEST(text("a.b") == "|y|");
    BOOST_TEST(text("d.e.f") == "|z|");
    config.datasets[0].field = "a.x";
    BOOST_TEST(error(config) == "d.jsonl:1: key 'a.x' is missing");
    config.datasets[0].field = "a.b.c.d";
    BOOST_TEST(error(config) ==
               "d.jsonl:1: key 'a.b.c' holds a string; expected an object with 'd'");
}

BOOST_AUTO_TEST_CASE(wrong_completion_rows) {
    BOOST_TEST(text_error("{\"text\":\"a\"}\n{\"txt\":\"b\"}\n") ==
               "d.jsonl:2: key 'text' is missing");
    BOOST_TEST(text_error("{\"text\":5}") ==
               "d.jsonl:1: key 'text' holds a number; expected a string");
    BOOST_TEST(text_error("{\"text\":null}") ==
               "d.jsonl:1: key 'text' holds null; expected a string");
    BOOST_TEST(text_error("[\"a\"]") == "d.jsonl:1: expected an object, found an array");
    BOOST_TEST(text_error("{\"text\":\"a\"}\n{\"text\":\"b\"")
                   .starts_with("d.jsonl:2: the last line is cut short"));
    BOOST_TEST(
        text_error("{\"text\":\"\xff\"}\n").starts_with("d.jsonl:1: not valid JSON"));
    BOOST_TEST(error(with_file("d.jsonl", "{\"text\":\"a\"}"), 258) ==
               "d.jsonl: the tokenizer 'bytes' has 259 ids, the model's vocabulary 258");
    // Another ending means JSON, as in Axolotl.
    auto config = with_file("d.rows", "{");
    BOOST_TEST(
        error(config) ==
        "d.rows:1: the last line is cut short: its 1 byte ends inside a JSON value");
    config.datasets[0] = dataset_config{.path = folder / "none.jsonl"};
    BOOST_TEST(error(config) ==
               "none.jsonl: cannot be opened: No such file or directory");
}

BOOST_AUTO_TEST_CASE(text_files) {
    auto config = with_file("d.txt", "one\r\ntwo \n\n \t\n\nthree\nfour\xff\n\n\n");
    auto store = read(config);
    BOOST_TEST(texts(store) == "|one|two | \t|three|four\xff|");
    BOOST_TEST(store.report().rows == 9);
    BOOST_TEST(store.report().empty == 4);
    config.datasets[0].sample_by = text_unit::paragraph;
    store = read(config);
    BOOST_TEST(texts(store) == "|one\ntwo |three\nfour\xff|");
    BOOST_TEST(store.report().rows == 2);
    BOOST_TEST(store.report().empty == 0);
    config.datasets[0].sample_by = text_unit::document;
    BOOST_TEST(texts(read(config)) == "|one\r\ntwo \n\n \t\n\nthree\nfour\xff\n\n\n|");
    BOOST_TEST(texts(read(with_file("d.txt", "no ending"))) == "|no ending|");
    BOOST_TEST(error(with_file("d.txt", "")) == "d.txt: no sample is left of 0 rows");
    BOOST_TEST(error(with_file("d.txt", "\n\n")) ==
               "d.txt: no sample is left of 2 rows, 2 are empty");
}

BOOST_AUTO_TEST_CASE(token_rows) {
    const auto store = read(
        with_file("d.jsonl",
                  "{\"input_ids\":[1,2,258]}\n{\"input_ids\":[5,6],\"labels\":[-100,6]}\n"
                  "{\"input_ids\":[]}\n{\"input_ids\":[],\"labels\":[]}\n"
                  "{\"input_ids\":[7],\"labels\":null,\"attention_mask\":[1]}\n",
                  dataset_type::tokens));
    BOOST_TEST(store.size() == 2u);
    BOOST_CHECK(copy(store.tokens(0)) == (ids{1, 2, 258}));
    BOOST_CHECK(copy(store.labels(0)) == (ids{1, 2, 258}));
    BOOST_CHECK(copy(store.labels(1)) == (ids{-100, 6}));
    BOOST_TEST(store.valid_targets() == (std::vector<std::int64_t>{2, 1}),
               boost::test_tools::per_element());
    // One token has nothing to predict: it is shorter than min_sample_len.
    BOOST_TEST(store.report().too_short == 1);
    BOOST_TEST(store.report().empty == 2);
    BOOST_TEST(store.report().rows == 5);
    BOOST_TEST(store.report().valid_targets == 3);
    // The model's vocabulary may be smaller than the tokenizer's: it is not asked.
    BOOST_TEST(error(with_file("d.jsonl", "{\"input_ids\":[9,9]}", dataset_type::tokens),
                     10) == "no error");
}

BOOST_AUTO_TEST_CASE(wrong_token_rows) {
    BOOST_TEST(token_error("{\"input_ids\":[1]}\n{\"input_ids\":[0,1,2,300]}") ==
               "d.jsonl:2: input_ids[3] is 300, the vocabulary has 259");
    BOOST_TEST(token_error("{\"input_ids\":[259]}") ==
               "d.jsonl:1: input_ids[0] is 259, the vocabulary has 259");
    BOOST_TEST(token_error("{\"input_ids\":[18446744073709551615]}") ==
               "d.jsonl:1: input_ids[0] is 18446744073709551615, the vocabulary has 259");
    BOOST_TEST(token_error("{\"input_ids\":[-1]}") ==
               "d.jsonl:1: input_ids[0] is -1; expected 0 to 258");
    BOOST_TEST(token_error("{\"input_ids\":[-100]}") ==
               "d.jsonl:1: input_ids[0] is -100; expected 0 to 258");
    BOOST_TEST(token_error("{\"input_ids\":[1],\"labels\":[-1]}") ==
               "d.jsonl:1: labels[0] is -1; expected 0 to 258 or -100");
    BOOST_TEST(token_error("{\"input_ids\":[1],\"labels\":[259]}") ==
               "d.jsonl:1: labels[0] is 259, the vocabulary has 259");
    BOOST_TEST(token_error("{\"input_ids\":[1.0]}") ==
               "d.jsonl:1: input_ids[0] is 1.0; expected a whole number");
    BOOST_TEST(token_error("{\"input_ids\":[1,\"2\"]}") ==
               "d.jsonl:1: input_ids[1] is a string; expected a whole number");
    BOOST_TEST(token_error("{\"input_ids\":[[1]]}") ==
               "d.jsonl:1: input_ids[0] is an array; expected a whole number");
    BOOST_TEST(token_error("{\"input_ids\":5}") ==
               "d.jsonl:1: input_ids holds a number; expected an array of token ids");
    BOOST_TEST(token_error("{\"labels\":[5]}") ==
               "d.jsonl:1: key 'input_ids' is missing");
    BOOST_TEST(token_error("{\"input_ids\":[1,2],\"labels\":[1]}") ==
               "d.jsonl:1: labels has 1 entries, input_ids 2");
    BOOST_TEST(token_error("{\"input_ids\":[1],\"label\":[1]}") ==
               "d.jsonl:1: key 'label' is unknown; expected input_ids and labels");
    BOOST_TEST(token_error("{\"input_ids\":[]}") ==
               "d.jsonl: no sample is left of 1 row, 1 is empty");
    BOOST_TEST(
        token_error("{\"input_ids\":[1") ==
        "d.jsonl:1: the last line is cut short: its 15 bytes end inside a JSON value");
}

BOOST_AUTO_TEST_CASE(overlong_rows) {
    auto config =
        with_file("d.jsonl",
                  "{\"input_ids\":[0,1,2,3,4,5,6],\"labels\":[0,1,2,3,4,5,-100]}\n"
                  "{\"input_ids\":[9,9,9]}\n",
                  dataset_type::tokens);
    config.sequence_len = 3;
    auto store = read(config);
    BOOST_TEST(store.size() == 1u);
    BOOST_TEST(!store.has_labels());
    BOOST_TEST(store.report().overlong == 1);
    BOOST_TEST(store.report().dropped == 1);
    BOOST_TEST(store.report().dropped_tokens == 7);
    BOOST_TEST(store.report().tokens == 3);

    config.excess_length_strategy = excess_length_strategy::truncate;
    store = read(config);
    BOOST_TEST(store.size() == 2u);
    BOOST_CHECK(copy(store.tokens(0)) == (ids{0, 1, 2}));
    BOOST_TEST(store.report().truncated == 1);
    BOOST_TEST(store.report().cut_tokens == 4);
    BOOST_TEST(store.report().split == 0);

    config.excess_length_strategy = excess_length_strategy::split;
    store = read(config);
    BOOST_TEST(store.size() == 3u);
    BOOST_CHECK(copy(store.tokens(1)) == (ids{3, 4, 5}));
    BOOST_CHECK(copy(store.labels(1)) == (ids{3, 4, 5}));
    BOOST_CHECK(copy(store.tokens(2)) == (ids{9, 9, 9}));
    BOOST_TEST(store.valid_targets() == (std::vector<std::int64_t>{2, 2, 2}),
               boost::test_tools::per_element());
    BOOST_TEST(store.report().split == 1);
    BOOST_TEST(store.report().samples == 3);
    BOOST_TEST(store.report().too_short == 1);  // the token left over
    BOOST_TEST(store.report().truncated == 0);

    config.excess_length_strategy = excess_length_strategy::raise;
    BOOST_TEST(
        error(config) ==
        "d.jsonl:1: 7 tokens, sequence_len is 3 (excess_length_strategy raise; drop, "
        "truncate and split would let it pass)");
    config.sequence_len = 7;
    BOOST_TEST(error(config) == "no error");

    config.sequence_len = 2;
    config.excess_length_strategy = excess_length_strategy::drop;
    BOOST_TEST(error(config) ==
               "d.jsonl: no sample is left of 2 rows, 2 are longer than sequence_len 2 "
               "(excess_length_strategy drop)");
}

// The pieces are those of apply_excess_length over all rows, and every token is accounted
// for.
BOOST_AUTO_TEST_CASE(as_apply_excess_length) {
    std::vector<std::int64_t> lengths;
    std::string rows;
    std::int32_t next = 0;
    std::vector<ids> samples;
    for (std::uint64_t i = 0; i < 200; ++i) {
        const auto length = static_cast<std::int64_t>(packkit::random_bits(1, i)[0] % 40);
        lengths.push_back(length);
        ids sample;
        for (std::int64_t j = 0; j < length; ++j)
            sample.push_back(next++);
        rows += nlohmann::json({{"input_ids", sample}}).dump() + "\n";
        samples.push_back(sample);
    }
    auto config = with_file("d.jsonl", rows, dataset_type::tokens);
    config.sequence_len = 12;
    for (const auto strategy :
         {excess_length_strategy::drop, excess_length_strategy::truncate,
          excess_length_strategy::split}) {
        config.excess_length_strategy = strategy;
        const auto store = read(config, next);
        const auto fitted = packkit::apply_excess_length(lengths, 12, strategy);
        // Samples and pieces of one token are left out (min_sample_len is 2).
        std::int64_t short_ones = 0;
        std::size_t i = 0;
        for (std::size_t j = 0; j < fitted.lengths.size(); ++j) {
            if (fitted.lengths[j] < 2) {
                ++short_ones;
                continue;
            }
            BOOST_TEST_REQUIRE(i < store.size());
            BOOST_TEST(store.lengths()[i] == fitted.lengths[j]);
            const auto& sample = samples[fitted.sample[j]];
            BOOST_TEST(store.tokens(i++).front() ==
                       sample[static_cast<std::size_t>(fitted.offset[j])]);
        }
        BOOST_TEST(i == store.size());
        const auto& report = store.report();
        BOOST_TEST(report.tokens_read == next);
        BOOST_TEST(report.tokens + report.dropped_tokens + report.cut_tokens == next);
        BOOST_TEST(report.too_short == short_ones);
        BOOST_TEST(report.dropped_tokens == fitted.dropped_tokens + short_ones);
        BOOST_TEST(report.cut_tokens == fitted.cut_tokens);
        BOOST_TEST(report.dropped ==
                   static_cast<std::int64_t>(fitted.dropped.size()) + short_ones);
        BOOST_TEST(report.empty == static_cast<std::int64_t>(fitted.empty.size()));
        BOOST_TEST(report.samples ==
                   static_cast<std::int64_t>(fitted.lengths.size()) - short_ones);
        BOOST_TEST(report.valid_targets == std::accumulate(store.valid_targets().begin(),
                                                           store.valid_targets().end(),
                                                           std::int64_t{0}));
    }
}

BOOST_AUTO_TEST_CASE(bad_rows_can_be_gathered) {
    auto config = with_file("d.jsonl",
                            "{\"text\": 1}\n\n{\"text\": \"a\"}\n[]\n{\"text\"\n"
                            "{\"txt\": \"a\"}\n{\"text\": \"too long\"}\n{\"te");
    config.datasets.push_back(dataset_config{.path = folder / "none.jsonl"});
    config.datasets.push_back(
        dataset_config{.path = folder.write("i.jsonl",
                                            "{\"input_ids\": [1, 2]}\n{\"input_ids\": "
                                            "[400]}\n{\"input_ids\": 3}\n"),
                       .type = dataset_type::tokens});
    config.sequence_len = 5;
    config.excess_length_strategy = packkit::excess_length_strategy::raise;
    config.dataset_prepared_path = folder / "prepared";
    std::vector<std::string> found;
    std::vector<std::string> paths;
    const auto gather = [&](const std::string& path, const packkit::app::input_error& e) {
        found.push_back(train_test::replaced(e.what(), folder.path().string() + "/", ""));
        paths.push_back(path.substr(path.rfind('/') + 1));
    };
    read_datasets(config, bytes, 259, {}, gather);
    const std::vector<std::string> begin = {
        "d.jsonl:1: key 'text' holds a number",
        "d.jsonl:4: expected an object, found an array",
        "d.jsonl:5: not valid JSON",
        "d.jsonl:6: key 'text' is missing",
        "d.jsonl:7: 10 tokens, sequence_len is 5",
        "d.jsonl:8: the last line is cut short",
        "none.jsonl: cannot be opened",
        "i.jsonl:2: input_ids[0] is 400",
        "i.jsonl:3: input_ids holds a number"};
    BOOST_TEST_REQUIRE(found.size() == begin.size());
    for (std::size_t i = 0; i < begin.size(); ++i) {
        BOOST_TEST(found[i].starts_with(begin[i]), found[i]);
        BOOST_TEST(begin[i].starts_with(paths[i] + ":"), paths[i]);
    }
    BOOST_TEST(!std::filesystem::exists(folder / "prepared"));
    // The first of them is what is thrown otherwise.
    config.dataset_prepared_path.clear();
    BOOST_TEST(error(config) == found.front());
    // Without a bad row the result is the same either way.
    config = with_file("d.jsonl", "{\"text\":\"ab\"}\n{\"text\":\"\"}\n");
    found.clear();
    const auto gathered = read_datasets(config, bytes, 259, {}, gather);
    BOOST_TEST(found.empty());
    BOOST_TEST(gathered.content_hash() == read(config).content_hash());
    BOOST_CHECK(gathered.report() == read(config).report());
}

BOOST_AUTO_TEST_CASE(several_datasets_and_progress) {
    auto config = with_file("d.jsonl", "{\"text\":\"ab\"}\n");
    config.datasets.push_back(dataset_config{.path = folder.write("e.txt", "x\ny\n")});
    config.datasets.push_back(
        dataset_config{.path = folder.write("f.jsonl", "{\"input_ids\":[256,122,257]}"),
                       .type = dataset_type::tokens});
    std::uint64_t last = 0;
    std::uint64_t all = 0;
    const auto store =
        read_datasets(config, bytes, 259, [&](std::uint64_t done, std::uint64_t total) {
            BOOST_TEST(done >= last);
            last = done;
            all = total;
        });
    BOOST_TEST(texts(store) == "|ab|x|y|z|");
    BOOST_TEST(all == 14u + 4u + 27u);
    BOOST_TEST(last == all);
    config.datasets.resize(2);
    config.sequence_len = 1;
    config.excess_length_strategy = excess_length_strategy::drop;
    BOOST_TEST(error(config) ==
               "datasets: no sample is left of 3 rows, 3 are longer than sequence_len 1 "
               "(excess_length_strategy drop)");
}

BOOST_AUTO_TEST_SUITE_END()
