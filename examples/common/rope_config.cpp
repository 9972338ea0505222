// SPDX-License-Identifier: Apache-2.0
#include "rope_config.hpp"

#include "errors.hpp"
#include "numbers.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::app {
namespace {

using std::string_view;

/// A kind of rope scaling and the keys it may have besides rope_type and rope_theta.
struct rope_kind {
    string_view name;
    rope_scaling_kind kind;
    std::vector<string_view> required;
    std::vector<string_view> optional;
};

const std::array<rope_kind, 5>& rope_kinds() {
    using enum rope_scaling_kind;
    static const std::array<rope_kind, 5> kinds = {{
        {"default", none, {}, {}},
        {"linear", linear, {"factor"}, {}},
        {"dynamic", dynamic, {"factor"}, {}},
        {"llama3",
         llama3,
         {"factor", "low_freq_factor", "high_freq_factor",
          "original_max_position_embeddings"},
         {}},
        {"yarn",
         yarn,
         {"factor"},
         {"original_max_position_embeddings", "beta_fast", "beta_slow",
          "attention_factor"}},
    }};
    return kinds;
}

const rope_kind& read_kind(const document_field& rope) {
    const auto named = rope.text("rope_type");
    const auto old_name = rope.text("type");
    if (named && old_name && *named != *old_name) {
        rope.fail("type", in_quotes(*old_name) + " contradicts rope_type " +
                              in_quotes(*named) + " of the same object");
    }
    if (!named && !old_name) return rope_kinds()[0];
    std::vector<string_view> names;
    for (const rope_kind& kind : rope_kinds())
        names.push_back(kind.name);
    return rope_kinds()[rope.member(named ? "rope_type" : "type").one_of(names)];
}

void check_keys(const document_field& rope, const rope_kind& kind) {
    for (const string_view key : kind.required) {
        if (!rope.find(key)) {
            rope.fail(key,
                      "is missing; rope type '" + std::string(kind.name) + "' needs it");
        }
    }
    const std::array<string_view, 4> always = {"rope_type", "type", "rope_theta",
                                               "partial_rotary_factor"};
    for (const auto& [key, value, line] : rope.members()) {
        const auto among = [&](const auto& keys) {
            return std::find(keys.begin(), keys.end(), key) != keys.end();
        };
        if (!rope.find(key) || among(always) || among(kind.required) ||
            among(kind.optional)) {
            continue;
        }
        rope.fail(key, describe_json(value) + " is not supported with rope type '" +
                           std::string(kind.name) + "'");
    }
}

rope_scaling read_scaling(const document_field& rope) {
    const rope_kind& kind = read_kind(rope);
    check_keys(rope, kind);
    rope_scaling scaling;
    scaling.kind = kind.kind;
    if (kind.kind == rope_scaling_kind::none) return scaling;
    scaling.factor = rope.positive("factor").value_or(1.0);
    scaling.low_freq_factor = rope.positive("low_freq_factor").value_or(0.0);
    scaling.high_freq_factor = rope.positive("high_freq_factor").value_or(0.0);
    scaling.original_max_position_embeddings =
        rope.size("original_max_position_embeddings").value_or(0);
    scaling.attention_factor = rope.positive("attention_factor").value_or(0.0);
    if (kind.kind == rope_scaling_kind::yarn) {
        scaling.beta_fast = rope.positive("beta_fast").value_or(32.0);
        scaling.beta_slow = rope.positive("beta_slow").value_or(1.0);
    }
    if (kind.kind == rope_scaling_kind::llama3 &&
        scaling.high_freq_factor <= scaling.low_freq_factor) {
        const auto written = [&](string_view key) {
            return describe_json(rope.member(key).node());
        };
        rope.fail("high_freq_factor", written("high_freq_factor") +
                                          " is not above low_freq_factor " +
                                          written("low_freq_factor"));
    }
    return scaling;
}

/// Numbers and scaling that several places of the file may give.
class rope_values {
public:
    explicit rope_values(model_shape& model) : model_(model) {}

    void theta(const document_field& where, string_view key) {
        put(where, key, theta_, model_.rope_theta, "rope_theta");
    }
    void partial(const document_field& where, string_view key) {
        put(where, key, partial_, model_.partial_rotary_factor, "partial_rotary_factor");
    }
    void scaling(const document_field& where, string_view key,
                 const rope_scaling& value) {
        if (scaled_ && model_.scaling != value) {
            where.fail(key, "contradicts the rope scaling given before in the same file");
        }
        scaled_ = true;
        model_.scaling = value;
    }

    /// An object with all of them.
    void object(const document_field& keys, string_view key, const document_field& rope) {
        scaling(keys, key, read_scaling(rope));
        theta(rope, "rope_theta");
        partial(rope, "partial_rotary_factor");
    }

private:
    static void put(const document_field& where, string_view key,
                    std::optional<double>& known, double& target, string_view name) {
        const auto value = where.positive(key);
        if (!value) return;
        if (known && *known != *value) {
            where.fail(key, describe_json(where.member(key).node()) + " contradicts " +
                                std::string(name) + " " + shortest(*known) +
                                " of the same file");
        }
        known = target = *value;
    }

    model_shape& model_;
    std::optional<double> theta_;
    std::optional<double> partial_;
    bool scaled_ = false;
};

/// Transformers 5 of Gemma 3: an object for layers of each type.
void read_by_layer_type(const document_field& keys, const document_field& ropes,
                        rope_values& values, model_shape& model) {
    for (const auto& [type, value, line] : ropes.members()) {
        if (type != "full_attention" && type != "sliding_attention" && ropes.find(type)) {
            ropes.fail(type, describe_json(value) +
                                 " is not supported; expected full_attention and "
                                 "sliding_attention");
        }
    }
    if (const auto full = ropes.inner("full_attention"))
        values.object(keys, "rope_parameters", *full);
    if (const auto sliding = ropes.inner("sliding_attention")) {
        if (read_scaling(*sliding).kind != rope_scaling_kind::none) {
            sliding->fail("rope_type",
                          "layers with a window are not scaled; expected "
                          "'default'");
        }
        if (const auto theta = sliding->positive("rope_theta"))
            model.rope_local_theta = *theta;
    }
}

}  // namespace

void read_rope(const document_field& keys, model_shape& model) {
    rope_values values(model);
    values.theta(keys, "rope_theta");
    values.partial(keys, "partial_rotary_factor");
    if (model.family == model_family::gpt_neox) {
        values.theta(keys, "rotary_emb_base");
        values.partial(keys, "rotary_pct");
    }
    if (model.family == model_family::gemma3) {
        if (const auto theta = keys.positive("rope_local_base_freq"))
            model.rope_local_theta = *theta;
    }
    for (const char* const name : {"rope_scaling", "rope_parameters"}) {
        const auto rope = keys.inner(name);
        if (!rope) continue;
        const bool by_type =
            rope->has("full_attention") || rope->has("sliding_attention");
        if (model.family == model_family::gemma3 && by_type) {
            read_by_layer_type(keys, *rope, values, model);
        } else {
            values.object(keys, name, *rope);
        }
    }
}

}  // namespace packkit::app
