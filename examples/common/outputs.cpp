// SPDX-License-Identifier: Apache-2.0
#include "outputs.hpp"

#include "errors.hpp"

#include <filesystem>
#include <memory>
#include <system_error>

namespace packkit::app {
namespace {

bool same_file(const std::string& a, const std::string& b) {
    std::error_code ignored;
    return a == b || (std::filesystem::is_regular_file(a, ignored) &&
                      std::filesystem::equivalent(a, b, ignored));
}

}  // namespace

void add_output_options(CLI::App& command, output_texts& texts) {
    const option_group results(command, "Results");
    results.text("--format", texts.format, "NAME",
                 "table (default), json, csv, markdown");
    results.text("--output", texts.output, "FILE",
                 "Write the result there, not to stdout");
}

output_format parse_format(const output_texts& texts) {
    return texts.format.empty() ? output_format::table
                                : parse_output_format(texts.format);
}

void check_output_paths(const std::vector<std::pair<std::string, std::string>>& paths,
                        const std::vector<std::string>& inputs) {
    for (std::size_t i = 0; i < paths.size(); ++i) {
        const auto& [option, path] = paths[i];
        if (path.empty()) continue;
        check_writable(path, option);
        for (const auto& input : inputs) {
            if (same_file(path, input)) {
                throw usage_error(option,
                                  in_quotes(path) + " is an input; it would be lost");
            }
        }
        for (std::size_t j = 0; j < i; ++j) {
            if (same_file(path, paths[j].second)) {
                throw usage_error(
                    option, in_quotes(path) + " is also the file of " + paths[j].first);
            }
        }
    }
}

void write_outputs(const output_texts& texts, const std::string& result,
                   const std::vector<output_file>& files) {
    std::vector<std::unique_ptr<atomic_file>> written;
    const auto write = [&](const output_file& file) {
        if (file.path.empty()) return;
        written.push_back(std::make_unique<atomic_file>(file.path));
        file.write(*written.back());
        written.back()->sync();
    };
    for (const output_file& file : files)
        write(file);
    write({texts.output, result});
    if (texts.output.empty()) write_stdout(result);
    for (const auto& file : written)
        file->commit();
}

}  // namespace packkit::app
