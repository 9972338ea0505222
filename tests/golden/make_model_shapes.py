#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the golden parameter lists of model_shapes/ beside this script.

Run by hand, never by the build: once in an environment with PyTorch and Transformers 5 (written with
torch 2.11.0, transformers 5.23.0), once in one with Transformers 4 (4.51.3; it needs no PyTorch):

    python3 tests/golden/make_model_shapes.py

Transformers 5 writes

  small.json  a small model of every family: its config.json as save_pretrained writes it, and the name
              and shape of every tensor in its model.safetensors
  full.json   published models by the names that packkit gives them: the keys of the published
              config.json that matter, and what the model on PyTorch's meta device has:
    total, tensors           number of elements and of tensors
    first_block, last_block  elements of the first and the last layer
    hash                     FNV-1a (64 bits) of the lines "NAME EXTENT EXTENT\\n" of all tensors, sorted;
                             null where the files name tensors otherwise than the model in memory does:
                             experts are fused there, and GPT-NeoX calls its head lm_head

Transformers 4 writes

  small_transformers4.json  config.json of the same small models
"""

import json
import logging
import pathlib
import re
import tempfile

import transformers
from transformers import AutoConfig

logging.getLogger("transformers").setLevel(logging.ERROR)
FOLDER = pathlib.Path(__file__).parent / "model_shapes"

BASE = {"vocab_size": 67, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
IDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
GPT = {"vocab_size": 67, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4, **IDS}
GEMMA3 = {**BASE, "num_hidden_layers": 7, "head_dim": 16, "sliding_window": 8, "rope_theta": 5e5,
          "rope_local_base_freq": 7e3}
LLAMA3_ROPE = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 32}

# name: (model_type, what the configuration class is given)
SMALL = {
    "llama": ("llama", {**BASE, "rope_theta": 5e5, "rms_norm_eps": 1e-5}),
    "llama_head_dim": ("llama", {**BASE, "head_dim": 16}),
    "llama_scaled": ("llama", {**BASE, "rope_scaling": LLAMA3_ROPE, "tie_word_embeddings": True}),
    "llama_linear": ("llama", {**BASE, "rope_scaling": {"rope_type": "linear", "factor": 2.0}}),
    "llama_dynamic": ("llama", {**BASE, "rope_scaling": {"rope_type": "dynamic", "factor": 2.5}}),
    "llama_biases": ("llama", {**BASE, "attention_bias": True, "mlp_bias": True,
                               "attention_dropout": 0.1, "hidden_act": "relu"}),
    "mistral": ("mistral", {**BASE, "sliding_window": 16}),
    "mistral_no_window": ("mistral", {**BASE, "sliding_window": None, "head_dim": 16}),
    "mixtral": ("mixtral", {**BASE, "num_local_experts": 3, "num_experts_per_tok": 2}),
    "qwen2": ("qwen2", {**BASE, "tie_word_embeddings": True, "rope_theta": 1e6}),
    "qwen2_windows": ("qwen2", {**BASE, "num_hidden_layers": 3, "use_sliding_window": True,
                                "sliding_window": 8, "max_window_layers": 1}),
    "qwen2_yarn": ("qwen2", {**BASE, "rope_scaling": {
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}}),
    "qwen3": ("qwen3", {**BASE, "head_dim": 16, "tie_word_embeddings": True}),
    "qwen3_biases": ("qwen3", {**BASE, "head_dim": 8, "attention_bias": True}),
    "qwen3_moe": ("qwen3_moe", {**BASE, "head_dim": 16, "num_experts": 5, "num_experts_per_tok": 2,
                                "moe_intermediate_size": 24, "norm_topk_prob": True}),
    "qwen3_moe_every_second": ("qwen3_moe", {
        **BASE, "num_hidden_layers": 3, "head_dim": 8, "num_experts": 3, "num_experts_per_tok": 1,
        "moe_intermediate_size": 16, "decoder_sparse_step": 2}),
    "gemma": ("gemma", {**BASE, "num_key_value_heads": 1, "head_dim": 16}),
    "gemma_biases": ("gemma", {**BASE, "head_dim": 8, "attention_bias": True}),
    "gemma2": ("gemma2", {**BASE, "num_hidden_layers": 3, "head_dim": 16, "sliding_window": 16,
                          "query_pre_attn_scalar": 144, "final_logit_softcapping": None}),
    "gemma3": ("gemma3_text", GEMMA3),
    "gemma3_two_layers": ("gemma3_text", {**GEMMA3, "num_hidden_layers": 2,
                                          "rope_scaling": {"rope_type": "linear", "factor": 8.0}}),
    "gemma3_with_vision": ("gemma3", {
        "text_config": {**GEMMA3, "num_hidden_layers": 6, "query_pre_attn_scalar": 168},
        "vision_config": {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
                          "num_attention_heads": 2, "image_size": 28, "patch_size": 14}}),
    "gpt2": ("gpt2", GPT),
    "gpt2_untied": ("gpt2", {**GPT, "n_inner": 80, "activation_function": "relu",
                             "tie_word_embeddings": False, "attn_pdrop": 0.0}),
    "gpt_neox": ("gpt_neox", {"vocab_size": 67, "hidden_size": 32, "intermediate_size": 80,
                              "num_hidden_layers": 2, "num_attention_heads": 2,
                              "max_position_embeddings": 64, "rotary_emb_base": 5000, **IDS}),
    "gpt_neox_no_bias": ("gpt_neox", {
        "vocab_size": 67, "hidden_size": 32, "intermediate_size": 80, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": 64, "rotary_pct": 1.0,
        "attention_bias": False, "use_parallel_residual": False, "hidden_act": "gelu_fast", **IDS}),
    "mpt": ("mpt", {"vocab_size": 67, "max_seq_len": 64, "d_model": 32, "n_layers": 2, "n_heads": 4,
                    "attn_config": {"alibi_bias_max": 16}}),
}


def llama(layers, hidden, intermediate, heads, kv_heads, **more):
    return {"model_type": "llama", "vocab_size": 32000, "hidden_size": hidden,
            "intermediate_size": intermediate, "num_hidden_layers": layers,
            "num_attention_heads": heads, "num_key_value_heads": kv_heads, "rms_norm_eps": 1e-5,
            "max_position_embeddings": 4096, **more}


def llama3(layers, hidden, intermediate, heads, factor=None, **more):
    if factor is not None:
        more["max_position_embeddings"] = 131072
        more["rope_scaling"] = {
            "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192, "rope_type": "llama3"}
    return llama(layers, hidden, intermediate, heads, 8,
                 **{"vocab_size": 128256, "rope_theta": 500000.0, "max_position_embeddings": 8192,
                    **more})


def smollm2(layers, hidden, intermediate, heads, kv_heads, theta):
    return llama(layers, hidden, intermediate, heads, kv_heads, vocab_size=49152, rope_theta=theta,
                 max_position_embeddings=8192, tie_word_embeddings=True)


def mistral(**more):
    return llama(32, 4096, 14336, 32, 8, **{
        "model_type": "mistral", "max_position_embeddings": 32768, "rope_theta": 10000.0, **more})


def mixtral(layers, hidden, intermediate, heads, context):
    return llama(layers, hidden, intermediate, heads, 8, model_type="mixtral", rope_theta=1e6,
                 max_position_embeddings=context, num_local_experts=8, num_experts_per_tok=2,
                 sliding_window=None)


def qwen2(layers, hidden, intermediate, heads, kv_heads, context, tied, eps=1e-6):
    return llama(layers, hidden, intermediate, heads, kv_heads, model_type="qwen2",
                 vocab_size=151936 if tied else 152064, max_position_embeddings=context,
                 rope_theta=1000000.0, rms_norm_eps=eps, tie_word_embeddings=tied,
                 use_sliding_window=False, sliding_window=context, max_window_layers=layers)


def qwen3(layers, hidden, intermediate, heads, kv_heads, tied=False, **more):
    return llama(layers, hidden, intermediate, heads, kv_heads, **{
        "model_type": "qwen3", "vocab_size": 151936, "max_position_embeddings": 40960,
        "rope_theta": 1000000, "rms_norm_eps": 1e-6, "tie_word_embeddings": tied, "head_dim": 128,
        "use_sliding_window": False, "sliding_window": None, "max_window_layers": layers, **more})


def qwen3_moe(layers, hidden, intermediate, heads, expert):
    return qwen3(layers, hidden, intermediate, heads, 4, model_type="qwen3_moe", num_experts=128,
                 num_experts_per_tok=8, moe_intermediate_size=expert, norm_topk_prob=True,
                 decoder_sparse_step=1, mlp_only_layers=[])


def gemma(layers, hidden, intermediate, heads, kv_heads, **more):
    return llama(layers, hidden, intermediate, heads, kv_heads, **{
        "model_type": "gemma", "vocab_size": 256000, "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "head_dim": 256, "hidden_act": "gelu", **more})


def gemma2(layers, hidden, intermediate, heads, kv_heads, scalar, head_dim=256):
    return gemma(layers, hidden, intermediate, heads, kv_heads, model_type="gemma2",
                 hidden_act="gelu_pytorch_tanh", hidden_activation="gelu_pytorch_tanh",
                 head_dim=head_dim, query_pre_attn_scalar=scalar, sliding_window=4096,
                 attn_logit_softcapping=50.0, final_logit_softcapping=30.0)


def gemma3(layers, hidden, intermediate, heads, kv_heads, **more):
    """Those with vision, as published: what equals the class's default is left out."""
    text = {"hidden_size": hidden, "intermediate_size": intermediate, "model_type": "gemma3_text",
            "num_hidden_layers": layers, "num_attention_heads": heads,
            "num_key_value_heads": kv_heads, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
            "sliding_window": 1024, **more}
    defaults = {"num_attention_heads": 8, "num_key_value_heads": 4}
    return {"model_type": "gemma3",
            "text_config": {key: value for key, value in text.items() if defaults.get(key) != value}}


