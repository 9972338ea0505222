// SPDX-License-Identifier: Apache-2.0
#include "model/logits.hpp"

#include "checkpoint/checkpoint.hpp"
#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "common/json.hpp"
#include "model/model.hpp"
#include "model/model_config.hpp"

#include <packkit/cu_seqlens.hpp>

#include <array>
#include <string_view>

namespace packkit::train {
namespace {

/// The documents of the file as one row without targets.
packed_row read_documents(const std::string& path, std::int64_t vocab_size) {
    const auto file = app::read_json_file(path);
    if (!file.is_object() || !file.contains("documents") ||
        !file["documents"].is_array() || file["documents"].empty()) {
        throw app::input_error(path, "expected {\"documents\": [[id, ...], ...]}");
    }
    packed_row row;
    row.cu_seqlens.push_back(0);
    std::size_t number = 0;
    for (const auto& document : file["documents"]) {
        const auto place = path + ": documents[" + std::to_string(number++) + "]";
        if (!document.is_array() || document.empty()) {
            throw app::input_error(place, "expected an array of token ids");
        }
        std::size_t position = 0;
        for (const auto& id : document) {
            const auto at = place + "[" + std::to_string(position) + "]";
            if (!id.is_number_integer()) {
                throw app::input_error(
                    at, "expected a token id, found " + std::string(app::json_kind(id)));
            }
            const auto value = id.get<std::int64_t>();
            if (value < 0 || value >= vocab_size) {
                throw app::input_error(at, "id is " + std::to_string(value) +
                                               ", the vocabulary has " +
                                               std::to_string(vocab_size));
            }
            row.input_ids.push_back(value);
            ++position;
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
