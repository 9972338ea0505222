// SPDX-License-Identifier: Apache-2.0
#include <common/atomic_file.hpp>
#include <common/errors.hpp>

#include <expect.hpp>
#include <run_process.hpp>

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <stdexcept>
#include <string>

#include <sys/stat.h>
#include <unistd.h>

BOOST_AUTO_TEST_SUITE(atomic_file_test)

namespace app = packkit::app;
namespace fs = std::filesystem;
using packkit::test::file_content;
using packkit::test::temporary_folder;

BOOST_AUTO_TEST_CASE(a_file_appears_on_commit_and_only_then) {
    const temporary_folder folder;
    const std::string path = folder / "x.txt";
    {
        app::atomic_file file(path);
        file.write("one ");
        file.sync();
        BOOST_TEST(!fs::exists(path));
        file.write("two");
        file.commit();
    }
    BOOST_TEST(file_content(path) == "one two");
    BOOST_TEST(folder.entries() == 1u);
}

BOOST_AUTO_TEST_CASE(without_commit_nothing_remains_and_the_old_file_stays) {
    const temporary_folder folder;
    const std::string path = folder.write("x.txt", "old");
    {
        app::atomic_file file(path);
        file.write(std::string(1'000'000, 'n'));
    }
    BOOST_TEST(file_content(path) == "old");
    BOOST_TEST(folder.entries() == 1u);
}

BOOST_AUTO_TEST_CASE(replaces_the_content_and_keeps_the_permissions) {
    const temporary_folder folder;
    const std::string path = folder.write("x.txt", "old and longer");
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
    app::write_file_atomically(path, "new");
    BOOST_TEST(file_content(path) == "new");
    BOOST_CHECK(fs::status(path).permissions() ==
                (fs::perms::owner_read | fs::perms::owner_write));
    const std::string large(3'000'000, 'x');
    app::write_file_atomically(path, large);
    BOOST_CHECK(file_content(path) == large);
}

BOOST_AUTO_TEST_CASE(a_new_file_gets_the_permissions_of_the_umask) {
    const temporary_folder folder;
    const mode_t old = ::umask(027);
    app::write_file_atomically(folder / "x", "1");
    ::umask(old);
    BOOST_TEST(static_cast<unsigned>(fs::status(folder / "x").permissions()) == 0640u);
}

BOOST_AUTO_TEST_CASE(links_are_followed) {
    const temporary_folder folder;
    const std::string target = folder.write("target", "old");
    fs::create_symlink("target", folder / "link");
    app::write_file_atomically(folder / "link", "new");
    BOOST_TEST(fs::is_symlink(folder / "link"));
    BOOST_TEST(file_content(target) == "new");
}

BOOST_AUTO_TEST_CASE(devices_are_written_not_replaced) {
    app::write_file_atomically("/dev/null", "gone");
    BOOST_TEST(fs::is_character_file("/dev/null"));
    expect::message_of<std::runtime_error>(
        [] { app::write_file_atomically("/dev/full", "x"); },
        "/dev/full: ", "No space left");
}

BOOST_AUTO_TEST_CASE(errors_name_path_and_reason) {
    const temporary_folder folder;
    expect::message_of<std::runtime_error>(
        [&] { app::write_file_atomically(folder / "no/x", "1"); },
        "no/x: ", "No such file");
    expect::message_of<std::runtime_error>(
        [&] { app::write_file_atomically(folder.path(), "1"); }, "directory");
    BOOST_TEST(folder.entries() == 0u);
}

BOOST_AUTO_TEST_CASE(check_before_long_work) {
    const temporary_folder folder;
    app::check_writable(folder / "new", "--output");
    app::check_writable(folder.write("old", "1"), "--output");
    app::check_writable("/dev/null", "--output");
    BOOST_TEST(folder.entries() == 1u);
    const auto check = [](const std::string& path) {
        return [path] { app::check_writable(path, "--output"); };
    };
    expect::message_of<app::usage_error>(check(folder / "no/x"), "--output: cannot write",
                                         "No such file");
    expect::message_of<app::usage_error>(check(folder.path()), "it is a folder");
    expect::message_of<app::usage_error>(check(folder / "old/x"), "is no folder");
    expect::message_of<app::usage_error>(check(""), "is empty");
}

BOOST_AUTO_TEST_SUITE_END()
