// SPDX-License-Identifier: Apache-2.0
/// @file
/// The version of packkit, for `#if` and for `--version`.
#pragma once

#define PACKKIT_VERSION_MAJOR 0
#define PACKKIT_VERSION_MINOR 1
#define PACKKIT_VERSION_PATCH 0
#define PACKKIT_VERSION "0.1.0"
