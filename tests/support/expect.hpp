// SPDX-License-Identifier: Apache-2.0
/// @file
/// Checks that an exception says what it should.
#pragma once

#include <string>
#include <string_view>

#include <boost/test/unit_test.hpp>

namespace expect {

/// Runs `call`; it must throw `Exception` whose message contains every one of the parts.
template <class Exception, class Call, class... Parts>
void message_of(Call call, const Parts&... parts) {
    try {
        call();
    } catch (const Exception& error) {
        const std::string_view text = error.what();
        for (const std::string_view part : {std::string_view(parts)...}) {
            BOOST_CHECK_MESSAGE(text.find(part) != std::string_view::npos,
                                "\"" << text << "\" lacks \"" << part << "\"");
        }
        return;
    }
    BOOST_ERROR("nothing was thrown");
}

}  // namespace expect
