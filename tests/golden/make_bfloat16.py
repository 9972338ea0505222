#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes bfloat16.json beside this script: how far Transformers' bfloat16 logits are from its float32.

Run by hand, never by the build, in an environment with PyTorch and Transformers (written with
torch 2.11.0 and transformers 5.23.0), after make_llama.py and make_families.py:

    python3 tests/golden/make_bfloat16.py
    python3 tests/golden/make_bfloat16.py --compare PACKKIT_TRAIN [SEEDS [FAMILY...]]

Of every model that those two made, how far the logits of packed documents are off, relative to the
root mean square of the float32 logits: the root mean square of all, the median over the tokens of a
token's root mean square, and the largest:

  weights   the model loaded in bfloat16: weights and activations are bfloat16, as packkit computes
  autocast  float32 weights under torch.autocast: matrix products are bfloat16, the residual
            stream and the norms stay float32 and take their memory

each with attention "eager" and, where the model has it, "sdpa". packkit is held to the best of
"weights": both then round the same things at about the same places, which is what a bfloat16 model
is. Weights are rounded alike on both sides, so that most of what differs is rounding of activations.
With experts a rounding now and then sends a token elsewhere, which is as often better as worse and
outweighs all other tokens' errors: there the median tells more than the root mean square.

--compare makes other weights and documents of every family from SEEDS (16) seeds and prints the error
of `packkit-train logits --dtype bfloat16` over that of Transformers, both from Transformers' float32
logits: the mean over the seeds, its standard error, least and greatest, and the same of the medians.
"""

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

from make_families import COMMON, FAMILIES, randomize

LLAMAS = ("llama_untied", "llama_tied")
VOCABULARY = 43


def make_documents(seed, count):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(3, VOCABULARY, (int(torch.randint(1, 41, (), generator=generator)),),
                          generator=generator).tolist() for _ in range(count)]


def load(folder, dtype, attention):
    return AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, attn_implementation=attention, experts_implementation="eager")


def packed_logits(model, documents):
    """All documents in one row, positions restarting."""
    ids = torch.tensor([[i for ids in documents for i in ids]])
    positions = torch.cat([torch.arange(len(ids)) for ids in documents])[None]
    with torch.no_grad():
        return model(ids, position_ids=positions, use_cache=False).logits[0].double()


def error(logits, reference):
    difference = logits - reference
    size = reference.square().mean().sqrt()
    of_tokens = difference.square().mean(1).sqrt()
    return {"rms": (difference.square().mean().sqrt() / size).item(),
            "median": (of_tokens.quantile(0.5) / size).item(),
            "largest": (difference.abs().max() / size).item()}


def attentions(folder):
    """Soft caps are in the eager kind only."""
    capped = AutoConfig.from_pretrained(folder).to_dict().get("attn_logit_softcapping")
    return ["eager"] if capped else ["eager", "sdpa"]


def errors_of(folder, documents):
    reference = packed_logits(load(folder, torch.float32, "eager"), documents)
    found = {}
    for attention in attentions(folder):
        model = load(folder, torch.bfloat16, attention)
        found[f"weights_{attention}"] = error(packed_logits(model, documents), reference)
        model = load(folder, torch.float32, attention)
        with torch.autocast("cpu", torch.bfloat16):
            logits = packed_logits(model, documents)
        found[f"autocast_{attention}"] = error(logits, reference)
    return reference, found


def best(found, kind, measure):
    return min(value[measure] for key, value in found.items() if key.startswith(kind))


def packkit_logits(program, folder, documents):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"documents": documents}, file)
        file.flush()
        text = subprocess.run([program, "logits", str(folder), file.name, "--dtype", "bfloat16"],
                              check=True, capture_output=True, text=True).stdout
    return torch.cat([torch.tensor(rows, dtype=torch.float64)
                      for rows in json.loads(text)["logits"]])


def make_model(folder, kind, settings, seed):
    config = AutoConfig.for_model(kind, **{**COMMON, **settings})
    model = AutoModelForCausalLM.from_config(config)
    randomize(model, torch.Generator().manual_seed(seed))
    model.save_pretrained(folder)


def summary(ratios):
    return (f"{statistics.mean(ratios):.3f} ± {statistics.stdev(ratios) / len(ratios) ** 0.5:.3f} "
            f"({min(ratios):.3f} to {max(ratios):.3f})")


def compare(program, seeds, families):
    print(f"{'family':14} {'packkit':>8} {'weights':>8} {'autocast':>8}   packkit / weights of rms: "
          f"mean ± standard error (least to greatest)   of medians")
    for name in families:
        kind, settings = FAMILIES[name]
        ours, theirs, autocast, medians = [], [], [], []
        for seed in range(seeds):
            with tempfile.TemporaryDirectory() as folder:
                make_model(folder, kind, settings, 1000 + seed)
                documents = make_documents(2000 + seed, 24)
                reference, found = errors_of(folder, documents)
                mine = error(packkit_logits(program, folder, documents), reference)
            ours.append(mine["rms"])
            theirs.append(best(found, "weights", "rms"))
            autocast.append(best(found, "autocast", "rms"))
            medians.append(mine["median"] / best(found, "weights", "median"))
        mean = statistics.mean
        print(f"{name:14} {mean(ours):8.5f} {mean(theirs):8.5f} {mean(autocast):8.5f}   "
              f"{summary([a / b for a, b in zip(ours, theirs)])}   {summary(medians)}", flush=True)


def main():
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    if len(sys.argv) > 2 and sys.argv[1] == "--compare":
        seeds = int(sys.argv[3]) if len(sys.argv) > 3 else 16
        compare(sys.argv[2], seeds, sys.argv[4:] or list(FAMILIES))
        return
    here = pathlib.Path(__file__).resolve().parent
    documents = make_documents(1, 60)
    golden = {"made_with": {"torch": torch.__version__.split("+")[0],
                            "transformers": transformers.__version__},
              "documents": documents, "models": {}}
    for name in (*LLAMAS, *(f"families/{family}" for family in FAMILIES)):
        _, found = errors_of(here / name, documents)
        golden["models"][name] = found
        print(name, ", ".join(f"{key} {value['rms']:.5f}" for key, value in found.items()))
    text = json.dumps(golden, indent=1)
    # A document a line.
    for ids in documents:
        text = text.replace(json.dumps(ids, indent=1).replace("\n", "\n  "), json.dumps(ids))
    (here / "bfloat16.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
