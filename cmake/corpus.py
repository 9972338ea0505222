#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the text of three Debian packages into jsonl: corpus.py SHARE OUTPUT

SHARE   the unpacked packages' usr/share: fortunes, fortunes-min (short quotations) and
        python3.11-doc (long reference text)
OUTPUT  gets fortunes.jsonl, python_doc.jsonl ({"text": ...} a row, in an order that depends on the
        packages' contents alone) and licences/, the packages' own copyright files

What those copyright files say. fortunes, fortunes-min: the program comes under the BSD licence of the
Regents of the University of California, three clauses; two of its files name the person who collected
them, and the quotations are by the people quoted. python3.11-doc: the Python Software Foundation
License, version 2, with the older BeOpen and CNRI terms of Python's history. The text is used where
it is downloaded; packkit passes none of it on.
"""

import json
import pathlib
import re
import shutil
import sys

LICENCES = {
    "fortunes": "BSD, three clauses (University of California); quotations by those quoted",
    "python_doc": "Python Software Foundation License, version 2",
}
PACKAGES = ("fortunes", "fortunes-min", "python3.11-doc")

# A reStructuredText heading: a line of text over a line of one punctuation character repeated.
ADORNMENT = re.compile(r"""([=\-~^"'`#*+.:_])\1{2,}\s*""")


def fortunes(folder):
    """The fortunes of every file of the folder: parted by lines that hold a single %."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.is_symlink() or path.suffix == ".dat":
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        text = re.sub(".\b", "", text)  # "_\bx" prints an underlined x on paper
        for fortune in re.split(r"^%\s*$", text, flags=re.MULTILINE):
            yield fortune.strip("\n")


def is_heading(lines, i):
    """Is line i the title of a section, with its underline in line i+1?"""
    title = lines[i].rstrip()
    above = lines[i - 1].rstrip() if i > 0 else ""
    below = lines[i + 1].rstrip() if i + 1 < len(lines) else ""
    if title == "" or ADORNMENT.fullmatch(title) or title.startswith(".."):
        return False
    if not ADORNMENT.fullmatch(below) or len(below) < len(title):
        return False
    # Between two equal lines a title may be indented; under a blank line it must not be.
    return above == below or (above == "" and not title[0].isspace())


def sections(text):
    """A page split before each heading, at every level; overlines stay with their heading."""
    lines = text.splitlines()
    begin = 0
    for i in range(len(lines)):
        if is_heading(lines, i):
            overline = i > 0 and lines[i - 1].strip() != ""
            start = i - 1 if overline else i
            yield "\n".join(lines[begin:start])
            begin = start
    yield "\n".join(lines[begin:])


def documentation(folder):
    for path in sorted(folder.rglob("*.rst.txt"), key=lambda path: path.as_posix()):
        for section in sections(path.read_text(encoding="utf-8")):
            lines = section.splitlines()
            if any(line.strip() and not line.startswith("..") for line in lines):
                yield section.strip("\n")


def write_rows(path, texts):
    """One row a text that is not blank; returns the number of rows and of bytes of text."""
    rows = size = 0
    with open(path, "w", encoding="utf-8") as file:
        for text in texts:
            if text.strip():
                file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
                rows += 1
                size += len(text.encode("utf-8"))
    return rows, size


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: corpus.py SHARE OUTPUT")
    share, output = map(pathlib.Path, sys.argv[1:])
    sources = {
        "fortunes": (fortunes, share / "games/fortunes"),
        "python_doc": (documentation, share / "doc/python3.11/html/_sources"),
    }
    (output / "licences").mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        shutil.copyfile(share / "doc" / package / "copyright",
                        output / "licences" / f"{package}.copyright")
    for name, (read, folder) in sources.items():
        rows, size = write_rows(output / f"{name}.jsonl", read(folder))
        if rows == 0:
            sys.exit(f"corpus.py: {folder} holds no text")
        print(f"    {name}: {rows} texts, {size / 1e6:.1f} MB; licence: {LICENCES[name]}")


if __name__ == "__main__":
    main()
