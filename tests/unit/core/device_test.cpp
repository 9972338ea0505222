// SPDX-License-Identifier: Apache-2.0
#include <packkit/estimate/device.hpp>

#include <limits>
#include <set>
#include <string>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(device_test)

namespace {

using packkit::device;
using packkit::find_device;
using packkit::invalid_argument;
using packkit::precision_kind;

static_assert(find_device("h100-80gb")->peak_flops(precision_kind::bf16_mixed) ==
              989.5e12);
static_assert(find_device("h100-81gb") == nullptr);

}  // namespace

BOOST_AUTO_TEST_CASE(devices_are_whole) {
    std::set<std::string> names;
    for (const device& on : packkit::devices()) {
        BOOST_CHECK_NO_THROW(packkit::check_device(on));
        BOOST_TEST(names.insert(std::string(on.name)).second, on.name);
        BOOST_TEST(find_device(on.name) == &on);
        BOOST_TEST(on.peak_flops_fp64 <= on.peak_flops_fp32, on.name);
        // Inside a node at least as fast as between nodes.
        BOOST_TEST(on.network_bytes_per_second <= on.link_bytes_per_second, on.name);
        BOOST_TEST(on.link_bytes_per_second < on.memory_bandwidth, on.name);
    }
    for (const char* name : {"a100-40gb", "a100-80gb", "h100-80gb", "h200-141gb", "cpu"})
        BOOST_TEST(names.count(name) == 1u, name);
}

BOOST_AUTO_TEST_CASE(memory_is_what_programs_get) {
    // torch.cuda's total memory is below the name's GiB; an H200 of "141 GB" has 139.8.
    const auto gib = [](const char* name) {
        return static_cast<double>(find_device(name)->memory_bytes) / (1 << 30);
    };
    BOOST_TEST(gib("a100-80gb") == 79.15, boost::test_tools::tolerance(1e-4));
    BOOST_TEST(gib("a100-40gb") == 39.39, boost::test_tools::tolerance(1e-4));
    BOOST_TEST(gib("h200-141gb") == 139.80, boost::test_tools::tolerance(1e-4));
}

BOOST_AUTO_TEST_CASE(precisions) {
    const device& a100 = *find_device("a100-80gb");
    BOOST_TEST(a100.peak_flops(precision_kind::bf16) == 312e12);
    BOOST_TEST(a100.peak_flops(precision_kind::bf16_mixed) == 312e12);
    BOOST_TEST(a100.peak_flops(precision_kind::fp32) == 19.5e12);
    BOOST_TEST(a100.peak_flops(precision_kind::fp64) == 9.7e12);
    expect::message_of<invalid_argument>(
        [&] { (void)a100.peak_flops(static_cast<precision_kind>(9)); }, "has no value 9");
}

BOOST_AUTO_TEST_CASE(a_wrong_device_is_named) {
    const auto message = [](auto change, const char* part) {
        device custom = *find_device("a100-80gb");
        custom.name = "mine";
        change(custom);
        expect::message_of<invalid_argument>([&] { packkit::check_device(custom); },
                                             "device mine", part);
    };
    message([](device& d) { d.memory_bytes = 0; }, "memory_bytes is 0");
    message([](device& d) { d.peak_flops_bf16 = -1; }, "peak_flops_bf16 is -1");
    message([](device& d) { d.link_bytes_per_second = 0; }, "link_bytes_per_second is 0");
    message(
        [](device& d) { d.memory_bandwidth = std::numeric_limits<double>::quiet_NaN(); },
        "memory_bandwidth is nan");
    message([](device& d) { d.collective_latency_seconds = -1e-6; }, "latency is -1e-06");
    message([](device& d) { d.efficiency = 1.5; }, "efficiency is 1.5");
    message([](device& d) { d.attention_efficiency = 0; }, "efficiency is 0");
    message([](device& d) { d.per_node = 0; }, "per_node is 0");
}

BOOST_AUTO_TEST_SUITE_END()
