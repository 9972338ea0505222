// SPDX-License-Identifier: Apache-2.0
/// @file
/// The device mesh dp_replicate x dp_shard x cp x tp, all of it: sizes and coordinates,
/// from a request to a mesh, every mesh of a number of ranks, and groups over nodes.
#pragma once

#include <packkit/mesh_factorizations.hpp>  // IWYU pragma: export
#include <packkit/mesh_request.hpp>         // IWYU pragma: export
#include <packkit/mesh_shape.hpp>           // IWYU pragma: export
#include <packkit/node_placement.hpp>       // IWYU pragma: export
