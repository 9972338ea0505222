// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Text inside of HTML.

#include <string>
#include <string_view>

namespace packkit::app {

/// `text` with the five characters that mean something in HTML replaced.
std::string html_escaped(std::string_view text);

}  // namespace packkit::app
