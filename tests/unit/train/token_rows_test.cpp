// SPDX-License-Identifier: Apache-2.0
// Rows of ready token ids with all their columns, and samples without a target.
#include <data/dataset.hpp>
#include <data/dataset_report.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

BOOST_AUTO_TEST_SUITE(token_rows_test)

using namespace packkit::train;
using packkit::excess_length_strategy;
using train_test::error_of;

namespace {

const train_test::temporary_folder folder;
const byte_tokenizer bytes;

train_config with_rows(std::string_view rows, dataset_type type = dataset_type::tokens) {
    train_config config;
    config.datasets.push_back(
        dataset_config{.path = folder.write("d.jsonl", rows), .type = type});
    return config;
}

token_store read(const train_config& config) {
    return read_datasets(config, bytes, 259);
}

std::string error(std::string_view rows, dataset_type type = dataset_type::tokens) {
    return error_of(folder, [&] { read(with_rows(rows, type)); });
}

/// Ids and labels of all samples: "10 11/10 11".
std::string shown(const token_store& store) {
    std::string all;
    for (std::size_t i = 0; i < store.size(); ++i) {
        all += i == 0 ? "" : "; ";
        for (const auto id : store.tokens(i))
            all += std::to_string(id) + " ";
        all += "/";
        for (const auto label : store.labels(i))
            all += " " + std::to_string(label);
    }
    return all;
}

std::string shown(std::string_view rows) {
    return shown(read(with_rows(rows)));
}

}  // namespace

BOOST_AUTO_TEST_CASE(padding_is_removed_wherever_it_stands) {
    const std::string plain = "10 11 12 / 10 11 12";
    BOOST_TEST(shown(R"({"input_ids":[10,11,12]})") == plain);
    BOOST_TEST(shown(R"({"input_ids":[10,11,12,0,0],"attention_mask":[1,1,1,0,0]})") ==
               plain);
    BOOST_TEST(shown(R"({"input_ids":[0,0,10,11,12],"attention_mask":[0,0,1,1,1]})") ==
               plain);
    BOOST_TEST(
        shown(R"({"input_ids":[10,0,11,12],"attention_mask":[true,false,true,true]})") ==
        plain);
    BOOST_TEST(shown("{\"input_ids\":[0,10,11,12],\"labels\":[5,-100,11,-100],"
                     "\"attention_mask\":[0,1,1,1],\"position_ids\":[0,0,1,2],"
                     "\"token_type_ids\":[0,0,0,0],\"length\":4}") ==
               "10 11 12 / -100 11 -100");
    BOOST_TEST(read(with_rows(R"({"input_ids":[1,2,0],"attention_mask":[1,1,0]})"))
                   .report()
                   .padding == 1);
}

BOOST_AUTO_TEST_CASE(positions_that_start_again_begin_a_document) {
    BOOST_TEST(shown(R"({"input_ids":[1,2,3,4,5],"position_ids":[0,1,0,1,2]})") ==
               "1 2 / 1 2; 3 4 5 / 3 4 5");
    BOOST_TEST(error(R"({"input_ids":[1,2,3],"position_ids":[0,2,3]})") ==
               "d.jsonl:1: position_ids has 2 for token 1; expected positions that count "
               "up from 0 and start again at 0 for each document");
}

BOOST_AUTO_TEST_CASE(columns_that_cannot_be_used_are_named) {
    BOOST_TEST(error(R"({"input_ids":[1,2],"attention_mask":[1]})") ==
               "d.jsonl:1: attention_mask has 1 entries, input_ids 2");
    BOOST_TEST(error(R"({"input_ids":[1,2],"attention_mask":[1,2]})") ==
               "d.jsonl:1: attention_mask[1] is 2; expected 0 to 1");
    BOOST_TEST(error(R"({"input_ids":[1,2],"attention_mask":7})") ==
               "d.jsonl:1: key 'attention_mask' holds a number; expected an array of "
               "numbers");
    BOOST_TEST(error(R"({"input_ids":[1,2],"token_type_ids":[0,1]})")
                   .starts_with("d.jsonl:1: token_type_ids are not all 0"));
    BOOST_TEST(error(R"({"input_ids":[1,2],"length":3})") ==
               "d.jsonl:1: length is not 2, the number of input_ids");
    BOOST_TEST(error(R"({"input_ids":[1,2],"loss_mask":[1,1]})") ==
               "d.jsonl:1: key 'loss_mask' is unknown; expected input_ids and labels");
    BOOST_TEST(error(R"({"text":"a","loss_mask":[1]})", dataset_type::completion) ==
               "d.jsonl:1: key 'loss_mask' is not used by rows of text; leave it out, or "
               "use type: tokens for rows of ids");
    BOOST_TEST(error(R"({"text":"a","id":1,"source":"x"})", dataset_type::completion) ==
               "no error");
    // Little of the input is repeated.
    const std::string digits(1000000, '7');
    for (const std::string& row :
         {"{\"input_ids\":[" + digits + "]}", "{\"input_ids\":[1],\"" + digits + "\":1}",
          "{\"input_ids\":[1],\"attention_mask\":[0." + digits + "]}"})
        BOOST_TEST(error(row).size() < 250u, error(row).substr(0, 300));
}

