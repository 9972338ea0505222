// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The keys of config.json that say how positions turn features.

#include "document_field.hpp"

#include <packkit/model/model_shape.hpp>

namespace packkit::app {

/// Reads rope_theta, partial_rotary_factor and the scaling from where Transformers 4
/// (rope_theta, rope_scaling, rope_local_base_freq; rotary_emb_base, rotary_pct of
/// GPT-NeoX) and 5 (rope_parameters) write them. What the file does not say keeps the
/// value that `model` has; its family must be set.
/// @throws input_error for a kind of rope that is not known, a key that the kind does not
/// have or lacks, and for values that contradict each other
void read_rope(const document_field& keys, model_shape& model);

}  // namespace packkit::app
