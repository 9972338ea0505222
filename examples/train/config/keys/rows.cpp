// SPDX-License-Identifier: Apache-2.0
// Keys of rows, packing and batches.
#include "config/keys/keys.hpp"

#include <limits>

namespace packkit::train {
namespace {

using namespace key_rows;

/// Token positions and lengths are int32.
constexpr std::int64_t most_int32 = std::numeric_limits<std::int32_t>::max();

void read_isolation(const key_reader& keys, train_config&) {
    constexpr auto key = "pretrain_multipack_attn"sv;
    if (keys.read(key, truth()).value_or(true)) return;
    keys.fail(key,
              "false lets the samples of a row see each other; here they never do, leave "
              "the key away");
}

}  // namespace

// A row is a line.
// clang-format off
std::vector<K> rows_keys() { return {
    K("sequence_len", &C::sequence_len, whole{1, most_int32}, "capacity of a row, in tokens").affecting(data_and_run).told(),
    K("sample_packing", &C::sample_packing, truth{}, "puts several samples into a row").affecting(run),
    K("sample_packing_group_size", &C::sample_packing_group_size, whole{0}, "samples that are packed at once; 0: all").affecting(run),
    K("sample_packing_bin_size", &C::sample_packing_bin_size, whole{0}, "most samples in a row; 0: any number").affecting(run),
    K("sample_packing_sequentially", &C::sample_packing_sequentially, truth{}, "packs by next-fit, which keeps the order").affecting(run),
    K("sample_packing_balance", &C::sample_packing_balance, choice<plan_balance>{}, "balances packed rows over the data-parallel ranks by the cost of attention, by tokens, or not at all").affecting(run),
    K("multipack_real_batches", &C::multipack_real_batches, truth{}, "micro_batch_size rows instead of one row that is as long").affecting(run),
    K("pretrain_multipack_attn", truth{}, "true: the samples of a row never see each other").reading(read_isolation),
    K("pad_to_sequence_len", &C::pad_to_sequence_len, truth{}, "fills every row up").by_default("as sample_packing").affecting(run),
    K("dataloader_drop_last", &C::dataloader_drop_last, truth{}, "leaves out an epoch's last partial step").affecting(run),
    K("micro_batch_size", &C::micro_batch_size, whole{1, most_int32}, "rows of a micro-batch").told(),
    K("gradient_accumulation_steps", &C::gradient_accumulation_steps, whole{1, most_int32}, "micro-batches of a step").by_default("1, or from batch_size").told("batch_size"),
    K("batch_size", &C::batch_size, whole{1, most_int32}, "rows of a step on a data-parallel rank, instead of gradient_accumulation_steps"),
}; }
// clang-format on

}  // namespace packkit::train