BOOST_AUTO_TEST_CASE(rows_of_ids_need_no_type) {
    auto config = with_rows(R"({"input_ids":[1,2]})", dataset_type::completion);
    BOOST_TEST(error(R"({"input_ids":[1,2]})", dataset_type::completion) ==
               "d.jsonl:1: key 'input_ids' is not used by rows of text; leave it out, or "
               "use type: tokens for rows of ids");
    config.datasets[0].type_is_set = false;
    BOOST_TEST(shown(read(config)) == "1 2 / 1 2");
    // As Axolotl has it, whatever the type is.
    config = with_rows(R"({"input_ids":[1,2],"attention_mask":[1,1],"labels":[1,2]})",
                       dataset_type::alpaca);
    BOOST_TEST(shown(read(config)) == "1 2 / 1 2");
}

BOOST_AUTO_TEST_CASE(samples_without_a_target) {
    const std::string_view masked =
        "{\"input_ids\":[1,2],\"labels\":[-100,-100]}\n"
        "{\"input_ids\":[3,4],\"labels\":[3,-100]}\n";
    BOOST_TEST(error(masked) ==
               "d.jsonl: no sample is left of 2 rows, 2 are without a target: there is "
               "nothing to learn (all labels are -100, or the answers were cut off)");
    const auto config = with_rows(std::string(masked) + "{\"input_ids\":[5,6]}\n");
    const auto store = read(config);
    BOOST_TEST(shown(store) == "5 6 / 5 6");
    BOOST_TEST(store.report().without_targets == 2);
    BOOST_TEST(store.report().dropped == 2);
    const auto warnings = warnings_of(store.report(), config);
    BOOST_TEST_REQUIRE(warnings.size() == 1u);
    BOOST_TEST(warnings[0].starts_with("2 samples are left out: without a target"));
    BOOST_TEST(summary_of(store.report()) ==
               "data: 1 samples, 2 tokens, 1 targets; 2 dropped, 0 truncated, 0 split, 0 "
               "empty");
}

BOOST_AUTO_TEST_CASE(answers_that_are_cut_off) {
    auto config = with_rows(
        "{\"instruction\":\"" + std::string(100, 'w') + "\",\"output\":\"yes\"}",
        dataset_type::alpaca);
    config.sequence_len = 64;
    config.excess_length_strategy = excess_length_strategy::truncate;
    BOOST_TEST(
        error_of(folder, [&] {
            read(config);
        }).starts_with("d.jsonl: no sample is left of 1 row, 1 is without a target"));
}

BOOST_AUTO_TEST_CASE(long_texts_are_split_unless_the_configuration_says_otherwise) {
    auto config =
        with_rows("{\"text\":\"" + std::string(150, 'a') + "\"}\n{\"text\":\"b\"}",
                  dataset_type::completion);
    config.sequence_len = 64;
    BOOST_TEST(read(config).lengths() == (std::vector<std::int64_t>{64, 64, 24, 3}),
               boost::test_tools::per_element());
    config.excess_length_strategy = excess_length_strategy::drop;
    const auto store = read(config);
    BOOST_TEST(store.size() == 1u);
    BOOST_TEST(warnings_of(store.report(), config).front() ==
               "1 sample is longer than sequence_len 64 and dropped, of 2 rows; "
               "excess_length_strategy: split or truncate keeps them");
    // Rows of ids are dropped.
    config = with_rows("{\"input_ids\":[1,2,3]}\n{\"input_ids\":[1,2]}");
    config.sequence_len = 2;
    BOOST_TEST(read(config).size() == 1u);
}

BOOST_AUTO_TEST_CASE(equal_and_short_samples) {
    auto config = with_rows(
        "{\"input_ids\":[1,2]}\n{\"input_ids\":[1,2,3]}\n{\"input_ids\":[1,2]}\n"
        "{\"input_ids\":[1,2],\"labels\":[-100,2]}\n{\"input_ids\":[1,2]}\n");
    BOOST_TEST(read(config).size() == 5u);
    config.dataset_exact_deduplication = true;
    BOOST_TEST(shown(read(config)) == "1 2 / 1 2; 1 2 3 / 1 2 3; 1 2 / -100 2");
    BOOST_TEST(read(config).report().duplicates == 2);
    config.min_sample_len = 3;
    BOOST_TEST(shown(read(config)) == "1 2 3 / 1 2 3");
    BOOST_TEST(read(config).report().too_short == 4);
}

BOOST_AUTO_TEST_SUITE_END()
