// SPDX-License-Identifier: Apache-2.0
/// @file
/// What a packed row holds: boundaries, labels, loss weights, and its split over
/// context-parallel ranks.
#pragma once

// IWYU pragma: begin_exports
#include <packkit/sequence/attention_blocks.hpp>
#include <packkit/sequence/context_exchange.hpp>
#include <packkit/sequence/context_split.hpp>
#include <packkit/sequence/cu_seqlens.hpp>
#include <packkit/sequence/labels.hpp>
#include <packkit/sequence/loss_weights.hpp>
#include <packkit/sequence/padded_cu_seqlens.hpp>
// IWYU pragma: end_exports
