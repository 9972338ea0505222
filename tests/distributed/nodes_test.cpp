// SPDX-License-Identifier: Apache-2.0
/// @file
/// Ranks on different nodes: network namespaces that share nothing but a cable, and whose
/// host name means loopback, as Debian installs it. Skipped where the system does not let
/// us make any.

#include "ranks_by_hand.hpp"

#include <boost/test/unit_test.hpp>

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(nodes_test)

using namespace packkit;

namespace {

const std::string ip_program = "/sbin/ip";

bool ip(std::vector<std::string> words) {
    if (!std::filesystem::exists(ip_program)) return false;
    words.insert(words.begin(), ip_program);
    return test::run_process(words).exit_code == 0;
}

/// Two nodes with the addresses 10.77.0.1 and 10.77.0.2.
class two_nodes {
public:
    two_nodes() {
        possible_ = ip({"netns", "add", name(0)}) && ip({"netns", "add", name(1)}) &&
                    ip({"-n", name(0), "link", "add", "cable", "type", "veth", "peer",
                        "name", "cable", "netns", name(1)});
        for (const int node : {0, 1}) {
            possible_ = possible_ &&
                        ip({"-n", name(node), "addr", "add", address(node) + "/24", "dev",
                            "cable"}) &&
                        ip({"-n", name(node), "link", "set", "cable", "up"}) &&
                        ip({"-n", name(node), "link", "set", "lo", "up"});
        }
    }
    two_nodes(const two_nodes&) = delete;
    two_nodes& operator=(const two_nodes&) = delete;
    ~two_nodes() {
        for (const int node : {0, 1})
            static_cast<void>(ip({"netns", "del", name(node)}));
    }

    [[nodiscard]] bool possible() const { return possible_; }
    [[nodiscard]] static std::string address(int node) {
        return "10.77.0." + std::to_string(node + 1);
    }
    /// A rank of that node.
    [[nodiscard]] static test::rank_by_hand rank(
        int node, const test::training_folder& folder,
        const std::vector<std::string>& arguments) {
        test::rank_by_hand rank{folder.path(), arguments};
        rank.runs_it = {ip_program, "netns", "exec", name(node)};
        rank.master_addr = address(0);
        return rank;
    }

private:
    [[nodiscard]] static std::string name(int node) {
        return "packkit-" + std::to_string(getpid()) + "-" + std::to_string(node);
    }
    bool possible_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(two_nodes_train_as_one) {
    const two_nodes nodes;
    if (!nodes.possible()) {
        BOOST_TEST_MESSAGE(
            "skipped: network namespaces cannot be made here (needs root and iproute2)");
        return;
    }
    const test::training_folder folder;
    const std::vector<std::string> arguments{"run.yaml", "max_steps=3", "ddp_timeout=60",
                                             "torch_dtype=float64"};
    auto alone = arguments;
    alone.emplace_back("output_dir=alone");
    const auto one = folder.run(alone);
    BOOST_TEST_REQUIRE(one.exit_code == 0, one.err);
    const std::vector<std::vector<std::string>> meshes{
        {"fsdp_version=2", "dp_shard_size=4", "gradient_accumulation_steps=1"},
        {"tensor_parallel_size=2", "context_parallel_size=2"}};
    for (const auto& mesh : meshes) {
        auto words = arguments;
        words.insert(words.end(), mesh.begin(), mesh.end());
        words.emplace_back("--overwrite");
        // The ranks of a node are neighbours.
        const auto results = test::run_by_hand(
            {nodes.rank(0, folder, words), nodes.rank(0, folder, words),
             nodes.rank(1, folder, words), nodes.rank(1, folder, words)});
        for (const auto& result : results)
            BOOST_TEST(result.exit_code == 0, result.err);
        const auto expected = folder.metrics("alone"), found = folder.metrics("out");
        BOOST_TEST_REQUIRE(found.size() == 3u);
        for (std::size_t step = 0; step < 3; ++step) {
            const double loss = expected[step]["loss"].get<double>();
            BOOST_TEST(found[step]["tokens"] == expected[step]["tokens"]);
            BOOST_TEST(std::abs(found[step]["loss"].get<double>() - loss) <=
                       1e-12 * loss);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
