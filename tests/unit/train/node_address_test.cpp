// SPDX-License-Identifier: Apache-2.0
#include <common/errors.hpp>
#include <run/node_address.hpp>

#include "expect.hpp"

#include <boost/test/unit_test.hpp>

#include <unistd.h>

#include <string>

BOOST_AUTO_TEST_SUITE(node_address_test)

using packkit::train::address_towards;

BOOST_AUTO_TEST_CASE(loopback_is_taken_where_it_is_asked_for) {
    for (const auto* host : {"localhost", "127.0.0.1", "127.0.1.1", "::1"})
        BOOST_TEST(address_towards(host, 29500) == "127.0.0.1");
}

BOOST_AUTO_TEST_CASE(this_nodes_name_means_one_of_its_addresses) {
    char name[256] = {};
    BOOST_TEST_REQUIRE(gethostname(name, sizeof name - 1) == 0);
    std::string address;
    try {
        address = address_towards(name, 29500);
    } catch (const packkit::app::usage_error&) {
        BOOST_TEST_MESSAGE("skipped: " << name << ", this node's name, has no address");
        return;
    }
    // Its own address is reached from itself.
    BOOST_TEST(address_towards(address, 29500) == address);
}

BOOST_AUTO_TEST_CASE(a_host_that_is_not_known_is_named) {
    expect::message_of<packkit::app::usage_error>(
        [] { (void)address_towards("no-such-host.invalid", 29500); }, "MASTER_ADDR",
        "no-such-host.invalid", "expected the name or address of rank 0's node");
}

BOOST_AUTO_TEST_SUITE_END()
