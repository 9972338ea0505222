// SPDX-License-Identifier: Apache-2.0
/// @file
/// Everything that needs only the standard library.
#pragma once

#include <packkit/attention_cost.hpp>
#include <packkit/batch_size.hpp>
#include <packkit/best_fit.hpp>
#include <packkit/best_fit_decreasing.hpp>
#include <packkit/bins.hpp>
#include <packkit/concepts.hpp>
#include <packkit/context_split.hpp>
#include <packkit/cu_seqlens.hpp>
#include <packkit/distributed_plan.hpp>
#include <packkit/equal_bins.hpp>
#include <packkit/error.hpp>
#include <packkit/excess_length.hpp>
#include <packkit/first_fit.hpp>
#include <packkit/first_fit_decreasing.hpp>
#include <packkit/learning_rate.hpp>
#include <packkit/loss_weights.hpp>
#include <packkit/lower_bound.hpp>
#include <packkit/mesh.hpp>
#include <packkit/model_shape.hpp>
#include <packkit/multipack.hpp>
#include <packkit/packing_plan.hpp>
#include <packkit/padded_cu_seqlens.hpp>
#include <packkit/permutation.hpp>
#include <packkit/plan_reader.hpp>
#include <packkit/random.hpp>
#include <packkit/sampler.hpp>
#include <packkit/sequential.hpp>
#include <packkit/shard.hpp>
#include <packkit/stats.hpp>
#include <packkit/version.hpp>
#include <packkit/worst_fit.hpp>
