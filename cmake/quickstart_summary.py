#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints what a run of quickstart.sh showed: quickstart_summary.py build/quickstart

Every figure comes from the files of that folder: packing.json (packkit-pack), packed.log, out/ and
out-padded/ (packkit-train). Exits 1 when the loss did not fall or a file lacks what it should hold.
"""

import json
import pathlib
import re
import statistics
import sys

WARM_UP = 2  # steps left out of the rates: memory is allocated and threads start in them
LAST = 5  # steps whose mean is "after", as the loss of one step depends on its text


def read_metrics(path):
    with open(path, encoding="utf-8") as file:
        steps = [json.loads(line) for line in file]
    if len(steps) <= WARM_UP + LAST:
        sys.exit(f"{path}: {len(steps)} steps, expected more than {WARM_UP + LAST}")
    return steps


def tokens_per_second(steps):
    """Useful tokens (valid targets) a second over all ranks."""
    timed = steps[WARM_UP:]
    return sum(s["tokens"] for s in timed) / sum(s["seconds"]["step"] for s in timed)


def efficiencies(packing):
    """Useful share of the rows: one text a row padded to the capacity, and packed."""
    packed = next(result for result in packing["results"]
                  if result["algorithm"] == "first_fit_decreasing")
    return packing["unpacked"]["pad_to_capacity"]["efficiency"], packed["efficiency"]


def parameter_bytes(log):
    text = log.read_text(encoding="utf-8")
    found = re.search(r"FSDP: ([\d,' ]+) bytes of parameters per rank", text)
    if found is None:
        sys.exit(f"{log}: no line 'FSDP: ... bytes of parameters per rank'")
    return int(re.sub(r"\D", "", found[1]))


def newest_checkpoint(folder):
    checkpoints = [path for path in folder.glob("checkpoint-*") if path.name[11:].isdigit()]
    if not checkpoints:
        sys.exit(f"{folder}: no checkpoint")
    return max(checkpoints, key=lambda path: int(path.name[11:]))


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: quickstart_summary.py FOLDER")
    here = pathlib.Path(sys.argv[1])
    packing = json.loads((here / "packing.json").read_text(encoding="utf-8"))
    packed = read_metrics(here / "out/metrics.jsonl")
    padded = read_metrics(here / "out-padded/metrics.jsonl")

    padded_efficiency, packed_efficiency = efficiencies(packing)
    padded_rate, packed_rate = tokens_per_second(padded), tokens_per_second(packed)
    before = packed[0]["loss"]
    after = statistics.fmean(step["loss"] for step in packed[-LAST:])

    def line(name, *cells):
        print(f"{name:<28}" + "".join(f"{cell:>12}" for cell in cells))

    print()
    line("", "padded", "packed", "ratio")
    line("packing efficiency", f"{padded_efficiency:.4f}", f"{packed_efficiency:.4f}",
         f"{packed_efficiency / padded_efficiency:.2f}")
    line("useful tokens a second", f"{padded_rate:,.0f}", f"{packed_rate:,.0f}",
         f"{packed_rate / padded_rate:.2f}")
    print()
    print(f"text         {packing['samples']:,} texts, {packing['tokens']:,} tokens, "
          f"in rows of {packing['capacity']:,}")
    print(f"loss         {before:.3f} in step 1, {after:.3f} in the last {LAST} "
          f"of {len(packed)} steps")
    print(f"FSDP         {parameter_bytes(here / 'packed.log'):,} bytes of parameters per rank")
    print(f"checkpoint   {newest_checkpoint(here / 'out')}")
    print(f"HTML report  {here / 'packing.html'}")
    if not after < before:
        sys.exit("the loss did not fall")


if __name__ == "__main__":
    main()
