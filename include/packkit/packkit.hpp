// SPDX-License-Identifier: Apache-2.0
/// @file
/// Everything that needs only the standard library.
#pragma once

#include <packkit/batch_size.hpp>
#include <packkit/best_fit.hpp>
#include <packkit/best_fit_decreasing.hpp>
#include <packkit/bins.hpp>
#include <packkit/certificate.hpp>
#include <packkit/concepts.hpp>
#include <packkit/cu_seqlens.hpp>
#include <packkit/dual_feasible.hpp>
#include <packkit/error.hpp>
#include <packkit/excess_length.hpp>
#include <packkit/first_fit.hpp>
#include <packkit/first_fit_decreasing.hpp>
#include <packkit/learning_rate.hpp>
#include <packkit/linear_bound.hpp>
#include <packkit/lower_bound.hpp>
#include <packkit/mesh.hpp>
#include <packkit/model_shape.hpp>
#include <packkit/multipack.hpp>
#include <packkit/packing_plan.hpp>
#include <packkit/pattern_fit.hpp>
#include <packkit/random.hpp>
#include <packkit/sampler.hpp>
#include <packkit/sequential.hpp>
#include <packkit/shard.hpp>
#include <packkit/stats.hpp>
#include <packkit/version.hpp>
#include <packkit/worst_fit.hpp>
