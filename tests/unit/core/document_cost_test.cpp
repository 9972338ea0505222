// SPDX-License-Identifier: Apache-2.0
#include <packkit/estimate/flops.hpp>
#include <packkit/model/document_cost.hpp>
#include <packkit/model/presets.hpp>

#include <cstdint>
#include <limits>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(document_cost_test)

using packkit::attention_cost;
using packkit::attention_extent;
using packkit::invalid_argument;

static_assert(attention_cost{3, 2}(0) == 0);
static_assert(attention_cost{3, 2}(10) == 230);
static_assert(packkit::in_small_units({39644061696, 786432}) == attention_cost{50410, 1});
static_assert(packkit::in_small_units({7, 0}) == attention_cost{1, 0});
static_assert(packkit::in_small_units({3, 2}) == attention_cost{2, 1});
static_assert(packkit::bin_cost<attention_cost>);
static_assert(packkit::bin_cost<packkit::supervised_token_cost>);
static_assert(!packkit::bin_cost<int>);

BOOST_AUTO_TEST_CASE(llama_2_7b_costs_its_flops) {
    // 6 (6,738,415,616 - 32000 * 4096) a token, 6 * 32 * 4096 a causal pair.
    BOOST_TEST(packkit::parameter_count(packkit::llama_2_7b) == 6738415616);
    BOOST_TEST((packkit::training_flops(packkit::llama_2_7b) ==
                attention_cost{39644061696, 786432}));
    BOOST_TEST((packkit::training_flops(packkit::llama_2_7b, attention_extent::full) ==
                attention_cost{39644061696, 1572864}));
}

BOOST_AUTO_TEST_CASE(a_tied_table_is_the_head_and_counts) {
    packkit::model_shape tied = packkit::llama_2_7b;
    tied.tie_word_embeddings = true;
    // One table fewer to hold, the same products to compute.
    BOOST_TEST(packkit::training_flops(tied).linear ==
               packkit::training_flops(packkit::llama_2_7b).linear);
}

BOOST_AUTO_TEST_CASE(what_a_token_does_not_multiply_by_is_free) {
    // Mixtral 8x7B: 12,879,925,248 of its parameters a token, less the embedding.
    BOOST_TEST(
        packkit::training_flops(packkit::find_model("mixtral-8x7b")->shape).linear ==
        6 * (12879925248 - 32000 * 4096));
    // GPT-2: the tied table counts, the 1024 positions do not.
    BOOST_TEST(packkit::training_flops(packkit::find_model("gpt2")->shape).linear ==
               6 * (124439808 - 1024 * 768));
}

BOOST_AUTO_TEST_CASE(costs_do_not_overflow) {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    BOOST_TEST((attention_cost{most, 0}(1)) == most);
    expect::message_of<invalid_argument>([] { (void)attention_cost{most, 0}(2); },
                                         "the cost of a document exceeds 64 bits");
    expect::message_of<invalid_argument>([] { (void)attention_cost{1, most / 2}(3); },
                                         "exceeds 64 bits");
    expect::message_of<invalid_argument>([] { (void)attention_cost{1, 1}(-1); },
                                         "length -1");
    expect::message_of<invalid_argument>([] { (void)attention_cost{-2, 1}(1); }, "-2");
}

BOOST_AUTO_TEST_CASE(supervised_tokens_are_looked_up) {
    const std::vector<std::int64_t> valid = {3, 0, 7};
    const packkit::supervised_token_cost cost{valid};
    BOOST_TEST(cost(100, 2) == 7);
    BOOST_TEST(cost(100, 1) == 0);
    expect::message_of<invalid_argument>([&] { (void)cost(1, 3); }, "sample 3",
                                         "3 valid targets");
}

BOOST_AUTO_TEST_SUITE_END()
