// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// A packing seen as rows: how full each is and what it costs, whichever samples are in
/// it.

#include "report.hpp"

#include <packkit/bin_list.hpp>
#include <packkit/packing/packing_plan.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace packkit::app {

/// One row of a packing.
struct packed_row {
    std::int64_t tokens = 0;
    double attention = 0;  ///< sum of squared lengths: documents attend to themselves
};

/// The rows of bins, in order; `drawn` gets the rows to be drawn. O(N).
std::vector<packed_row> rows_of(const bin_list<>& bins,
                                std::span<const std::uint32_t> lengths,
                                std::vector<drawn_row>& drawn);

/// The same of a plan, without handing out samples. O(bins).
std::vector<packed_row> rows_of(const packing_plan& plan, std::vector<drawn_row>& drawn);

/// Time of a row on a rank, in tokens: the tokens, and their attention in proportion as
/// in a model of 7B parameters.
double row_cost(const packed_row& row);

/// Rows dealt to the ranks in turn. Precondition: ranks > 0
rank_balance deal_rows(const std::vector<packed_row>& rows, std::size_t ranks);

/// Rows sorted by cost inside windows of 64 steps, so that those of one step cost about
/// the same; each window's steps go to the ranks forth and back. Precondition: ranks > 0
rank_balance balance_rows(std::vector<packed_row> rows, std::size_t ranks);

/// max / mean - 1; 0 when all are 0.
double imbalance_of(const std::vector<double>& loads);

}  // namespace packkit::app
