// SPDX-License-Identifier: Apache-2.0
/// @file
/// Why the best plan is the best: each choice against its alternative, with both figures.
#pragma once

#include <packkit/detail/number_text.hpp>
#include <packkit/planner/search.hpp>
#include <packkit/planner/suggestions.hpp>
#include <packkit/planner/training_cost.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace packkit {

/// What a piece of advice is about.
enum class advice_topic : std::uint8_t {
    sharding,             ///< DDP or FSDP
    tensor_parallelism,   ///< whether, and how far
    node_boundary,        ///< tp beyond a node
    context_parallelism,  ///< cp for long rows
    replicas,             ///< HSDP: shards inside the node, replicas between nodes
    accumulation,         ///< what FSDP sends for each micro-batch
    checkpointing,        ///< what it costs, what it saves
    packing,              ///< packed rows against padded ones
};

/// A sentence with the figures that it follows from.
struct advice {
    advice_topic topic;
    std::string text;
};

namespace detail {

/// Compares the choices of one search with their alternatives.
class adviser {
public:
    adviser(plan_evaluator& evaluate, const search_options& options,
            const plan_figures& best)
        : evaluate_(evaluate), options_(options), best_(best) {}

    [[nodiscard]] std::vector<advice> take() && { return std::move(said_); }

    /// DDP if it fits and is not slower, else FSDP, and why.
    void sharding() {
        const auto plain = [](const mesh_shape& m) { return m.cp == 1 && m.tp == 1; };
        search_options only = options_;
        only.fixed = {};
        only.shardings = {sharding_kind::ddp};
        const mesh_shape flat{options_.gpus, 1, 1, 1};
        const mesh_result ddp = search_mesh(evaluate_, only, flat);
        only.shardings = {sharding_kind::fsdp};
        const auto fsdp = best_plan(evaluate_, only, plain);
        const auto topic = advice_topic::sharding;
        if (ddp.best && (!fsdp || !faster(*fsdp, *ddp.best))) {
            say(topic, "DDP: the model fits one GPU (",
                byte_text(ddp.best->memory.bytes.total()), " of ", capacity(), ") and ",
                fsdp ? message("FSDP is not faster: ", speeds(*ddp.best, *fsdp),
                               ", sending ",
                               byte_text(ddp.best->communication.total().total()),
                               " a step against ",
                               byte_text(fsdp->communication.total().total()))
                     : message("reaches ", speed(*ddp.best)));
        } else if (ddp.best) {
            say(topic, "FSDP although DDP fits: ", speeds(*fsdp, *ddp.best),
                "; it waits ", waits(*fsdp), " against ", waits(*ddp.best),
                ", its optimizer takes ", second_text(fsdp->seconds.optimizer),
                " against ", second_text(ddp.best->seconds.optimizer));
        } else if (best_.setup.sharding != sharding_kind::ddp) {
            // What it would need, whatever the batch.
            only.shardings = {sharding_kind::ddp};
            only.global_batch_size = only.gradient_accumulation_steps = {};
            only.min_global_tokens = only.max_global_tokens = {};
            const mesh_result any_batch = search_mesh(evaluate_, only, flat);
            if (any_batch.best) {
                say(topic, "shard (", to_string(best_.setup.sharding), "): with DDP ",
                    ddp.refusal);
                return;
            }
            say(topic, "shard (", to_string(best_.setup.sharding),
                "): with DDP a GPU needs ",
                byte_text(any_batch.closest_memory.bytes.total()), " of ", capacity(),
                " (", variant_text(*any_batch.closest), "); over ",
                best_.setup.sharding_ranks(), " shards", of_parts(best_.setup),
                " it needs ", byte_text(best_.memory.bytes.total()));
        }
    }

    /// tp only where a GPU cannot hold the model, where the batch would be too large, or
    /// where it is faster.
    void tensor_parallelism() {
        dimension(
            advice_topic::tensor_parallelism, "tp", best_.setup.mesh.tp,
            [](const mesh_shape& m) { return m.tp == 1; },
            [](const plan_figures& p) { return p.communication.tp.total(); });
        const std::int64_t node = options_.gpus_per_node;
        if (options_.gpus <= node) return;
        const auto inside = best_plan(evaluate_, options_, [node](const mesh_shape& m) {
            return m.tp > 1 && m.tp <= node;
        });
        const auto beyond = best_plan(
            evaluate_, options_, [node](const mesh_shape& m) { return m.tp > node; });
        if (!beyond) return;
        say(advice_topic::node_boundary, "keep tp inside a node of ", node, ": tp ",
            beyond->setup.mesh.tp, " across nodes reaches ", speed(*beyond), ", waiting ",
            waits(*beyond),
            inside ? message("; tp ", inside->setup.mesh.tp, " inside reaches ",
                             speed(*inside), ", waiting ", waits(*inside))
                   : std::string("; nothing smaller fits"));
    }

    void context_parallelism() {
        dimension(
            advice_topic::context_parallelism, "cp", best_.setup.mesh.cp,
            [](const mesh_shape& m) { return m.cp == 1; },
            [](const plan_figures& p) { return p.communication.cp.total(); });
    }

