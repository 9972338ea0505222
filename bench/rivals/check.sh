#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# check.sh MAKE_LENGTHS PACK_NPY: every packer of pack_npy on a few thousand samples of every shape.
# pack_npy fails unless each sample is in one bin, none is overfull, and the item-by-item programs
# give packkit's bins.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
runs=0
for shape in lognormal heavy_tailed uniform chat near_capacity triplets eleven_ninths; do
    for set in 1 100 7000; do
        for capacity in 64 4096; do
            "$1" "$shape" "$set" "$capacity" "$folder/lengths.npy"
            for algorithm in $("$2" --list); do
                "$2" "$folder/lengths.npy" "$capacity" "$algorithm" 0 2 >"$folder/out" || {
                    echo "check.sh: $shape, $set samples, capacity $capacity: $algorithm" >&2
                    exit 1
                }
                runs=$((runs + 1))
            done
        done
    done
done
echo "$runs packings right"
[ "$runs" -ge 400 ]
