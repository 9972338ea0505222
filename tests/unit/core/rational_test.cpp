// SPDX-License-Identifier: Apache-2.0
#include <packkit/utility/rational.hpp>

#include <cstdint>
#include <limits>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(rational_test)

namespace {

using packkit::rational;

constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t smallest = -largest;

// In lowest terms, the sign above.
static_assert(rational(6, 4).numerator() == 3 && rational(6, 4).denominator() == 2);
static_assert(rational(6, -4) == rational(-3, 2));
static_assert(rational(0, -7) == rational(0) && rational(0, -7).denominator() == 1);
static_assert(rational(smallest, 7).numerator() == smallest / 7);

static_assert(rational(1, 3) + rational(1, 6) == rational(1, 2));
static_assert(rational(1, 3) - rational(1, 2) == rational(-1, 6));
static_assert(rational(2, 3) * rational(9, 4) == rational(3, 2));
static_assert(rational(2, 3) / rational(-4, 9) == rational(-3, 2));
static_assert(2 * rational(5, 4) + 1 == rational(7, 2));
// Cancelled before they are multiplied.
static_assert(rational(largest, 3) * rational(3, largest) == 1);

static_assert(rational(7, 2).floor() == 3 && rational(7, 2).ceil() == 4);
static_assert(rational(-7, 2).floor() == -4 && rational(-7, 2).ceil() == -3);
static_assert(rational(4).floor() == 4 && rational(4).ceil() == 4);
static_assert(rational(4).is_whole() && !rational(7, 2).is_whole());
static_assert(rational(1, 4).value() == 0.25);

static_assert(rational(1, 3) < rational(1, 2) && rational(-1, 3) > rational(-1, 2));
static_assert(rational(-1, 3) < rational(1, 1000) && rational(3) > rational(14, 5));
// Products of these do not fit, and doubles cannot tell them apart.
static_assert(rational(largest, largest - 1) < rational(largest - 1, largest - 2));
static_assert(rational(largest - 2, largest - 1) < rational(largest - 1, largest));
static_assert(rational(smallest, largest - 1) < rational(-1));

constexpr rational compound() {
    rational x(1, 2);
    x += rational(1, 3);
    x -= rational(1, 6);
    x *= 6;
    x /= rational(8, 3);
    return x;
}
static_assert(compound() == rational(3, 2));

}  // namespace

BOOST_AUTO_TEST_CASE(order_agrees_with_cross_products) {
    for (std::int64_t a = -6; a <= 6; ++a) {
        for (std::int64_t b = 1; b <= 6; ++b) {
            for (std::int64_t c = -6; c <= 6; ++c) {
                for (std::int64_t d = 1; d <= 6; ++d) {
                    const auto order = rational(a, b) <=> rational(c, d);
                    BOOST_TEST((order == (a * d <=> c * b)));
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused) {
    using packkit::invalid_argument;
    expect::message_of<invalid_argument>([] { return rational(3, 0); }, "3 / 0");
    expect::message_of<invalid_argument>([] { return rational(1) / rational(0); },
                                         "1 / 0");
    expect::message_of<invalid_argument>([] { return rational(largest) + rational(1); },
                                         "exceeds 64 bits", "9223372036854775807 + 1");
    expect::message_of<invalid_argument>([] { return rational(largest) * rational(2); },
                                         "9223372036854775807 x 2");
    expect::message_of<invalid_argument>(
        [] { return rational(1, largest) * rational(1, 2); }, "exceeds 64 bits");
    // The number without a positive counterpart.
    expect::message_of<invalid_argument>([] { return rational(smallest - 1, 1); },
                                         "exceeds 64 bits");
}

BOOST_AUTO_TEST_SUITE_END()
