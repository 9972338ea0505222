#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the files beside it: one table as .csv, its rows as Python's csv module reads them, and
compressed files.

Usage: PYTHONPATH=.deps/arrow make_sources.py     (pyarrow compresses with Zstandard)
"""
import csv
import gzip
import json
from pathlib import Path

import pyarrow

HERE = Path(__file__).parent
TABLE = (b'\xef\xbb\xbfinstruction,"input",output,id\r\n'
         b'plain,,yes,1\r\n'
         b'"with, comma","two\nlines\r\nthree","He said ""no"".",2\r\n'
         b'\r\n'
         b'"H\xc3\xa9",in"side, spaced ,3\n'
         b'"","","""",4')


def main():
    (HERE / "rows.csv").write_bytes(TABLE)
    with open(HERE / "rows.csv", newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file, strict=True))
    (HERE / "rows.json").write_text(json.dumps(rows, indent=1) + "\n")
    lines = "".join(json.dumps({"text": text}) + "\n" for text in ("one", "two", "three")).encode()
    with open(HERE / "rows.jsonl.gz", "wb") as file:  # two members
        for part in (lines[:20], lines[20:]):
            file.write(gzip.compress(part, mtime=0))
    with open(HERE / "rows.jsonl.zst", "wb") as file:  # two frames
        for part in (lines[:20], lines[20:]):
            file.write(pyarrow.compress(part, codec="zstd", asbytes=True))


main()