    /// Shards inside the node, replicas between nodes: against shards over all.
    void replicas() {
        if (options_.gpus <= options_.gpus_per_node) return;
        search_options only = options_;
        only.shardings = {sharding_kind::fsdp};
        const auto flat = best_plan(
            evaluate_, only, [](const mesh_shape& m) { return m.dp_replicate == 1; });
        const auto hybrid = best_plan(evaluate_, only, [](const mesh_shape& m) {
            return m.dp_replicate > 1 && m.dp_shard > 1;
        });
        const auto topic = advice_topic::replicas;
        if (!flat || !hybrid) return;
        const bool gains = faster(*hybrid, *flat);
        const plan_figures& better = gains ? *hybrid : *flat;
        const plan_figures& other = gains ? *flat : *hybrid;
        say(topic,
            gains ? message("HSDP: shard over ", hybrid->setup.mesh.dp_shard, ", ",
                            hybrid->setup.mesh.dp_replicate, " replicas")
                  : message("no HSDP: shard over all ", flat->setup.sharding_ranks()),
            ": ", speeds(better, other), "; it waits ", waits(better), " against ",
            waits(other), ", memory ", byte_text(better.memory.bytes.total()),
            " against ", byte_text(other.memory.bytes.total()));
    }

    /// FSDP gathers and scatters in every micro-batch: 3 G Psi a step.
    void accumulation() {
        const training_setup& setup = best_.setup;
        if (setup.gradient_accumulation_steps == 1 ||
            setup.sharding != sharding_kind::fsdp) {
            return;
        }
        training_setup one = setup;
        one.gradient_accumulation_steps = 1;
        training_setup kept = setup;
        kept.reshard_after_forward = !setup.reshard_after_forward;
        const plan_figures single = evaluate_(one);
        const plan_figures other = evaluate_(kept);
        say(advice_topic::accumulation, "accumulation of ",
            setup.gradient_accumulation_steps,
            " micro-batches: FSDP gathers and scatters in "
            "each, ",
            byte_text(best_.communication.dp_shard.total()),
            " a step where one micro-batch "
            "sends ",
            byte_text(single.communication.dp_shard.total()), "; ",
            kept.reshard_after_forward ? "with" : "without",
            " reshard after forward it would send ",
            byte_text(other.communication.dp_shard.total()), " and hold ",
            byte_text(other.memory.bytes.total()), " instead of ",
            byte_text(best_.memory.bytes.total()));
    }

    /// What recomputation costs or would save.
    void checkpointing() {
        const auto topic = advice_topic::checkpointing;
        search_options only = options_;
        only.checkpointings = {checkpointing_kind::none};
        const auto any = [](const mesh_shape&) { return true; };
        const auto none = best_plan(evaluate_, only, any);
        only.checkpointings = {checkpointing_kind::full};
        const auto full = best_plan(evaluate_, only, any);
        if (best_.setup.checkpointing != checkpointing_kind::none) {
            training_setup keeps = best_.setup;
            keeps.checkpointing = checkpointing_kind::none;
            const memory_estimate memory = evaluate_.memory(keeps);
            say(topic, to_string(best_.setup.checkpointing),
                " checkpointing: without it this "
                "plan needs ",
                byte_text(memory.bytes.total()), " of ", capacity(), ", activations ",
                byte_text(memory.bytes.activations), " instead of ",
                byte_text(best_.memory.bytes.activations),
                none ? message("; the best plan without it reaches ", speed(*none),
                               ", this one ", speed(best_))
                     : std::string("; no plan fits without it"));
        } else if (full) {
            say(topic,
                "no checkpointing: ", speeds(best_, *full, " with full checkpointing"),
                ", which computes ",
                percent(full->seconds.recomputation / full->seconds.compute),
                " of its time again");
        }
    }

    void packing(const workload& padded, double epochs, double price_per_gpu_hour) {
        const auto both = compare_rows(evaluate_.layout(), best_.setup, evaluate_.on(),
                                       evaluate_.work(), padded, epochs,
                                       price_per_gpu_hour, evaluate_.options());
        std::string text = message(
            "pack: rows are ", percent(evaluate_.work().efficiency), " full, padded ",
            percent(padded.efficiency), ": ", speeds(both.packed, both.padded));
        if (both.packed_cost.hours > 0) {
            text +=
                message("; ", leading_digits(epochs), epochs == 1 ? " epoch" : " epochs",
                        " in ", leading_digits(both.packed_cost.hours), " h instead of ",
                        leading_digits(both.padded_cost.hours), " h, ",
                        leading_digits(both.times_slower()), " times less");
            if (price_per_gpu_hour > 0) {
                text += message(", for ", leading_digits(both.packed_cost.price),
                                " instead of ", leading_digits(both.padded_cost.price));
            }
        }
        said_.push_back({advice_topic::packing, std::move(text)});
    }

private:
    template <class... Parts>
    void say(advice_topic topic, const Parts&... parts) {
        said_.push_back({topic, message(parts...)});
    }

