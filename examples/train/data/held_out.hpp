// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Samples that are held out from training, for evaluation.

#include "config/config.hpp"
#include "data/dataset.hpp"

namespace packkit::train {

/// Samples for training and for evaluation.
struct divided_samples {
    token_store training;
    token_store evaluation;
};

/// Takes the samples of val_set_size out of `samples`.
/// \details A share below 1 is rounded up to whole samples. Which samples are held out
/// depends on the seed and the number of samples alone, so that it is the same on every
/// mesh; with shuffle_merged_datasets: false, shuffle_data: false or curriculum_sampling
/// they are the last ones. Either store keeps the order.
/// \throws app::input_error when no sample is left for training
[[nodiscard]] divided_samples hold_out(token_store samples, const train_config& config);

}  // namespace packkit::train
