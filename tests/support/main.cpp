// SPDX-License-Identifier: Apache-2.0
/// @file
/// main() of every test program, compiled once; the module is called what the program is.

#include <filesystem>

#include <boost/test/unit_test.hpp>

namespace {

bool name_module() {
    auto& module = boost::unit_test::framework::master_test_suite();
    module.p_name.value = std::filesystem::path(module.argv[0]).filename().string();
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    return boost::unit_test::unit_test_main(&name_module, argc, argv);
}