    /// With or without a dimension.
    template <class Without, class Bytes>
    void dimension(advice_topic topic, std::string_view name, std::int64_t size,
                   Without without, Bytes bytes) {
        const auto other = best_plan(evaluate_, options_, [&](const mesh_shape& m) {
            return without(m) == (size > 1);
        });
        if (size == 1) {
            if (!other) return;
            const std::int64_t tried =
                name == "tp" ? other->setup.mesh.tp : other->setup.mesh.cp;
            say(topic, "no ", name, ": ",
                speeds(best_, *other, message(" with ", name, " ", tried)),
                ", which sends ", byte_text(bytes(*other)), " a step for it and waits ",
                waits(*other), " against ", waits(best_));
            return;
        }
        if (other) {
            say(topic, name, " ", size, ": ",
                speeds(best_, *other, message(" without ", name)), ", which waits ",
                waits(*other), " against ", waits(best_));
            return;
        }
        // Nothing without it: by memory, or by the batch.
        mesh_shape flat = {1, options_.gpus, 1, 1};
        if (name == "tp") {
            flat.cp = best_.setup.mesh.cp;
            flat.dp_shard = options_.gpus / flat.cp;
        } else {
            flat.tp = best_.setup.mesh.tp;
            flat.dp_shard = options_.gpus / flat.tp;
        }
        search_options only = options_;
        only.fixed = {};
        const mesh_result result = search_mesh(evaluate_, only, flat);
        if (result.closest) {
            say(topic, name, " ", size, ": without it a GPU needs ",
                byte_text(result.closest_memory.bytes.total()), " of ", capacity(),
                " even on ", to_string(flat), " (", variant_text(*result.closest),
                "), of which ", largest_component(result.closest_memory.bytes),
                "; with it ", byte_text(best_.memory.bytes.total()));
        } else {
            say(topic, name, " ", size, ": without it ", result.refusal);
        }
    }

    [[nodiscard]] static bool faster(const plan_figures& a, const plan_figures& b) {
        return a.tokens_per_second_per_gpu > b.tokens_per_second_per_gpu;
    }
    [[nodiscard]] std::string capacity() const {
        return byte_text(evaluate_.capacity_bytes());
    }
    [[nodiscard]] static std::string of_parts(const training_setup& setup) {
        return setup.mesh.tp > 1 ? message(" of tp ", setup.mesh.tp) : std::string();
    }
    /// What a step waits for: "2.3 % of a step for communication".
    [[nodiscard]] static std::string waits(const plan_figures& plan) {
        const step_seconds& seconds = plan.seconds;
        std::string text = message(percent(seconds.exposed_communication / seconds.step),
                                   " of a step for communication");
        if (seconds.imbalance > 0.01 * seconds.step) {
            text += message(" and ", percent(seconds.imbalance / seconds.step),
                            " for the most expensive rows");
        }
        return text;
    }
    [[nodiscard]] static std::string speed(const plan_figures& plan) {
        return message(rate_text(plan.tokens_per_second_per_gpu), " tokens/s/GPU");
    }
    /// "9,474 tokens/s/GPU against 9,362 with tp 2", and what runs, if that differs.
    [[nodiscard]] static std::string speeds(const plan_figures& a, const plan_figures& b,
                                            std::string_view with = {}) {
        std::string text =
            message(speed(a), " against ", rate_text(b.tokens_per_second_per_gpu), with);
        const std::string runs = variant_text(a.setup);
        const std::string of_b = variant_text(b.setup);
        return runs == of_b ? text : text + message(" (", runs, " against ", of_b, ")");
    }

    plan_evaluator& evaluate_;
    const search_options& options_;
    const plan_figures& best_;
    std::vector<advice> said_;
};

}  // namespace detail

/// Data for advice on packing.
struct padded_alternative {
    const workload* padded = nullptr;  ///< the same samples, padded; null: no such advice
    double epochs = 1;
    double price_per_gpu_hour = 0;
};

/// Why the best plan of a search is the best: what each choice was up against, with both
/// figures. Each alternative is the fastest plan that has it. Nothing if no plan was
/// found: see `suggest`. Takes a handful of searches.
[[nodiscard]] inline std::vector<advice> advise(const model_layout& layout,
                                                const device& on,
                                                const search_options& given,
                                                const workload& work,
                                                const plan_search& found,
                                                const padded_alternative& against = {}) {
    if (found.plans.empty()) return {};
    detail::check_search(given);
    search_options options = given;
    std::sort(options.micro_batch_sizes.begin(), options.micro_batch_sizes.end());
    plan_evaluator evaluate(layout, on, work, options.estimates);
    detail::adviser say(evaluate, options, found.plans.front());
    say.sharding();
    say.replicas();
    say.tensor_parallelism();
    say.context_parallelism();
    say.checkpointing();
    say.accumulation();
    if (against.padded)
        say.packing(*against.padded, against.epochs, against.price_per_gpu_hour);
    return std::move(say).take();
}

}  // namespace packkit
