// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Models, devices and searches that tests of the planner share.

#include <packkit/model/presets.hpp>
#include <packkit/planner.hpp>
#include <packkit/utility/random.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace planner_cases {

using packkit::checkpointing_kind;
using packkit::device;
using packkit::invalid_argument;
using packkit::mesh_shape;
using packkit::model_layout;
using packkit::plan_estimate;
using packkit::plan_search;
using packkit::search_options;
using packkit::sharding_kind;
using packkit::training_setup;
using packkit::workload;

inline model_layout model(std::string_view name) {
    const packkit::named_model* found = packkit::find_model(name);
    BOOST_REQUIRE(found != nullptr);
    return model_layout(found->shape);
}

inline const device& gpu(std::string_view name) {
    const device* found = packkit::find_device(name);
    BOOST_REQUIRE(found != nullptr);
    return *found;
}

inline search_options options_for(std::int64_t gpus, std::int64_t sequence_len) {
    search_options options;
    options.gpus = gpus;
    options.sequence_len = sequence_len;
    return options;
}

/// 100,000 samples, lognormal: median 400 tokens, sigma 1.
inline packkit::length_counts some_counts(std::int64_t longest) {
    std::vector<std::int64_t> lengths(100'000, 0);
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        const double length = std::round(400 * std::exp(packkit::normal(9, i)));
        lengths[i] = static_cast<std::int64_t>(
            std::clamp(length, 1.0, static_cast<double>(longest)));
    }
    return packkit::count_lengths(std::span<const std::int64_t>(lengths), longest);
}

inline bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

/// The reason why a mesh was refused; empty if it was not.
inline std::string reason_for(const plan_search& found, const mesh_shape& mesh) {
    for (const auto& rejected : found.rejected) {
        if (rejected.setup.mesh == mesh) return rejected.reason;
    }
    return {};
}

inline const plan_estimate* plan_for(const plan_search& found, const mesh_shape& mesh) {
    for (const auto& plan : found.plans) {
        if (plan.setup.mesh == mesh) return &plan;
    }
    return nullptr;
}

}  // namespace planner_cases
