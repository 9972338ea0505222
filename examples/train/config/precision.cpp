// SPDX-License-Identifier: Apache-2.0
// Precision of the computation: bf16, fp16, float32 and their other names.
#include "config/kinds.hpp"
#include "config/optimizer.hpp"

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <vector>

namespace packkit::train {
namespace {

using namespace std::string_view_literals;

enum class compute_dtype : std::uint8_t { bf16, fp16, float32 };

/// A key that asks for a precision of the computation, as messages show it.
struct precision_request {
    std::string_view key;
    std::string_view shown;
    compute_dtype asked;
};

std::vector<precision_request> requests_of(const key_reader& keys) {
    const auto is_on = [&](std::string_view key) {
        return keys.read(key, precision_switch_name{}) == precision_switch::on;
    };
    std::vector<precision_request> requests;
    if (is_on("bf16")) requests.push_back({"bf16", "bf16", compute_dtype::bf16});
    if (is_on("bfloat16"))
        requests.push_back({"bfloat16", "bfloat16", compute_dtype::bf16});
    if (is_on("fp16")) requests.push_back({"fp16", "fp16", compute_dtype::fp16});
    if (is_on("float16")) requests.push_back({"float16", "float16", compute_dtype::fp16});
    if (is_on("float32"))
        requests.push_back({"float32", "float32", compute_dtype::float32});
    const auto name = keys.read("torch_dtype", choice<dtype_name>{});
    if (name == dtype_name::bfloat16)
        requests.push_back({"torch_dtype", "torch_dtype: bfloat16", compute_dtype::bf16});
    if (name == dtype_name::float16)
        requests.push_back({"torch_dtype", "torch_dtype: float16", compute_dtype::fp16});
    return requests;
}

[[noreturn]] void reject_pair(const key_reader& keys, std::string_view key,
                              std::string_view other, std::string_view why) {
    keys.conflict(key,
                  fmt::format("{} and {} cannot be used together: {}", key, other, why));
}

/// The first request, where all agree with it and with `torch_dtype`.
std::optional<compute_dtype> agreed(const key_reader& keys) {
    const auto requests = requests_of(keys);
    const bool is_wide =
        keys.read("torch_dtype", choice<dtype_name>{}) == dtype_name::float64;
    for (const auto& [key, shown, asked] : requests) {
        if (is_wide) {
            reject_pair(keys, key, "torch_dtype: float64",
                        asked == compute_dtype::float32
                            ? "they are different dtypes"
                            : fmt::format("{} computes with float32 parameters", key));
        }
        if (asked != requests.front().asked) {
            const bool is_name = key == "torch_dtype";
            reject_pair(keys, is_name ? requests.front().key : key,
                        is_name ? shown : requests.front().shown,
                        "they ask for different precisions");
        }
        const auto off = [&](std::string_view names) {
            return keys.has(names) && keys.off(names);
        };
        const auto denied = asked == compute_dtype::bf16   ? "bf16"sv
                            : asked == compute_dtype::fp16 ? "fp16"sv
                                                           : "float32"sv;
        // Axolotl has both: bf16 and fp16 for what is computed, bfloat16 and float16 for
        // what the model is kept in, which here is float32 always.
        const bool names_a_cast = key == "bfloat16" || key == "float16";
        if (key != denied && !names_a_cast && off(denied)) {
            reject_pair(keys, denied, shown,
                        fmt::format("{} is false, the other asks for it", denied));
        }
    }
    if (requests.empty()) return std::nullopt;
    return requests.front().asked;
}

void settle_precision(const key_reader& keys, train_config& config) {
    const auto name = keys.read("torch_dtype", choice<dtype_name>{});
    config.torch_dtype = name == dtype_name::float64 ? dtype::float64 : dtype::float32;
    const auto asked = agreed(keys);
    config.bf16 = asked == compute_dtype::bf16;
    config.fp16 = asked == compute_dtype::fp16;
    const auto bf16 = keys.read("bf16", precision_switch_name{});
    const bool is_open =
        bf16.value_or(precision_switch::automatic) == precision_switch::automatic;
    const bool has_dtype = name && *name != dtype_name::automatic;
    config.automatic_precision = !asked && is_open && !has_dtype;
}

}  // namespace

void apply_precision_rules(const key_reader& keys, train_config& config,
                           config_problems& problems) {
    problems.attempt_with(
        keys, {"torch_dtype", "bf16", "bfloat16", "fp16", "float16", "float32"},
        [&] { settle_precision(keys, config); });
}

}  // namespace packkit::train
