// SPDX-License-Identifier: Apache-2.0
// refused: length_(range|value)
// A text is not taken for a list of lengths.
#include <packkit/packing/pack.hpp>

#include <string>

#ifdef PACKKIT_REFUSED
std::size_t bins(const std::string& text) {
    return packkit::pack(text, 4096).size();
}
#else
std::size_t bins(const std::string& text) {
    const std::size_t lengths[] = {text.size()};
    return packkit::pack(lengths, 4096).size();
}
#endif
