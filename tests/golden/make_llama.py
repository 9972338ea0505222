#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the golden Llama fixtures: llama_untied/ and llama_tied/ beside this script.

Run by hand, never by the build, in an environment with PyTorch and Transformers (written with
torch 2.11.0 and transformers 5.23.0):

    python3 tests/golden/make_llama.py

Each folder holds

  config.json                Transformers 4 style: rope_theta, torch_dtype
  config_transformers5.json  the same model in Transformers 5 style: rope_parameters, dtype
  model.safetensors          float64 weights (no lm_head.weight where the embeddings are tied)
  golden.json                what the model computes for three documents of different lengths, each alone:
    documents                token ids
    logits                   one tokens x vocabulary matrix a document
    document_loss, loss      sum of the cross entropies of a document's targets (token i predicts
                             token i+1 of the same document, so length-1 targets), and of all
    targets                  number of targets over all documents
    gradients                d loss / d parameter in full, for the parameters that a wrong rotation,
                             grouping of heads, tying or summation would change
    gradient_norms           the Euclidean norm of the gradient of every parameter
    tensors                  name -> shape of everything in model.safetensors
    float32_parts_difference largest difference between these logits and those of Transformers as
                             it ships, see below

Transformers computes RMSNorm and the rotary angles in float32 even in a float64 model. Here both are
replaced by the same formulas in float64, so that a float64 implementation can be compared to the last
few bits; `float32_parts_difference` is what that replacement changes (about 2e-6).

Numbers are written with the digits that give the same double back. The weights are random, wider than
a fresh initialisation so that logits differ by several units, and norm weights differ from 1. The two
models also differ in rope_theta and rms_norm_eps, so that a constant in their place is noticed.
"""

import json
import pathlib

import torch
import transformers
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama import modeling_llama

DOCUMENT_LENGTHS = (5, 17, 11)
FULL_GRADIENTS = (
    "model.embed_tokens.weight",
    "model.layers.0.self_attn.q_proj.weight",
    "model.layers.0.self_attn.k_proj.weight",
    "model.layers.0.input_layernorm.weight",
    "model.layers.1.mlp.down_proj.weight",
    "model.norm.weight",
)
MODELS = {
    "llama_untied": {"tie": False, "rope_theta": 10000.0, "rms_norm_eps": 1e-5, "seed": 1},
    "llama_tied": {"tie": True, "rope_theta": 500000.0, "rms_norm_eps": 1e-6, "seed": 2},
}


class Float64RMSNorm(modeling_llama.LlamaRMSNorm):
    """x / sqrt(mean(x^2) + eps) * weight, without the detour through float32."""

    def forward(self, hidden_states):
        variance = hidden_states.pow(2).mean(-1, keepdim=True)
        return self.weight * (hidden_states * torch.rsqrt(variance + self.variance_epsilon))


class Float64RotaryEmbedding(modeling_llama.LlamaRotaryEmbedding):
    """Angle of pair i at position p: p * theta^(-2i / head_dim), in float64."""

    def forward(self, x, position_ids):
        base = self.config.rope_parameters["rope_theta"]
        dim = self.config.head_dim
        frequency = 1.0 / base ** (torch.arange(0, dim, 2, dtype=torch.float64) / dim)
        angles = position_ids[..., None].double() * frequency
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos(), angles.sin()


def transformers4_config(settings):
    """The keys that Transformers 4 writes for a Llama."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "head_dim": 8,
        "hidden_act": "silu",
        "hidden_size": 32,
        "initializer_range": 0.02,
        "intermediate_size": 48,
        "max_position_embeddings": 64,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "pretraining_tp": 1,
        "rms_norm_eps": settings["rms_norm_eps"],
        "rope_scaling": None,
        "rope_theta": settings["rope_theta"],
        "tie_word_embeddings": settings["tie"],
        "torch_dtype": "float64",
        "transformers_version": "4.46.0",
        "use_cache": True,
        "vocab_size": 67,
    }


def randomize(model, generator):
    """Weights of every tensor from one generator, in the order of the names."""
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            if name.endswith("norm.weight"):
                parameter.copy_(1.0 + 0.2 * noise)
            elif "embed_tokens" in name or "lm_head" in name:
                parameter.copy_(0.5 * noise)
            else:
                parameter.copy_(noise / parameter.shape[1] ** 0.5)


def load(folder, config_name):
    config = LlamaConfig.from_json_file(folder / config_name)
    return LlamaForCausalLM.from_pretrained(
        folder, config=config, dtype=torch.float64, attn_implementation="sdpa")


