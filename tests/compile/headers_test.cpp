// SPDX-License-Identifier: Apache-2.0
// Linked with one translation unit a header. That it links is the test; what is left to
// see is that two of them agree on an inline definition.
#include <packkit/packkit.hpp>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(headers_test)

BOOST_AUTO_TEST_CASE(headers_link_together) {
    BOOST_TEST(packkit::pack(std::vector{6, 4, 5}, 10).size() == 2u);
    BOOST_TEST(packkit::resolve_mesh(8, {.fully_sharded = true}).dp_shard == 8);
}

BOOST_AUTO_TEST_SUITE_END()
