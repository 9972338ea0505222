#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a bare Debian 12 to a trained model: installs what is missing, builds the programs, packs
# real text, trains a small Llama on two processes, and says what packing was worth.
set -euo pipefail

case ${1:-} in
  "") ;;
  -h | --help)
    cat <<'HELP'
usage: cmake/quickstart.sh

Installs what is missing (as root; see cmake/dependencies.sh), builds build/release/bin/packkit-pack
and packkit-train, and in build/quickstart/ packs the text of three Debian packages, trains a small
Llama on it with FSDP on two processes, and compares that with training on padded rows. It may be
run again: only the training is repeated.
HELP
    exit 0
    ;;
  *) echo "quickstart.sh: unknown argument '$1', expected none or --help" >&2 && exit 2 ;;
esac

# shellcheck source=cmake/dependencies.sh
source "$(dirname "${BASH_SOURCE[0]}")/dependencies.sh"
cd "$packkit_root"
here=build/quickstart
processes=2

# run COMMAND...: shows the command as one would type it, then runs it.
run() {
  printf '$ %s\n' "$*" >&2
  "$@"
}

# --- Set-up and build -----------------------------------------------------------------------------

need_debian_packages "${packkit_build_packages[@]}"
need_libtorch
need_arrow
need_corpus

begin=$SECONDS
options=(-DPACKKIT_TORCH=ON)
if [ ! -e build/release/CMakeCache.txt ]; then
  options+=(-DPACKKIT_BUILD_TESTS=OFF -DPACKKIT_BUILD_BENCH=OFF)
fi
mkdir -p "$here/model"
say "build/release: building packkit-pack and packkit-train (a few minutes; $here/build.log)"
if ! { cmake --preset release "${options[@]}" &&
  cmake --build --preset release -j "$(nproc)" --target packkit-pack packkit-train; } \
  >"$here/build.log" 2>&1; then
  tail -n 40 "$here/build.log" >&2
  echo "quickstart.sh: the build failed; all of its output is in $here/build.log" >&2
  exit 1
fi
say "build/release: built, $((SECONDS - begin)) s"

# --- Pack -----------------------------------------------------------------------------------------

say "packing the text into rows of 2048 tokens (one byte is one token)"
pack=(build/release/bin/packkit-pack .deps/corpus/fortunes.jsonl .deps/corpus/python_doc.jsonl
  --text-field text --tokenizer bytes --capacity 2048 --excess-length-strategy split
  --micro-batch-size 1 --ranks "$processes")
run "${pack[@]}" --html "$here/packing.html"
"${pack[@]}" --format json --output "$here/packing.json"

# --- Train ----------------------------------------------------------------------------------------

cat >"$here/model/config.json" <<'JSON'
{
  "architectures": ["LlamaForCausalLM"],
  "model_type": "llama",
  "vocab_size": 259,
  "bos_token_id": 256,
  "eos_token_id": 257,
  "pad_token_id": 258,
  "hidden_size": 128,
  "intermediate_size": 344,
  "num_hidden_layers": 4,
  "num_attention_heads": 4,
  "num_key_value_heads": 2,
  "hidden_act": "silu",
  "rms_norm_eps": 1e-5,
  "rope_theta": 10000.0,
  "max_position_embeddings": 2048,
  "initializer_range": 0.02,
  "tie_word_embeddings": false,
  "torch_dtype": "float32"
}
JSON
cat >"$here/train.yaml" <<'YAML'
base_model: model/
random_init_weights: true
tokenizer_type: bytes
datasets:
  - {path: ../../.deps/corpus/fortunes.jsonl, type: completion, field: text}
  - {path: ../../.deps/corpus/python_doc.jsonl, type: completion, field: text}
sequence_len: 2048
sample_packing: true
pad_to_sequence_len: true
excess_length_strategy: split
micro_batch_size: 1
gradient_accumulation_steps: 1
max_steps: 120
optimizer: adamw_torch_fused
learning_rate: 3.0e-3
lr_scheduler: cosine
warmup_steps: 10
weight_decay: 0.1
max_grad_norm: 1.0
seed: 42
logging_steps: 10
dp_shard_size: 2
fsdp_version: 2
fsdp_config: {reshard_after_forward: true}
output_dir: out
YAML

# train LOG ARGUMENT...: its log goes to the screen and into LOG.
train() {
  local log=$1
  shift
  run build/release/bin/packkit-train "$@" --processes "$processes" --overwrite 2>&1 | tee "$log"
}

begin=$SECONDS
say "training on packed rows"
train "$here/packed.log" "$here/train.yaml"
say "training on packed rows: $((SECONDS - begin)) s"
begin=$SECONDS
say "the same model and data, one text a row and padded to 2048 tokens, for comparison"
train "$here/padded.log" "$here/train.yaml" sample_packing=false max_steps=60 \
  output_dir=out-padded
say "training on padded rows: $((SECONDS - begin)) s"

python3 cmake/quickstart_summary.py "$here"
