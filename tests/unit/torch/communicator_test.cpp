// SPDX-License-Identifier: Apache-2.0
#include "thread_ranks.hpp"

#include <packkit/torch/communication/rendezvous.hpp>

#include <ATen/ATen.h>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include <boost/test/unit_test.hpp>

#include <future>
#include <mutex>
#include <string>

BOOST_AUTO_TEST_SUITE(communicator_test)

using namespace packkit;
using lt::collective;

namespace {

/// Boost.Test's checks are not for several threads at once.
std::mutex checking;

at::Tensor numbers(std::int64_t count, double first) {
    return at::arange(first, first + static_cast<double>(count), at::kDouble);
}

/// What every implementation must do; `groups` makes a rank's end.
void check_collectives(lt::communicator& group) {
    const int n = group.size();
    const double me = group.rank();

    auto sum = numbers(5, 10 * me);
    group.all_reduce(sum).wait();
    auto expected = at::zeros({5}, at::kDouble);
    for (int r = 0; r < n; ++r)
        expected += numbers(5, 10.0 * r);

    auto gathered = at::empty({n, 3}, at::kDouble);
    group.all_gather(gathered, numbers(3, me)).wait();

    auto scattered = at::empty({2}, at::kDouble);
    group.reduce_scatter(scattered, numbers(2 * n, me)).wait();

    auto exchanged = at::empty({n}, at::kDouble);
    group.all_to_all(exchanged, numbers(n, 100 * me)).wait();

    auto received = at::empty({1}, at::kDouble);
    group
        .send_recv(numbers(1, me), (group.rank() + 1) % n, received,
                   (group.rank() + n - 1) % n)
        .wait();

    // Rank i has i + j elements for rank j, so the first nothing for itself, and only the
    // last sends to the next one.
    const auto counts = [n](int rank) {
        std::vector<std::int64_t> chunks;
        for (int j = 0; j < n; ++j)
            chunks.push_back(rank + j);
        return chunks;
    };
    const std::int64_t uneven = n * (n - 1) / 2 + n * group.rank();
    auto ragged = at::empty({uneven}, at::kDouble);
    group
        .all_to_all(ragged, counts(group.rank()), numbers(uneven, 100 * me),
                    counts(group.rank()))
        .wait();
    // Only the last rank sends, only the first receives.
    const auto only = [n](bool mine, int rank) {
        std::vector<std::int64_t> chunks(static_cast<std::size_t>(n), 0);
        if (mine) chunks[static_cast<std::size_t>(rank)] = 2;
        return chunks;
    };
    const bool last = group.rank() == n - 1, first = group.rank() == 0;
    auto from_last = at::empty({first ? 2 : 0}, at::kDouble);
    group
        .all_to_all(from_last, only(first, n - 1), numbers(last ? 2 : 0, 7),
                    only(last, 0))
        .wait();
    const bool sends = last, receives = first;
    auto passed = at::empty({receives ? 3 : 0}, at::kDouble);
    group
        .send_recv(numbers(sends ? 3 : 0, me), (group.rank() + 1) % n, passed,
                   (group.rank() + n - 1) % n)
        .wait();
    group.barrier();

    const std::lock_guard lock(checking);
    for (std::int64_t from = 0, at = 0; from < n; ++from) {
        for (std::int64_t i = 0; i < from + group.rank(); ++i, ++at) {
            const std::int64_t before =
                group.rank() * from + std::int64_t{group.rank()} * (group.rank() - 1) / 2;
            BOOST_TEST(ragged[at].item<double>() == 100.0 * static_cast<double>(from) +
                                                        static_cast<double>(before + i));
        }
    }
    if (first) BOOST_TEST(at::equal(from_last, numbers(2, 7)));
    if (receives) BOOST_TEST(at::equal(passed, numbers(3, n - 1)));
    BOOST_TEST(at::equal(sum, expected));
    for (int r = 0; r < n; ++r) {
        BOOST_TEST(at::equal(gathered[r], numbers(3, r)));
        BOOST_TEST(exchanged[r].item<double>() == 100.0 * r + me);
    }
    const double total = n * (n - 1) / 2.0;
    BOOST_TEST(scattered[0].item<double>() == n * 2 * me + total);
    BOOST_TEST(scattered[1].item<double>() == n * (2 * me + 1) + total);
    BOOST_TEST(received.item<double>() == (group.rank() + n - 1) % n);

    const auto& sent = group.sent();
    const auto chunk = (5 + n - 1) / n;
    BOOST_TEST(sent[collective::all_reduce] == 2 * (n - 1) * chunk * 8);
    BOOST_TEST(sent[collective::all_gather] == (n - 1) * 3 * 8);
    BOOST_TEST(sent[collective::reduce_scatter] == (n - 1) * 2 * 8);
    BOOST_TEST(sent[collective::all_to_all] ==
               (n - 1) * 8 + 8 * (uneven - 2 * group.rank()) + (n > 1 && last ? 16 : 0));
    BOOST_TEST(sent[collective::send_recv] ==
               (n == 1 ? 0 : 8) + (n > 1 && sends ? 24 : 0));
}

/// Runs `body(rank, store)` on threads that share a store.
void run_gloo(int ranks,
              const std::function<void(std::int64_t, lt::communicator&)>& body) {
    const auto store = c10::make_intrusive<c10d::HashStore>();
    std::vector<std::int64_t> members(static_cast<std::size_t>(ranks));
    std::iota(members.begin(), members.end(), 0);
    std::vector<std::thread> threads;
    for (int rank = 0; rank < ranks; ++rank) {
        threads.emplace_back([&, rank] {
            const auto group = lt::make_gloo_group(store, "gloo", members, rank,
                                                   {.timeout = std::chrono::seconds(20)});
            body(rank, *group);
        });
    }
    for (auto& thread : threads)
        thread.join();
}

}  // namespace

