// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// config.json of a Hugging Face model folder: what the trainer takes and what it writes.

#include "common/json.hpp"
#include "config/config.hpp"

#include <packkit/model/model_shape.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace packkit::train {

/// Reads the config.json of a model that this trainer computes: see
/// app::read_model_config.
/// \param path the file, or the folder that holds it.
/// \details What this trainer would compute differently is refused, not ignored: another
/// family, rotary frequencies that depend on a batch, dropout.
/// \throws app::input_error with file, key and value.
model_shape read_model_config(const std::string& path);

/// The config.json itself, as it is written. \throws as read_model_config.
app::ordered_json read_model_document(const std::string& path);

/// The folder, or file, of a configuration's config.json. Nothing is looked for.
std::string config_folder(const train_config& config);

/// The class of Transformers that opens a model of this type; "" for an unknown type.
std::string architecture_of(std::string_view model_type);

/// The keys of config.json that a configuration may override: those that its readers
/// know, and those that Transformers reads when it opens a checkpoint.
std::span<const std::string_view> model_config_keys();

/// A model as a configuration wants it.
struct configured_model {
    model_shape shape;
    app::ordered_json document;  ///< config.json, overridden keys included
    /// Rows of the embedding in the files of weights.
    std::int64_t stored_vocabulary = 0;
};

/// Reads config.json with overrides_of_model_config, model_config and rope_scaling merged
/// over it: a key of the configuration replaces that of the file.
/// \throws as read_model_config.
configured_model read_configured_model(const train_config& config);

/// Lets embedding and head have a row for each id of the tokenizer, if the configuration
/// adds tokens or rounds the vocabulary up (resize_token_embeddings_to_32x); and writes
/// the ids of the tokens that it names into config.json. They never get fewer rows.
void fit_vocabulary(configured_model& model, const train_config& config,
                    const app::tokenizer& tokens);

/// Writes the ids of the bos and eos that a configuration names into a config.json or
/// generation_config.json.
void put_token_ids(app::ordered_json& document, const train_config& config,
                   const app::tokenizer& tokens);

/// The text of a config.json to save beside weights in `dtype` ("float32", "float64",
/// "bfloat16"): that of the model folder, in which Transformers 4 and 5 find all that
/// they look for.
/// \param base the document that read_model_config took the shape from.
std::string saved_model_config(const app::ordered_json& base, std::string_view dtype);

}  // namespace packkit::train
