// SPDX-License-Identifier: Apache-2.0
#include "model/model.hpp"

#include "batch/row_split.hpp"

#include <packkit/model/model_traits.hpp>
#include <packkit/utility/random.hpp>

#include <ATen/Parallel.h>

#include <optional>
#include <utility>

namespace packkit::train {
namespace {

/// Fills `shard` with value(i) for the indices i of its elements in the full tensor, of
/// `columns` elements a row; `slice` is what of it lies here.
template <class Value>
void fill(const at::Tensor& shard, const tensor_slice& slice, std::int64_t columns,
          Value value) {
    const std::int64_t width = slice.columns.size();
    auto filled = at::empty(shard.sizes(), shard.options().device(at::kCPU));
    const auto write = [&](auto* data) {
        at::parallel_for(0, filled.numel(), 1 << 14,
                         [&](std::int64_t begin, std::int64_t end) {
                             for (std::int64_t i = begin; i < end; ++i) {
                                 const auto row = slice.rows.begin + i / width;
                                 const auto column = slice.columns.begin + i % width;
                                 data[i] = static_cast<std::decay_t<decltype(*data)>>(
                                     value(row * columns + column));
                             }
                         });
    };
    if (filled.scalar_type() == at::kDouble) {
        write(filled.data_ptr<double>());
    } else {
        write(filled.data_ptr<float>());
    }
    shard.copy_(filled);
}

/// `rules`: of the unit's parameters, or none.
std::vector<lt::parameter_info> infos_of(const unit_shape& unit, bool sequence_parallel,
                                         std::span<const parameter_rule> rules) {
    std::vector<lt::parameter_info> infos;
    for (std::size_t i = 0; i < unit.parameters.size(); ++i) {
        const auto& parameter = unit.parameters[i];
        const auto rule =
            rules.empty() ? parameter_rule{parameter.weight_decay} : rules[i];
        infos.push_back({parameter.name, parameter.shape, rule.weight_decay,
                         parameter.cut,
                         parameter.cut == tensor_cut::replicated &&
                             (parameter.shares_work || sequence_parallel),
                         rule.rate_group, rule.frozen});
    }
    return infos;
}

}  // namespace

model::model(model_shape shape, const lt::mesh_view& groups, model_options options)
    : shape_(shape),
      groups_(groups),
      options_(options),
      reductions_(std::make_unique<lt::reduction_queue>()) {
    auto master = at::TensorOptions().device(options.device).dtype(options.master_dtype);
    if (options.states != memory_place::device && !options.device.is_cpu())
        master = master.device(at::kCPU).pinned_memory(options.states ==
                                                       memory_place::pinned_host);
    const auto shapes = unit_shapes(shape_);
    units_.reserve(shapes.size());
    for (std::size_t u = 0; u < shapes.size(); ++u) {
        const auto rules = options.rules.empty() ? std::span<const parameter_rule>()
                                                 : std::span(options.rules[u]);
        units_.emplace_back(
            lt::sharded_parameters(infos_of(shapes[u], options.sequence_parallel, rules),
                                   groups, master, options.device,
                                   {options.gradient_sums, reductions_.get()}),
            lt::fully_sharded_unit::options{options.compute_dtype,
                                            options.reshard_after_forward});
    }
}

void model::initialize(std::uint64_t seed) {
    const auto shapes = unit_shapes(shape_);
    for (std::size_t u = 0; u < units_.size(); ++u) {
        auto& parameters = units_[u].parameters();
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            const auto shard = parameters.shard(i);
            const auto init = shapes[u].parameters[i].init;
            if (init != initializer::normal) {
                shard.fill_(init == initializer::ones ? 1.0 : 0.0);
                continue;
            }
            const auto slice = parameters.slice(i);
            if (slice.elements() == 0) continue;
            const std::uint64_t key = random_key(seed, parameters.info(i).name);
            const auto& full = shapes[u].parameters[i];
            fill(shard, slice, full.elements() / full.shape[0], [&](std::int64_t index) {
                return shape_.initializer_range *
                       normal(key, static_cast<std::uint64_t>(index));
            });
        }
    }
}

void model::load(const std::function<at::Tensor(const std::string&)>& read) {
    for (auto& unit : units_) {
        auto& parameters = unit.parameters();
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            parameters.load_full(parameters.flat_shards(), i,
                                 read(parameters.info(i).name));
        }
    }
}

