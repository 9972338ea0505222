// SPDX-License-Identifier: Apache-2.0
/// @file
/// What a training step takes: memory, FLOPs, bytes sent and time.
#pragma once

// IWYU pragma: begin_exports
#include <packkit/estimate/activation_formulas.hpp>
#include <packkit/estimate/activation_memory.hpp>
#include <packkit/estimate/communication.hpp>
#include <packkit/estimate/communication_formulas.hpp>
#include <packkit/estimate/compute_time.hpp>
#include <packkit/estimate/context_traffic.hpp>
#include <packkit/estimate/cost_distribution.hpp>
#include <packkit/estimate/device.hpp>
#include <packkit/estimate/flops.hpp>
#include <packkit/estimate/memory.hpp>
#include <packkit/estimate/memory_result.hpp>
#include <packkit/estimate/memory_timeline.hpp>
#include <packkit/estimate/profile/activation_profile.hpp>
#include <packkit/estimate/profile/loss_chunks.hpp>
#include <packkit/estimate/profile/megatron_pytorch.hpp>
#include <packkit/estimate/profile/packkit_train.hpp>
#include <packkit/estimate/profile/systems.hpp>
#include <packkit/estimate/state_memory.hpp>
#include <packkit/estimate/step_time.hpp>
#include <packkit/estimate/throughput_claim.hpp>
#include <packkit/estimate/training_setup.hpp>
#include <packkit/estimate/workload.hpp>
// IWYU pragma: end_exports
