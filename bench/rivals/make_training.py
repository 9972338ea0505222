# SPDX-License-Identifier: Apache-2.0
"""make_training.py DIR [--rows N]: a small Llama with random weights, and documents for it.

DIR/model is a Hugging Face folder of 6.5 million parameters; DIR/tokens.jsonl has documents of
log-normal length (median 200) that, put one behind the other, end where rows of --sequence-len
end: packing them in order leaves no padding. The same on every machine.
"""

import argparse
import json
import math
import pathlib
import random


def make_model(folder, vocabulary):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    LlamaForCausalLM(LlamaConfig(
        hidden_size=256, num_hidden_layers=6, num_attention_heads=8, num_key_value_heads=4,
        intermediate_size=688, vocab_size=vocabulary, max_position_embeddings=1024,
        tie_word_embeddings=False)).save_pretrained(folder)


def lengths_of_row(draw, sequence_len):
    """Lengths whose sum is `sequence_len`."""
    room = sequence_len
    while room > 0:
        length = min(room, max(8, int(draw.lognormvariate(math.log(200), 0.8))))
        if room - length < 8:
            length = room
        yield length
        room -= length


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--sequence-len", type=int, default=1024)
    parser.add_argument("--vocabulary", type=int, default=4096)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    make_model(options.folder / "model", options.vocabulary)
    draw = random.Random(3)
    with open(options.folder / "tokens.jsonl", "w") as file:
        for _ in range(options.rows):
            for length in lengths_of_row(draw, options.sequence_len):
                ids = [draw.randrange(options.vocabulary) for _ in range(length)]
                file.write(json.dumps({"input_ids": ids}) + "\n")


if __name__ == "__main__":
    main()