residual_dropout model::prepare_dropout(const packed_row& row) const {
    residual_dropout dropout{options_.residual_dropout,
                             options_.dropout_seed,
                             static_cast<std::uint32_t>(row.step),
                             {}};
    if (dropout.p == 0) return dropout;
    const lt::tensor_parallel tp{groups_.tp, options_.sequence_parallel};
    const auto count = row.token_numbers.size();
    if (count != row.input_ids.size()) {
        throw invalid_argument("dropout of " + std::to_string(row.input_ids.size()) +
                               " tokens, of which " + std::to_string(count) +
                               " have a number");
    }
    const auto here = static_cast<std::size_t>(tp.rows(static_cast<std::int64_t>(count)));
    const auto begin =
        options_.sequence_parallel ? here * static_cast<std::size_t>(tp.rank()) : 0;
    std::vector<std::int64_t> numbers(here, 0);  // beyond the last token: anything
    for (std::size_t i = 0; i < here && begin + i < count; ++i)
        numbers[i] = row.token_numbers[begin + i];
    dropout.tokens = lt::upload(numbers, options_.device);
    return dropout;
}

row_context model::prepare(const packed_row& whole) const {
    packed_row part;
    std::optional<lt::context_layout> context;
    if (groups_.cp != nullptr && groups_.cp->size() > 1) {
        context.emplace(split_row(whole.cu_seqlens, groups_.cp->size()), *groups_.cp,
                        options_.context, options_.device);
        for (std::int64_t layer = 0; layer < shape_.num_hidden_layers; ++layer)
            context->prepare(attention_window(shape_, layer));
        part = part_of(whole, context->split(), context->rank());
    }
    const packed_row& row = context ? part : whole;
    const auto positions = lt::upload(row.position_ids, options_.device);
    const auto rotary = make_rotary_table(shape_, positions, shape_.rope_theta,
                                          shape_.scaling, options_.compute_dtype);
    const auto local = shape_.rope_local_theta > 0
                           ? make_rotary_table(shape_, positions, shape_.rope_local_theta,
                                               {}, options_.compute_dtype)
                           : rotary;
    return {lt::upload(row.input_ids, options_.device),
            lt::upload(row.targets, options_.device),
            rotary,
            local,
            lt::document_layout(row.cu_seqlens, options_.device),
            std::move(context),
            {groups_.tp, options_.sequence_parallel},
            prepare_dropout(row)};
}

lt::neighbours model::beside(std::int64_t application) {
    if (!options_.prefetch_gathers) return {};
    const auto head = shape_.num_hidden_layers + 1;
    const auto unit = [&](std::int64_t place) -> lt::fully_sharded_unit* {
        if (place < 0 || place > head) return nullptr;
        if (place == head && shape_.tie_word_embeddings) return &units_.front();
        return &units_[static_cast<std::size_t>(place)];
    };
    return {unit(application - 1), unit(application + 1)};
}

at::Tensor model::hidden_states(const row_context& row) {
    auto x =
        units_.front().apply([&](const parameter_list& p,
                                 const at::Tensor&) { return embed(shape_, p[0], row); },
                             lt::fully_sharded_unit::gradient_anchor(), beside(0));
    for (std::int64_t layer = 0; layer < shape_.num_hidden_layers; ++layer) {
        x = units_[static_cast<std::size_t>(layer) + 1].apply(
            [this, layer, row](const parameter_list& p, const at::Tensor& input,
                               lt::recomputed_tensors& again) {
                return block(shape_, layer, p, input, row, again);
            },
            x, options_.checkpointing, beside(layer + 1));
    }
    return x;
}

at::Tensor model::apply_head(const row_context& row, const head_function& head) {
    const auto x = hidden_states(row);
    const auto last = beside(shape_.num_hidden_layers + 1);
    if (shape_.tie_word_embeddings) {
        return units_.front().apply(
            [&](const parameter_list& p, const at::Tensor& input) {
                return head(p[1], p[0], input);
            },
            x, last);
    }
    return units_.back().apply(
        [&](const parameter_list& p, const at::Tensor& input) {
            return head(p[0], p[1], input);
        },
        x, last);
}

at::Tensor model::loss_sum(const row_context& row) {
    return apply_head(
        row, [&](const at::Tensor& norm, const at::Tensor& head, const at::Tensor& x) {
            return head_loss(shape_, norm, head, x, row);
        });
}

at::Tensor model::logits(const row_context& row) {
    return apply_head(row, [&](const at::Tensor& norm_weight,
                               const at::Tensor& head_weight, const at::Tensor& x) {
        return head(shape_, norm_weight, head_weight, x, row);
    });
}

std::int64_t model::parameter_bytes() const {
    std::int64_t bytes = 0;
    for (const auto& unit : units_)
        bytes += unit.parameters().shard_bytes();
    return bytes;
}

}  // namespace packkit::train