def gpt2(layers, hidden, heads, context=1024, vocab=50257):
    return {"model_type": "gpt2", "vocab_size": vocab, "n_positions": context, "n_embd": hidden,
            "n_layer": layers, "n_head": heads, "activation_function": "gelu_new",
            "layer_norm_epsilon": 1e-5, "attn_pdrop": 0.1, "embd_pdrop": 0.1, "resid_pdrop": 0.1}


def gpt_neox(layers, hidden, heads, vocab, act="gelu"):
    return {"model_type": "gpt_neox", "vocab_size": vocab, "hidden_size": hidden,
            "intermediate_size": 4 * hidden, "num_hidden_layers": layers,
            "num_attention_heads": heads, "hidden_act": act, "rotary_pct": 0.25,
            "rotary_emb_base": 10000, "max_position_embeddings": 2048, "layer_norm_eps": 1e-5,
            "use_parallel_residual": True, "tie_word_embeddings": False}


def mpt(layers, hidden, heads, context):
    return {"model_type": "mpt", "vocab_size": 50432, "d_model": hidden, "n_layers": layers,
            "n_heads": heads, "max_seq_len": context, "expansion_ratio": 4, "no_bias": True,
            "learned_pos_emb": True, "norm_type": "low_precision_layernorm",
            "attn_config": {"alibi": True, "alibi_bias_max": 8, "attn_type": "multihead_attention",
                            "attn_pdrop": 0, "qk_ln": False}}


