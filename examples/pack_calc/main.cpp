// SPDX-License-Identifier: Apache-2.0
/// @file
/// packkit-pack: the offline packing-efficiency calculator.

#include "evaluate.hpp"
#include "render.hpp"
#include "settings.hpp"

#include "common/errors.hpp"
#include "common/lengths/input_options.hpp"
#include "common/outputs.hpp"

#include <algorithm>
#include <iostream>
#include <limits>
#include <string_view>
#include <vector>

namespace packkit::app {
namespace {

sample_table read_samples(const settings& options) {
    std::int64_t longest_allowed = std::numeric_limits<std::int64_t>::max();
    if (options.excess == excess_length_strategy::raise) {
        longest_allowed =
            *std::min_element(options.capacities.begin(), options.capacities.end());
    }
    return read_samples(options.inputs, options.input_format, options.rows,
                        longest_allowed);
}

void write_results(const report& result, const settings& options) {
    std::vector<output_file> files = {
        {options.bins_path, [&](atomic_file& file) {
             render_bins(result.bins, [&](std::string_view text) { file.write(text); });
         }}};
    if (!options.html_path.empty())
        files.emplace_back(options.html_path, render_html(result, options));
    write_outputs(options.output, render(result, options), files);
}

int pack_calc(int argc, char** argv) {
    const auto options = parse_settings(argc, argv);
    if (!options) return exit_done;
    if (options->sequential && options->seed) {
        std::cerr
            << "packkit-pack: warning: --sequential keeps the order that --seed has "
               "shuffled; leave --seed out for a curriculum\n";
    }
    write_results(evaluate(read_samples(*options), *options), *options);
    return exit_done;
}

}  // namespace
}  // namespace packkit::app

int main(int argc, char** argv) {
    return packkit::app::run_main("packkit-pack", argc, argv, packkit::app::pack_calc);
}
