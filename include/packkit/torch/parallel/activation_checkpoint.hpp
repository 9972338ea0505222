// SPDX-License-Identifier: Apache-2.0
/// @file
/// Activation checkpointing: what a unit keeps for backward, and what it computes again.
///
/// - none: all that autograd asks for
/// - full: the unit's input; backward runs the unit once more (Chen et al. 2016, arXiv
///   1604.06174, section 4)
/// - selective: all but tensors that are large and cheap. Korthikanti et al. 2022, arXiv
///   2205.05198, section 5, drop the inside of attention, which flash attention never
///   writes; of what is then left, norms and activations are as wide as the outputs of
///   matrix products and cost no product
///
/// All three run the same operations on the same values in the same order: losses and
/// gradients have the same bits where kernels are deterministic. `fully_sharded_unit`
/// does full; `recomputed_tensors` is selective.
#pragma once

#include <packkit/estimate/training_setup.hpp>
#include <packkit/torch/memory/detail/storage.hpp>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include <functional>
#include <utility>
#include <vector>

namespace packkit::lt {

/// Tensors of one run of a unit that are taken from memory after forward and computed
/// again before backward.
///
/// Autograd keeps the tensors themselves, without their memory, so the graph stays as it
/// is: nothing is differentiated twice and no product is repeated.
class recomputed_tensors {
public:
    /// A list that is not active computes and remembers nothing.
    explicit recomputed_tensors(bool active) : active_(active) {}

    /// `function(inputs...)`, as it would be without this list.
    ///
    /// The result must have memory of its own that nobody reads between forward and
    /// backward but the graph. The inputs must be kept until backward, or be results of
    /// this list. `function` is copied; it may not draw random numbers.
    template <class Function, class... Tensors>
    at::Tensor operator()(Function function, const Tensors&... inputs) {
        at::Tensor result = function(inputs...);
        remember(result, function, inputs...);
        return result;
    }

    /// The same for a `result` that was made otherwise, with the bits of
    /// `function(inputs...)`.
    template <class Function, class... Tensors>
    void remember(const at::Tensor& result, Function function, const Tensors&... inputs) {
        if (!active_) return;
        made_.push_back({result, [function, inputs...] { return function(inputs...); }});
    }

    [[nodiscard]] std::size_t size() const { return made_.size(); }

    /// After forward: the results lose their memory.
    void release() const {
        for (const auto& each : made_)
            detail::take_storage(each.tensor);
    }

    /// Before backward: computes them again in their order and forgets them, so that
    /// autograd frees each as soon as it has been used. Throws what a function throws.
    void restore() {
        const at::NoGradGuard no_graph;
        for (const auto& each : made_)
            detail::give_storage(each.tensor, each.compute());
        made_.clear();
    }

private:
    struct entry {
        at::Tensor tensor;
        std::function<at::Tensor()> compute;
    };
    bool active_;
    std::vector<entry> made_;
};

}  // namespace packkit::lt
