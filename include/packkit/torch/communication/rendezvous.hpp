// SPDX-License-Identifier: Apache-2.0
/// @file
/// How the ranks of a job find each other: a TCP store, and values that every rank
/// publishes.
#pragma once

#include <packkit/torch/communication/process_group.hpp>

#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace packkit::lt {

/// Where the store is and who this rank is.
struct rendezvous_options {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;
    bool is_server = false;  ///< this process hosts the store
    std::chrono::milliseconds timeout = std::chrono::minutes(2);
};

/// Connects to the store. Throws `runtime_error` naming host and port.
[[nodiscard]] inline c10::intrusive_ptr<c10d::Store> connect_store(
    const rendezvous_options& options) {
    c10d::TCPStoreOptions store;
    store.port = options.port;
    store.isServer = options.is_server;
    store.waitWorkers = false;
    store.timeout = options.timeout;
    try {
        return c10::make_intrusive<c10d::TCPStore>(options.host, store);
    } catch (const std::exception& cause) {
        const std::string reason = cause.what();
        throw packkit::runtime_error(
            "rendezvous at " + options.host + ":" + std::to_string(options.port) +
            (options.is_server ? " cannot be opened" : " does not answer") + " (" +
            reason.substr(0, reason.find('\n')) +
            "); set MASTER_ADDR and MASTER_PORT to an address and a free port of rank "
            "0's node");
    }
}

namespace detail {

/// Waits until every rank has counted itself under `key`: whoever hosts the store must
/// not leave while others still read. Gives up silently, since the values themselves are
/// complete.
inline void wait_for_readers(c10d::Store& store, const std::string& key,
                             std::int64_t ranks) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (store.add(key, 0) < ranks && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
}

/// Those that have not published a value, as "1, 2".
[[nodiscard]] inline std::string missing_ranks(c10d::Store& store,
                                               const std::vector<std::string>& keys) {
    std::string missing;
    for (std::size_t rank = 0; rank < keys.size(); ++rank) {
        if (store.check({keys[rank]})) continue;
        missing += (missing.empty() ? "" : ", ") + std::to_string(rank);
    }
    return missing;
}

/// The value under `key`, or nothing after `timeout`. Throws `runtime_error` when the
/// store has gone.
[[nodiscard]] inline std::optional<std::string> wait_for_value(
    c10d::Store& store, const std::string& key, std::chrono::milliseconds timeout) {
    const auto value = [&] {
        const auto bytes = store.get(key);
        return std::string(bytes.begin(), bytes.end());
    };
    try {
        store.wait({key}, timeout);
        return value();
    } catch (const std::exception& cause) {
        try {
            if (!store.check({key})) return std::nullopt;
            // It came just after the wait was over.
            return value();
        } catch (const std::exception&) {}  // the first cause says more
        const std::string reason = cause.what();
        throw packkit::runtime_error("rendezvous: the store has gone (" +
                                     reason.substr(0, reason.find('\n')) +
                                     "); rank 0's process or the launcher has ended");
    }
}

/// What a rank publishes: how many ranks it believes in, and its value.
inline void publish(c10d::Store& store, const std::string& key, std::int64_t world_size,
                    const std::string& value) {
    const auto text = std::to_string(world_size) + " " + value;
    store.set(key, std::vector<std::uint8_t>(text.begin(), text.end()));
}

[[nodiscard]] inline std::string key_of(const std::string& key, std::int64_t rank) {
    return key + "/" + std::to_string(rank);
}

}  // namespace detail

/// This rank's part of an `exchange_values` of the others, without waiting for theirs.
inline void publish(c10d::Store& store, const std::string& key, std::int64_t rank,
                    std::int64_t world_size, const std::string& value) {
    detail::publish(store, detail::key_of(key, rank), world_size, value);
    store.add(key + "/read", 1);
}

/// Publishes `value` for this rank under `key` and returns every rank's, in rank order.
/// Throws `runtime_error` naming the ranks that did not come within `timeout`, and
/// `invalid_argument` with both values when a rank was given another `world_size`.
[[nodiscard]] inline std::vector<std::string> exchange_values(
    c10d::Store& store, const std::string& key, std::int64_t rank,
    std::int64_t world_size, const std::string& value,
    std::chrono::milliseconds timeout) {
    std::vector<std::string> keys;
    for (std::int64_t r = 0; r < world_size; ++r)
        keys.push_back(detail::key_of(key, r));
    const auto mine = std::to_string(world_size);
    detail::publish(store, keys[static_cast<std::size_t>(rank)], world_size, value);
    const auto all_have_read = [&] {
        store.add(key + "/read", 1);
        if (rank == 0) detail::wait_for_readers(store, key + "/read", world_size);
    };
    std::vector<std::string> values;
    const auto end = std::chrono::steady_clock::now() + timeout;
    // One by one: ranks that disagree on how many they are would wait for some that
    // never come.
    for (std::size_t r = 0; r < keys.size(); ++r) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            end - std::chrono::steady_clock::now());
        const auto found = detail::wait_for_value(
            store, keys[r], std::max(left, std::chrono::milliseconds(1)));
        if (!found) {
            throw packkit::runtime_error(
                "rendezvous: of " + mine + " ranks these did not come within " +
                std::to_string(
                    std::chrono::duration_cast<std::chrono::seconds>(timeout).count()) +
                " s: " + detail::missing_ranks(store, keys));
        }
        const auto theirs = found->substr(0, found->find(' '));
        if (theirs != mine) {
            all_have_read();
            const bool ours_first = static_cast<std::size_t>(rank) < r;
            const auto other = std::to_string(r), here = std::to_string(rank);
            throw invalid_argument(
                "WORLD_SIZE: rank " + (ours_first ? here : other) + " has " +
                (ours_first ? mine : theirs) + ", rank " + (ours_first ? other : here) +
                " has " + (ours_first ? theirs : mine) + "; all ranks need the same");
        }
        values.push_back(found->substr(theirs.size() + 1));
    }
    all_have_read();
    return values;
}

}  // namespace packkit::lt
