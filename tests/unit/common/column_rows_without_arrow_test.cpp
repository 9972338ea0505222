// SPDX-License-Identifier: Apache-2.0
// What a build without Arrow says of files that need it.
#include <common/column_rows.hpp>
#include <common/errors.hpp>

#include <boost/test/unit_test.hpp>

#include <string>

BOOST_AUTO_TEST_SUITE(column_rows_without_arrow_test)

using namespace packkit::app;

BOOST_AUTO_TEST_CASE(the_file_is_named_and_what_to_do) {
    const auto says = [](const usage_error& error) {
        return std::string(error.what()) ==
               "data.parquet: cannot be read: this program was built without Arrow; have "
               "cmake/dependencies.sh fetch it, or set ARROW_ROOT, and build again";
    };
    BOOST_CHECK_EXCEPTION(column_row_reader("data.parquet", column_format::parquet),
                          usage_error, says);
}

BOOST_AUTO_TEST_SUITE_END()
