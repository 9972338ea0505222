// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// A check of the one part of a SentencePiece model that the library follows blindly.

#include <string>
#include <string_view>

namespace packkit::app {

/// What is wrong with the precompiled_charsmap of a serialized model, or "". The map is a
/// double array (darts-clone) of which the library reads any element that an offset
/// names: a damaged one leads beyond its end. O(bytes). A model that is no protocol
/// buffer passes; the library refuses it.
[[nodiscard]] std::string charsmap_fault(std::string_view model);

}  // namespace packkit::app
