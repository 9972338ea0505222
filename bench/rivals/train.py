# SPDX-License-Identifier: Apache-2.0
"""train.py DIR PACKKIT_TRAIN: one process of packkit-train beside Transformers; see train.sh."""

import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
FIRST_TIMED = 2  # steps before warm up
ASKED = {"float32": 1.6, "bfloat16": 2.5}  # times Transformers' packed path
LOSS_TOLERANCE = 1e-5  # relative, float32

CONFIG = """base_model: {folder}/model
datasets: [{{path: {folder}/tokens.jsonl, type: tokens}}]
tokenizer_type: bytes
sequence_len: {sequence_len}
sample_packing: true
sample_packing_sequentially: true
curriculum_sampling: true
shuffle_data: false
multipack_real_batches: true
micro_batch_size: {micro_batch_size}
gradient_accumulation_steps: 1
max_steps: {steps}
learning_rate: 1.0e-3
lr_scheduler: constant
weight_decay: 0.1
max_grad_norm: 1.0
save_steps: 0
output_dir: {folder}/out
"""


def busy_seconds():
    """Processor seconds of the whole machine that were not idle."""
    with open("/proc/stat") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def run(command, threads):
    """What the command printed, processor seconds of the whole machine meanwhile, seconds."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads),
                       HF_HUB_OFFLINE="1")
    busy, begin = busy_seconds(), time.monotonic()
    process = subprocess.Popen([str(word) for word in command], env=environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate()
    wall = time.monotonic() - begin
    if process.returncode != 0:
        sys.exit(f"train.py: {' '.join(map(str, command))}: exit {process.returncode}\n{err}")
    return out, busy_seconds() - busy, wall


def with_rest(result, busy, wall):
    """Adds the speed of the median step and the processors that the machine kept busy."""
    result["busy_processors"] = busy / wall
    result["tokens_per_second"] = statistics.median(
        tokens / seconds for tokens, seconds in
        list(zip(result["tokens"], result["seconds"]))[FIRST_TIMED:])
    return result


def run_transformers(options, dtype, rows):
    out, busy, wall = run(
        [sys.executable, HERE / "transformers_train.py", options.folder / "model",
         options.folder / "tokens.jsonl", "--rows", rows, "--dtype", dtype,
         "--steps", options.steps, "--sequence-len", options.sequence_len,
         "--micro-batch-size", options.micro_batch_size, "--threads", options.threads],
        options.threads)
    return with_rest(json.loads(out.splitlines()[-1]), busy, wall)


def run_packkit(options, dtype, rows):
    config = options.folder / "train.yaml"
    config.write_text(CONFIG.format(**vars(options)))
    _, busy, wall = run([options.packkit_train, config, "--overwrite",
                         f"bf16={'true' if dtype == 'bfloat16' else 'false'}"],
                        options.threads)
    with open(options.folder / "out" / "metrics.jsonl") as file:
        steps = [json.loads(line) for line in file]
    return with_rest({"losses": [step["loss"] for step in steps],
                      "seconds": [step["seconds"]["step"] for step in steps],
                      "tokens": [step["tokens"] for step in steps],
                      "peak_bytes": max(step["memory_bytes"] for step in steps)},
                     busy, wall)


PROGRAMS = {  # name: (how it is run, rows)
    "packkit-train": (run_packkit, "packed"),
    "Transformers, packed": (run_transformers, "packed"),
    "Transformers, padded to the longest": (run_transformers, "longest"),
    "Transformers, padded to sequence_len": (run_transformers, "padded"),
}


def print_speed(dtype, results):
    """results[name]: one result a round."""
    print(f"\n### {dtype}\n")
    print("| program | useful tokens/s, median (least to most) | packkit-train is faster by, "
          "median of rounds | largest memory, MiB | processors busy |")
    print("|---|--:|--:|--:|--:|")
    ours = [result["tokens_per_second"] for result in results["packkit-train"]]
    ratios = {}
    for name, rounds in results.items():
        speeds = [result["tokens_per_second"] for result in rounds]
        ratios[name] = statistics.median(a / b for a, b in zip(ours, speeds))
        print(f"| {name} | {statistics.median(speeds):.0f} ({min(speeds):.0f} to "
              f"{max(speeds):.0f}) | {ratios[name]:.2f} "
              f"| {max(result['peak_bytes'] for result in rounds) / 2**20:.0f} "
              f"| {statistics.median(r['busy_processors'] for r in rounds):.2f} |")
    return ratios


def print_losses(dtype, ours, theirs):
    """Both over the steps, and their largest relative difference."""
    print(f"\n| step, {dtype} | packkit-train | Transformers, packed | relative difference |")
    print("|--:|--:|--:|--:|")
    differences = []
    for step, (a, b) in enumerate(zip(ours["losses"], theirs["losses"], strict=True), 1):
        differences.append(abs(a - b) / abs(b))
        print(f"| {step} | {a:.7f} | {b:.7f} | {abs(a - b) / abs(b):.1e} |")
    return max(differences, key=lambda d: math.inf if math.isnan(d) else d)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("packkit_train")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    options.sequence_len, options.micro_batch_size = 1024, 4
    if options.steps <= FIRST_TIMED:
        parser.error(f"--steps: {options.steps}, expected more than {FIRST_TIMED}")

    results = {dtype: {name: [] for name in PROGRAMS} for dtype in options.dtypes}
    for number in range(options.rounds):
        for dtype in options.dtypes:
            for name, (runner, rows) in PROGRAMS.items():
                result = runner(options, dtype, rows)
                results[dtype][name].append(result)
                print(f"round {number + 1} of {options.rounds}, {dtype}, {name}: "
                      f"{result['tokens_per_second']:.0f} tokens/s", file=sys.stderr)

    print(f"{options.threads} threads, rows of {options.sequence_len} x "
          f"{options.micro_batch_size}, {options.steps} steps, the first {FIRST_TIMED} not "
          f"timed, {options.rounds} rounds; load {os.getloadavg()[1]:.1f}")
    failures, ratios, worst = [], {}, {}
    for dtype in options.dtypes:
        ours = results[dtype]["packkit-train"]
        theirs = results[dtype]["Transformers, packed"]
        if ours[0]["tokens"] != theirs[0]["tokens"]:
            failures.append(f"{dtype}: targets of the steps differ: {ours[0]['tokens']} and "
                            f"{theirs[0]['tokens']}")
        ratios[dtype] = print_speed(dtype, results[dtype])
        worst[dtype] = print_losses(dtype, ours[0], theirs[0])
        asked = ASKED[dtype]
        print(f"\n{dtype}: {ratios[dtype]['Transformers, packed']:.2f} times Transformers' packed "
              f"path (asked {asked}), {ratios[dtype]['Transformers, padded to sequence_len']:.2f} "
              f"times the padded one (asked 5); losses differ by {worst[dtype]:.1e} at most")
    if not worst.get("float32", 0.0) <= LOSS_TOLERANCE:
        failures.append(f"float32: losses differ by {worst['float32']:.1e}, more than "
                        f"{LOSS_TOLERANCE:.0e}")
    if options.json:
        options.json.write_text(json.dumps(
            {"threads": options.threads, "results": results, "ratios": ratios,
             "largest_loss_difference": worst}, indent=1))
    for failure in failures:
        print(f"train.py: {failure}", file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
