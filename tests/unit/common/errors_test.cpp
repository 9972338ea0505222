// SPDX-License-Identifier: Apache-2.0
#include <common/errors.hpp>
#include <packkit/error.hpp>

#include <run_process.hpp>

#include <boost/test/unit_test.hpp>

#include <new>
#include <string>

#include <fcntl.h>
#include <unistd.h>

BOOST_AUTO_TEST_SUITE(errors_test)

namespace app = packkit::app;

namespace {

/// Runs a body under run_main with stderr in a file.
struct outcome {
    int status;
    std::string err;
};

outcome run(int (*body)(int, char**)) {
    packkit::test::temporary_folder folder;
    const std::string path = folder / "stderr";
    const int kept = ::dup(STDERR_FILENO);
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600);
    ::dup2(file, STDERR_FILENO);
    ::close(file);
    const int status = app::run_main("program", 0, nullptr, body);
    ::dup2(kept, STDERR_FILENO);
    ::close(kept);
    return {status, packkit::test::file_content(path)};
}

}  // namespace

BOOST_AUTO_TEST_CASE(exit_status_and_one_line_of_each_kind_of_error) {
    const auto usage = run(
        [](int, char**) -> int { throw app::usage_error("--capacity", "is missing"); });
    BOOST_TEST(usage.status == 2);
    BOOST_TEST(usage.err == "program: --capacity: is missing\n");

    const auto input = run([](int, char**) -> int {
        throw app::input_error("lengths.txt:17", "length -3 is negative");
    });
    BOOST_TEST(input.status == 2);
    BOOST_TEST(input.err == "program: lengths.txt:17: length -3 is negative\n");

    const auto argument = run([](int, char**) -> int {
        throw packkit::invalid_argument("item 17 has length 5000");
    });
    BOOST_TEST(argument.status == 2);

    const auto failure =
        run([](int, char**) -> int { throw std::runtime_error("disk\nfull"); });
    BOOST_TEST(failure.status == 1);
    BOOST_TEST(failure.err == "program: disk\\nfull\n");

    const auto memory = run([](int, char**) -> int { throw std::bad_alloc(); });
    BOOST_TEST(memory.status == 1);
    BOOST_TEST(memory.err == "program: out of memory\n");

    const auto odd = run([](int, char**) -> int { throw 42; });
    BOOST_TEST(odd.status == 1);
    BOOST_TEST(odd.err == "program: failed with an exception of unknown type\n");
}

BOOST_AUTO_TEST_CASE(the_status_of_the_body_is_passed_on) {
    BOOST_TEST(run([](int, char**) { return 0; }).status == 0);
    BOOST_TEST(run([](int, char**) { return 1; }).status == 1);
    BOOST_TEST(run([](int, char**) { return 143; }).err.empty());
}

BOOST_AUTO_TEST_CASE(escaped_text_is_one_line_of_utf8) {
    BOOST_TEST(app::escaped("plain größe 長さ 😀") == "plain größe 長さ 😀");
    BOOST_TEST(app::escaped("a\nb\rc\td") == "a\\nb\\rc\\td");
    BOOST_TEST(app::escaped(std::string("\x1b[31m\0", 6)) == "\\x1b[31m\\x00");
    BOOST_TEST(app::escaped("\xff") == "\\xff");
    BOOST_TEST(app::escaped("\xc3") == "\\xc3");                             // cut short
    BOOST_TEST(app::escaped("\xc0\x80") == "\\xc0\\x80");                    // overlong
    BOOST_TEST(app::escaped("\xed\xa0\x80") == "\\xed\\xa0\\x80");           // surrogate
    BOOST_TEST(app::escaped("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // > U+10FFFF
    BOOST_TEST(app::escaped("\xf4\x8f\xbf\xbf") == "\xf4\x8f\xbf\xbf");
}

BOOST_AUTO_TEST_CASE(quoted_text_is_shortened_between_code_points) {
    BOOST_TEST(app::in_quotes("abc") == "'abc'");
    BOOST_TEST(app::in_quotes(std::string(60, 'x')) == "'" + std::string(60, 'x') + "'");
    BOOST_TEST(app::in_quotes(std::string(61, 'x')) ==
               "'" + std::string(60, 'x') + "'… (61 bytes)");
    // The 60th byte lies inside the last ä.
    std::string umlauts(59, 'x');
    umlauts += "ää";
    BOOST_TEST(app::in_quotes(umlauts) == "'" + std::string(59, 'x') + "'… (63 bytes)");
}

BOOST_AUTO_TEST_SUITE_END()
