#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks files of source code against rules that a compiler does not know.

usage: house_rules.py ROOT

- No file under include, examples, bench and tests has more than 500 lines, unless a line near its
  top begins with "// Long because" and says why.
- No text under include, examples and README.md uses a word that this project has given up for a
  standard term, and no comment opens with a bare "Of".

Prints a line "FILE:LINE: what" for each violation and exits 1 when there is one."""
import pathlib
import re
import sys

LONGEST = 500
SOURCES = {".hpp", ".cpp", ".inl", ".h"}
WORDS = {
    r"dear(er|est)?": "expensive",
    r"witness\w*": "prediction check",
    r"meeting[ _]point\w*": "rendezvous or rank barrier",
    r"census\w*": "length histogram",
    r"all_or_none": "run_on_all_ranks",
    r"tell_failure\w*": "publish_error",
    r"hear_failures\w*": "collect_errors",
    r"leave_value\w*": "publish",
    r"traveling_weights\w*": "in-flight buffers",
    r"obvious_search\w*": "brute_force_search",
    r"What of": "a noun phrase that stands alone",
}
GIVEN_UP = [(re.compile(rf"(?<![A-Za-z]){word}(?![A-Za-z])"), word, say) for word, say in WORDS.items()]
BARE_OF = re.compile(r"^\s*///?<?\s+(?:@brief )?Of\b")


def text_files(root, folders):
    for folder in folders:
        path = root / folder
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            inside = file.relative_to(root).parts
            if file.suffix in SOURCES | {".md", ".txt", ".py"} and "fixtures" not in inside:
                yield file, file.read_text().splitlines()


def problems(root):
    for file, lines in text_files(root, ["include", "examples", "bench", "tests"]):
        excused = any(line.startswith("// Long because") for line in lines[:12])
        if file.suffix in SOURCES and len(lines) > LONGEST and not excused:
            yield f"{file}:{len(lines)}: more than {LONGEST} lines"
    for file, lines in text_files(root, ["include", "examples", "README.md"]):
        for number, line in enumerate(lines, 1):
            for pattern, word, say in GIVEN_UP:
                if pattern.search(line):
                    yield f"{file}:{number}: '{pattern.search(line)[0]}', say {say}"
            if file.suffix in SOURCES and BARE_OF.match(line):
                # A sentence may go on with "of" at the line's start; a comment may not begin so.
                before = lines[number - 2].strip() if number > 1 else ""
                if not before.startswith("//") or re.fullmatch(r"///?", before):
                    yield f"{file}:{number}: a comment opens with a bare 'Of'"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.split("\n\n")[1])
    found = list(problems(pathlib.Path(sys.argv[1])))
    print("\n".join(found))
    sys.exit(1 if found else 0)


main()
