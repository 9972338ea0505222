#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the slowest compilations and tests of a build folder.

usage: slowest.py COUNT BUILD_FOLDER...

Compilations and links come from .ninja_log, whose times are wall seconds beside other jobs; tests
from ctest.xml. A folder that lacks one of the two is passed over."""
import pathlib
import sys
import xml.etree.ElementTree as xml


def compilations(folder):
    """Seconds by output of the last build of each."""
    log = folder / ".ninja_log"
    seconds = {}
    for line in log.read_text().splitlines()[1:] if log.exists() else []:
        begin, end, _, output, *_ = line.split("\t")
        seconds[output] = (int(end) - int(begin)) / 1000
    return seconds


def tests(folder):
    report = folder / "ctest.xml"
    if not report.exists():
        return {}
    cases = xml.parse(report).getroot().iter("testcase")
    return {case.get("name"): float(case.get("time")) for case in cases}


def print_slowest(title, seconds, count):
    if not seconds:
        return
    print(f"\n{title}: {len(seconds)}, {sum(seconds.values()):.0f} s in all")
    for name, taken in sorted(seconds.items(), key=lambda item: -item[1])[:count]:
        print(f"{taken:8.1f}  {name.replace('CMakeFiles/', '')}")


def main():
    if len(sys.argv) < 3 or not sys.argv[1].isdigit():
        sys.exit(__doc__.split("\n\n")[1])
    count = int(sys.argv[1])
    for folder in map(pathlib.Path, sys.argv[2:]):
        print_slowest(f"slowest to build in {folder}", compilations(folder), count)
        print_slowest(f"slowest tests in {folder}", tests(folder), count)


main()
