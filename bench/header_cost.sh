#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What including a header costs: compile time over an empty file, milliseconds.
#
#   bench/header_cost.sh                       packkit/multipack.hpp, and packkit's other headers
#   bench/header_cost.sh --std                 and each standard header that they include, alone
#   bench/header_cost.sh HEADER…               these: packkit/mesh.hpp, vector, …
#
# CXX (g++), CXXFLAGS (-std=c++20 -O2) and RUNS (7) come from the environment. Rounds are
# interleaved, so that a busy moment falls on every header alike. Processor time of the compiler
# and its children (user + system) is given beside wall time: on a shared machine, the former.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    sed -n '3,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 0
fi

compiler=${CXX:-g++}
read -ra flags <<<"${CXXFLAGS:--std=c++20 -O2}"
runs=${RUNS:-7}

headers=()
if (($# == 0)) || [[ $1 == --std ]]; then
    headers+=(packkit/multipack.hpp packkit/packkit.hpp)
    while read -r header; do
        headers+=("$header")
    done < <(cd include && find packkit -name '*.hpp' |
        grep -vE '/(torch|detail)/|/(multipack|packkit)\.hpp$' | sort)
    if [[ ${1:-} == --std ]]; then
        while read -r header; do
            headers+=("$header")
        done < <(find include/packkit -name '*.hpp' -not -path '*/torch/*' -exec \
            sed -nE 's/^#include <([a-z_]+)>.*/\1/p' {} + | sort -u)
    fi
else
    headers=("$@")
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
echo 'int main() {}' >"$folder/0.cpp"
for h in "${!headers[@]}"; do
    printf '#include <%s>\nint main() {}\n' "${headers[h]}" >"$folder/$((h + 1)).cpp"
done

TIMEFORMAT='%U %S %R'
for ((run = 0; run <= runs; ++run)); do # round 0 fills the file cache and is not kept
    for ((h = 0; h <= ${#headers[@]}; ++h)); do
        took=$({ time "$compiler" "${flags[@]}" -Iinclude -c "$folder/$h.cpp" \
            -o "$folder/out.o" 2>"$folder/errors"; } 2>&1) || {
            cat "$folder/errors" >&2
            exit 1
        }
        ((run == 0)) || echo "$h $took" >>"$folder/times"
    done
done

# kth TIMES... : minimum and median of one header's column, in milliseconds
column() { # header, field
    awk -v h="$1" -v f="$2" '$1 == h { print 1000 * (f == 2 ? $2 + $3 : $4) }' "$folder/times" |
        sort -n | awk '{ v[NR] = $1 } END { print v[1], v[int((NR + 1) / 2)] }'
}
read -r empty_cpu empty_cpu_median < <(column 0 2)
read -r empty_wall empty_wall_median < <(column 0 4)
echo "$("$compiler" --version | head -n 1), ${flags[*]}, $runs runs; an empty file:" \
    "$empty_cpu_median ms of processor, $empty_wall_median ms of wall time (medians)"
echo
echo '| over an empty file, ms | processor, least | processor, median | wall, least | wall, median |'
echo '|---|--:|--:|--:|--:|'
for h in "${!headers[@]}"; do
    read -r cpu cpu_median < <(column $((h + 1)) 2)
    read -r wall wall_median < <(column $((h + 1)) 4)
    awk -v name="${headers[h]}" -v a="$cpu" -v b="$cpu_median" -v c="$wall" -v d="$wall_median" \
        -v e="$empty_cpu" -v f="$empty_cpu_median" -v g="$empty_wall" -v i="$empty_wall_median" \
        'BEGIN { printf "| `%s` | %d | %d | %d | %d |\n", name, a - e, b - f, c - g, d - i }'
done