def logits_of(model, documents):
    """One document at a time; the plain formula of attention, not a fused kernel."""
    with sdpa_kernel(SDPBackend.MATH):
        return [model(torch.tensor([ids]), use_cache=False).logits[0] for ids in documents]


def largest_difference(left, right):
    return max((a - b).abs().max().item() for a, b in zip(left, right, strict=True))


def matrix(rows, indent):
    """A list of lists, a line a row: diffs of the file stay readable."""
    pad = " " * indent
    return "[\n" + ",\n".join(pad + json.dumps(row) for row in rows) + "]"


def nested(tensor):
    return matrix(tensor.tolist(), 3) if tensor.dim() == 2 else json.dumps(tensor.tolist())


def write_golden(path, golden):
    lines = []
    for key, value in golden.items():
        if key == "logits":
            text = "[\n  " + ",\n  ".join(nested(document) for document in value) + "]"
        elif key == "documents":
            text = matrix(value, 2)
        elif key == "gradients":
            text = "{\n  " + ",\n  ".join(
                f"{json.dumps(name)}: {nested(gradient)}" for name, gradient in value.items()) + "}"
        elif key in ("gradient_norms", "tensors"):
            text = "{\n  " + ",\n  ".join(
                f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in value.items()) + "}"
        else:
            text = json.dumps(value)
        lines.append(f" {json.dumps(key)}: {text}")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def make(folder, settings):
    folder.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(settings["seed"])
    config4 = folder / "config.json"
    config4.write_text(json.dumps(transformers4_config(settings), indent=2) + "\n")

    model = LlamaForCausalLM(LlamaConfig.from_json_file(config4)).double()
    randomize(model, generator)
    contents = config4.read_text()
    model.save_pretrained(folder)  # model.safetensors, and config.json in Transformers 5 style
    (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / "model.safetensors").chmod(0o644)
    config4.rename(folder / "config_transformers5.json")
    config4.write_text(contents)

    vocabulary = model.config.vocab_size
    documents = [
        torch.randint(0, vocabulary, (length,), generator=generator).tolist()
        for length in DOCUMENT_LENGTHS
    ]

    shipped = logits_of(load(folder, "config.json"), documents)
    also_shipped = logits_of(load(folder, "config_transformers5.json"), documents)
    if largest_difference(shipped, also_shipped) != 0.0:
        raise SystemExit(f"{folder}: the two styles of config.json give different models")

    original = modeling_llama.LlamaRMSNorm, modeling_llama.LlamaRotaryEmbedding
    modeling_llama.LlamaRMSNorm = Float64RMSNorm
    modeling_llama.LlamaRotaryEmbedding = Float64RotaryEmbedding
    try:
        exact = load(folder, "config.json")
    finally:
        modeling_llama.LlamaRMSNorm, modeling_llama.LlamaRotaryEmbedding = original
    logits = logits_of(exact, documents)
    difference = largest_difference(shipped, logits)
    if not 0.0 < difference < 1e-5:
        raise SystemExit(f"{folder}: float64 parts change the logits by {difference}")

    losses = [
        torch.nn.functional.cross_entropy(rows[:-1], torch.tensor(ids[1:]), reduction="sum")
        for rows, ids in zip(logits, documents, strict=True)
    ]
    loss = torch.stack(losses).sum()
    loss.backward()
    parameters = dict(exact.named_parameters())
    full = FULL_GRADIENTS if settings["tie"] else (*FULL_GRADIENTS, "lm_head.weight")

    write_golden(folder / "golden.json", {
        "made_with": {"torch": torch.__version__.split("+")[0],
                      "transformers": transformers.__version__},
        "documents": documents,
        "targets": sum(len(ids) - 1 for ids in documents),
        "loss": loss.item(),
        "document_loss": [value.item() for value in losses],
        "float32_parts_difference": difference,
        "logits": [rows.detach() for rows in logits],
        "gradients": {name: parameters[name].grad for name in full},
        "gradient_norms": {name: p.grad.norm().item() for name, p in parameters.items()},
        "tensors": {name: list(p.shape) for name, p in parameters.items()},
    })
    print(f"{folder.name}: loss {loss.item():.6f} over {sum(DOCUMENT_LENGTHS) - 3} targets, "
          f"float32 parts change the logits by {difference:.1e}")


def main():
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    here = pathlib.Path(__file__).resolve().parent
    for name, settings in MODELS.items():
        make(here / name, settings)


if __name__ == "__main__":
    main()
