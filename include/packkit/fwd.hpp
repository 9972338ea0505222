// SPDX-License-Identifier: Apache-2.0
/// @file
/// The types that other interfaces name, declared and no more.
#pragma once

#include <cstdint>

namespace packkit {

// Bins and lengths.
template <class Index>
class bin_list;
struct bin_limits;
struct invalid_argument;
struct length_counts;
struct length_summary;
class samples_by_length;

// Packing.
class packing_plan;
struct pack_limits;
struct pack_workspace;
class streaming_packer;
struct streaming_options;
class lazy_bin_list;
struct certificate;

// Sampling and sequence.
struct cursor;
struct distributed_plan_options;
struct idle_shares;
class context_split;
class context_exchange;

// Mesh and model.
struct mesh_shape;
struct mesh_coordinates;
struct mesh_request;
struct model_shape;
enum class model_family : std::uint8_t;
struct model_traits;
class model_layout;
struct attention_cost;

// Estimates.
struct training_setup;
enum class sharding_kind : std::uint8_t;
enum class precision_kind : std::uint8_t;
enum class checkpointing_kind : std::uint8_t;
enum class optimizer_kind : std::uint8_t;
struct workload;
struct device;
struct token_flops;
struct activation_profile;
struct memory_estimate;
struct communication_estimate;
struct step_seconds;

// Planner.
struct search_options;
struct estimate_options;
struct plan_estimate;
struct plan_search;
struct rejected_plan;
struct suggestion;
struct advice;
struct run_cost;

// Utility.
class rational;
struct batch_size;
struct learning_rate_schedule;

}  // namespace packkit
