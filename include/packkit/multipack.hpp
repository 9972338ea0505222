// SPDX-License-Identifier: Apache-2.0
/// @file
/// `pack(lengths, capacity)`, where it has always been.
#pragma once

#include <packkit/packing/pack.hpp>  // IWYU pragma: export
