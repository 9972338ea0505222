// SPDX-License-Identifier: Apache-2.0
/// @file
/// A config.json: whatever it holds, it is refused with its place or is a model whose
/// parameters can be listed.

#include "common/model_config.hpp"
#include "common/errors.hpp"

#include <packkit/model/model_traits.hpp>
#include <packkit/model/parameters.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace packkit;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    model_shape model;
    try {
        model = app::parse_model_config(text, "config.json");
    } catch (const app::input_error& error) {
        if (!std::string_view(error.what()).starts_with("config.json")) std::abort();
        return 0;
    }
    const std::int64_t parameters = parameter_count(model);
    const std::int64_t active = active_parameter_count(model);
    if (parameters < 1 || active < 1 || active > parameters) std::abort();
    for (std::int64_t layer = 0; layer < model.num_hidden_layers; ++layer) {
        const std::int64_t window = attention_window(model, layer);
        if (window != 0 && window != model.sliding_window) std::abort();
    }
    if (model.num_hidden_layers * (model.num_experts + 1) > 1000) return 0;
    std::int64_t listed = 0;
    for (const unit_shape& unit : unit_shapes(model))
        listed += unit.elements();
    if (listed != parameters) std::abort();
    return 0;
}
