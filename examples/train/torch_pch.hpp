// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The expensive headers, compiled once.

#include "model/cpu_kernels.hpp"

#include <packkit/torch/adamw.hpp>
#include <packkit/torch/gradient_norm.hpp>
#include <packkit/torch/linear_cross_entropy.hpp>
#include <packkit/torch/rendezvous.hpp>
#include <packkit/torch/varlen_attention.hpp>
