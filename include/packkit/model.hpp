// SPDX-License-Identifier: Apache-2.0
/// @file
/// What a decoder is: its shape, its parameters, the cost of its documents, and
/// known ones by name.
#pragma once

// IWYU pragma: begin_exports
#include <packkit/model/check_model_shape.hpp>
#include <packkit/model/document_cost.hpp>
#include <packkit/model/layout.hpp>
#include <packkit/model/model_shape.hpp>
#include <packkit/model/model_traits.hpp>
#include <packkit/model/parameters.hpp>
#include <packkit/model/presets.hpp>
// IWYU pragma: end_exports
