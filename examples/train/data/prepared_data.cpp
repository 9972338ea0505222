// SPDX-License-Identifier: Apache-2.0
#include "data/prepared_data.hpp"

#include "common/atomic_file.hpp"
#include "common/errors.hpp"
#include "common/input_file.hpp"
#include "common/tokenizer.hpp"
#include "config/schema.hpp"
#include "data/checksum.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <vector>

namespace packkit::train {
namespace {

namespace fs = std::filesystem;

/// Raised when samples of the same input become others.
constexpr std::string_view magic = "packkit tokens 2\n";

/// The numbers before the arrays. All are little-endian 64 bits.
struct header {
    std::uint64_t checksum;  ///< XXH3-64 of all bytes behind it
    std::int64_t samples;
    std::int64_t tokens;
    std::int64_t labels;  ///< as tokens, or 0
    dataset_report report;
};
static_assert(sizeof(header) == 25 * sizeof(std::int64_t));

template <class T>
std::string_view bytes_of(std::span<const T> values) {
    return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

void update(running_checksum& sum, std::string_view text) {
    const auto length = static_cast<std::uint64_t>(text.size());
    sum.update(std::as_bytes(std::span(&length, 1)));
    sum.update(std::as_bytes(std::span(text)));
}

/// Reads arrays from the front of a text.
class array_reader {
public:
    explicit array_reader(std::string_view bytes) : rest_(bytes) {}

    template <class T>
    std::vector<T> take(std::int64_t count) {
        std::vector<T> values(static_cast<std::size_t>(count));
        if (count > 0)
            std::memcpy(values.data(), rest_.data(), values.size() * sizeof(T));
        rest_.remove_prefix(values.size() * sizeof(T));
        return values;
    }

private:
    std::string_view rest_;
};

/// Whether the counts are possible and just so many bytes follow.
bool fits(const header& head, std::size_t bytes) {
    const auto most = static_cast<std::int64_t>(bytes);
    if (head.samples < 0 || head.tokens < 0 || head.samples > most ||
        head.tokens > most || (head.labels != 0 && head.labels != head.tokens)) {
        return false;
    }
    return 8 * head.samples + 4 * head.tokens + 4 * head.labels == most;
}

/// Appends all samples, or says what is wrong.
std::string fill(token_store& store, std::string_view arrays, const header& head,
                 std::int64_t vocab_size) {
    array_reader reader(arrays);
    const auto lengths = reader.take<std::int64_t>(head.samples);
    const auto tokens = reader.take<std::int32_t>(head.tokens);
    const auto labels = reader.take<std::int32_t>(head.labels);
    std::int64_t rest = head.tokens;
    for (const std::int64_t length : lengths) {
        if (length < 0 || length > rest) return "its lengths do not add up";
        rest -= length;
    }
    if (rest != 0) return "its lengths do not add up";
    for (const std::int32_t id : tokens) {
        if (id < 0 || id >= vocab_size) return "it has ids outside the vocabulary";
    }
    for (const std::int32_t id : labels) {
        if (id != ignored_label && (id < 0 || id >= vocab_size)) {
            return "it has labels outside the vocabulary";
        }
    }
    std::size_t at = 0;
    for (const std::int64_t length : lengths) {
        const auto count = static_cast<std::size_t>(length);
        const auto sample = std::span(tokens).subspan(at, count);
        store.append(sample,
                     labels.empty() ? sample : std::span(labels).subspan(at, count));
        at += count;
    }
    store.set_report(head.report);
    return {};
}

}  // namespace

std::string prepared_file(const train_config& config, std::int64_t vocab_size) {
    running_checksum sum;
    update(sum, magic);
    update(sum, std::to_string(vocab_size));
    for (const auto& [key, value] : settings_that_affect(config, key_effect::data)) {
        update(sum, key);
        update(sum, value);
    }
    const bool by_seed =
        std::any_of(config.datasets.begin(), config.datasets.end(),
                    [](const dataset_config& data) { return data.rows.shards > 1; });
    if (by_seed) update(sum, std::to_string(config.seed));
    for (const dataset_config& data : config.datasets) {
        for (const std::string& file : files_of(data))
            update(sum, file_checksum(file));
    }
    const std::string tokenizer = config.tokenizer_type.empty()
                                      ? std::string()
                                      : app::tokenizer_file(config.tokenizer_type);
    update(sum, tokenizer.empty() ? "bytes" : file_checksum(tokenizer));
    for (const char* const beside :
         {"special_tokens_map.json", "tokenizer_config.json"}) {
        const fs::path path = fs::path(tokenizer).parent_path() / beside;
        std::error_code ignored;
        const bool there = !tokenizer.empty() && fs::is_regular_file(path, ignored);
        update(sum, there ? file_checksum(path.string()) : std::string());
    }
    return (fs::path(config.dataset_prepared_path) / (sum.hex() + ".tokens")).string();
}

void write_prepared(const std::string& path, const token_store& store) {
    std::error_code error;
    const fs::path folder = fs::path(path).parent_path();
    fs::create_directories(folder, error);
    if (error) {
        throw std::runtime_error(folder.string() +
                                 ": cannot be made: " + error.message());
    }
    header head{0, static_cast<std::int64_t>(store.size()),
                static_cast<std::int64_t>(store.all_tokens().size()),
                static_cast<std::int64_t>(store.all_labels().size()), store.report()};
    const std::array parts = {
        bytes_of(std::span<const header>(&head, 1)).substr(sizeof(head.checksum)),
        bytes_of(store.lengths()), bytes_of(store.all_tokens()),
        bytes_of(store.all_labels())};
    running_checksum sum;
    for (const std::string_view part : parts)
        sum.update(std::as_bytes(std::span(part)));
    head.checksum = sum.value();
    app::atomic_file file(path);
    file.write(magic);
    file.write(bytes_of(std::span<const std::uint64_t>(&head.checksum, 1)));
    for (const std::string_view part : parts)
        file.write(part);
    file.commit();
}

std::optional<token_store> read_prepared(const std::string& path, std::int64_t vocab_size,
                                         std::string& fault) {
    fault.clear();
    std::error_code ignored;
    if (!fs::exists(path, ignored)) return std::nullopt;
    std::string content;
    try {
        content = app::read_file(path);
    } catch (const app::input_error& error) {
        fault = error.what();
        return std::nullopt;
    }
    const std::size_t begin = magic.size();
    header head{};
    if (!content.starts_with(magic) || content.size() < begin + sizeof(head)) {
        fault = path + ": is no prepared data";
        return std::nullopt;
    }
    std::memcpy(&head, content.data() + begin, sizeof(head));
    const std::string_view arrays =
        std::string_view(content).substr(begin + sizeof(head));
    running_checksum sum;
    sum.update(std::as_bytes(std::span(content).subspan(begin + sizeof(head.checksum))));
    token_store store;
    if (!fits(head, arrays.size())) {
        fault = path + ": is cut short, or longer than it says";
    } else if (sum.value() != head.checksum) {
        fault = path + ": is damaged: its checksum does not match";
    } else if (const auto what = fill(store, arrays, head, vocab_size); !what.empty()) {
        fault = path + ": " + what;
    } else {
        return store;
    }
    return std::nullopt;
}

}  // namespace packkit::train