FULL = {
    "llama-2-7b": llama(32, 4096, 11008, 32, 32),
    "llama-2-13b": llama(40, 5120, 13824, 40, 40),
    "llama-2-70b": llama(80, 8192, 28672, 64, 8),
    "llama-3-8b": llama3(32, 4096, 14336, 32),
    "llama-3-70b": llama3(80, 8192, 28672, 64),
    "llama-3.1-8b": llama3(32, 4096, 14336, 32, 8.0),
    "llama-3.1-70b": llama3(80, 8192, 28672, 64, 8.0),
    "llama-3.1-405b": llama3(126, 16384, 53248, 128, 8.0),
    "llama-3.2-1b": llama3(16, 2048, 8192, 32, 32.0, tie_word_embeddings=True, head_dim=64),
    "llama-3.2-3b": llama3(28, 3072, 8192, 24, 32.0, tie_word_embeddings=True, head_dim=128),
    "llama-3.3-70b": llama3(80, 8192, 28672, 64, 8.0),
    "codellama-7b": llama(32, 4096, 11008, 32, 32, vocab_size=32016, rope_theta=1000000,
                          max_position_embeddings=16384),
    "codellama-13b": llama(40, 5120, 13824, 40, 40, vocab_size=32016, rope_theta=1000000,
                           max_position_embeddings=16384),
    "codellama-34b": llama(48, 8192, 22016, 64, 8, rope_theta=1000000,
                           max_position_embeddings=16384),
    "tinyllama-1.1b": llama(22, 2048, 5632, 32, 4, max_position_embeddings=2048),
    "smollm2-135m": smollm2(30, 576, 1536, 9, 3, 100000),
    "smollm2-360m": smollm2(32, 960, 2560, 15, 5, 100000),
    "smollm2-1.7b": smollm2(24, 2048, 8192, 32, 32, 130000),
    "mistral-7b": mistral(sliding_window=4096),
    "mistral-7b-v0.3": mistral(sliding_window=None, vocab_size=32768, rope_theta=1000000.0),
    "mixtral-8x7b": mixtral(32, 4096, 14336, 32, 32768),
    "mixtral-8x22b": mixtral(56, 6144, 16384, 48, 65536),
    "qwen2-0.5b": qwen2(24, 896, 4864, 14, 2, 131072, True),
    "qwen2-1.5b": qwen2(28, 1536, 8960, 12, 2, 131072, True),
    "qwen2-7b": qwen2(28, 3584, 18944, 28, 4, 131072, False),
    "qwen2-72b": qwen2(80, 8192, 29568, 64, 8, 131072, False, 1e-5),
    "qwen2.5-0.5b": qwen2(24, 896, 4864, 14, 2, 32768, True),
    "qwen2.5-1.5b": qwen2(28, 1536, 8960, 12, 2, 32768, True),
    "qwen2.5-3b": qwen2(36, 2048, 11008, 16, 2, 32768, True),
    "qwen2.5-7b": qwen2(28, 3584, 18944, 28, 4, 131072, False),
    "qwen2.5-14b": qwen2(48, 5120, 13824, 40, 8, 131072, False, 1e-5),
    "qwen2.5-32b": qwen2(64, 5120, 27648, 40, 8, 131072, False, 1e-5),
    "qwen2.5-72b": qwen2(80, 8192, 29568, 64, 8, 131072, False, 1e-5),
    "qwen3-0.6b": qwen3(28, 1024, 3072, 16, 8, True),
    "qwen3-1.7b": qwen3(28, 2048, 6144, 16, 8, True),
    "qwen3-4b": qwen3(36, 2560, 9728, 32, 8, True),
    "qwen3-8b": qwen3(36, 4096, 12288, 32, 8),
    "qwen3-14b": qwen3(40, 5120, 17408, 40, 8),
    "qwen3-32b": qwen3(64, 5120, 25600, 64, 8),
    "qwen3-30b-a3b": qwen3_moe(48, 2048, 6144, 32, 768),
    "qwen3-235b-a22b": qwen3_moe(94, 4096, 12288, 64, 1536),
    "gemma-2b": gemma(18, 2048, 16384, 8, 1),
    "gemma-7b": gemma(28, 3072, 24576, 16, 16),
    "gemma-2-2b": gemma2(26, 2304, 9216, 8, 4, 256),
    "gemma-2-9b": gemma2(42, 3584, 14336, 16, 8, 256),
    "gemma-2-27b": gemma2(46, 4608, 36864, 32, 16, 144, 128),
    "gemma-3-1b": {
        "model_type": "gemma3_text", "vocab_size": 262144, "hidden_size": 1152,
        "intermediate_size": 6912, "num_hidden_layers": 26, "num_attention_heads": 4,
        "num_key_value_heads": 1, "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh",
        "max_position_embeddings": 32768, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-6,
        "rope_local_base_freq": 10000, "rope_scaling": None, "rope_theta": 1000000,
        "sliding_window": 512, "sliding_window_pattern": 6},
    "gemma-3-4b": gemma3(34, 2560, 10240, 8, 4),
    "gemma-3-12b": gemma3(48, 3840, 15360, 16, 8),
    "gemma-3-27b": gemma3(62, 5376, 21504, 32, 16, head_dim=128, query_pre_attn_scalar=168),
    "gpt2": gpt2(12, 768, 12),
    "gpt2-medium": gpt2(24, 1024, 16),
    "gpt2-large": gpt2(36, 1280, 20),
    "gpt2-xl": gpt2(48, 1600, 25),
    "gpt3-175b": gpt2(96, 12288, 96, 2048),
    "gpt-22b": gpt2(48, 6144, 64, 2048, 51200),
    "gpt-175b": gpt2(96, 12288, 96, 2048, 51200),
    "gpt-530b": gpt2(105, 20480, 128, 2048, 51200),
    "gpt-1t": gpt2(128, 25600, 160, 2048, 51200),
    "gpt-neox-20b": gpt_neox(44, 6144, 64, 50432, "gelu_fast"),
    "pythia-70m": gpt_neox(6, 512, 8, 50304),
    "pythia-160m": gpt_neox(12, 768, 12, 50304),
    "pythia-410m": gpt_neox(24, 1024, 16, 50304),
    "pythia-1b": gpt_neox(16, 2048, 8, 50304),
    "pythia-1.4b": gpt_neox(24, 2048, 16, 50304),
    "pythia-2.8b": gpt_neox(32, 2560, 32, 50304),
    "pythia-6.9b": gpt_neox(32, 4096, 32, 50432),
    "pythia-12b": gpt_neox(36, 5120, 40, 50688),
    "mpt-7b-alibi": mpt(32, 4096, 32, 2048),
    "mpt-30b-alibi": mpt(48, 7168, 64, 8192),
}
NAMED_OTHERWISE_IN_MEMORY = ("mixtral", "qwen3_moe", "gpt_neox")


