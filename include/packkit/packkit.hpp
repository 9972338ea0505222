// SPDX-License-Identifier: Apache-2.0
/// @file
/// Everything that needs only the standard library.
#pragma once

#include <packkit/axolotl.hpp>
#include <packkit/batch_size.hpp>
#include <packkit/best_fit.hpp>
#include <packkit/best_fit_decreasing.hpp>
#include <packkit/bins.hpp>
#include <packkit/concepts.hpp>
#include <packkit/cu_seqlens.hpp>
#include <packkit/error.hpp>
#include <packkit/excess_length.hpp>
#include <packkit/first_fit.hpp>
#include <packkit/first_fit_decreasing.hpp>
#include <packkit/lazy_bins.hpp>
#include <packkit/grouped.hpp>
#include <packkit/learning_rate.hpp>
#include <packkit/lower_bound.hpp>
#include <packkit/mesh.hpp>
#include <packkit/model_shape.hpp>
#include <packkit/multipack.hpp>
#include <packkit/packing_plan.hpp>
#include <packkit/padded_length.hpp>
#include <packkit/random.hpp>
#include <packkit/sampler.hpp>
#include <packkit/sequential.hpp>
#include <packkit/shard.hpp>
#include <packkit/stats.hpp>
#include <packkit/streaming.hpp>
#include <packkit/vector_packing.hpp>
#include <packkit/version.hpp>
#include <packkit/window_fit.hpp>
#include <packkit/worst_fit.hpp>
