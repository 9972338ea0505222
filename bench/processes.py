#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the same rows on one process with N threads and, fully sharded, on N processes with one
thread each, in turns, and prints the ratio of their speeds: what sharding costs on one machine.

    bench/processes.py [--processes N] [--rounds R] [--steps S] [--program PATH] [key=value ...]

Further settings go to both. The model is a Llama of 6.5 million parameters; rows are packed, of
random ids. Seconds are the median of the steps after the second; losses must agree.
"""

import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

MODEL = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 4096,
    "hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 6,
    "num_attention_heads": 8, "num_key_value_heads": 4, "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0, "hidden_act": "silu", "max_position_embeddings": 1024,
    "tie_word_embeddings": False,
}
CONFIG = """base_model: model
random_init_weights: true
datasets: [{path: tokens.jsonl, type: tokens}]
sequence_len: 1024
sample_packing: true
micro_batch_size: 1
learning_rate: 1.0e-3
lr_scheduler: constant
fsdp_version: 2
"""


def make_inputs(folder):
    drawn = random.Random(1)
    (folder / "model").mkdir()
    (folder / "model/config.json").write_text(json.dumps(MODEL))
    (folder / "run.yaml").write_text(CONFIG)
    with open(folder / "tokens.jsonl", "w") as file:
        for _ in range(3000):
            ids = [drawn.randrange(4096) for _ in range(drawn.randrange(20, 400))]
            file.write(json.dumps({"input_ids": ids}) + "\n")


def train(folder, program, processes, threads, steps, accumulation, settings):
    """Loss of the last step, and tokens a second of the median step."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), OMP_WAIT_POLICY="passive")
    subprocess.run(
        [program, "run.yaml", "output_dir=out", "--overwrite", f"max_steps={steps}",
         f"gradient_accumulation_steps={accumulation}", *settings,
         "--processes", str(processes)],
        cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    lines = [json.loads(line) for line in open(folder / "out/metrics.jsonl")]
    seconds = statistics.median(line["seconds"]["step"] for line in lines[2:])
    tokens = statistics.mean(line["tokens"] for line in lines[2:])
    shares = statistics.median(
        line["seconds"]["communication"] / line["seconds"]["step"] for line in lines[2:])
    return lines[-1]["loss"], tokens / seconds, shares


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--program", default=str(
        pathlib.Path(__file__).resolve().parent.parent / "build/release/bin/packkit-train"))
    options, settings = parser.parse_known_args()
    n = options.processes
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_inputs(folder)
        for _ in range(options.rounds):
            loss, whole, _ = train(folder, options.program, 1, n, options.steps, 2 * n, settings)
            other, sharded, share = train(folder, options.program, n, 1, options.steps, 2,
                                          settings)
            if abs(other / loss - 1) > 1e-4:
                sys.exit(f"processes.py: losses differ: {loss} and {other}")
            ratios.append(sharded / whole)
            print(f"1 process x {n} threads: {whole:.0f} targets/s   {n} processes x 1 thread: "
                  f"{sharded:.0f} targets/s, waiting {100 * share:.1f} %   ratio "
                  f"{ratios[-1]:.3f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