BOOST_AUTO_TEST_CASE(one_rank_alone) {
    lt::single_communicator alone("alone");
    check_collectives(alone);
}

BOOST_AUTO_TEST_CASE(ranks_as_threads) {
    for (const int ranks : {2, 3, 4})
        test::run_ranks(ranks, check_collectives);
}

BOOST_AUTO_TEST_CASE(processes_over_gloo) {
    for (const int ranks : {2, 3}) {
        run_gloo(ranks,
                 [](std::int64_t, lt::communicator& group) { check_collectives(group); });
    }
}

BOOST_AUTO_TEST_CASE(gloo_and_threads_add_in_the_same_order) {
    // Values whose sum depends on the order of addition.
    const auto values = [](std::int64_t rank) {
        return at::full({7}, rank == 0 ? 1.0 : rank == 1 ? 1e16 : -1e16, at::kDouble);
    };
    std::vector<at::Tensor> gloo(3), threads(3);
    run_gloo(3, [&](std::int64_t rank, lt::communicator& group) {
        gloo[static_cast<std::size_t>(rank)] = values(rank);
        group.all_reduce(gloo[static_cast<std::size_t>(rank)]).wait();
    });
    test::run_ranks(3, [&](lt::communicator& group) {
        auto& mine = threads[static_cast<std::size_t>(group.rank())];
        mine = values(group.rank());
        group.all_reduce(mine).wait();
    });
    for (std::size_t rank = 0; rank < 3; ++rank) {
        BOOST_TEST(at::equal(gloo[rank], threads[rank]));
        BOOST_TEST(at::equal(gloo[rank], gloo[0]));
    }
}

BOOST_AUTO_TEST_CASE(wrong_sizes_are_refused) {
    lt::single_communicator alone("alone");
    BOOST_CHECK_THROW((void)alone.all_gather(at::empty({3}), at::empty({2})),
                      invalid_argument);
    BOOST_CHECK_THROW((void)alone.reduce_scatter(at::empty({3}), at::empty({2})),
                      invalid_argument);
    BOOST_CHECK_THROW((void)alone.all_to_all(at::empty({3}), at::empty({2})),
                      invalid_argument);
    BOOST_CHECK_THROW((void)alone.all_to_all(at::empty({3}), {3}, at::empty({3}), {2}),
                      invalid_argument);
    BOOST_CHECK_THROW((void)alone.all_to_all(at::empty({3}), {1, 2}, at::empty({3}), {3}),
                      invalid_argument);
}

BOOST_AUTO_TEST_CASE(a_rank_that_does_not_come_is_a_named_failure) {
    const auto store = c10::make_intrusive<c10d::HashStore>();
    std::string message;
    std::promise<void> given_up;
    std::vector<std::thread> threads;
    const std::vector<std::int64_t> members{0, 1};
    for (int rank = 0; rank < 2; ++rank) {
        threads.emplace_back([&, rank] {
            // Also the time that they have to find each other.
            const auto group = lt::make_gloo_group(store, "pair", members, rank,
                                                   {.timeout = std::chrono::seconds(2)});
            if (rank == 1) {
                given_up.get_future().wait();
                return;
            }
            try {
                auto tensor = at::ones({4});
                group->all_reduce(tensor).wait();
            } catch (const lt::communication_error& fault) { message = fault.what(); }
            given_up.set_value();
        });
    }
    for (auto& thread : threads)
        thread.join();
    BOOST_TEST(message.find("all_reduce number 1 of group pair (rank 0 of 2) failed") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_value_that_comes_as_the_wait_ends_has_come) {
    struct late_store final : c10d::HashStore {
        using c10d::HashStore::wait;
        void wait(const std::vector<std::string>& keys,
                  const std::chrono::milliseconds& timeout) override {
            if (check(keys)) return;
            set(keys.front(), std::vector<std::uint8_t>{'2', ' ', 'x'});
            throw std::runtime_error("no answer within " +
                                     std::to_string(timeout.count()) + " ms");
        }
    } store;
    BOOST_TEST(lt::exchange_values(store, "name", 1, 2, "y", std::chrono::seconds(1)) ==
                   (std::vector<std::string>{"x", "y"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(values_of_all_ranks_come_in_rank_order) {
    c10d::HashStore store;
    const auto wait = std::chrono::milliseconds(200);
    std::thread other([&] {
        (void)lt::exchange_values(store, "name", 1, 2, "one", std::chrono::seconds(10));
    });
    const auto values =
        lt::exchange_values(store, "name", 0, 2, "zero", std::chrono::seconds(10));
    other.join();
    BOOST_TEST(values == (std::vector<std::string>{"zero", "one"}),
               boost::test_tools::per_element());
    BOOST_CHECK_EXCEPTION((void)lt::exchange_values(store, "late", 0, 3, "here", wait),
                          packkit::runtime_error, [](const auto& fault) {
                              return std::string(fault.what())
                                         .find(
                                             "of 3 ranks these did not "
                                             "come within 0 s: 1, 2") !=
                                     std::string::npos;
                          });
}

BOOST_AUTO_TEST_SUITE_END()
