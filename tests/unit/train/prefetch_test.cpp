// SPDX-License-Identifier: Apache-2.0
#include <batch/prefetch.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

BOOST_AUTO_TEST_SUITE(prefetch_test)

using packkit::train::prefetcher;

BOOST_AUTO_TEST_CASE(items_come_in_order_and_then_no_more) {
    prefetcher<std::unique_ptr<std::int64_t>> items(
        [](std::int64_t number) { return std::make_unique<std::int64_t>(number * 3); }, 5,
        100, 4);
    for (std::int64_t number = 5; number < 100; ++number)
        BOOST_TEST(*items.next() == number * 3);
    BOOST_CHECK_THROW(items.next(), std::out_of_range);
    BOOST_CHECK_THROW(items.next(), std::out_of_range);
}

BOOST_AUTO_TEST_CASE(no_more_are_made_ahead_than_asked_for) {
    std::atomic<std::int64_t> made = 0;
    prefetcher<std::int64_t> items(
        [&](std::int64_t number) {
            ++made;
            return number;
        },
        0, 1000, 3);
    for (std::int64_t taken = 0; taken < 50; ++taken) {
        BOOST_TEST(items.next() == taken);
        // Those taken, three that wait, and none in the making: it waits for room first.
        BOOST_TEST(made.load() <= taken + 1 + 3);
    }
    while (made.load() < 53)
        std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    BOOST_TEST(made.load() == 53);
}

BOOST_AUTO_TEST_CASE(a_fault_comes_after_the_items_before_it) {
    prefetcher<std::int64_t> items(
        [](std::int64_t number) {
            if (number == 2) throw std::runtime_error("row 2 is broken");
            return number;
        },
        0, 10, 8);
    BOOST_TEST(items.next() == 0);
    BOOST_TEST(items.next() == 1);
    for (int again = 0; again < 2; ++again) {
        BOOST_CHECK_EXCEPTION(items.next(), std::runtime_error, [](const auto& fault) {
            return std::string(fault.what()) == "row 2 is broken";
        });
    }
}

BOOST_AUTO_TEST_CASE(ends_while_it_waits_for_room) {
    for (int times = 0; times < 100; ++times) {
        prefetcher<std::int64_t> items([](std::int64_t number) { return number; }, 0,
                                       1000, 1);
        if (times % 2 == 0) BOOST_TEST(items.next() == 0);
    }
}

BOOST_AUTO_TEST_SUITE_END()
