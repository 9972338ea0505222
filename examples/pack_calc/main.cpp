// SPDX-License-Identifier: Apache-2.0
/// @file
/// packkit-pack: the offline packing-efficiency calculator.

#include "evaluate.hpp"
#include "input_options.hpp"
#include "render.hpp"
#include "settings.hpp"

#include "common/atomic_file.hpp"
#include "common/errors.hpp"

#include <algorithm>
#include <iostream>
#include <limits>
#include <memory>
#include <string>
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

std::string render(const report& result, const settings& options) {
    switch (options.format) {
        case output_format::json:
            return render_json(result);
        case output_format::csv:
            return render_csv(result);
        case output_format::markdown:
            return render_markdown(result, options);
        case output_format::table:
            break;
    }
    return render_table(result, options);
}

/// All files are complete on disk before the first of them appears.
void write_results(const report& result, const settings& options) {
    std::vector<std::unique_ptr<atomic_file>> files;
    const auto write = [&](const std::string& path, const std::string& content) {
        files.push_back(std::make_unique<atomic_file>(path));
        files.back()->write(content);
        files.back()->sync();
    };
    if (!options.bins_path.empty()) {
        files.push_back(std::make_unique<atomic_file>(options.bins_path));
        render_bins(result.bins,
                    [&](std::string_view text) { files.back()->write(text); });
        files.back()->sync();
    }
    if (!options.html_path.empty())
        write(options.html_path, render_html(result, options));
    const std::string text = render(result, options);
    if (options.output_path.empty()) {
        write_stdout(text);
    } else {
        write(options.output_path, text);
    }
    for (const auto& file : files)
        file->commit();
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
