# SPDX-License-Identifier: Apache-2.0
"""transformers_train.py MODEL_DIR TOKENS.jsonl --rows packed|padded|longest --dtype float32|bfloat16

Trains as `packkit-train` does, with Transformers and torch.optim.AdamW(fused=True), and prints one
line of JSON: loss and seconds of each step, useful tokens a second, the process's largest memory.

packed:  documents joined in the file's order into rows of --sequence-len (next fit), positions
         restart in each document: Transformers' own path for packed rows (SDPA with a block mask).
padded:  a document a row, padded to --sequence-len.
longest: a document a row, padded to the longest of its batch.
bfloat16 is autocast over float32 weights, as Transformers' Trainer does it with bf16=True.
"""

import argparse
import json
import resource
import statistics
import time

import torch
from transformers import AutoModelForCausalLM

IGNORED = -100


def rows_of(documents, sequence_len, packed):
    """Lists of documents: one a row, or joined in order while they fit."""
    rows, room = [], 0
    for document in documents:
        if packed and rows and len(document) <= room:
            rows[-1].append(document)
            room -= len(document)
        else:
            rows.append([document])
            room = sequence_len - len(document)
    return rows


def batch_of(rows, width):
    """input_ids, position_ids, labels (already shifted), attention_mask of (rows, width)."""
    shape = (len(rows), width)
    ids = torch.zeros(shape, dtype=torch.long)
    positions = torch.zeros(shape, dtype=torch.long)
    labels = torch.full(shape, IGNORED, dtype=torch.long)
    mask = torch.zeros(shape, dtype=torch.long)
    for r, row in enumerate(rows):
        at = 0
        for document in row:
            n = len(document)
            ids[r, at:at + n] = torch.tensor(document)
            positions[r, at:at + n] = torch.arange(n)
            labels[r, at:at + n - 1] = torch.tensor(document[1:])
            mask[r, at:at + n] = 1
            at += n
        positions[r, at:] = torch.arange(width - at)
    return ids, positions, labels, mask


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("tokens")
    parser.add_argument("--rows", choices=["packed", "padded", "longest"], default="packed")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--sequence-len", type=int, default=1024)
    parser.add_argument("--micro-batch-size", type=int, default=4)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--max-grad-norm", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    with open(options.tokens) as lines:
        documents = [json.loads(line)["input_ids"] for line in lines]
    packed = options.rows == "packed"
    rows = rows_of(documents, options.sequence_len, packed)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32,
                                                 attn_implementation="sdpa")
    model.config.use_cache = False
    model.train()
    weights = [p for p in model.parameters() if p.ndim > 1]
    norms = [p for p in model.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": weights, "weight_decay": options.weight_decay},
         {"params": norms, "weight_decay": 0.0}], lr=options.learning_rate, fused=True)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=options.dtype == "bfloat16")

    losses, seconds, tokens = [], [], []
    for step in range(options.steps):
        part = rows[step * options.micro_batch_size:(step + 1) * options.micro_batch_size]
        width = options.sequence_len
        if options.rows == "longest":
            width = max(len(row[0]) for row in part)
        begin = time.perf_counter()
        ids, positions, labels, mask = batch_of(part, width)
        inputs = {"position_ids": positions} if packed else {"attention_mask": mask}
        with autocast:
            logits = model(input_ids=ids, **inputs).logits
        loss = torch.nn.functional.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
        loss.backward()
        if options.max_grad_norm > 0:
            torch.nn.utils.clip_grad_norm_(model.parameters(), options.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - begin)
        tokens.append(int((labels != IGNORED).sum()))
    timed = range(min(2, options.steps - 1), options.steps)
    print(json.dumps({
        "rows": options.rows, "dtype": options.dtype, "losses": losses, "seconds": seconds,
        "tokens": tokens,
        "tokens_per_second": statistics.median(tokens[i] / seconds[i] for i in timed),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


if __name__ == "__main__":
    main()
