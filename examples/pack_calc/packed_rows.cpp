// SPDX-License-Identifier: Apache-2.0
#include "packed_rows.hpp"

#include <packkit/lengths/squared_lengths.hpp>

#include <algorithm>
#include <numeric>

namespace packkit::app {
namespace {

/// Row `k` of those to be drawn out of `rows`.
std::size_t drawn_index(std::size_t k, std::size_t rows) {
    return k * rows / std::min(rows, drawn_rows);
}

/// Tokens and attention of each rank, and the time they wait: in each full step all wait
/// for the row that costs most.
template <class RankOf>
rank_balance sum_ranks(const std::vector<packed_row>& rows, std::size_t ranks,
                       RankOf rank_of) {
    rank_balance sums;
    sums.tokens.assign(ranks, 0.0);
    sums.attention.assign(ranks, 0.0);
    double busy = 0;
    double taken = 0;
    for (std::size_t step = 0; step * ranks < rows.size(); ++step) {
        const std::size_t end = std::min(rows.size(), (step + 1) * ranks);
        double sum = 0;
        double most = 0;
        for (std::size_t i = step * ranks; i < end; ++i) {
            const std::size_t rank = rank_of(step, i - step * ranks);
            sums.tokens[rank] += static_cast<double>(rows[i].tokens);
            sums.attention[rank] += rows[i].attention;
            const double cost = row_cost(rows[i]);
            sum += cost;
            most = std::max(most, cost);
        }
        if (end - step * ranks == ranks) {
            busy += sum;
            taken += most * static_cast<double>(ranks);
        }
    }
    sums.idle = taken > 0 ? 1.0 - busy / taken : 0.0;
    return sums;
}

}  // namespace

std::vector<packed_row> rows_of(const bin_list<>& bins,
                                std::span<const std::uint32_t> lengths,
                                std::vector<drawn_row>& drawn) {
    std::vector<packed_row> rows(bins.size());
    for (std::size_t b = 0; b < bins.size(); ++b) {
        for (const std::uint32_t item : bins[b]) {
            rows[b].tokens += lengths[item];
            rows[b].attention += squared_lengths<double>(lengths[item]);
        }
    }
    for (std::size_t k = 0; k < std::min(rows.size(), drawn_rows); ++k) {
        drawn_row& row = drawn.emplace_back(drawn_row{drawn_index(k, rows.size()), {}});
        for (const std::uint32_t item : bins[row.row])
            row.lengths.push_back(lengths[item]);
    }
    return rows;
}

std::vector<packed_row> rows_of(const packing_plan& plan, std::vector<drawn_row>& drawn) {
    std::vector<packed_row> rows;
    rows.reserve(plan.size());
    std::vector<placement> chain;
    for (const bin_run& run : plan.runs()) {
        plan.placements_of(run, chain);
        packed_row row;
        for (const placement& p : chain) {
            row.tokens += std::int64_t{p.length} * p.per_bin;
            row.attention += squared_lengths<double>(p.length, p.per_bin);
        }
        rows.insert(rows.end(), run.bins, row);
    }
    for (std::size_t k = 0; k < std::min(rows.size(), drawn_rows); ++k) {
        drawn_row& row = drawn.emplace_back(drawn_row{drawn_index(k, rows.size()), {}});
        plan.placements_of(plan.run_of(row.row), chain);
        for (const placement& p : chain)
            row.lengths.insert(row.lengths.end(), p.per_bin, p.length);
    }
    return rows;
}

double row_cost(const packed_row& row) {
    // FLOPs a token of Llama-2 7B: 6 N + 6 L h s with causal attention to a document of
    // s tokens (N = 6.6e9 without embeddings, L = 32, h = 4096), so s / 50,400 of the
    // rest.
    constexpr double tokens_a_square = 50'400;
    return static_cast<double>(row.tokens) + row.attention / tokens_a_square;
}

rank_balance deal_rows(const std::vector<packed_row>& rows, std::size_t ranks) {
    return sum_ranks(rows, ranks, [](std::size_t, std::size_t k) { return k; });
}

rank_balance balance_rows(std::vector<packed_row> rows, std::size_t ranks) {
    constexpr std::size_t window_steps = 64;
    const std::size_t window = window_steps * ranks;
    for (std::size_t first = 0; first < rows.size(); first += window) {
        const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(first);
        const auto end =
            begin + static_cast<std::ptrdiff_t>(std::min(window, rows.size() - first));
        std::sort(begin, end, [](const packed_row& a, const packed_row& b) {
            return row_cost(a) > row_cost(b);
        });
    }
    return sum_ranks(rows, ranks, [ranks](std::size_t step, std::size_t k) {
        return step % 2 == 0 ? k : ranks - 1 - k;
    });
}

double imbalance_of(const std::vector<double>& loads) {
    const double sum = std::accumulate(loads.begin(), loads.end(), 0.0);
    if (sum == 0) return 0.0;
    const double mean = sum / static_cast<double>(loads.size());
    return *std::max_element(loads.begin(), loads.end()) / mean - 1.0;
}

}  // namespace packkit::app
