// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The bounds that the README claims, as the tests assert them. `readme_test.py` reads
/// this file and compares each value with the README's text.

namespace packkit::test::bounds {

/// Logits, loss and gradients against Transformers, relative to the largest of a tensor.
inline constexpr double golden_float64 = 1e-12;

/// Losses and gradient norms of training steps against Transformers, relative.
inline constexpr double golden_training_float64 = 1e-13;
inline constexpr double golden_training_float32 = 1e-6;

/// A document of a packed row against the document alone.
inline constexpr double packed_document_float64 = 1e-12;
inline constexpr double packed_document_float32 = 2e-6;

/// Predicted peak memory against the counted one: components above a tenth, and the sum.
inline constexpr double memory_component = 0.05;
inline constexpr double memory_total = 0.02;

/// Losses and first gradients of every mesh against one rank, ranks as threads.
inline constexpr double mesh_threads_float64 = 1e-12;
inline constexpr double mesh_threads_float32 = 2e-6;

/// Losses of meshes of processes against one process; rows that several ranks share have
/// a bound of their own in float32.
inline constexpr double mesh_processes_float64 = 1e-12;
inline constexpr double mesh_processes_float32 = 1e-6;
inline constexpr double mesh_processes_shared_rows_float32 = 2e-6;

/// Losses after a checkpoint of another mesh was loaded.
inline constexpr double checkpoint_float64 = 1e-12;
inline constexpr double checkpoint_float32 = 1e-6;

/// Seconds within which one rank's end ends all, long before a collective gives up.
inline constexpr double rank_end_seconds = 10;

}  // namespace packkit::test::bounds
