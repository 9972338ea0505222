// SPDX-License-Identifier: Apache-2.0
// Parameters by name and shape as Transformers makes them: make_model_shapes.py.
#include <packkit/model/parameters.hpp>
#include <packkit/model/presets.hpp>

#include <common/json.hpp>
#include <common/model_config.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <vector>

BOOST_AUTO_TEST_SUITE(model_shapes_test)

using namespace packkit;
using app::json;

namespace {

json golden(const std::string& name) {
    return app::read_json_file(std::string(PACKKIT_GOLDEN) + "/model_shapes/" + name);
}

model_shape shape_of(const std::string& name, const json& entry) {
    return app::parse_model_config(entry["config"].dump(), name);
}

std::map<std::string, std::vector<std::int64_t>> tensors_of(const model_shape& model) {
    std::map<std::string, std::vector<std::int64_t>> tensors;
    for (const unit_shape& unit : unit_shapes(model)) {
        for (const parameter_shape& parameter : unit.parameters) {
            BOOST_TEST(tensors.emplace(parameter.name, parameter.shape).second,
                       parameter.name << " is listed twice");
        }
    }
    return tensors;
}

/// FNV-1a of the lines "NAME EXTENT EXTENT\n", sorted.
std::string hash_of(const std::map<std::string, std::vector<std::int64_t>>& tensors) {
    std::vector<std::string> lines;
    for (const auto& [name, shape] : tensors) {
        std::string line = name;
        for (const std::int64_t extent : shape)
            line += " " + std::to_string(extent);
        lines.push_back(line + "\n");
    }
    std::sort(lines.begin(), lines.end());
    std::uint64_t hash = 0xCBF29CE484222325U;
    for (const std::string& line : lines) {
        for (const char byte : line) {
            hash ^= static_cast<unsigned char>(byte);
            hash *= 0x100000001B3U;
        }
    }
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
    return text;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_tensor_of_small_models) {
    const json small = golden("small.json");
    std::vector<model_family> seen;
    for (const auto& [name, entry] : small.items()) {
        BOOST_TEST_CONTEXT(name) {
            const model_shape model = shape_of(name, entry);
            seen.push_back(model.family);
            const auto tensors = tensors_of(model);
            const json& expected = entry["tensors"];
            BOOST_TEST(tensors.size() == expected.size());
            std::int64_t elements = 0;
            for (const auto& [tensor, shape] : tensors) {
                BOOST_TEST(expected.contains(tensor), tensor << " is not in the file");
                if (!expected.contains(tensor)) continue;
                BOOST_TEST(json(shape) == expected[tensor], tensor);
                std::int64_t count = 1;
                for (const std::int64_t extent : shape)
                    count *= extent;
                elements += count;
            }
            BOOST_TEST(elements == parameter_count(model));
        }
    }
    for (std::size_t family = 0; family < model_family_names.size(); ++family) {
        BOOST_TEST(
            std::count(seen.begin(), seen.end(), static_cast<model_family>(family)) > 0,
            model_family_names[family] << " has no small model");
    }
}

BOOST_AUTO_TEST_CASE(transformers_4_and_5_mean_the_same) {
    const json small = golden("small.json");
    const json old = golden("small_transformers4.json");
    BOOST_TEST(old.size() == small.size());
    for (const auto& [name, entry] : old.items()) {
        BOOST_TEST_CONTEXT(name) {
            BOOST_CHECK(shape_of(name, entry) == shape_of(name, small.at(name)));
        }
    }
}

BOOST_AUTO_TEST_CASE(published_models) {
    const json full = golden("full.json");
    for (const auto& [name, entry] : full.items()) {
        BOOST_TEST_CONTEXT(name) {
            const named_model* const model = find_model(name);
            BOOST_REQUIRE(model != nullptr);
            const model_shape shape = shape_of(name, entry);
            BOOST_CHECK(model->shape == shape);
            BOOST_TEST(model->context_length == shape.max_position_embeddings);
            BOOST_TEST(parameter_count(shape) == entry["total"].get<std::int64_t>());
            BOOST_TEST(block_shape(shape, 0).elements() ==
                       entry["first_block"].get<std::int64_t>());
            BOOST_TEST(block_shape(shape, shape.num_hidden_layers - 1).elements() ==
                       entry["last_block"].get<std::int64_t>());
            if (entry["hash"].is_null()) continue;
            const auto tensors = tensors_of(shape);
            BOOST_TEST(tensors.size() == entry["tensors"].get<std::size_t>());
            BOOST_TEST(hash_of(tensors) == entry["hash"].get<std::string>());
        }
    }
}

BOOST_AUTO_TEST_CASE(every_named_model_is_compared) {
    const json full = golden("full.json");
    for (const named_model& model : named_models()) {
        // LLM Foundry's own MPT has positions and biases that Transformers' has not; its
        // published counts are in the unit test.
        const bool foundry =
            model.shape.family == model_family::mpt && !model.shape.alibi;
        BOOST_TEST((foundry || full.contains(model.name)), model.name);
    }
}

BOOST_AUTO_TEST_SUITE_END()
