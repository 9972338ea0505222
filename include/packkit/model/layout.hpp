// SPDX-License-Identifier: Apache-2.0
/// @file
/// A model's parameters without their names, equal units counted: what the calculators of
/// memory and communication sum, in a few dozen additions for a model of any depth.
#pragma once

#include <packkit/error.hpp>
#include <packkit/mesh/shard.hpp>
#include <packkit/model/parameters.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace packkit {

/// Rows x row_elements of one parameter, and how tp cuts it.
struct parameter_extent {
    std::int64_t rows = 0;
    std::int64_t row_elements = 1;
    tensor_cut cut = tensor_cut::replicated;
    bool shares_work = false;  ///< as parameter_shape::shares_work

    [[nodiscard]] constexpr std::int64_t elements() const { return rows * row_elements; }

    /// The largest part that one of `tp` ranks holds.
    [[nodiscard]] constexpr parameter_extent part_of(std::int64_t tp) const {
        switch (cut) {
            case tensor_cut::replicated:
                return *this;
            case tensor_cut::rows:
                return {rows_per_shard(rows, tp), row_elements, cut, shares_work};
            case tensor_cut::columns:
                return {rows, rows_per_shard(row_elements, tp), cut, shares_work};
        }
        detail::throw_invalid_argument("tensor_cut has no value ", static_cast<int>(cut));
    }

    friend constexpr bool operator==(const parameter_extent&,
                                     const parameter_extent&) = default;
};

/// Which part of the model a unit is.
enum class unit_kind : std::uint8_t { embedding, block, head };

/// Units of the same shape: all blocks of a model are usually one entry.
struct repeated_unit {
    unit_kind kind = unit_kind::block;
    std::int64_t copies = 1;
    std::vector<parameter_extent> parameters;
};

/// The layout of a model: its shape, and its units by kind.
class model_layout {
public:
    /// @throws invalid_argument as `check_model_shape`
    explicit model_layout(const model_shape& model) : shape_(model) {
        const auto units = unit_shapes(model);
        for (std::size_t u = 0; u < units.size(); ++u) {
            repeated_unit unit;
            unit.kind = u == 0 ? unit_kind::embedding
                        : u + 1 == units.size() && !model.tie_word_embeddings
                            ? unit_kind::head
                            : unit_kind::block;
            for (const auto& parameter : units[u].parameters) {
                const std::int64_t rows = parameter.shape.front();
                unit.parameters.push_back({rows,
                                           rows == 0 ? 0 : parameter.elements() / rows,
                                           parameter.cut, parameter.shares_work});
                parameters_ += parameter.elements();
            }
            const auto same = std::find_if(
                units_.begin(), units_.end(), [&](const repeated_unit& known) {
                    return known.kind == unit.kind && known.parameters == unit.parameters;
                });
            if (same == units_.end()) {
                units_.push_back(std::move(unit));
            } else {
                ++same->copies;
            }
        }
    }

    [[nodiscard]] const model_shape& shape() const { return shape_; }
    [[nodiscard]] const std::vector<repeated_unit>& units() const { return units_; }
    /// Number of parameters; a tied embedding counts once.
    [[nodiscard]] std::int64_t parameters() const { return parameters_; }
    /// V h: the table that tokens are looked up in, the head not included.
    [[nodiscard]] std::int64_t embedding_parameters() const {
        return shape_.vocab_size * shape_.hidden_size;
    }

private:
    model_shape shape_;
    std::vector<repeated_unit> units_;
    std::int64_t parameters_ = 0;
};

/// Elements on one rank when tp cuts the parameters and `shards` ranks share the rows of
/// what is left; every shard is padded to the same number of rows (`rows_per_shard`).
struct sharded_elements {
    struct of_units {
        std::int64_t copies = 0;
        std::int64_t whole = 0;    ///< of one tp rank's unit, all copies
        std::int64_t shard = 0;    ///< of one rank, padding included, all copies
        std::int64_t largest = 0;  ///< whole elements of the largest unit
        std::int64_t largest_shard = 0;
    };
    of_units embedding, blocks, head;

    [[nodiscard]] constexpr std::int64_t whole() const {
        return embedding.whole + blocks.whole + head.whole;
    }
    [[nodiscard]] constexpr std::int64_t shard() const {
        return embedding.shard + blocks.shard + head.shard;
    }
};

/// Elements of the rank that holds most, for a mesh with that `tp` and that many shards.
/// O(different parameters).
/// @throws invalid_argument for tp or shards below 1
[[nodiscard]] inline sharded_elements elements_per_rank(const model_layout& layout,
                                                        std::int64_t tp,
                                                        std::int64_t shards) {
    sharded_elements result;
    for (const repeated_unit& unit : layout.units()) {
        std::int64_t whole = 0;
        std::int64_t shard = 0;
        for (const parameter_extent& parameter : unit.parameters) {
            const parameter_extent part = parameter.part_of(tp);
            whole += part.elements();
            shard += rows_per_shard(part.rows, shards) * part.row_elements;
        }
        auto& sum = unit.kind == unit_kind::embedding ? result.embedding
                    : unit.kind == unit_kind::head    ? result.head
                                                      : result.blocks;
        sum.copies += unit.copies;
        sum.whole += whole * unit.copies;
        sum.shard += shard * unit.copies;
        sum.largest = std::max(sum.largest, whole);
        sum.largest_shard = std::max(sum.largest_shard, shard);
    }
    return result;
}

}  // namespace packkit
