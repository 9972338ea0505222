// SPDX-License-Identifier: Apache-2.0
// refused: length_range
// A range of structs needs a projection that says where the length is.
#include <packkit/packing/pack.hpp>

#include <vector>

struct sample {
    int tokens;
};

std::size_t bins(const std::vector<sample>& samples) {
#ifdef PACKKIT_REFUSED
    return packkit::pack(samples, 4096).size();
#else
    return packkit::pack(samples, 4096, packkit::first_fit_decreasing{}, {},
                         &sample::tokens)
        .size();
#endif
}
