// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The headers of LibTorch that the trainer, its tests and packkit/torch include: 15 s a
/// file, compiled once. No header of packkit: a change of one compiles what includes it.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
