# SPDX-License-Identifier: Apache-2.0
"""Runs every packer on the same length files and prints markdown tables; called by run.sh.

Every program is a process of its own and is started once a round, one after the other, so that a
busy moment of the machine falls on all of them. A program that would take longer than the limit
gets the first samples of the file only, as many as fit, and its row says how many.
"""

import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

# name -> (program, what it does); the first is what the others are compared with
PACKERS = {
    "first_fit_decreasing": ("packkit", "first-fit decreasing"),
    "best_fit_decreasing": ("packkit", "best-fit decreasing"),
    "first_fit_decreasing_into": ("packkit", "FFD, into memory used again"),
    "best_fit_decreasing_into": ("packkit", "BFD, into memory used again"),
    "first_fit_decreasing_plan": ("packkit", "FFD, plan only: no sample ids"),
    "best_fit_decreasing_plan": ("packkit", "BFD, plan only: no sample ids"),
    "pattern_fit": ("packkit", "patterns of lengths"),
    "first_fit": ("packkit", "first fit, order given"),
    "best_fit": ("packkit", "best fit, order given"),
    "worst_fit_decreasing": ("packkit", "worst-fit decreasing"),
    "next_fit": ("packkit", "next fit"),
    "item_by_item_first_fit_decreasing": ("item by item, C++", "FFD, segment tree; packkit's bins"),
    "item_by_item_best_fit_decreasing": ("item by item, C++", "BFD, segment tree; packkit's bins"),
    "item_by_item_best_fit_decreasing_any_tie": ("item by item, C++",
                                                 "BFD, segment tree, any of equal bins"),
    "item_by_item_best_fit_decreasing_bits_any_tie": ("item by item, C++",
                                                      "BFD, bit set, any of equal bins"),
    "axolotl": ("Axolotl {axolotl}", "sampler: first fit by groups of 100,000"),
    "axolotl_len": ("Axolotl {axolotl}", "the same with `len(sampler)` before"),
    "axolotl_sequential": ("Axolotl {axolotl}", "sequential: next fit"),
    "trl_bfd": ("TRL {trl}", "`pack_dataset`, BFD by 1000 rows, tokens moved"),
    "binpacking": ("binpacking {binpacking}", "`to_constant_volume`"),
}
PYTHON_RIVALS = {"axolotl", "axolotl_len", "axolotl_sequential", "trl_bfd", "binpacking"}
REFERENCE = "first_fit_decreasing"


def setting(name, default):
    return os.environ.get("RIVALS_" + name, default)


