// SPDX-License-Identifier: Apache-2.0
// refused: (throw_invalid_argument|constant expression)
// A mesh that does not divide is an error already when compiling.
#include <packkit/mesh/mesh_request.hpp>

#ifdef PACKKIT_REFUSED
constexpr auto shape = packkit::resolve_mesh(8, {.tp = 3, .fully_sharded = true});
#else
constexpr auto shape = packkit::resolve_mesh(8, {.tp = 4, .fully_sharded = true});
#endif
static_assert(shape.world_size() == 8);
