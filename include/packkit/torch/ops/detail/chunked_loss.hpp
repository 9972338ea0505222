// SPDX-License-Identifier: Apache-2.0
/// @file
/// Options of torch/ops/linear_cross_entropy.hpp, what its CPU kernels and the form of
/// LibTorch's operations share, and that form: it runs on any device and waits for none.
#pragma once

#include <packkit/error.hpp>
#include <packkit/estimate/profile/loss_chunks.hpp>
#include <packkit/sequence/labels.hpp>
#include <packkit/torch/communication/communicator.hpp>
#include <packkit/torch/memory/memory_counter.hpp>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

namespace packkit::lt {

struct linear_cross_entropy_options {
    /// Logits become softcap tanh(logit / softcap) (Gemma 2, arXiv 2408.00118); 0: not.
    double softcap = 0;
    std::int64_t ignore_index = default_ignore_index;  ///< this value is no target
    /// Rows whose logits exist at once.
    std::int64_t chunk_rows = loss_chunk_rows;
    /// Ranks that split the vocabulary, in the order of their parts, each of any size;
    /// null: this one holds all. Outlives the call.
    communicator* group = nullptr;
    /// With a group: token of the weight's first row, and tokens of all ranks.
    std::int64_t first_token = 0;
    std::int64_t vocab_size = 0;
};

namespace detail {

struct wanted_gradients {
    bool x = false;
    bool weight = false;

