// SPDX-License-Identifier: Apache-2.0
// Files with a flipped bit or a missing end: refused, or still consistent in all they
// say.
#include <checkpoint/safetensors.hpp>

#include <packkit/utility/random.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>

BOOST_AUTO_TEST_SUITE(safetensors_damage_test)

using namespace packkit::train;
using train_test::file_content;

namespace {

const train_test::temporary_folder folder;

/// A small file with all kinds of tensors, 40 bytes of data.
std::string good_file() {
    const std::string path = folder / "good.safetensors";
    safetensors_writer writer(
        path, {{"w", "F32", {2, 3}}, {"e", "I64", {0}}, {"b", "BF16", {8}}},
        {{"format", "pt"}, {"step", "12"}});
    const std::string data(40, '\x5a');
    writer.write(std::as_bytes(std::span<const char>(data)));
    writer.finish();
    return file_content(path);
}

/// Whether the file opens. Then what it holds must fill its data exactly, and all of it
/// must be readable.
bool opens(std::string_view content) {
    const std::string path = folder.write("x.safetensors", content);
    std::optional<safetensors_file> file;
    try {
        file.emplace(path);
    } catch (const packkit::app::input_error& error) {
        const std::string_view what = error.what();
        BOOST_TEST(what.starts_with(path + ": "), what);
        return false;
    }
    std::size_t total = 0;
    for (const auto& [name, info] : file->tensors()) {
        const auto data = file->data(name);
        BOOST_TEST(safetensors_bytes(info.dtype, info.shape).value() == data.size());
        // As bytes, so that the sanitizer sees each of them touched.
        total += static_cast<std::size_t>(std::accumulate(
            data.begin(), data.end(), std::size_t{0},
            [](std::size_t sum, std::byte byte) {
                return sum + (std::to_integer<unsigned>(byte) == 0x5aU ? 1 : 0);
            }));
    }
    BOOST_TEST(total == 40u);
    return true;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_good_twin_opens) {
    BOOST_TEST(opens(good_file()));
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_of_the_header) {
    const std::string good = good_file();
    const std::string checksum = file_checksum(folder / "good.safetensors");
    std::size_t opened = 0;
    std::size_t refused = 0;
    for (std::size_t bit = 0; bit < (good.size() - 40) * 8; ++bit) {
        std::string damaged = good;
        damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
        ++(opens(damaged) ? opened : refused);
        // A name that became another name is no fault of the format; the checksum tells.
        BOOST_TEST(file_checksum(folder / "x.safetensors") != checksum);
    }
    BOOST_TEST(refused > 5 * opened);
    BOOST_TEST(opened > 0u);
}

BOOST_AUTO_TEST_CASE(every_length_but_the_right_one) {
    const std::string good = good_file();
    for (std::size_t length = 0; length < good.size(); ++length) {
        BOOST_TEST(!opens(good.substr(0, length)), "opens with " << length << " bytes");
    }
    BOOST_TEST(!opens(good + '\0'));
    BOOST_TEST(!opens(good + good));
}

BOOST_AUTO_TEST_CASE(several_changed_bytes) {
    const std::string good = good_file();
    constexpr std::string_view pool = "{}[]\",:0123456789-.eEtfn \\u\xff";
    std::size_t refused = 0;
    for (std::uint64_t round = 0; round < 3000; ++round) {
        std::string damaged = good;
        for (std::uint64_t change = 0; change < 3; ++change) {
            const auto bits = packkit::random_bits(round, change);
            const std::size_t at = 8 + bits[0] % (good.size() - 48);
            damaged[at] = pool[bits[1] % pool.size()];
        }
        refused += opens(damaged) ? 0 : 1;
    }
    BOOST_TEST(refused > 2500u);
}

BOOST_AUTO_TEST_SUITE_END()
