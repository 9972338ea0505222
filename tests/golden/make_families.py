#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the golden fixtures of the families beside Llama: families/<name>/ beside this script.

Run by hand, never by the build, in an environment with PyTorch and Transformers (written with
torch 2.11.0 and transformers 5.23.0):

    python3 tests/golden/make_families.py

Each folder holds config.json as Transformers writes it, model.safetensors (float32 values) and golden.json
with the keys of make_llama.py, for documents that are each computed alone, all in float64.

Transformers widens norms, rotary angles, softmax and router to float32 even in a float64 model. Here
whatever it widens becomes float64, so that a float64 implementation can be compared to the last few
bits; `float32_parts_difference` is what that changes. `float32_logits` are those of the model as it
ships, in float32.
"""

import contextlib
import json
import pathlib

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

from make_llama import write_golden

DOCUMENT_LENGTHS = (3, 19, 10)

COMMON = {
    "vocab_size": 43, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}
GEMMA = {"head_dim": 8, "hidden_activation": "gelu_pytorch_tanh", "tie_word_embeddings": True}
FAMILIES = {
    "llama3_rope": ("llama", {"rope_parameters": {
        "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 32},
        "attention_bias": True, "mlp_bias": True, "head_dim": 16}),
    "linear_rope": ("llama", {"rope_parameters": {
        "rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}}),
    "yarn_rope": ("qwen2", {"rope_parameters": {
        "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
        "original_max_position_embeddings": 16}, "hidden_size": 32}),
    "mistral": ("mistral", {"sliding_window": 6, "head_dim": 8}),
    "qwen2": ("qwen2", {"tie_word_embeddings": True}),
    "qwen2_window": ("qwen2", {"use_sliding_window": True, "sliding_window": 5,
                               "max_window_layers": 1, "tie_word_embeddings": False}),
    "qwen3": ("qwen3", {"head_dim": 8, "tie_word_embeddings": False}),
    "qwen3_moe": ("qwen3_moe", {"head_dim": 8, "num_experts": 5, "num_experts_per_tok": 2,
                                "moe_intermediate_size": 12, "norm_topk_prob": True,
                                "decoder_sparse_step": 1, "mlp_only_layers": []}),
    "mixtral": ("mixtral", {"num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 6}),
    "gemma": ("gemma", {"head_dim": 8, "hidden_activation": "gelu_pytorch_tanh",
                        "hidden_act": "gelu_pytorch_tanh", "tie_word_embeddings": True}),
    "gemma2": ("gemma2", {**GEMMA, "query_pre_attn_scalar": 12, "sliding_window": 6,
                          "attn_logit_softcapping": 3.0, "final_logit_softcapping": 4.0}),
    "gemma3": ("gemma3_text", {**GEMMA, "query_pre_attn_scalar": 10, "sliding_window": 5,
                               "num_hidden_layers": 3,
                               "layer_types": ["sliding_attention", "sliding_attention",
                                               "full_attention"],
                               "final_logit_softcapping": None, "attn_logit_softcapping": None}),
}


@contextlib.contextmanager
def float64_everywhere():
    """What asks for float32 gets float64."""
    to, to_float, softmax = torch.Tensor.to, torch.Tensor.float, torch.nn.functional.softmax
    arange = torch.arange
    exact = {torch.float32: torch.float64}

    def wider(value):
        return exact.get(value, value) if isinstance(value, torch.dtype) else value

    torch.Tensor.to = lambda self, *args, **kwargs: to(
        self, *map(wider, args), **{key: wider(value) for key, value in kwargs.items()})
    torch.Tensor.float = lambda self: to(self, torch.float64)
    torch.nn.functional.softmax = lambda *args, **kwargs: softmax(
        *args, **{key: wider(value) for key, value in kwargs.items()})
    torch.arange = lambda *args, **kwargs: arange(
        *args, **{key: wider(value) for key, value in kwargs.items()})
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.Tensor.to, torch.Tensor.float, torch.nn.functional.softmax = to, to_float, softmax
        torch.arange = arange
        torch.set_default_dtype(torch.float32)


def randomize(model, generator):
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name:
                centre = 0.0 if "Gemma" in type(model).__name__ else 1.0
                parameter.copy_(centre + 0.2 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.3 * noise)
            elif "embed_tokens" in name or "lm_head" in name:
                parameter.copy_(0.5 * noise)
            else:
                parameter.copy_(noise / parameter.shape[-1] ** 0.5)


def load(folder, dtype):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager",
                                                experts_implementation="eager")


def logits_of(model, documents):
    return [model(torch.tensor([ids]), use_cache=False).logits[0] for ids in documents]


def largest_difference(left, right):
    return max((a.double() - b.double()).abs().max().item()
               for a, b in zip(left, right, strict=True))


def file_tensors(folder):
    from safetensors import safe_open
    with safe_open(folder / "model.safetensors", "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}


def file_gradients(model, folder):
    """The gradient of every tensor of the file: what saving the gradients as weights gives."""
    scratch = folder / "gradients"
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.grad)
    model.save_pretrained(scratch)
    gradients = file_tensors(scratch)
    for file in scratch.iterdir():
        file.unlink()
    scratch.rmdir()
    return gradients


def make(folder, kind, settings, seed):
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    config = AutoConfig.for_model(kind, **{**COMMON, **settings})
    model = AutoModelForCausalLM.from_config(config)
    randomize(model, generator)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / "model.safetensors").chmod(0o644)

    documents = [torch.randint(3, config.vocab_size, (length,), generator=generator).tolist()
                 for length in DOCUMENT_LENGTHS]
    with torch.no_grad():
        single = logits_of(load(folder, torch.float32), documents)
        shipped = logits_of(load(folder, torch.float64), documents)
    with float64_everywhere():
        exact = load(folder, torch.float64)
        logits = logits_of(exact, documents)
        losses = [torch.nn.functional.cross_entropy(rows[:-1], torch.tensor(ids[1:]),
                                                    reduction="sum")
                  for rows, ids in zip(logits, documents, strict=True)]
        loss = torch.stack(losses).sum()
        loss.backward()
    difference = largest_difference(shipped, logits)
    if not 0.0 < difference < 1e-4:
        raise SystemExit(f"{folder}: float64 parts change the logits by {difference}")
    gradients = file_gradients(exact, folder)
    small = sorted(gradients, key=lambda name: (gradients[name].numel(), name))
    full = small[:8]
    write_golden(folder / "golden.json", {
        "made_with": {"torch": torch.__version__.split("+")[0],
                      "transformers": transformers.__version__},
        "documents": documents,
        "targets": sum(len(ids) - 1 for ids in documents),
        "loss": loss.item(),
        "document_loss": [value.item() for value in losses],
        "float32_parts_difference": difference,
        "logits": [rows.detach() for rows in logits],
        "float32_logits_difference": largest_difference(single, logits),
        "gradients": {name: gradients[name] for name in full},
        "gradient_norms": {name: g.norm().item() for name, g in gradients.items()},
        "tensors": {name: list(g.shape) for name, g in gradients.items()},
    })
    print(f"{folder.name}: loss {loss.item():.6f}, float32 parts change the logits by "
          f"{difference:.1e}, float32 by {largest_difference(single, logits):.1e}")


def main():
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    here = pathlib.Path(__file__).resolve().parent
    for seed, (name, (kind, settings)) in enumerate(FAMILIES.items()):
        make(here / "families" / name, kind, settings, seed + 1)


if __name__ == "__main__":
    main()
