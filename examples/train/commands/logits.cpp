// SPDX-License-Identifier: Apache-2.0
#include "commands/logits.hpp"

#include "checkpoint/checkpoint.hpp"
#include "common/did_you_mean.hpp"
#include "common/document_field.hpp"
#include "common/errors.hpp"
#include "common/json.hpp"
#include "config/model_config.hpp"
#include "model/model.hpp"

#include <packkit/sequence/cu_seqlens.hpp>
#include <packkit/sequence/labels.hpp>

#include <array>
#include <string_view>

namespace packkit::train {
namespace {

/// The documents of the file as one row without targets.
packed_row read_documents(const std::string& path, std::int64_t vocab_size) {
    const app::document_node file = app::read_json_document(path);
    const auto documents = app::document_field(file, path).member("documents");
    packed_row row;
    row.cu_seqlens.push_back(0);
    if (documents.array_size() == 0) documents.expected("a document or more");
    for (std::size_t i = 0; i < documents.array_size(); ++i) {
        const auto document = documents.element(i);
        if (document.array_size() == 0) document.expected("a token id or more");
        for (std::size_t k = 0; k < document.array_size(); ++k) {
            row.input_ids.push_back(
                document.element(k).whole(0, vocab_size - 1, "a token id"));
        }
        row.cu_seqlens.push_back(static_cast<std::int32_t>(row.input_ids.size()));
    }
    row.targets.assign(row.input_ids.size(), default_ignore_index);
    row.position_ids = position_ids(row.cu_seqlens);
    return row;
}

app::json as_json(const at::Tensor& matrix) {
    const auto held = matrix.to(at::kDouble).contiguous();
    app::json rows = app::json::array();
    for (std::int64_t r = 0; r < held.size(0); ++r) {
        const double* data = held.const_data_ptr<double>() + r * held.size(1);
        rows.push_back(std::vector<double>(data, data + held.size(1)));
    }
    return rows;
}

}  // namespace

std::string packed_logits(const std::string& model_dir, const std::string& tokens_path,
                          const std::string& dtype) {
    constexpr std::array<std::string_view, 3> names{"float64", "float32", "bfloat16"};
    if (std::find(names.begin(), names.end(), dtype) == names.end()) {
        throw app::usage_error("--dtype", app::in_quotes(dtype) + " is none of " +
                                              app::name_list(names) +
                                              app::did_you_mean(dtype, names));
    }
    const auto shape = read_model_config(model_dir);
    const auto row = read_documents(tokens_path, shape.vocab_size);
    model_options options;
    options.master_dtype = dtype == "float64" ? at::kDouble : at::kFloat;
    options.compute_dtype = dtype == "bfloat16" ? at::kBFloat16 : options.master_dtype;
    lt::single_communicator alone("logits");
    model state(shape, lt::mesh_view::alone(alone), options);
    load_weights(model_dir, state);
    const at::NoGradGuard no_grad;
    const auto logits = state.logits(state.prepare(row));
    app::json documents = app::json::array();
    for (std::size_t i = 0; i + 1 < row.cu_seqlens.size(); ++i) {
        documents.push_back(
            as_json(logits.slice(0, row.cu_seqlens[i], row.cu_seqlens[i + 1])));
    }
    return app::json{{"logits", std::move(documents)}}.dump() + "\n";
}

}  // namespace packkit::train
