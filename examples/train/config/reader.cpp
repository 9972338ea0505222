// SPDX-License-Identifier: Apache-2.0
#include "config/reader.hpp"

#include "common/problems.hpp"
#include "config/kinds.hpp"

#include <algorithm>
#include <limits>

namespace packkit::train {
namespace {

using kind = config_node::kind;

config_error error_at(const key_reader& keys, std::string_view key,
                      const std::string& message) {
    const auto& members = keys.map().members;
    const auto found =
        std::find_if(members.begin(), members.end(),
                     [key](const config_member& member) { return member.key == key; });
    std::string name = keys.prefix() + std::string(key);
    const bool is_there = found != members.end();
    if (!is_there && keys.prefix().empty())
        return {keys.file(), message, name, std::nullopt};
    const std::size_t line = !is_there                         ? keys.map().line
                             : found->value.type != kind::null ? found->value.line
                                                               : found->line;
    return {place_of(keys.file(), line), message, std::move(name), line};
}

}  // namespace

config_error::config_error(const std::string& place, const std::string& message,
                           std::string of_key, std::optional<std::size_t> of_line)
    : app::input_error(place, app::with_short_words(message)),
      key(std::move(of_key)),
      line(of_line) {}

const config_node* key_reader::find(std::string_view key) const {
    const config_node* const value = map_->find(key);
    return value == nullptr || value->type == kind::null ? nullptr : value;
}

bool key_reader::off(std::string_view key) const {
    const config_node* const value = find(key);
    if (value == nullptr) return true;
    if (value->type != kind::scalar)
        return value->items.empty() && value->members.empty();
    return value->text.empty() || parse_truth(value->text) == false ||
           real{not_negative}.read(*value) == 0.0;
}

key_reader key_reader::inner(std::string_view key) const {
    static const config_node nothing;
    const config_node* const map = find(key);
    return {file_, map != nullptr && map->type == kind::map ? *map : nothing,
            prefix_ + std::string(key) + "."};
}

void key_reader::fail(std::string_view key, const std::string& message) const {
    throw error_at(*this, key, prefix_ + std::string(key) + ": " + message);
}

void key_reader::expected(std::string_view key, const std::string& what) const {
    const config_node* const value = map_->find(key);
    fail(key, "expected " + what + ", found " +
                  (value == nullptr ? std::string("nothing") : describe(*value)));
}

void key_reader::conflict(std::string_view key, const std::string& message) const {
    throw error_at(*this, key, message);
}

void config_problems::add(const config_error& error) {
    if (keys_.insert(error.key).second) errors_.push_back(error);
}

bool config_problems::sound(std::string_view key) const {
    const auto found = keys_.lower_bound(key);
    if (found == keys_.end() || !found->starts_with(key)) return true;
    if (found->size() == key.size()) return false;
    return keys_.lower_bound(std::string(key) + ".") ==
           keys_.lower_bound(std::string(key) + "/");  // '/' follows '.'
}

std::vector<std::string> config_problems::lines() const {
    constexpr auto last = std::numeric_limits<std::size_t>::max();
    // Lines of the file, then keys that are missing, then the command line.
    const auto order = [](const config_error& error) {
        if (!error.line) return last - 1;
        return *error.line == 0 ? last : *error.line;
    };
    std::vector<config_error> sorted = errors_;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [&](const config_error& a, const config_error& b) {
                         return order(a) < order(b);
                     });
    std::vector<std::string> result;
    for (std::size_t i = 0; i < std::min(sorted.size(), most_lines); ++i)
        result.emplace_back(sorted[i].what());
    if (sorted.size() > most_lines) {
        const auto more = static_cast<std::int64_t>(sorted.size() - most_lines);
        result.push_back("configuration: " + app::counted(more, "more problem"));
    }
    return result;
}

}  // namespace packkit::train
