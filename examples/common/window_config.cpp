// SPDX-License-Identifier: Apache-2.0
#include "window_config.hpp"

#include <packkit/model/model_traits.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace packkit::app {
namespace {

/// Says by type of layer which layers have a window: a first one, and an interval of
/// layers without.
void read_layer_types(const document_field& keys, std::int64_t window,
                      model_shape& model) {
    const auto types = keys.find("layer_types");
    if (!types) return;
    const auto layers = static_cast<std::size_t>(model.num_hidden_layers);
    const document_node& list = types->node();
    const bool array = list.type == document_node::kind::sequence;
    if (!array || list.items.size() != layers) {
        types->fail("expected an array of " + std::to_string(layers) + " names, found " +
                    (array ? "one of " + std::to_string(list.items.size())
                           : describe_json(list)));
    }
    std::vector<bool> slides;
    for (const document_node& type : list.items) {
        const bool sliding = is_text(type) && type.text == "sliding_attention";
        if (!sliding && !(is_text(type) && type.text == "full_attention")) {
            types->fail(describe_json(type) + " of layer " +
                        std::to_string(slides.size()) +
                        " is not known; expected full_attention or sliding_attention");
        }
        slides.push_back(sliding);
    }
    const auto at = [&](bool what, std::size_t from) {
        return static_cast<std::size_t>(
            std::find(slides.begin() + static_cast<std::ptrdiff_t>(from), slides.end(),
                      what) -
            slides.begin());
    };
    const std::size_t first = at(true, 0);
    if (first == layers) {
        model.sliding_window = 0;
        return;
    }
    if (window == 0) {
        keys.fail("sliding_window", "is missing, and layer " + std::to_string(first) +
                                        " has one by layer_types");
    }
    model.sliding_window = window;
    const auto mismatch = [&]() -> std::optional<std::size_t> {
        for (std::size_t i = 0; i < layers; ++i) {
            if ((attention_window(model, static_cast<std::int64_t>(i)) > 0) != slides[i])
                return i;
        }
        return std::nullopt;
    };
    if (!mismatch()) return;  // as the other keys say
    const std::size_t full = at(false, first);
    model.full_attention_interval =
        full == layers ? 0 : static_cast<std::int64_t>(full) + 1;
    model.first_sliding_layer = 0;
    if (!mismatch()) return;
    model.first_sliding_layer = static_cast<std::int64_t>(first);
    if (const auto layer = mismatch()) {
        keys.fail("layer_types", "layer " + std::to_string(*layer) +
                                     " breaks the pattern of the layers before it: "
                                     "only full attention in every n-th layer and in "
                                     "the first layers is supported");
    }
}

}  // namespace

void read_windows(const document_field& keys, model_shape& model) {
    using enum model_family;
    const char* const key = "sliding_window";
    constexpr std::int64_t class_default = 4096;
    std::int64_t window = keys.size(key).value_or(keys.has(key) ? 0 : class_default);
    switch (model.family) {
        case mistral:
            break;
        case mixtral:
            window = keys.size(key).value_or(0);
            break;
        case qwen2:
        case qwen3:
        case qwen3_moe:
            if (!keys.truth("use_sliding_window").value_or(false)) {
                window = 0;
            } else if (model.family != qwen3_moe) {
                model.first_sliding_layer =
                    keys.size("max_window_layers", max_size, 0).value_or(28);
            }
            break;
        case gemma2:
            model.full_attention_interval = 2;
            break;
        case gemma3:
            model.full_attention_interval =
                keys.size("sliding_window_pattern", 1 << 16)
                    .value_or(keys.size("_sliding_window_pattern", 1 << 16).value_or(6));
            break;
        case llama:
        case gemma:
        case gpt2:
        case gpt_neox:
        case mpt:
            return;
    }
    model.sliding_window = window;
    read_layer_types(keys, window, model);
    if (model.sliding_window == 0)
        model.full_attention_interval = model.first_sliding_layer = 0;
}

}  // namespace packkit::app
