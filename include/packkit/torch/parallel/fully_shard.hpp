// SPDX-License-Identifier: Apache-2.0
/// @file
/// Runs a unit of a model on sharded parameters: gather, run, free; in backward gather
/// again, differentiate, scatter the gradients.
///
/// Autograd keeps every weight that a backward needs. So the unit runs inside a function
/// of its own: `forward` records an inner graph and then takes the storage away from the
/// gathered weights; `backward` gives them storage again and differentiates the inner
/// graph. What stays between is the graph and its activations, never a gathered weight;
/// with activation checkpointing (`activation_checkpoint.hpp`) only some of those, or the
/// input alone. Recomputation takes place between that second gather and the derivatives,
/// so it costs no bytes on the wire.
///
/// Communication runs beside computation: the weights of the next unit arrive, and the
/// gradients of the last one leave (`reduction_queue`), while a unit is at work. A unit
/// is so what a bucket is to DDP (Li et al. 2020, arXiv 2006.15704, section 3.2.3) and a
/// prefetched module to FSDP (Zhao et al. 2023, arXiv 2304.11277, section 3.3.2).
#pragma once

#include <packkit/torch/parallel/activation_checkpoint.hpp>
#include <packkit/torch/parallel/sharded_parameters.hpp>

#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace packkit::lt {

/// What a unit computes: (full parameters in the compute dtype, input) → output.
/// Everything that needs no gradient (ids, positions, cu_seqlens) is captured.
using unit_function =
    std::function<at::Tensor(const std::vector<at::Tensor>&, const at::Tensor&)>;

/// The same for a unit that may be checkpointed. Tensors that selective checkpointing is
/// to drop are made through the last argument.
using checkpointed_function = std::function<at::Tensor(
    const std::vector<at::Tensor>&, const at::Tensor&, recomputed_tensors&)>;

class fully_sharded_unit;

/// The units that are applied just before and after one, null where there is none or
/// where nothing is to be gathered ahead: while it is at work, the next that is needed is
/// on its way.
struct neighbours {
    fully_sharded_unit* before = nullptr;  ///< needed next in backward
    fully_sharded_unit* after = nullptr;   ///< needed next in forward
};

/// A group of parameters that is gathered, used and freed together.
///
/// A unit may be applied several times in a forward (tied embeddings): its gradients are
/// summed here and reduced once, when the last application has been differentiated.
class fully_sharded_unit {
public:
    struct options {
        at::ScalarType compute_dtype = at::kFloat;
        /// true: free after forward, gather again in backward (ZeRO-3); false: keep
        /// (ZeRO-2).
        bool reshard_after_forward = true;
    };

    fully_sharded_unit(sharded_parameters parameters, options chosen)
        : parameters_(std::move(parameters)), options_(chosen) {}
    fully_sharded_unit(fully_sharded_unit&&) = default;

    [[nodiscard]] sharded_parameters& parameters() { return parameters_; }
    [[nodiscard]] const sharded_parameters& parameters() const { return parameters_; }

    /// `function(parameters, input)` with gradients for the input and, through `reduce`,
    /// for the parameters. `input` is any tensor; for a unit whose input carries no
    /// gradient (an embedding) pass `gradient_anchor()`. Collective over the shard group.
    /// Keeps a reference to this unit until backward has run.
    [[nodiscard]] at::Tensor apply(unit_function function, const at::Tensor& input,
                                   neighbours beside = {});

    /// The same, keeping for backward what `checkpointing` says. `function` runs a second
    /// time in backward with `full`, and so do parts of it with `selective`: what it
    /// refers to outlives the backward. What it throws there leaves `backward()`.
    /// `beside`: gathered ahead; they must be applied there, the one before in a graph
    /// whose backward follows this one's, or their weights lie here until they are.
    [[nodiscard]] at::Tensor apply(checkpointed_function function,
                                   const at::Tensor& input,
                                   checkpointing_kind checkpointing,
                                   neighbours beside = {});

    /// An empty tensor that asks for gradients.
    [[nodiscard]] static at::Tensor gradient_anchor() {
        return at::empty({0}).requires_grad_(true);
    }

    /// The coming backward is the last of the step: also sum over the replicate group.
    void set_last_micro_step(bool last) { last_micro_step_ = last; }

