// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The header of NumPy's .npy files (numpy.lib.format, versions 1.0, 2.0 and 3.0).

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::app {

class input_file;

/// What the header's dictionary says.
struct npy_header {
    std::string descr;  ///< "<i8"
    bool fortran_order = false;
    std::vector<std::uint64_t> shape;
};

/// Reads the Python dictionary `{'descr': '<i8', 'fortran_order': False, 'shape': (3,),
/// }`: exactly these keys, each once, in any order.
/// @param place the file, for messages
/// @throws input_error for anything else
npy_header parse_npy_header(std::string_view text, const std::string& place);

/// Takes the header of a NumPy file (format 1.0, 2.0 or 3.0); the elements follow.
/// @throws input_error for a file that is none, is cut short, or as parse_npy_header
npy_header read_npy_header(input_file& file);

/// How an integer element is stored.
struct npy_integer {
    std::size_t bytes = 0;  ///< 1, 2, 4 or 8
    bool is_signed = false;
    std::endian order = std::endian::native;
};

/// The integer type behind a `descr`. @throws input_error for other types
npy_integer parse_npy_integer(std::string_view descr, const std::string& place);

}  // namespace packkit::app
