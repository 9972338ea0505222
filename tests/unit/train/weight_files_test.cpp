// SPDX-License-Identifier: Apache-2.0
// Weights in one file and in several with an index, whole and broken.
#include <checkpoint/weight_files.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <span>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(weight_files_test)

using namespace packkit::train;
using train_test::error_of;

namespace {

const train_test::temporary_folder folder;

void write_file(const std::string& name, const std::vector<std::string>& tensors) {
    std::vector<tensor_spec> list;
    for (const auto& tensor : tensors)
        list.push_back({tensor, "F32", {2}});
    safetensors_writer file((folder.path() / name).string(), list);
    for (const auto& tensor : tensors) {
        const float values[2] = {static_cast<float>(tensor.front()), 0.5F};
        file.write(std::as_bytes(std::span(values)));
    }
    file.finish();
}

float first_of(const weight_files& files, const std::string& name) {
    float value = 0;
    files.read(name, {{0, 1}, {0, 1}}, std::as_writable_bytes(std::span(&value, 1)));
    return value;
}

std::string error_with_index(const std::string& text) {
    folder.write("model.safetensors.index.json", text);
    return error_of(folder, [] { weight_files::open_folder(folder.path().string()); });
}

}  // namespace

BOOST_AUTO_TEST_CASE(nothing_there) {
    BOOST_TEST(
        error_of(folder, [] { weight_files::open_folder(folder.path().string()); }) ==
        "model.safetensors: is missing, and so is model.safetensors.index.json; set "
        "random_init_weights: true to start from random weights");
}

BOOST_AUTO_TEST_CASE(several_files_by_index) {
    write_file("one.safetensors", {"a", "b"});
    write_file("two.safetensors", {"c", "unused"});
    BOOST_TEST(error_with_index(R"({"metadata": {"total_size": 24}, "weight_map":
        {"c": "two.safetensors", "a": "one.safetensors", "b": "one.safetensors"}})") ==
               "no error");
    const auto files = weight_files::open_folder(folder.path().string());
    BOOST_TEST(first_of(files, "a") == 'a');
    BOOST_TEST(first_of(files, "c") == 'c');
    BOOST_TEST(files.info("b").shape == std::vector<std::int64_t>{2});
    BOOST_TEST(files.place_of("c").ends_with("/two.safetensors"));
    BOOST_TEST(!files.contains("unused"));  // the index does not know it
    BOOST_TEST(error_of(folder, [&] {
                   (void)files.info("d");
               }).starts_with("model.safetensors.index.json: tensor d is missing"));
}

BOOST_AUTO_TEST_CASE(an_index_that_is_wrong) {
    write_file("one.safetensors", {"a", "b"});
    BOOST_TEST(error_with_index("[]") ==
               "model.safetensors.index.json:1: expected an object, found an array");
    BOOST_TEST(error_with_index("{\n}") ==
               "model.safetensors.index.json:1: key 'weight_map' is missing");
    BOOST_TEST(
        error_with_index(R"({"weight_map": {"a": 3}})") ==
        "model.safetensors.index.json:1: weight_map.a: expected a string, found 3");
    BOOST_TEST(error_with_index(R"({"weight_map": {"a": "../one.safetensors"}})") ==
               "model.safetensors.index.json:1: weight_map.a: '../one.safetensors' is no "
               "name of a file beside the index");
    BOOST_TEST(error_with_index(R"({"weight_map": {"a": "none.safetensors"}})") ==
               "none.safetensors: cannot be opened: No such file or directory");
    BOOST_TEST(
        error_with_index(R"({"weight_map": {"z": "one.safetensors"}})") ==
        "one.safetensors: has no tensor z, which model.safetensors.index.json says "
        "it holds");
    folder.write("broken.safetensors", "12345678{}");
    BOOST_TEST(error_with_index(R"({"weight_map": {"a": "broken.safetensors"}})")
                   .starts_with("broken.safetensors: "));
}

BOOST_AUTO_TEST_CASE(one_file_goes_before_an_index) {
    folder.write("model.safetensors.index.json", "[]");
    write_file("model.safetensors", {"a"});
    const auto files = weight_files::open_folder(folder.path().string());
    BOOST_TEST(first_of(files, "a") == 'a');
}

BOOST_AUTO_TEST_SUITE_END()
