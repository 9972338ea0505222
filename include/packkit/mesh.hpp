// SPDX-License-Identifier: Apache-2.0
/// @file
/// The device mesh dp_replicate x dp_shard x cp x tp, all of it: sizes and coordinates,
/// from a request to a mesh, every mesh of a number of ranks, groups over nodes, and
/// who holds what.
#pragma once

// IWYU pragma: begin_exports
#include <packkit/mesh/attention_heads.hpp>
#include <packkit/mesh/factorizations.hpp>
#include <packkit/mesh/mesh_request.hpp>
#include <packkit/mesh/mesh_shape.hpp>
#include <packkit/mesh/node_placement.hpp>
#include <packkit/mesh/shard.hpp>
#include <packkit/mesh/tensor_slice.hpp>
// IWYU pragma: end_exports
