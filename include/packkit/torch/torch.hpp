// SPDX-License-Identifier: Apache-2.0
/// @file
/// Everything that needs LibTorch.
#pragma once

// IWYU pragma: begin_exports
#include <packkit/torch/communication/communicator.hpp>
#include <packkit/torch/communication/in_process.hpp>
#include <packkit/torch/communication/mesh_view.hpp>
#include <packkit/torch/communication/process_group.hpp>
#include <packkit/torch/communication/rendezvous.hpp>
#include <packkit/torch/communication/reproducible_sum.hpp>
#include <packkit/torch/memory/malloc_tuning.hpp>
#include <packkit/torch/memory/memory_counter.hpp>
#include <packkit/torch/memory/to_device.hpp>
#include <packkit/torch/ops/attention_options.hpp>
#include <packkit/torch/ops/attention_reference.hpp>
#include <packkit/torch/ops/cpu_attention.hpp>
#include <packkit/torch/ops/cross_entropy.hpp>
#include <packkit/torch/ops/dropout.hpp>
#include <packkit/torch/ops/gated_activation.hpp>
#include <packkit/torch/ops/instruction_set.hpp>
#include <packkit/torch/ops/linear_cross_entropy.hpp>
#include <packkit/torch/ops/merge_attention.hpp>
#include <packkit/torch/ops/reproducible_products.hpp>
#include <packkit/torch/ops/rms_norm.hpp>
#include <packkit/torch/ops/rotary.hpp>
#include <packkit/torch/ops/varlen_attention.hpp>
#include <packkit/torch/optim/adamw.hpp>
#include <packkit/torch/optim/gradient_norm.hpp>
#include <packkit/torch/optim/optimizer.hpp>
#include <packkit/torch/optim/sgd.hpp>
#include <packkit/torch/parallel/activation_checkpoint.hpp>
#include <packkit/torch/parallel/context_parallel.hpp>
#include <packkit/torch/parallel/context_parallel_plan.hpp>
#include <packkit/torch/parallel/fully_shard.hpp>
#include <packkit/torch/parallel/replica_check.hpp>
#include <packkit/torch/parallel/sharded_parameters.hpp>
#include <packkit/torch/parallel/tensor_parallel.hpp>
#include <packkit/torch/parallel/unit_layout.hpp>
// IWYU pragma: end_exports
