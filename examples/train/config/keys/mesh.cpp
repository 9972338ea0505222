// SPDX-License-Identifier: Apache-2.0
// Keys of the mesh.
#include "config/keys/keys.hpp"

namespace packkit::train {
namespace {

using namespace key_rows;

/// More ranks than any machine has, few enough that products of sizes do not overflow.
constexpr std::int64_t most_ranks = 1 << 20;

constexpr named<context_variant> exchanges[] = {
    {"varlen_llama3", context_variant::gather}, {"ring", context_variant::ring}};
constexpr auto mixes_documents =
    "mixes the documents of a packed row; use varlen_llama3 or ring, which also take "
    "rows of one sample"sv;
constexpr auto batched_exchanges =
    rejected_names(mixes_documents, "batch_ring", "batch_zigzag", "batch_stripe");

/// A member of the mesh that is asked for.
auto in_mesh(std::optional<std::int64_t> mesh_request::* size) {
    return [size](auto& config) -> auto& { return config.mesh.*size; };
}

std::string fully_sharded_text(const train_config& config) {
    return truth().text(config.mesh.fully_sharded);
}

}  // namespace

// A row is a line.
// clang-format off
std::vector<K> mesh_keys() { return {
    K("dp_replicate_size", in_mesh(&mesh_request::dp_replicate), whole{1, most_ranks}, "groups of ranks that hold all parameters each"),
    K("dp_shard_size", in_mesh(&mesh_request::dp_shard), whole{1, most_ranks}, "data-parallel ranks that share the parameters"),
    K("context_parallel_size", in_mesh(&mesh_request::cp), whole{1, most_ranks}, "ranks that share a row"),
    K("sequence_parallel_degree", whole{1, most_ranks}, "another name of context_parallel_size").deprecated("use `context_parallel_size`"),
    K("tensor_parallel_size", in_mesh(&mesh_request::tp), whole{1, most_ranks}, "ranks that share each matrix"),
    K("sequence_parallel", &C::sequence_parallel, truth{}, "with tensor_parallel_size above 1: norms and residuals on 1/tp of the tokens"),
    K("ring_attn_func", &C::ring_attn_func, choice<context_variant>{exchanges, batched_exchanges}, "how context-parallel ranks get keys and values: all at once, or rank by rank"),
    K("heads_k_stride", whole{1}, "keys and values of all heads are sent together").as_noted(),
    K("fsdp", anything{ "a list of full_shard, shard_grad_op, hybrid_shard, auto_wrap, offload"}, "shards parameters").deprecated("use `fsdp_version: 2` and `fsdp_config`").printed("fully_sharded", fully_sharded_text),
    K("fsdp_version", &C::fsdp_version, whole{1, 2}, "with it or fsdp_config, parameters are sharded; 1 and 2 mean the same here"),
    K("fsdp_config", collection{config_node::kind::map, "keys, as {reshard_after_forward: true}"}, "").with_keys(fsdp_keys),
}; }
// clang-format on

}  // namespace packkit::train
