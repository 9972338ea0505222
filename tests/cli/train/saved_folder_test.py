# SPDX-License-Identifier: Apache-2.0
"""A saved checkpoint opens with the `safetensors` package, with the names, shapes and values that
Transformers' LlamaForCausalLM expects. Usage: saved_folder_test.py PACKKIT_TRAIN"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
from safetensors import safe_open

VOCABULARY, HIDDEN, INTERMEDIATE, LAYERS, HEADS, KV_HEADS = 259, 32, 52, 2, 4, 2
HEAD = HIDDEN // HEADS


def expected_shapes():
    """state_dict() of LlamaForCausalLM for these sizes."""
    shapes = {
        "model.embed_tokens.weight": [VOCABULARY, HIDDEN],
        "model.norm.weight": [HIDDEN],
        "lm_head.weight": [VOCABULARY, HIDDEN],
    }
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        shapes |= {
            prefix + "input_layernorm.weight": [HIDDEN],
            prefix + "post_attention_layernorm.weight": [HIDDEN],
            prefix + "self_attn.q_proj.weight": [HEADS * HEAD, HIDDEN],
            prefix + "self_attn.k_proj.weight": [KV_HEADS * HEAD, HIDDEN],
            prefix + "self_attn.v_proj.weight": [KV_HEADS * HEAD, HIDDEN],
            prefix + "self_attn.o_proj.weight": [HIDDEN, HEADS * HEAD],
            prefix + "mlp.gate_proj.weight": [INTERMEDIATE, HIDDEN],
            prefix + "mlp.up_proj.weight": [INTERMEDIATE, HIDDEN],
            prefix + "mlp.down_proj.weight": [HIDDEN, INTERMEDIATE],
        }
    return shapes


def train(program, folder, *settings):
    config = folder / "run.yaml"
    config.write_text(
        "base_model: model/\nrandom_init_weights: true\ntokenizer_type: bytes\n"
        "datasets: [{path: data.jsonl}]\nsequence_len: 64\nsample_packing: true\n"
        "micro_batch_size: 1\ngradient_accumulation_steps: 1\n"
        "max_steps: 2\nlearning_rate: 1.0e-3\n")
    subprocess.run([program, str(config), *settings], check=True, capture_output=True)


def tensors_of(checkpoint):
    with safe_open(checkpoint / "model.safetensors", framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}, file.metadata()
        return {name: file.get_tensor(name) for name in file.keys()}


def main(program):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "model").mkdir()
        (folder / "model/config.json").write_text(json.dumps({
            "model_type": "llama", "vocab_size": VOCABULARY, "hidden_size": HIDDEN,
            "intermediate_size": INTERMEDIATE, "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS}))
        (folder / "data.jsonl").write_text(
            "".join(json.dumps({"text": "lorem ipsum "[: 1 + i % 12]}) + "\n" for i in range(40)))
        for dtype in ("float32", "float64"):
            train(program, folder, f"output_dir=one_{dtype}", f"torch_dtype={dtype}",
                  "gradient_accumulation_steps=2")
            train(program, folder, f"output_dir=two_{dtype}", f"torch_dtype={dtype}",
                  "fsdp_version=2", "--processes", "2")
            one = tensors_of(folder / f"one_{dtype}/checkpoint-2")
            two = tensors_of(folder / f"two_{dtype}/checkpoint-2")
            shapes = {name: list(tensor.shape) for name, tensor in one.items()}
            assert shapes == expected_shapes(), shapes
            for tensor_name, tensor in one.items():
                assert tensor.dtype == numpy.dtype(dtype), tensor.dtype
                assert numpy.isfinite(tensor).all(), tensor_name
                numpy.testing.assert_allclose(two[tensor_name], tensor, rtol=1e-4, atol=1e-6)
        config = json.loads((folder / "one_float32/checkpoint-2/config.json").read_text())
        assert config["architectures"] == ["LlamaForCausalLM"], config
        assert config["model_type"] == "llama" and config["vocab_size"] == VOCABULARY, config
    print("2 passed, 0 failed")


if __name__ == "__main__":
    main(sys.argv[1])