    /// Bytes of gathered weights that hold storage now.
    [[nodiscard]] std::int64_t gathered_bytes() const;

private:
    struct application;
    struct function;

    /// Starts to gather what `make_resident` will need, where that takes time.
    void gather_ahead();
    void make_resident();
    void free_gathered();
    void finish_application(std::vector<at::Tensor> gradients);
    /// Gathered parameters that are not frozen.
    [[nodiscard]] std::vector<at::Tensor> trained_of_gathered() const;
    /// The gradients of these, with undefined ones of frozen parameters between them.
    [[nodiscard]] std::vector<at::Tensor> for_all_parameters(
        std::vector<at::Tensor> gradients) const;

    sharded_parameters parameters_;
    options options_;
    bool last_micro_step_ = true;
    std::vector<at::Tensor>
        gathered_;  // leaves of the inner graphs; storage comes and goes
    bool resident_ = false;
    std::optional<gathering> ahead_;     // weights on their way
    int unfinished_ = 0;                 // applications whose backward is still to come
    std::vector<at::Tensor> gradients_;  // summed over finished applications
};

// --- implementation
// -----------------------------------------------------------------------------

/// One run of the unit: the inner graph from `input` and the gathered parameters to
/// `output`. With full checkpointing there is none before backward.
struct fully_sharded_unit::application : torch::CustomClassHolder {
    application(fully_sharded_unit* of, fully_sharded_unit* needed_next,
                const at::Tensor& given, checkpointing_kind checkpointing)
        : unit(of),
          before(needed_next),
          input(given.detach().requires_grad_(given.requires_grad())),
          again(checkpointing == checkpointing_kind::selective) {}

    void record_graph(const checkpointed_function& run) {
        const at::AutoGradMode enabled(true);
        output = run(unit->gathered_, input, again);
    }

    fully_sharded_unit* unit;
    fully_sharded_unit* before;
    at::Tensor input;
    at::Tensor output;
    recomputed_tensors again;
    checkpointed_function run_again;  // full checkpointing
};

