// SPDX-License-Identifier: Apache-2.0
#include "charsmap.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace packkit::app {
namespace {

/// The fields of one message of a protocol buffer, one after the other.
class message_reader {
public:
    struct field {
        std::uint64_t number;
        std::string_view bytes;  // of a length-delimited field
    };

    explicit message_reader(std::string_view message) : rest_(message) {}

    /// The next field; nothing at the end and where the message is broken.
    std::optional<field> next() {
        const auto tag = varint();
        if (!tag) return std::nullopt;
        field found{*tag >> 3U, {}};
        switch (*tag & 7U) {
            case 0:
                if (!varint()) return std::nullopt;
                return found;
            case 1:
                return skip(8) ? std::optional(found) : std::nullopt;
            case 2: {
                const auto size = varint();
                if (!size || *size > rest_.size()) return std::nullopt;
                found.bytes = rest_.substr(0, static_cast<std::size_t>(*size));
                rest_.remove_prefix(found.bytes.size());
                return found;
            }
            case 5:
                return skip(4) ? std::optional(found) : std::nullopt;
            default:
                return std::nullopt;
        }
    }

private:
    std::optional<std::uint64_t> varint() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
            const auto byte = static_cast<unsigned char>(rest_.front());
            rest_.remove_prefix(1);
            value |= std::uint64_t{byte & 0x7FU} << shift;
            if (byte < 0x80U) return value;
        }
        return std::nullopt;
    }
    bool skip(std::size_t size) {
        if (rest_.size() < size) return false;
        rest_.remove_prefix(size);
        return true;
    }

    std::string_view rest_;
};

std::uint32_t number_at(std::string_view bytes, std::size_t index) {
    std::uint32_t value = 0;
    for (std::size_t i = 4; i > 0; --i)
        value = value << 8U | static_cast<unsigned char>(bytes[index * 4 + i - 1]);
    return value;
}

/// A map: the size of the double array, the array, the replacements, each ended by NUL.
std::string fault_of_map(std::string_view map) {
    if (map.empty()) return {};
    if (map.size() < 4) return "precompiled_charsmap is cut short";
    const std::size_t size = number_at(map, 0);
    map.remove_prefix(4);
    if (size >= map.size() || size == 0 || size % 4 != 0) {
        return "precompiled_charsmap: a double array of " + std::to_string(size) +
               " bytes does not fit";
    }
    const std::string_view array = map.substr(0, size);
    const std::string_view replacements = map.substr(size);
    if (replacements.back() != '\0') return "precompiled_charsmap has no end";
    const std::size_t units = size / 4;
    for (std::size_t i = 0; i < units; ++i) {
        const std::uint32_t unit = number_at(array, i);
        if ((unit & 0x80000000U) != 0) continue;  // a value, no node
        const std::size_t offset = std::size_t{unit >> 10U} << ((unit & 0x200U) >> 6U);
        const std::size_t children = i ^ offset;
        if ((children | 0xFFU) >= units) {
            return "precompiled_charsmap: element " + std::to_string(i) + " leads to " +
                   std::to_string(children) + " of " + std::to_string(units);
        }
        const bool has_value = (unit & 0x100U) != 0;
        if (has_value &&
            (number_at(array, children) & 0x7FFFFFFFU) >= replacements.size()) {
            return "precompiled_charsmap: element " + std::to_string(i) +
                   " has no replacement";
        }
    }
    return {};
}

}  // namespace

std::string charsmap_fault(std::string_view model) {
    constexpr std::uint64_t normalizer_spec = 3;
    constexpr std::uint64_t precompiled_charsmap = 2;
    message_reader fields(model);
    while (const auto spec = fields.next()) {
        if (spec->number != normalizer_spec) continue;
        message_reader members(spec->bytes);
        while (const auto member = members.next()) {
            if (member->number != precompiled_charsmap) continue;
            if (auto fault = fault_of_map(member->bytes); !fault.empty()) return fault;
        }
    }
    return {};
}

}  // namespace packkit::app
