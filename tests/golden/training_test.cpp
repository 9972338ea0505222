// SPDX-License-Identifier: Apache-2.0
/// @file
/// Ten steps of packkit-train against Transformers with torch.optim.AdamW: the same
/// weights, documents and settings (make_training.py), in float64 and float32.

#include "bounds.hpp"
#include "checkpoint/safetensors.hpp"
#include "training_run.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cstring>
#include <map>

BOOST_AUTO_TEST_SUITE(training_test)

using namespace packkit;
using app::json;

namespace {

const std::vector<std::string> models{"llama_untied",    "families/qwen2",
                                      "families/qwen3",  "families/mixtral",
                                      "families/gemma2", "families/gemma3"};

const std::string golden_folder = PACKKIT_GOLDEN "/training";

/// A file's tensors as float64.
std::map<std::string, std::vector<double>> read_weights(const std::string& path) {
    const train::safetensors_file file(path);
    std::map<std::string, std::vector<double>> weights;
    for (const auto& [name, info] : file.tensors()) {
        const auto bytes = file.data(name);
        auto& values = weights[name];
        const auto widen = [&]<class Value>(Value) {
            std::vector<Value> raw(bytes.size() / sizeof(Value));
            std::memcpy(raw.data(), bytes.data(), bytes.size());
            values.assign(raw.begin(), raw.end());
        };
        BOOST_TEST_REQUIRE((info.dtype == "F64" || info.dtype == "F32"), info.dtype);
        info.dtype == "F64" ? widen(double{}) : widen(float{});
    }
    return weights;
}

struct weight_difference {
    double largest = 0;
    double rms = 0;
};

weight_difference compare_weights(const std::string& ours, const std::string& theirs) {
    const auto left = read_weights(ours);
    const auto right = read_weights(theirs);
    BOOST_TEST_REQUIRE(left.size() == right.size());
    weight_difference difference;
    double squares = 0;
    std::size_t count = 0;
    for (const auto& [name, values] : right) {
        BOOST_TEST_REQUIRE(left.contains(name), name);
        const auto& own = left.at(name);
        BOOST_TEST_REQUIRE(own.size() == values.size(), name);
        for (std::size_t i = 0; i < values.size(); ++i) {
            const double apart = std::abs(own[i] - values[i]);
            difference.largest = std::max(difference.largest, apart);
            squares += apart * apart;
        }
        count += values.size();
    }
    difference.rms = std::sqrt(squares / static_cast<double>(count));
    return difference;
}

/// The golden settings as a configuration for rows in the file's order.
std::string configuration(const std::string& model, const json& settings) {
    std::string text = "base_model: " PACKKIT_GOLDEN "/" + model +
                       "\n"
                       "tokenizer_type: bytes\n"
                       "datasets: [{path: " +
                       golden_folder +
                       "/documents.jsonl, type: tokens}]\n"
                       "sample_packing: true\n"
                       "sample_packing_sequentially: true\n"
                       "curriculum_sampling: true\n"
                       "shuffle_data: false\n"
                       "multipack_real_batches: true\n"
                       "lr_scheduler: cosine\n"
                       "optimizer: adamw_torch_fused\n"
                       "output_dir: out\n";
    for (const auto& [key, value] : settings.items())
        text += key + ": " + value.dump() + "\n";
    return text;
}

/// How far ours is from theirs, relative to theirs.
double relative(double ours, double theirs) {
    return std::abs(ours - theirs) / std::abs(theirs);
}

struct closeness {
    double loss = 0, norm = 0;
    weight_difference weights;
};

closeness compare(const std::string& model, const std::string& dtype) {
    const auto golden = app::read_json_file(golden_folder + "/golden.json");
    const json& theirs = golden["models"][model][dtype];
    const test::training_folder folder;
    folder.write("golden.yaml", configuration(model, golden["settings"]));
    const auto result = folder.run({"golden.yaml", "torch_dtype=" + dtype});
    BOOST_TEST_REQUIRE(result.exit_code == 0, result.err);
    const auto ours = folder.metrics("out");
    BOOST_TEST_REQUIRE(ours.size() == 10);
    BOOST_TEST_REQUIRE(theirs["losses"].size() == 10);
    closeness seen;
    for (std::size_t i = 0; i < ours.size(); ++i) {
        seen.loss = std::max(seen.loss, relative(ours[i]["loss"].get<double>(),
                                                 theirs["losses"][i].get<double>()));
        seen.norm =
            std::max(seen.norm, relative(ours[i]["grad_norm"].get<double>(),
                                         theirs["gradient_norms"][i].get<double>()));
        BOOST_TEST(ours[i]["learning_rate"].get<double>() ==
                       theirs["learning_rates"][i].get<double>(),
                   boost::test_tools::tolerance(1e-15));
    }
    const auto name = model.substr(model.rfind('/') + 1);
    seen.weights = compare_weights(folder.path("out/checkpoint-10/model.safetensors"),
                                   golden_folder + "/" + name + ".safetensors");
    BOOST_TEST_MESSAGE(model << " " << dtype << ": loss " << seen.loss
                             << ", gradient norm " << seen.norm << ", weights "
                             << seen.weights.largest << " at most, rms "
                             << seen.weights.rms);
    return seen;
}

void check_float64(const std::string& model) {
    const auto seen = compare(model, "float64");
    // Seen: 3e-16, 4e-16.
    BOOST_TEST(seen.loss <= test::bounds::golden_training_float64);
    BOOST_TEST(seen.norm <= test::bounds::golden_training_float64);
    BOOST_TEST(seen.weights.largest <= 1e-13);
}

void check_float32(const std::string& model) {
    const auto seen = compare(model, "float32");
    // Seen: 6e-8 to 1.4e-7, 6e-8 to 1.3e-7.
    BOOST_TEST(seen.loss <= test::bounds::golden_training_float32);
    BOOST_TEST(seen.norm <= test::bounds::golden_training_float32);
    // From the weights of the float64 run as far as Transformers' float32 run is.
    const auto golden = app::read_json_file(golden_folder + "/golden.json");
    const json& theirs = golden["models"][model]["float32"]["final_difference"];
    BOOST_TEST(seen.weights.rms <= 1.5 * theirs["rms"].get<double>());
    BOOST_TEST(seen.weights.largest <= 2.0 * theirs["largest"].get<double>());
}

}  // namespace

BOOST_DATA_TEST_CASE(ten_steps_in_float64, boost::unit_test::data::make(models), model) {
    check_float64(model);
}

BOOST_DATA_TEST_CASE(ten_steps_in_float32, boost::unit_test::data::make(models), model) {
    check_float32(model);
}

BOOST_AUTO_TEST_SUITE_END()
