// SPDX-License-Identifier: Apache-2.0
/// @file
/// Ranks as threads when one of them fails: nobody waits for ever, everybody learns why.
#include "thread_ranks.hpp"

#include <ATen/ATen.h>

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

BOOST_AUTO_TEST_SUITE(in_process_test)

using namespace packkit;
using namespace std::chrono_literals;

namespace {

/// What the collectives of each rank threw; empty where nothing.
struct echoes {
    explicit echoes(int ranks) : texts(static_cast<std::size_t>(ranks)) {}

    std::function<void(lt::communicator&)> watching(
        std::function<void(lt::communicator&)> work) {
        return [this, work = std::move(work)](lt::communicator& group) {
            try {
                work(group);
            } catch (const lt::communication_error& fault) {
                texts[static_cast<std::size_t>(group.rank())] = fault.what();
                throw;
            }
        };
    }

    std::vector<std::string> texts;
};

/// what() of the exception of type `Exception` that `action` throws.
template <class Exception>
std::string thrown(const std::function<void()>& action) {
    try {
        action();
    } catch (const Exception& fault) { return fault.what(); }
    return "nothing was thrown";
}

void sum(lt::communicator& group, std::int64_t elements = 5) {
    auto tensor = at::ones({elements});
    group.all_reduce(tensor).wait();
}

/// Long before a collective of these tests gives up, which is after two minutes where
/// nothing else is said.
constexpr double soon = 10.0;

double seconds_of(const std::function<void()>& action) {
    const auto begin = std::chrono::steady_clock::now();
    action();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
        .count();
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_first_exception_comes_out_and_the_others_name_it) {
    echoes heard(3);
    const auto work = heard.watching([](lt::communicator& group) {
        sum(group);
        if (group.rank() == 1) throw std::out_of_range("row 7\nand a stack");
        sum(group);
    });
    std::string text;
    const double seconds = seconds_of(
        [&] { text = thrown<std::out_of_range>([&] { test::run_ranks(3, work); }); });
    BOOST_TEST(text == "row 7\nand a stack");
    BOOST_TEST(seconds < soon);
    BOOST_TEST(heard.texts[0] ==
               "all_reduce number 2 of group test (rank 0 of 3) failed: "
               "rank 1 failed: row 7");
    BOOST_TEST(heard.texts[1].empty());
    BOOST_TEST(heard.texts[2] ==
               "all_reduce number 2 of group test (rank 2 of 3) failed: "
               "rank 1 failed: row 7");
}

BOOST_AUTO_TEST_CASE(one_exception_ends_the_parts_that_do_not_know_the_rank) {
    // Ranks 0 and 1 meet on and on; rank 2 is in no group with them but the whole.
    test::rank_threads ranks(3);
    const auto pair = std::make_shared<lt::in_process_group>(2, ranks.group());
    echoes heard(2);
    const auto text = thrown<std::out_of_range>([&] {
        ranks.run([&](lt::communicator& whole) {
            if (whole.rank() == 2) throw std::out_of_range("the disk is full");
            lt::in_process_communicator part("tp", whole.rank(), pair);
            heard.watching([](lt::communicator& group) {
                const auto end = std::chrono::steady_clock::now() + 20s;
                while (std::chrono::steady_clock::now() < end)
                    sum(group);
            })(part);
        });
    });
    BOOST_TEST(text == "the disk is full");
    for (const auto& echo : heard.texts) {
        BOOST_TEST(echo.find("of group tp (rank ") != std::string::npos, echo);
        BOOST_TEST(
            echo.find("failed: rank 2 failed: the disk is full") != std::string::npos,
            echo);
    }
    // What is made of a whole that has failed has failed.
    lt::in_process_communicator late(
        "late", 0, std::make_shared<lt::in_process_group>(1, ranks.group()));
    BOOST_CHECK_THROW(sum(late), lt::communication_error);
}

BOOST_AUTO_TEST_CASE(unwinding_ends_a_group_that_nobody_tells) {
    const auto pair = std::make_shared<lt::in_process_group>(2);
    std::string echo;
    std::thread other([&] {
        lt::in_process_communicator group("pair", 0, pair);
        echo = thrown<lt::communication_error>([&] { sum(group); });
    });
    BOOST_CHECK_THROW(
        [&] {
            lt::in_process_communicator group("pair", 1, pair);
            throw std::out_of_range("unheard");
        }(),
        std::out_of_range);
    other.join();
    BOOST_TEST(echo ==
               "all_reduce number 1 of group pair (rank 0 of 2) failed: "
               "rank 1 failed: an exception ended it");
}

BOOST_AUTO_TEST_CASE(a_rank_that_ends_early_is_named) {
    const auto text = thrown<lt::communication_error>([] {
        test::run_ranks(2, [](lt::communicator& group) {
            sum(group);
            if (group.rank() == 1) return;
            group.barrier();
        });
    });
    BOOST_TEST(text ==
               "barrier number 2 of group test (rank 0 of 2) failed: "
               "rank 1 has left the group");
}

BOOST_AUTO_TEST_CASE(ranks_that_are_done_leave_the_others_to_their_parts) {
    // Rank 2 ends long before the others have met a thousand times.
    test::rank_threads ranks(3);
    const auto pair = std::make_shared<lt::in_process_group>(2, ranks.group());
    std::atomic<int> done = 0;
    ranks.run([&](lt::communicator& whole) {
        if (whole.rank() == 2) return;
        lt::in_process_communicator part("tp", whole.rank(), pair);
        for (int i = 0; i < 1000; ++i)
            sum(part);
        ++done;
    });
    BOOST_TEST(done == 2);
}

BOOST_AUTO_TEST_CASE(a_rank_that_never_comes_is_named_after_the_timeout) {
    std::atomic<bool> waits = true;
    echoes heard(3);
    double seconds = 0;
    const auto work = heard.watching([&](lt::communicator& group) {
        sum(group);
        if (group.rank() == 2) {
            while (waits)
                std::this_thread::sleep_for(1ms);
            sum(group);  // too late: the group has ended
            return;
        }
        try {
            if (group.rank() == 0) {
                seconds = seconds_of(
                    [&] { BOOST_CHECK_THROW(group.barrier(), lt::communication_error); });
            }
            group.barrier();
        } catch (...) {
            waits = false;
            throw;
        }
    });
    // On a busy machine rank 0 or 1 may come a good deal later than the other.
    BOOST_CHECK_THROW(test::rank_threads(3, 2000ms).run(work), lt::communication_error);
    BOOST_TEST(seconds > 0.2);
    BOOST_TEST(seconds < soon);
    const std::string reason = "of 3 ranks these did not come within 2000 ms: 2";
    BOOST_TEST(heard.texts[0] ==
               "barrier number 3 of group test (rank 0 of 3) failed: " + reason);
    BOOST_TEST(heard.texts[1] ==
               "barrier number 2 of group test (rank 1 of 3) failed: " + reason);
    BOOST_TEST(heard.texts[2] ==
               "all_reduce number 2 of group test (rank 2 of 3) failed: " + reason);
}

BOOST_AUTO_TEST_CASE(different_collectives_at_the_same_time_are_told) {
    const auto mismatch = [](std::function<void(lt::communicator&)> first,
                             std::function<void(lt::communicator&)> second) {
        return thrown<lt::communication_error>([&] {
            test::run_ranks(2, [&](lt::communicator& group) {
                group.barrier();
                (group.rank() == 0 ? first : second)(group);
            });
        });
    };
    const auto expect = [](const std::string& text, const std::string& first,
                           const std::string& second) {
        BOOST_TEST(text.find("number 2 of group test") != std::string::npos, text);
        // Whoever came first is named first.
        const std::string start = "ranks call different collectives: rank ";
        const bool found =
            text.find(start + "0 " + first + ", rank 1 " + second) != std::string::npos ||
            text.find(start + "1 " + second + ", rank 0 " + first) != std::string::npos;
        BOOST_TEST(found, text);
    };
    const auto gather = [](lt::communicator& group) {
        auto all = at::empty({2 * group.size()}, at::kDouble);
        group.all_gather(all, at::ones({2}, at::kDouble)).wait();
    };
    const auto sum_of = [](std::int64_t elements) {
        return [elements](lt::communicator& group) { sum(group, elements); };
    };
    const auto barrier = [](lt::communicator& group) { group.barrier(); };
    expect(mismatch(sum_of(5), gather), "all_reduce of 5 Float",
           "all_gather of 2 Double");
    expect(mismatch(sum_of(5), sum_of(6)), "all_reduce of 5 Float",
           "all_reduce of 6 Float");
    expect(mismatch(barrier, sum_of(5)), "barrier", "all_reduce of 5 Float");
    expect(mismatch(
               [](lt::communicator& group) {
                   auto tensor = at::ones({5}, at::kDouble);
                   group.all_reduce(tensor).wait();
               },
               sum_of(5)),
           "all_reduce of 5 Double", "all_reduce of 5 Float");
}

BOOST_AUTO_TEST_CASE(a_failed_rank_keeps_what_others_still_read) {
    // Rank 0 fails at once, and throws its numbers away, while the others copy them.
    constexpr std::int64_t many = 1 << 23;
    std::vector<at::Tensor> received(3);
    std::vector<std::int64_t> none(3, 0);
    test::run_ranks(3, [&](lt::communicator& group) {
        const bool first = group.rank() == 0;
        auto input = at::ones({first ? 2 * many : 0});
        auto& output = received[static_cast<std::size_t>(group.rank())];
        output = at::zeros({first ? 1 : many});
        auto expected = none;
        expected[0] = output.numel();
        try {
            group
                .all_to_all(output, expected, input,
                            first ? std::vector<std::int64_t>{0, many, many} : none)
                .wait();
        } catch (const lt::communication_error&) {}
        input.fill_(-1);
    });
    for (const std::size_t rank : {1, 2})
        BOOST_TEST(received[rank].eq(1).all().item<bool>());
}

BOOST_AUTO_TEST_CASE(chunks_that_do_not_fit_are_told) {
    const auto fault_of = [](std::function<void(lt::communicator&)> work) {
        return thrown<lt::communication_error>([&] { test::run_ranks(2, work); });
    };
    // Rank 0 sends three elements where rank 1 expects two.
    const auto ragged = fault_of([](lt::communicator& group) {
        const bool first = group.rank() == 0;
        auto received = at::empty({first ? 0 : 2});
        group
            .all_to_all(
                received,
                first ? std::vector<std::int64_t>{0, 0} : std::vector<std::int64_t>{2, 0},
                at::ones({first ? 3 : 0}),
                first ? std::vector<std::int64_t>{0, 3} : std::vector<std::int64_t>{0, 0})
            .wait();
    });
    BOOST_TEST(ragged.find("rank 0 sends 3 elements, expected 2") != std::string::npos,
               ragged);
    const auto pair = fault_of([](lt::communicator& group) {
        const bool first = group.rank() == 0;
        auto received = at::empty({first ? 0 : 4});
        group
            .send_recv(at::ones({first ? 3 : 0}), 1 - group.rank(), received,
                       1 - group.rank())
            .wait();
    });
    BOOST_TEST(pair.find("rank 0 sends 3 elements, expected 4") != std::string::npos,
               pair);
}

BOOST_AUTO_TEST_SUITE_END()
