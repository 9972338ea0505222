// SPDX-License-Identifier: Apache-2.0
/// @file
/// Where the parameters of one unit (a block, an embedding, a head) lie: cut by tensor
/// parallelism, and what is left sharded by dimension 0.
///
/// One flat buffer holds a rank's shards of all parameters, each padded to the same
/// number of rows on every rank, so a unit is gathered by one all-gather and its
/// gradients are reduced by one reduce-scatter:
///
///     flat shard of a rank:   [ q_proj rows | pad ][ k_proj rows | pad ] ... [ norm ]
///
/// The layout is that of PyTorch's FSDP2 (arXiv 2304.11277 describes its predecessor).
/// Under tensor parallelism a unit holds this rank's slices (`mesh/tensor_slice.hpp`),
/// and those are sharded as full parameters are without. Each element of a shard has its
/// place in the full tensor, whatever the mesh: `slice`.
#pragma once

#include <packkit/error.hpp>
#include <packkit/mesh/shard.hpp>
#include <packkit/mesh/tensor_slice.hpp>

#include <ATen/Functions.h>
#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace packkit::lt {

/// A parameter as the model names it.
struct parameter_info {
    std::string name;                 ///< global name, for instance "model.norm.weight"
    std::vector<std::int64_t> shape;  ///< global shape
    bool weight_decay = true;
    tensor_cut cut = tensor_cut::replicated;
    /// Not cut, and the gradients of the ranks of `tensor` are parts of a sum:
    /// `sum_partial_gradients` adds them. Otherwise they are equal.
    bool partial_gradient = false;
    /// Which of the optimizer's learning rates it has; 0: the first.
    std::size_t rate_group = 0;
    /// It never changes: no gradient, no state of the optimizer.
    bool frozen = false;
};

/// A rank's number among those that shard a unit, and among those that cut it.
struct unit_place {
    int shards = 1, shard = 0;
    int tensors = 1, tensor = 0;
};

/// The parameters of a unit, and the flat buffer of the rank at one place.
class unit_layout {
public:
    /// \throws invalid_argument for a parameter without a dimension to shard, or one that
    /// is to be cut by columns and is no matrix
    unit_layout(std::vector<parameter_info> parameters, unit_place place);

    [[nodiscard]] std::size_t size() const { return infos_.size(); }
    [[nodiscard]] const parameter_info& info(std::size_t i) const { return infos_[i]; }
    /// Elements of the flat buffer, padding included.
    [[nodiscard]] std::int64_t elements() const { return offsets_.back(); }

    /// The part of the full parameter `i`, seen as a matrix, that tensor parallelism
    /// leaves to rank `tensor` of its group.
    [[nodiscard]] tensor_slice cut(std::size_t i, int tensor) const;
    /// The part of that which shard `shard` holds.
    [[nodiscard]] tensor_slice slice_on(std::size_t i, int shard, int tensor) const {
        return shard_of_slice(cut(i, tensor), place_.shards, shard);
    }
    /// Rows and columns of the full parameter `i`, seen as a matrix, that lie here.
    [[nodiscard]] tensor_slice slice(std::size_t i) const {
        return shard_of_slice(cuts_[i], place_.shards, place_.shard);
    }
    [[nodiscard]] index_range rows(std::size_t i) const { return slice(i).rows; }

    /// Shape of parameter `i` as tensor parallelism leaves it: all of it without.
    [[nodiscard]] std::vector<std::int64_t> local_shape(std::size_t i) const {
        auto shape = infos_[i].shape;
        shape[0] = cuts_[i].rows.size();
        if (infos_[i].cut == tensor_cut::columns) shape[1] = cuts_[i].columns.size();
        return shape;
    }

    /// Parameter `i`'s part of a flat buffer, a view. May be empty.
    [[nodiscard]] at::Tensor part(const at::Tensor& flat, std::size_t i) const {
        auto shape = local_shape(i);
        shape[0] = rows(i).size();
        return flat.narrow(0, offsets_[i], shape[0] * row_elements(i)).view(shape);
    }

    /// Writes this rank's slice of the full tensor `value` into `flat` at parameter `i`.
    void load_full(at::Tensor& flat, std::size_t i, const at::Tensor& value) const;

    /// The flat buffers of all shards, (shards, elements), of whole parameters as
    /// `local_shape` has them; zeros for one that is not defined, and in the padding.
    [[nodiscard]] at::Tensor pack(const std::vector<at::Tensor>& whole,
                                  at::TensorOptions options) const;

    /// The inverse: whole parameters, each contiguous in storage of its own.
    [[nodiscard]] std::vector<at::Tensor> unpack(const at::Tensor& flats) const;

    /// The full parameter `i` of all ranks' cuts of it, (ranks, elements of the largest),
    /// each from the start of its row.
    [[nodiscard]] at::Tensor join_cuts(std::size_t i, const at::Tensor& cuts) const;

private:
    /// Elements of a row of parameter `i` on this rank.
    [[nodiscard]] std::int64_t row_elements(std::size_t i) const {
        return cuts_[i].columns.size();
    }
    template <class Visit>
    void for_parts_of_shards(std::size_t i, const at::Tensor& whole,
                             const at::Tensor& flats, Visit visit) const;

