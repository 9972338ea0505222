// SPDX-License-Identifier: Apache-2.0
#include "thread_ranks.hpp"

#include <packkit/torch/parallel/replica_check.hpp>

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <limits>
#include <mutex>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(replica_check_test)

namespace lt = packkit::lt;
namespace test = packkit::test;

namespace {

std::mutex checking;

std::vector<lt::fully_sharded_unit> make_units(lt::communicator& shard,
                                               lt::communicator& replicate,
                                               at::ScalarType dtype) {
    std::vector<lt::fully_sharded_unit> units;
    for (const char* unit : {"first", "second"}) {
        units.emplace_back(
            lt::sharded_parameters({{unit + std::string(".weight"), {5, 3}},
                                    {unit + std::string(".norm"), {4}}},
                                   {.shard = &shard, .replicate = &replicate},
                                   at::TensorOptions().dtype(dtype)),
            lt::fully_sharded_unit::options{dtype, true});
        auto& flat = units.back().parameters().flat_shards();
        flat.copy_(at::sin(at::arange(flat.numel(), flat.options())));
    }
    return units;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_hash_changes_with_any_bit_of_any_element) {
    for (const auto dtype : {at::kFloat, at::kDouble}) {
        const auto tensor = at::sin(at::arange(0, 50, dtype)).view({5, 10});
        const auto hash = lt::hash_of_bits(tensor).item<std::int64_t>();
        BOOST_TEST(lt::hash_of_bits(tensor.clone()).item<std::int64_t>() == hash);
        for (std::int64_t i = 0; i < tensor.numel(); ++i) {
            auto other = tensor.clone();
            auto element = other.view({-1})[i];
            // The least that can change; zero becomes minus zero.
            element.copy_(i == 0 ? -element
                                 : at::nextafter(element, at::full({}, 9.0, dtype)));
            BOOST_TEST(lt::hash_of_bits(other).item<std::int64_t>() != hash);
        }
        BOOST_TEST(lt::hash_of_bits(tensor.flip(1)).item<std::int64_t>() != hash);
    }
    BOOST_TEST(lt::hash_of_bits(at::empty({0, 3})).item<std::int64_t>() == 0);
}

BOOST_AUTO_TEST_CASE(names_the_first_parameter_that_replicas_hold_differently) {
    test::run_ranks(3, [](lt::communicator& replicate) {
        lt::single_communicator shard("shard");
        auto units = make_units(shard, replicate, at::kFloat);
        const auto equal = lt::find_replica_difference(units, replicate);
        if (replicate.rank() == 2) units[1].parameters().shard(1)[3].add_(1e-3);
        const auto different = lt::find_replica_difference(units, replicate);
        const std::lock_guard lock(checking);
        BOOST_TEST(!equal.has_value());
        BOOST_REQUIRE(different.has_value());
        BOOST_TEST(different->parameter == "second.norm");
        BOOST_TEST(different->rank == 2);
        BOOST_TEST(different->hash_of_first != different->hash_of_rank);
    });
}

BOOST_AUTO_TEST_CASE(names_the_first_gradient_that_is_not_finite) {
    test::run_ranks(2, [](lt::communicator& world) {
        lt::single_communicator replicate("replicate");
        auto units = make_units(world, replicate, at::kDouble);
        const auto none = lt::find_non_finite_gradient(units, world);
        if (world.rank() == 1) {
            units[0].parameters().gradient(1)[0] =
                std::numeric_limits<double>::quiet_NaN();
        } else {
            units[1].parameters().gradient(0)[0] =
                std::numeric_limits<double>::infinity();
        }
        const auto name = lt::find_non_finite_gradient(units, world);
        const std::lock_guard lock(checking);
        BOOST_TEST(none == "");
        BOOST_TEST(name == "first.norm");
    });
}

BOOST_AUTO_TEST_SUITE_END()
