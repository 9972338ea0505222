#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the golden training runs: training/ beside this script.

Run by hand, never by the build, in an environment with PyTorch and Transformers (written with
torch 2.11.0 and transformers 5.23.0), after make_llama.py and make_families.py:

    python3 tests/golden/make_training.py

Ten steps of models that those two made, with Transformers, its cosine schedule, torch.optim.AdamW
in its plain loop and torch.nn.utils.clip_grad_norm_. A batch is four rows of 48 tokens: ragged
documents in the file's order, next fit, positions restarting in each document and in the padding;
Transformers makes its block mask from them. Some labels are ignored; the loss is the mean over the
batch's targets. Matrices and tables are decayed, norms and biases not.

training/
  documents.jsonl             input_ids and unshifted labels, a line a document
  golden.json                 settings, and of every model, in float64 and float32: losses, gradient
                              norms before clipping and learning rates
  <model>.safetensors         the weights after the last step of the float64 run

"float64" widens whatever Transformers narrows to float32 (see make_families.py), so that a
float64 implementation can be compared to the last few bits. "float32" is the model as it ships.
"final_difference" is how far the final weights of the float32 run are from those of the float64
run, by the largest difference and by the root mean square over all weights.
"""

import contextlib
import json
import pathlib

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, get_cosine_schedule_with_warmup

from make_families import file_tensors, float64_everywhere

MODELS = ("llama_untied", "families/qwen2", "families/qwen3", "families/mixtral",
          "families/gemma2", "families/gemma3")
SETTINGS = {"sequence_len": 48, "micro_batch_size": 2, "gradient_accumulation_steps": 2,
            "max_steps": 10, "learning_rate": 3e-3, "warmup_steps": 3, "weight_decay": 0.1,
            "adam_beta1": 0.9, "adam_beta2": 0.95, "adam_epsilon": 1e-8, "max_grad_norm": 4.5}
ROWS = SETTINGS["micro_batch_size"] * SETTINGS["gradient_accumulation_steps"]
SMALLEST_VOCABULARY = 43
IGNORED = -100


def make_documents(generator):
    """Until they fill all rows of all steps: (ids, labels), one to 40 tokens long."""
    documents = []
    while len(next_fit(documents)) <= ROWS * SETTINGS["max_steps"]:
        length = int(torch.randint(1, 41, (), generator=generator))
        # Steps of few sizes, so that there is something to learn.
        moves = torch.randint(1, 4, (length,), generator=generator).cumsum(0)
        begin = torch.randint(0, SMALLEST_VOCABULARY, (), generator=generator)
        ids = ((begin + moves) % (SMALLEST_VOCABULARY - 3) + 3).tolist()
        labels = list(ids)
        if len(documents) % 3 == 1:  # a prompt, then an answer
            labels[:length // 2] = [IGNORED] * (length // 2)
        documents.append((ids, labels))
    return documents[:-1]


def next_fit(documents):
    rows, room = [], 0
    for document in documents:
        length = len(document[0])
        if length > room:
            rows.append([])
            room = SETTINGS["sequence_len"]
        rows[-1].append(document)
        room -= length
    return rows


def batch_of(rows):
    """input_ids, position_ids and shifted labels, each (rows, sequence_len)."""
    shape = (len(rows), SETTINGS["sequence_len"])
    ids = torch.zeros(shape, dtype=torch.long)
    positions = torch.zeros(shape, dtype=torch.long)
    targets = torch.full(shape, IGNORED, dtype=torch.long)
    for r, row in enumerate(rows):
        at = 0
        for tokens, labels in row:
            n = len(tokens)
            ids[r, at:at + n] = torch.tensor(tokens)
            positions[r, at:at + n] = torch.arange(n)
            targets[r, at:at + n - 1] = torch.tensor(labels[1:], dtype=torch.long)
            at += n
        positions[r, at:] = torch.arange(shape[1] - at)
    return ids, positions, targets


def loss_sum(logits, targets):
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(),
                                             ignore_index=IGNORED, reduction="sum")


def check_documents_are_apart(model, rows):
    """Transformers' packed rows give the loss of each document alone."""
    with torch.no_grad():
        ids, positions, targets = batch_of(rows)
        packed = loss_sum(model(ids, position_ids=positions, use_cache=False).logits, targets)
        alone = sum(
            loss_sum(model(torch.tensor([tokens]), use_cache=False).logits[:, :-1],
                     torch.tensor([labels[1:]]))
            for row in rows for tokens, labels in row if len(tokens) > 1)
    if abs(packed - alone) > 1e-12 * alone:
        raise SystemExit(f"packed rows give {packed}, their documents alone {alone}")