    std::vector<parameter_info> infos_;
    unit_place place_;
    std::vector<tensor_slice> cuts_;        // of each parameter, for this rank
    std::vector<std::int64_t> offsets_{0};  // of each in a flat buffer, and the end
};

// --- implementation --------------------------------------------------------------------

inline unit_layout::unit_layout(std::vector<parameter_info> parameters, unit_place place)
    : infos_(std::move(parameters)), place_(place) {
    for (std::size_t i = 0; i < infos_.size(); ++i) {
        const auto& [name, shape, decays, cut_by, partial, group, frozen] = infos_[i];
        if (shape.empty())
            throw invalid_argument("parameter " + name + " has no dimension to shard");
        if (cut_by == tensor_cut::columns && shape.size() != 2) {
            throw invalid_argument("parameter " + name + " of " +
                                   std::to_string(shape.size()) +
                                   " dimensions cannot be cut by columns, only a matrix");
        }
        cuts_.push_back(cut(i, place_.tensor));
        offsets_.push_back(offsets_.back() +
                           rows_per_shard(cuts_[i].rows.size(), place_.shards) *
                               row_elements(i));
    }
}

inline tensor_slice unit_layout::cut(std::size_t i, int tensor) const {
    const auto& shape = infos_[i].shape;
    const auto columns = std::accumulate(shape.begin() + 1, shape.end(), std::int64_t{1},
                                         std::multiplies<>());
    return slice_of(shape[0], columns, infos_[i].cut, place_.tensors, tensor);
}

inline void unit_layout::load_full(at::Tensor& flat, std::size_t i,
                                   const at::Tensor& value) const {
    const auto here = slice(i);
    if (here.elements() == 0) return;
    const auto rows = value.slice(0, here.rows.begin, here.rows.end);
    const bool by_columns = infos_[i].cut == tensor_cut::columns;
    part(flat, i).copy_(by_columns ? rows.slice(1, here.columns.begin, here.columns.end)
                                   : rows);
}

/// visit(part of `whole`, the same in `flats`), both (shards, rows, columns), for
/// parameter `i` as (rows, columns): those shards that are full, then the one, if any,
/// that has fewer rows.
template <class Visit>
void unit_layout::for_parts_of_shards(std::size_t i, const at::Tensor& whole,
                                      const at::Tensor& flats, Visit visit) const {
    if (whole.numel() == 0) return;
    const auto rows = rows_per_shard(whole.size(0), flats.size(0));
    const auto visit_shards = [&](std::int64_t first, std::int64_t count,
                                  std::int64_t rows_each) {
        if (count == 0 || rows_each == 0) return;
        visit(whole.narrow(0, first * rows, count * rows_each)
                  .unflatten(0, {count, rows_each}),
              flats.narrow(0, first, count)
                  .narrow(1, offsets_[i], rows_each * row_elements(i))
                  .unflatten(1, {rows_each, row_elements(i)}));
    };
    const auto full_shards = whole.size(0) / rows;
    visit_shards(0, full_shards, rows);
    if (full_shards < flats.size(0)) visit_shards(full_shards, 1, whole.size(0) % rows);
}

inline at::Tensor unit_layout::pack(const std::vector<at::Tensor>& whole,
                                    at::TensorOptions options) const {
    auto flats = at::zeros({place_.shards, elements()}, options);
    for (std::size_t i = 0; i < size(); ++i) {
        if (!whole[i].defined()) continue;
        for_parts_of_shards(i, whole[i].reshape({cuts_[i].rows.size(), row_elements(i)}),
                            flats, [](const at::Tensor& matrix, const at::Tensor& parts) {
                                parts.copy_(matrix);
                            });
    }
    return flats;
}

inline std::vector<at::Tensor> unit_layout::unpack(const at::Tensor& flats) const {
    std::vector<at::Tensor> whole;
    whole.reserve(size());
    for (std::size_t i = 0; i < size(); ++i) {
        whole.push_back(at::empty(local_shape(i), flats.options()));
        for_parts_of_shards(i, whole.back().view({cuts_[i].rows.size(), row_elements(i)}),
                            flats, [](const at::Tensor& matrix, const at::Tensor& parts) {
                                matrix.copy_(parts);
                            });
    }
    return whole;
}

inline at::Tensor unit_layout::join_cuts(std::size_t i, const at::Tensor& cuts) const {
    auto full = at::empty(infos_[i].shape, cuts.options());
    const auto matrix = full.view({full.size(0), full.numel() / full.size(0)});
    for (int rank = 0; rank < place_.tensors; ++rank) {
        const auto there = cut(i, rank);
        matrix.slice(0, there.rows.begin, there.rows.end)
            .slice(1, there.columns.begin, there.columns.end)
            .copy_(cuts[rank]
                       .narrow(0, 0, there.elements())
                       .view({there.rows.size(), there.columns.size()}));
    }
    return full;
}

}  // namespace packkit::lt
