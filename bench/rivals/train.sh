#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Trains the same model on the same batches with packkit-train and with Transformers, one process
# each, in turns: useful tokens a second, losses side by side, memory.
#
#   bench/rivals/train.sh
#
# From the environment:
#   RIVALS_DIR      environment, model, data                              (.deps/rivals-train)
#   RIVALS_ROUNDS   times that every program is started                   (3)
#   RIVALS_STEPS    optimizer steps of a start                            (10)
#   RIVALS_THREADS  threads of each program                               (all processors)
#   RIVALS_DTYPES   float32, bfloat16 or both, separated by a blank       (float32 bfloat16)
#   RIVALS_JSON     file for all figures as JSON                          (RIVALS_DIR/train.json)
#   PACKKIT_TRAIN   the program                                           (build/release/bin/packkit-train)
#   PYTHON          a Python with torch and transformers; without it, one with venv (python3) makes
#                   such an environment in RIVALS_DIR out of PyPI
#
# Fails if the losses of float32 differ by more than a relative 1e-5.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$root/bench/rivals
case ${1:-} in
-h | --help)
    sed -n '3,19s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 0
    ;;
esac
if (($# > 0)); then
    echo "train.sh: takes no arguments, see --help" >&2
    exit 2
fi
folder=${RIVALS_DIR:-$root/.deps/rivals-train}
program=${PACKKIT_TRAIN:-$root/build/release/bin/packkit-train}
if ! [[ -x $program ]]; then
    echo "train.sh: no program $program: cmake --build --preset release --target packkit-train" >&2
    exit 2
fi
mkdir -p "$folder"
if [[ -z ${PYTHON:-} ]]; then
    if ! [[ -e $folder/ready ]]; then
        echo "train.sh: fetching torch and transformers into $folder" >&2
        python3 -m venv "$folder/venv"
        "$folder/venv/bin/pip" install -q --disable-pip-version-check \
            'torch==2.11.*' 'transformers==5.*' >&2
        touch "$folder/ready"
    fi
    PYTHON=$folder/venv/bin/python
fi
if ! [[ -e $folder/tokens.jsonl && -e $folder/model/config.json ]]; then
    "$PYTHON" "$here/make_training.py" "$folder" >&2
fi
read -r -a dtypes <<<"${RIVALS_DTYPES:-float32 bfloat16}"
exec "$PYTHON" "$here/train.py" "$folder" "$program" --rounds "${RIVALS_ROUNDS:-3}" \
    --steps "${RIVALS_STEPS:-10}" --threads "${RIVALS_THREADS:-$(nproc)}" \
    --dtypes "${dtypes[@]}" --json "${RIVALS_JSON:-$folder/train.json}"