def start(folder, name, path, capacity, count, runs, limit):
    """One process; its JSON line, with the wall time of the process. None if it was stopped."""
    if name in PYTHON_RIVALS:
        command = [sys.executable, HERE / "python_rival.py"]
    else:
        command = [folder / "bin" / "pack_npy"]
    command += [path, capacity, name, count, runs]
    environment = dict(os.environ, RIVALS_WHEELS=str(folder / "files"),
                       RIVALS_STARTED=repr(time.time()))
    try:
        done = subprocess.run([str(c) for c in command], env=environment, capture_output=True,
                              text=True, timeout=10 * limit + 60)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode != 0:
        print(f"run.py: {name}: exit {done.returncode}: {done.stderr.strip()[-2000:]}",
              file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def affordable(folder, name, path, capacity, count, limit):
    """The greatest 10^k or 3·10^k samples, at most count, whose packing stays inside the limit."""
    sizes = [m * 10**k for k in range(3, 11) for m in (1, 3) if m * 10**k < count] + [count]
    best = None
    for n in sizes:
        if best is not None:
            expected = best[1] * (n / best[0])  # as fast a sample as before is the least
            if expected > limit:
                break
            if expected < limit / 30 and n != count:
                continue  # far from the limit: a look is not worth its time
        figures = start(folder, name, path, capacity, n, 1, limit)
        if figures is None:
            break
        took = min(figures["seconds"])
        if took > limit:
            break
        best = (n, took)
        if n == count:
            break
    return best[0] if best else None


def lower_bound(folder, path, capacity, count):
    return start(folder, "next_fit", path, capacity, count, 1, 60)["lower_bound"]


def compare(folder, shape, count, capacity, rounds, limit, only):
    path = folder / f"{shape}-{count}-{capacity}.npy"
    if not path.exists():
        subprocess.run([folder / "bin" / "make_lengths", shape, str(count), str(capacity),
                        str(path) + ".part"], check=True)
        os.rename(str(path) + ".part", path)
    counts = {}
    for name in only:
        counts[name] = (affordable(folder, name, path, capacity, count, limit)
                        if name in PYTHON_RIVALS else count)
        print(f"run.py: {shape} {count}: {name} gets {counts[name]} samples", file=sys.stderr)
    inside, whole, last = {}, {}, {}
    for round_ in range(rounds):
        for name in only:
            if not counts[name]:
                continue
            # A fast one runs a few times in its process; a slow one once.
            runs = 1 if name in PYTHON_RIVALS and counts[name] > 20000 else 3
            figures = start(folder, name, path, capacity, counts[name], runs, limit)
            if figures is None:
                counts[name] = None
                continue
            inside.setdefault(name, []).extend(figures["seconds"])
            whole.setdefault(name, []).append(
                figures["process_seconds"] - sum(figures["seconds"]) +
                statistics.median(figures["seconds"]))
            last[name] = figures
        print(f"run.py: {shape} {count}: round {round_ + 1} of {rounds}", file=sys.stderr)
    bounds = {n: lower_bound(folder, path, capacity, n)
              for n in {c for c in counts.values() if c}}
    rows = []
    for name in only:
        if not counts[name]:
            rows.append({"name": name, "samples": None})
            continue
        n = counts[name]
        figures = last[name]
        rows.append({
            "name": name, "samples": n, "bins": figures["bins"], "lower_bound": bounds[n],
            "gap": figures["bins"] / bounds[n] - 1,
            "ns_per_sample": statistics.median(inside[name]) * 1e9 / n,
            "ns_per_sample_least": min(inside[name]) * 1e9 / n,
            "process_seconds": statistics.median(whole[name]),
            **{k: figures[k] for k in ("lost_samples", "lost_tokens", "repeated", "overfull",
                                       "equal_to_packkit") if k in figures}})
    os.remove(path)
    return {"shape": shape, "count": count, "capacity": capacity, "rows": rows}


def rounded(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def percent(value):
    return f"{100 * value:.4f} %" if value < 1e-4 else f"{100 * value:.3f} %"


def table(result, versions):
    rows = result["rows"]
    base = next((r for r in rows if r["name"] == REFERENCE and r["samples"]), None)
    lines = [
        f"### {result['shape']}, {result['count']:,} samples, capacity {result['capacity']}", "",
        "| program | algorithm | ns/sample, median (least) | × packkit FFD, median (least) | whole process, s | bins | "
        "gap to the bound | lost, overfull |",
        "|---|---|--:|--:|--:|--:|--:|---|"]
    for row in rows:
        program, algorithm = PACKERS[row["name"]]
        program = program.format(**versions)
        if not row["samples"]:
            lines.append(f"| {program} | {algorithm} | not inside the limit, or failed | | | | | |")
            continue
        if row["samples"] != result["count"]:
            algorithm += f" ({row['samples']:,} samples only)"
        ratio = ""
        if base:
            ratio = "{} ({})".format(*(rounded(row[key] / base[key]) for key in
                                       ("ns_per_sample", "ns_per_sample_least")))
        losses = []
        for key, what in (("lost_samples", "samples lost"), ("repeated", "repeated"),
                          ("lost_tokens", "tokens lost"), ("overfull", "bins overfull")):
            if row.get(key):
                losses.append(f"{row[key]:,} {what}")
        lost = ", ".join(losses) or ("none" if "lost_samples" in row else "no ids to check")
        lines.append(
            f"| {program} | {algorithm} | {rounded(row['ns_per_sample'])} "
            f"({rounded(row['ns_per_sample_least'])}) | {ratio} | {row['process_seconds']:.3f} | "
            f"{row['bins']:,} | {percent(row['gap'])} | {lost} |")
    return "\n".join(lines)


def main():
    folder = Path(sys.argv[1])
    counts = [int(n) for n in sys.argv[2:]]
    capacity = int(setting("CAPACITY", "4096"))
    rounds = int(setting("ROUNDS", "5"))
    limit = float(setting("LIMIT", "30"))
    shapes = setting("SHAPES", "lognormal").split()
    ours = subprocess.run([folder / "bin" / "pack_npy", "--list"], check=True,
                          capture_output=True, text=True).stdout.split()
    there = [name for name in PACKERS if name in PYTHON_RIVALS or name in ours]
    only = setting("ONLY", " ".join(there)).split()
    unknown = [name for name in only if name not in there]
    if unknown:
        print(f"run.py: RIVALS_ONLY: no packer {unknown[0]}; there are", *there, file=sys.stderr)
        return 2
    versions = {p: (folder / "files" / f"{p}.version").read_text() for p in ("axolotl", "trl")}
    for package in ("binpacking", "numba", "numpy", "datasets"):
        versions[package] = importlib.metadata.version(package)
    results = []
    for shape in shapes:
        for count in counts:
            result = compare(folder, shape, count, capacity, rounds, limit, only)
            results.append(result)
            print(table(result, versions), end="\n\n", flush=True)
    print(f"{rounds} rounds, one thread each, Python {platform.python_version()}, "
          + ", ".join(f"{p} {v}" for p, v in sorted(versions.items()))
          + ". ns/sample: inside the process, allocation of the result included, compilation by "
            "numba and reading not. Whole process: start, reading, imports, compilation, one packing.")
    out = Path(setting("JSON", str(folder / "results.json")))
    out.write_text(json.dumps({"versions": versions, "rounds": rounds, "results": results},
                              indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