def config_of(model_type, keys):
    return AutoConfig.for_model(model_type, **json.loads(json.dumps(keys)))


def saved(config, folder):
    config.save_pretrained(folder)
    return json.loads((pathlib.Path(folder) / "config.json").read_text())


def language_model(config):
    """A causal language model; of a model with vision that part alone."""
    from transformers import AutoModelForCausalLM
    return AutoModelForCausalLM.from_config(getattr(config, "text_config", None) or config)


def small_case(model_type, keys):
    from safetensors import safe_open
    config = config_of(model_type, keys)
    with tempfile.TemporaryDirectory() as folder:
        written = saved(config, folder)
        language_model(config).save_pretrained(folder)
        with safe_open(pathlib.Path(folder) / "model.safetensors", "pt") as file:
            tensors = {name: list(file.get_slice(name).get_shape()) for name in sorted(file.keys())}
    return {"config": written, "tensors": tensors}


def fnv1a(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def full_case(keys):
    import torch
    config = config_of(keys["model_type"], {k: v for k, v in keys.items() if k != "model_type"})
    with torch.device("meta"):
        model = language_model(config)
    tensors = {name: parameter for name, parameter in model.named_parameters()}
    layers = {}
    for name, parameter in tensors.items():
        found = re.search(r"\.(?:layers|h|blocks)\.(\d+)\.", name)
        if found:
            layer = int(found.group(1))
            layers[layer] = layers.get(layer, 0) + parameter.numel()
    lines = sorted(" ".join([name, *map(str, parameter.shape)]) for name, parameter in tensors.items())
    other_names = keys["model_type"] in NAMED_OTHERWISE_IN_MEMORY
    return {"config": keys, "total": sum(p.numel() for p in tensors.values()),
            "tensors": None if other_names else len(tensors),
            "first_block": layers[0], "last_block": layers[max(layers)],
            "hash": None if other_names else fnv1a("".join(line + "\n" for line in lines))}


def write(name, cases):
    """A key of a case a line: diffs stay readable."""
    FOLDER.mkdir(exist_ok=True)
    entries = []
    for case, content in cases.items():
        parts = ",\n  ".join(f"{json.dumps(key)}: {json.dumps(value)}"
                             for key, value in content.items())
        entries.append(f"{json.dumps(case)}: {{\n  {parts}\n}}")
    (FOLDER / name).write_text("{\n" + ",\n".join(entries) + "\n}\n", encoding="utf-8")


def main():
    if int(transformers.__version__.split(".")[0]) < 5:
        cases = {}
        for name, (model_type, keys) in SMALL.items():
            with tempfile.TemporaryDirectory() as folder:
                cases[name] = {"config": saved(config_of(model_type, keys), folder)}
        write("small_transformers4.json", cases)
        return
    write("small.json", {name: small_case(*case) for name, case in SMALL.items()})
    write("full.json", {name: full_case(keys) for name, keys in FULL.items()})


if __name__ == "__main__":
    main()