struct fully_sharded_unit::function
    : torch::autograd::Function<fully_sharded_unit::function> {
    static at::Tensor forward(torch::autograd::AutogradContext* context,
                              const at::Tensor& input, fully_sharded_unit* unit,
                              const checkpointed_function* run,
                              checkpointing_kind checkpointing,
                              const neighbours* beside) {
        auto record =
            c10::make_intrusive<application>(unit, beside->before, input, checkpointing);
        unit->make_resident();
        if (beside->after != nullptr) beside->after->gather_ahead();
        at::Tensor result;
        if (checkpointing == checkpointing_kind::full) {
            record->run_again = *run;
            result = (*run)(unit->gathered_, record->input, record->again).detach();
        } else {
            record->record_graph(*run);
            record->again.release();
            result = record->output.detach();
        }
        ++unit->unfinished_;
        if (unit->options_.reshard_after_forward) { unit->free_gathered(); }
        context->saved_data["application"] = c10::IValue::make_capsule(std::move(record));
        return result;
    }

    static torch::autograd::tensor_list backward(
        torch::autograd::AutogradContext* context,
        torch::autograd::tensor_list output_gradients) {
        auto capsule = context->saved_data["application"].toCapsule();
        auto& record = static_cast<application&>(*capsule);
        auto& unit = *record.unit;
        unit.make_resident();
        if (record.before != nullptr) record.before->gather_ahead();
        if (record.run_again) {
            record.record_graph(std::exchange(record.run_again, nullptr));
        } else {
            record.again.restore();
        }
        std::vector<at::Tensor> sources = unit.trained_of_gathered();
        const bool wants_input = record.input.requires_grad();
        if (wants_input) { sources.push_back(record.input); }
        // Nothing has a gradient where a unit with frozen parameters has no input.
        std::vector<at::Tensor> gradients(sources.size());
        if (record.output.requires_grad()) {
            gradients =
                torch::autograd::grad({record.output}, sources, {output_gradients[0]},
                                      /*retain_graph=*/false, /*create_graph=*/false,
                                      /*allow_unused=*/true);
        }
        record.output.reset();
        sources.clear();
        at::Tensor input_gradient;
        if (wants_input) {
            input_gradient = std::move(gradients.back());
            gradients.pop_back();
            if (!input_gradient.defined()) {
                input_gradient = at::zeros_like(record.input);
            }
        }
        record.input.reset();  // the record itself lives as long as the outer graph
        unit.finish_application(unit.for_all_parameters(std::move(gradients)));
        return {input_gradient, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
    }
};

inline at::Tensor fully_sharded_unit::apply(unit_function run, const at::Tensor& input,
                                            neighbours beside) {
    return apply([&run](const std::vector<at::Tensor>& parameters, const at::Tensor& x,
                        recomputed_tensors&) { return run(parameters, x); },
                 input, checkpointing_kind::none, beside);
}

inline at::Tensor fully_sharded_unit::apply(checkpointed_function run,
                                            const at::Tensor& input,
                                            checkpointing_kind checkpointing,
                                            neighbours beside) {
    if (!at::GradMode::is_enabled()) {
        make_resident();
        if (beside.after != nullptr) beside.after->gather_ahead();
        recomputed_tensors nothing(false);
        auto result = run(gathered_, input, nothing);
        if (options_.reshard_after_forward) { free_gathered(); }
        return result;
    }
    return function::apply(input, this, &run, checkpointing, &beside);
}

inline void fully_sharded_unit::gather_ahead() {
    if (resident_ || ahead_ || parameters_.groups().shard->size() == 1) return;
    ahead_ = parameters_.begin_gather(options_.compute_dtype);
}

inline void fully_sharded_unit::make_resident() {
    if (resident_) { return; }
    resident_ = true;
    auto full = ahead_ ? parameters_.finish_gather(*std::exchange(ahead_, std::nullopt))
                       : parameters_.gather(options_.compute_dtype);
    if (gathered_.empty()) {
        for (std::size_t i = 0; i < full.size(); ++i) {
            const bool frozen = parameters_.info(i).frozen;
            gathered_.push_back(full[i].detach().requires_grad_(!frozen));
            if (frozen) continue;
            gathered_.back().register_hook([](const at::Tensor& gradient) {
                set_memory_use(gradient, memory_use::gradients);
            });
        }
    } else if (!parameters_.is_whole(options_.compute_dtype)) {
        for (std::size_t i = 0; i < full.size(); ++i) {
            detail::give_storage(gathered_[i], full[i]);
        }
    }
}

inline void fully_sharded_unit::free_gathered() {
    resident_ = false;
    if (parameters_.is_whole(options_.compute_dtype)) {
        if (unfinished_ == 0) { gathered_.clear(); }
        return;
    }
    if (unfinished_ == 0) {
        gathered_.clear();
    } else {
        for (auto& tensor : gathered_) {
            detail::take_storage(tensor);
        }
    }
}

inline std::vector<at::Tensor> fully_sharded_unit::trained_of_gathered() const {
    std::vector<at::Tensor> trained;
    for (std::size_t i = 0; i < gathered_.size(); ++i) {
        if (!parameters_.info(i).frozen) trained.push_back(gathered_[i]);
    }
    return trained;
}

inline std::vector<at::Tensor> fully_sharded_unit::for_all_parameters(
    std::vector<at::Tensor> gradients) const {
    if (gradients.size() == parameters_.size()) return gradients;
    std::vector<at::Tensor> all(parameters_.size());
    std::size_t next = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (!parameters_.info(i).frozen) all[i] = std::move(gradients[next++]);
    }
    return all;
}

inline void fully_sharded_unit::finish_application(std::vector<at::Tensor> gradients) {
    const memory_scope scope(memory_use::gradients);
    if (gradients_.empty()) {
        gradients_ = std::move(gradients);
    } else {
        for (std::size_t i = 0; i < gradients.size(); ++i) {
            if (!gradients[i].defined()) { continue; }
            gradients_[i] =
                gradients_[i].defined() ? gradients_[i] + gradients[i] : gradients[i];
        }
    }
    --unfinished_;
    if (unfinished_ == 0 || options_.reshard_after_forward) { free_gathered(); }
    if (unfinished_ == 0) {
        parameters_.reduce(std::exchange(gradients_, {}), last_micro_step_);
    }
}

inline std::int64_t fully_sharded_unit::gathered_bytes() const {
    std::int64_t bytes = 0;
    for (const auto& tensor : gathered_) {
        bytes += static_cast<std::int64_t>(tensor.storage().nbytes());
    }
    return parameters_.is_whole(options_.compute_dtype) ? 0 : bytes;
}

}  // namespace packkit::lt
