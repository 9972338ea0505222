// SPDX-License-Identifier: Apache-2.0
// packkit-plan models and gpus: what has a name.
#include "plan_program.hpp"

#include <map>

BOOST_AUTO_TEST_SUITE(catalogue_test)

using namespace plan_test;

BOOST_AUTO_TEST_CASE(parameters_are_exact) {
    const json models = plan_json("models")["models"];
    const std::map<std::string, std::int64_t> published = {{"llama-3-8b", 8030261248},
                                                           {"llama-3-70b", 70553706496},
                                                           {"llama-2-7b", 6738415616},
                                                           {"mpt-7b", 0}};
    std::size_t found = 0;
    for (const json& model : models) {
        const auto at = published.find(model["name"].get<std::string>());
        if (at == published.end()) continue;
        ++found;
        if (at->second > 0) BOOST_TEST(model["parameters"] == at->second);
    }
    BOOST_TEST(found == published.size());
}

BOOST_AUTO_TEST_CASE(models_by_a_part_of_their_names) {
    const json models = plan_json("models llama-3-")["models"];
    BOOST_TEST(models.size() == 2u);
    const auto csv = run_plan("models llama-3-8b --format csv");
    BOOST_TEST(csv.out ==
               "name,family,parameters,active_parameters,embedding_parameters,"
               "num_hidden_layers,hidden_size,intermediate_size,num_attention_heads,"
               "num_key_value_heads,vocab_size,context_length\n"
               "llama-3-8b,llama,8030261248,8030261248,525336576,32,4096,14336,32,8,"
               "128256,8192\n");
}

BOOST_AUTO_TEST_CASE(experts_that_a_token_does_not_use_are_not_active) {
    const json all = plan_json("models mixtral");
    BOOST_TEST(!all["models"].empty());
    for (const json& model : all["models"]) {
        BOOST_TEST(model["active_parameters"].get<std::int64_t>() <
                   model["parameters"].get<std::int64_t>());
    }
}

BOOST_AUTO_TEST_CASE(gpus_with_their_rates) {
    std::map<std::string, json> gpus;
    const json all = plan_json("gpus");
    for (const json& gpu : all["gpus"])
        gpus[gpu["name"].get<std::string>()] = gpu;
    for (const char* name : {"a100-40gb", "a100-80gb", "h100-80gb", "h200-141gb", "cpu"})
        BOOST_TEST((gpus.count(name) == 1), name);
    BOOST_TEST(gpus["a100-80gb"]["peak_tflops_bf16"] == 312.0);
    BOOST_TEST(gpus["h100-80gb"]["peak_tflops_bf16"] == 989.5);
    BOOST_TEST(gpus["h200-141gb"]["peak_tflops_bf16"] == 989.5);
    const auto table = run_plan("gpus");
    BOOST_TEST(table.out.find("989.5") != std::string::npos);
    const auto markdown = run_plan("gpus --format markdown");
    BOOST_TEST(markdown.out.find("| h100-80gb |") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
