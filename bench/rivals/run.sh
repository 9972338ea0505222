#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Packs the same length files with packkit and with other packers, in one go, one thread each.
#
#   bench/rivals/run.sh [N…]       samples a set, default 10000 1000000
#
# From the environment:
#   RIVALS_DIR       downloads, environment, programs, length files   (.deps/rivals)
#   RIVALS_SHAPES    sets of lengths, see bench/lengths.hpp           (lognormal)
#   RIVALS_CAPACITY  tokens a row                                     (4096)
#   RIVALS_ROUNDS    times that every program is started              (5)
#   RIVALS_LIMIT     seconds that one packing of a rival may take; beyond, it gets fewer samples (30)
#   RIVALS_ONLY      programs to run, names separated by blanks       (all)
#   RIVALS_JSON      file for all figures as JSON                     (RIVALS_DIR/results.json)
#
# Needs a C++ compiler (CXX, g++) and Python 3.10 or later with venv (PYTHON, python3). Downloads
# from PyPI what is not there yet: numpy, numba, datasets, binpacking, and the wheels of axolotl and
# trl without what they depend on, out of which it takes the file that packs.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$root/bench/rivals
case ${1:-} in
-h | --help)
    sed -n '3,18s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 0
    ;;
esac
for n in "$@"; do
    if ! [[ $n =~ ^[1-9][0-9]*$ ]]; then
        echo "run.sh: $n is not a number of samples" >&2
        exit 2
    fi
done
(($# > 0)) || set -- 10000 1000000
for name in ${RIVALS_ONLY:-}; do
    if ! grep -q "^    \"$name\": (" "$here/run.py"; then
        echo "run.sh: RIVALS_ONLY: no packer $name, see PACKERS in bench/rivals/run.py" >&2
        exit 2
    fi
done
folder=${RIVALS_DIR:-$root/.deps/rivals}
mkdir -p "$folder/bin" "$folder/wheels" "$folder/files"

# Downloads, once. A stamp tells finished from broken off.
if ! [[ -e $folder/ready ]]; then
    echo "run.sh: fetching the rivals into $folder" >&2
    "${PYTHON:-python3}" -m venv "$folder/venv"
    "$folder/venv/bin/pip" install -q --disable-pip-version-check \
        numpy numba datasets binpacking >&2
    "$folder/venv/bin/pip" download -q --disable-pip-version-check --no-deps \
        --dest "$folder/wheels" axolotl trl >&2
    "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
for package, path in (("axolotl", "axolotl/utils/samplers/multipack.py"),
                      ("trl", "trl/data_utils.py")):
    (wheel,) = (folder / "wheels").glob(f"{package}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extract(path, folder / "files")
    (folder / "files" / f"{package}.version").write_text(wheel.name.split("-")[1])
PYTHON
    touch "$folder/ready"
fi

for program in make_lengths pack_npy; do
    "${CXX:-g++}" -std=c++20 -O2 -DNDEBUG -I"$root/include" "$here/$program.cpp" \
        -o "$folder/bin/$program"
done

export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1 ARROW_NUM_THREADS=1
export HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1 HF_HOME=$folder/huggingface
exec "$folder/venv/bin/python" "$here/run.py" "$folder" "$@"