def train(folder, rows, dtype):
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, attn_implementation="eager", experts_implementation="eager")
    model.train()
    if dtype == torch.float64:
        check_documents_are_apart(model, rows[:ROWS])
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": SETTINGS["weight_decay"]},
         {"params": vectors, "weight_decay": 0.0}],
        lr=SETTINGS["learning_rate"], eps=SETTINGS["adam_epsilon"],
        betas=(SETTINGS["adam_beta1"], SETTINGS["adam_beta2"]), foreach=False, fused=False)
    schedule = get_cosine_schedule_with_warmup(optimizer, SETTINGS["warmup_steps"],
                                               SETTINGS["max_steps"])
    run = {"losses": [], "gradient_norms": [], "learning_rates": []}
    for step in range(SETTINGS["max_steps"]):
        part = rows[step * ROWS:(step + 1) * ROWS]
        micro = [batch_of(part[i:i + SETTINGS["micro_batch_size"]])
                 for i in range(0, ROWS, SETTINGS["micro_batch_size"])]
        count = sum(int((targets != IGNORED).sum()) for _, _, targets in micro)
        total = 0.0
        for ids, positions, targets in micro:
            logits = model(ids, position_ids=positions, use_cache=False).logits
            loss = loss_sum(logits, targets) / count
            loss.backward()
            total += loss.item()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), SETTINGS["max_grad_norm"])
        run["losses"].append(total)
        run["gradient_norms"].append(norm.item())
        run["learning_rates"].append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return model, run


def weights_of(model, folder):
    """The model's weights under the names of its file."""
    scratch = folder / "scratch"
    model.save_pretrained(scratch)
    tensors = file_tensors(scratch)
    for file in scratch.iterdir():
        file.unlink()
    scratch.rmdir()
    return {name: tensor.contiguous() for name, tensor in sorted(tensors.items())}


def final_difference(left, right):
    differences = torch.cat([(left[name].double() - right[name].double()).flatten()
                             for name in left])
    return {"largest": differences.abs().max().item(),
            "rms": differences.square().mean().sqrt().item()}


def main():
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    here = pathlib.Path(__file__).resolve().parent
    folder = here / "training"
    folder.mkdir(exist_ok=True)
    documents = make_documents(torch.Generator().manual_seed(1))
    with open(folder / "documents.jsonl", "w", encoding="utf-8") as lines:
        for ids, labels in documents:
            lines.write(json.dumps({"input_ids": ids, "labels": labels}) + "\n")
    rows = next_fit(documents)
    assert len(rows) == ROWS * SETTINGS["max_steps"]

    golden = {"made_with": {"torch": torch.__version__.split("+")[0],
                            "transformers": transformers.__version__},
              "settings": SETTINGS, "models": {}}
    for name in MODELS:
        runs, weights = {}, {}
        for dtype in (torch.float64, torch.float32):
            wide = dtype == torch.float64
            with float64_everywhere() if wide else contextlib.nullcontext():
                model, run = train(here / name, rows, dtype)
            key = str(dtype).removeprefix("torch.")
            runs[key] = run
            weights[key] = weights_of(model, folder)
        runs["float32"]["final_difference"] = final_difference(
            weights["float32"], weights["float64"])
        golden["models"][name] = runs
        file = folder / f"{pathlib.Path(name).name}.safetensors"
        save_file(weights["float64"], file, metadata={"format": "pt"})
        file.chmod(0o644)
        apart = max(abs(a - b) / b for a, b in zip(runs["float32"]["losses"],
                                                   runs["float64"]["losses"], strict=True))
        norms = runs["float64"]["gradient_norms"]
        print(f"{name}: loss {runs['float64']['losses'][0]:.4f} -> "
              f"{runs['float64']['losses'][-1]:.4f}, gradient norm {min(norms):.2f} to "
              f"{max(norms):.2f}, float32 losses apart by {apart:.1e}, weights by "
              f"{runs['float32']['final_difference']}")
    with open(folder / "golden.json", "w", encoding="utf-8") as file:
        json.dump(golden, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
