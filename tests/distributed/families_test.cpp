// SPDX-License-Identifier: Apache-2.0
/// @file
/// Families beside Llama: fully sharded over processes as on one, from weights of
/// Transformers to a folder that holds what it read.

#include "training_run.hpp"

#include <packkit/utility/random.hpp>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(families_test)

using namespace packkit;

namespace {

const std::vector<std::string> families{
    "gemma2", "gemma3", "mistral", "qwen2_window", "qwen3_moe", "mixtral", "yarn_rope"};

/// Rows of 2 to 30 of the golden models' 43 ids.
std::string ragged_ids() {
    std::string text;
    for (std::uint64_t row = 0; row < 60; ++row) {
        auto ids = app::json::array();
        const auto length = 2 + random_below(29, 3, row);
        for (std::uint64_t i = 0; i < length; ++i)
            ids.push_back(3 + random_below(40, 4, row * 100 + i));
        text += app::json{{"input_ids", ids}}.dump() + "\n";
    }
    return text;
}

}  // namespace

BOOST_DATA_TEST_CASE(sharded_as_alone, boost::unit_test::data::make(families), family) {
    const test::training_folder folder;
    folder.write("ids.jsonl", ragged_ids());
    const std::string model = PACKKIT_GOLDEN "/families/" + family;
    folder.write("run.yaml", "base_model: " + model + R"(
tokenizer_type: bytes
datasets: [{path: ids.jsonl, type: tokens}]
sequence_len: 32
sample_packing: true
micro_batch_size: 1
gradient_accumulation_steps: 2
max_steps: 4
learning_rate: 1.0e-3
torch_dtype: float64
output_dir: alone
)");
    const auto alone = folder.run({"run.yaml"});
    BOOST_TEST_REQUIRE(alone.exit_code == 0, alone.err);
    const auto sharded =
        folder.run({"run.yaml", "output_dir=sharded", "fsdp_version=2",
                    "gradient_accumulation_steps=1", "--processes", "2"});
    BOOST_TEST_REQUIRE(sharded.exit_code == 0, sharded.err);
    BOOST_TEST(test::loss_difference(folder.metrics("alone"),
                                     folder.metrics("sharded")) <= 1e-12);
    // The checkpoint says what model it is.
    const auto before = app::read_json_file(model + "/config.json");
    const auto after =
        app::read_json_file(folder.path("sharded/checkpoint-4/config.json"));
    for (const auto& [key, value] : before.items()) {
        if (key != "dtype") BOOST_TEST(after[key] == value, key);
    }
    BOOST_TEST(after["dtype"] == "float64");
}

BOOST_AUTO_TEST_SUITE_END()