    [[nodiscard]] bool any() const { return x || weight; }
};

/// The loss, and the gradients that were wanted: x's in its dtype, the weight's in
/// float32 (float64 for float64).
struct chunked_loss {
    at::Tensor sum;
    at::Tensor x_gradient;
    at::Tensor weight_gradient;
};

[[nodiscard]] inline at::ScalarType wide_dtype(const at::Tensor& tensor) {
    return tensor.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

[[nodiscard]] inline bool split_vocabulary(const linear_cross_entropy_options& options) {
    return options.group != nullptr && options.group->size() > 1;
}

inline void check_linear_cross_entropy(const at::Tensor& x, const at::Tensor& weight,
                                       const at::Tensor& targets,
                                       const linear_cross_entropy_options& options) {
    const auto shape = [](const at::Tensor& tensor) {
        std::string text = "(";
        for (const auto extent : tensor.sizes())
            text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
        return text + ") " + c10::toString(tensor.scalar_type());
    };
    if (x.dim() != 2 || weight.dim() != 2 || x.size(1) != weight.size(1) ||
        x.scalar_type() != weight.scalar_type()) {
        packkit::detail::throw_invalid_argument(
            "linear_cross_entropy: x is ", shape(x), ", weight is ", shape(weight),
            ", expected (T, C) and (V, C) of one dtype");
    }
    if (targets.dim() != 1 || targets.size(0) != x.size(0) ||
        targets.scalar_type() != at::kLong) {
        packkit::detail::throw_invalid_argument("linear_cross_entropy: targets are ",
                                                shape(targets), ", x is ", shape(x),
                                                ", expected (T) of int64");
    }
    if (options.chunk_rows < 1) {
        packkit::detail::throw_invalid_argument("linear_cross_entropy: chunk_rows is ",
                                                options.chunk_rows,
                                                ", expected at least 1");
    }
    const std::int64_t end = options.first_token + weight.size(0);
    if (split_vocabulary(options) ? options.first_token < 0 || end > options.vocab_size
                                  : options.first_token != 0 || weight.size(0) == 0) {
        packkit::detail::throw_invalid_argument(
            "linear_cross_entropy: the weight holds tokens ", options.first_token, " to ",
            end, " of ", split_vocabulary(options) ? options.vocab_size : end);
    }
}

/// Softmax statistics of the whole vocabulary from those of this rank's part, rows of
/// (largest logit, Σ e^(logit − largest), target's logit or 0): (rows, 3), float64. As
/// if of `padded_rows` rows: what is sent then does not depend on who has a target.
[[nodiscard]] inline at::Tensor over_vocabulary(
    const at::Tensor& part, const linear_cross_entropy_options& options,
    std::int64_t padded_rows) {
    if (!split_vocabulary(options)) return part;
    const std::int64_t ranks = options.group->size();
    auto mine = part;
    if (part.size(0) < padded_rows) {
        mine = at::zeros({padded_rows, 3}, part.options());
        mine.narrow(0, 0, part.size(0)).copy_(part);
    }
    auto parts = at::empty({ranks, padded_rows, 3}, part.options());
    options.group->all_gather(parts, mine).wait();
    parts = parts.narrow(1, 0, part.size(0));
    const auto tops = parts.select(2, 0);
    const auto top = tops.amax(0);
    auto whole = at::zeros_like(part);
    whole.select(1, 0).copy_(top);
    for (std::int64_t rank = 0; rank < ranks; ++rank) {
        whole.select(1, 1).add_(parts[rank].select(1, 1) * (tops[rank] - top).exp());
        whole.select(1, 2).add_(parts[rank].select(1, 2));
    }
    return whole;
}

/// Adds the sum of a chunk's losses from `over_vocabulary`'s statistics.
[[nodiscard]] inline at::Tensor losses_of(const at::Tensor& whole) {
    return whole.select(1, 1).log() + whole.select(1, 0) - whole.select(1, 2);
}

/// By LibTorch's operations. Rows without a target are computed too, with a gradient of
/// zero: how many there are is on the device.
[[nodiscard]] inline chunked_loss chunked_loss_anywhere(
    const at::Tensor& x, const at::Tensor& weight, const at::Tensor& targets,
    const linear_cross_entropy_options& options, wanted_gradients wanted) {
    const auto wide = wide_dtype(x);
    const std::int64_t tokens = weight.size(0);
    chunked_loss result;
    result.sum = at::zeros({}, x.options().dtype(at::kDouble));
    if (wanted.x) result.x_gradient = at::zeros_like(x);
    if (wanted.weight) {
        const memory_scope scope(memory_use::gradients);
        result.weight_gradient = at::zeros(weight.sizes(), weight.options().dtype(wide));
    }
    const memory_scope scope(memory_use::logits);
    for (std::int64_t begin = 0; begin < x.size(0); begin += options.chunk_rows) {
        const std::int64_t end = std::min(begin + options.chunk_rows, x.size(0));
        const auto rows = x.slice(0, begin, end);
        const auto target = targets.slice(0, begin, end);
        const auto valid = target.ne(options.ignore_index);
        auto place = target - options.first_token;
        const auto here = valid.logical_and(place.ge(0)).logical_and_(place.lt(tokens));
        place = place.clamp(0, std::max<std::int64_t>(0, tokens - 1)).unsqueeze(1);

        auto logits = at::linear(rows, weight).to(wide);
        if (options.softcap > 0)
            logits.div_(options.softcap).tanh_().mul_(options.softcap);
        auto part = at::zeros({rows.size(0), 3}, logits.options().dtype(at::kDouble));
        if (tokens == 0) {
            part.select(1, 0).fill_(-std::numeric_limits<double>::infinity());
        } else {
            const auto top = logits.amax(1, /*keepdim=*/true);
            part.select(1, 0).copy_(top.squeeze(1));
            part.select(1, 1).copy_((logits - top).exp_().sum(1));
            part.select(1, 2).copy_(logits.gather(1, place).squeeze(1));
            part.select(1, 2).masked_fill_(here.logical_not(), 0.0);
        }
        const auto whole = over_vocabulary(part, options, part.size(0));
        result.sum.add_(losses_of(whole).masked_fill_(valid.logical_not(), 0.0).sum());
        if (!wanted.any() || tokens == 0) continue;

        auto slope = options.softcap > 0
                         ? logits.div(options.softcap).square_().neg_().add_(1.0)
                         : at::Tensor();
        logits.sub_(whole.select(1, 0).to(wide).unsqueeze(1)).exp_();
        logits.div_(whole.select(1, 1).to(wide).unsqueeze(1));
        logits.scatter_add_(1, place, here.to(wide).neg_().unsqueeze_(1));
        if (slope.defined()) logits.mul_(slope);
        const auto gradient = logits.masked_fill_(valid.logical_not().unsqueeze_(1), 0.0)
                                  .to(x.scalar_type());
        if (wanted.x)
            result.x_gradient.slice(0, begin, end).copy_(at::mm(gradient, weight));
        if (!wanted.weight) continue;
        if (wide == x.scalar_type()) {
            result.weight_gradient.addmm_(gradient.t(), rows);
        } else {
            result.weight_gradient.add_(at::mm(gradient.t(), rows));
        }
    }
    return result;
}

}  // namespace detail
}  // namespace packkit::lt
