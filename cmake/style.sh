#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks the files that a change touches with clang-format 19 and clang-tidy 19.
set -euo pipefail

help() {
  cat <<'HELP'
usage: cmake/style.sh [--fix] [FILE...]

  FILE...   C++ files to check; without any, those that differ from the merge base with the branch
            main of origin or, where nothing does, those of the last commit
  --fix     lets clang-format rewrite the files instead of naming what it would change

clang-tidy reads the sources (.cpp) among them, about a minute each, and at most PACKKIT_TIDY_FILES
(default 6) of them; how many are left out is told. Exits 1 when either has something to say.
HELP
}

fix=false files=()
for argument in "$@"; do
  case $argument in
    --fix) fix=true ;;
    -h | --help) help && exit 0 ;;
    -*) echo "style.sh: unknown argument '$argument', expected --fix or --help" >&2 && exit 2 ;;
    *) files+=("$(realpath "$argument")") ;;
  esac
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."
most=${PACKKIT_TIDY_FILES:-6}

# The C++ files that differ from commit $1 and are still there.
changed_since() {
  git diff --name-only --diff-filter=d "$1" -- '*.hpp' '*.cpp' '*.inl' | grep -v '^tests/compile/fixtures/' || true
}

if [ ${#files[@]} -eq 0 ] && git rev-parse --verify --quiet HEAD >/dev/null; then
  base=$(git merge-base HEAD origin/main 2>/dev/null || git rev-parse HEAD)
  mapfile -t files < <(changed_since "$base")
  if [ ${#files[@]} -eq 0 ] && git rev-parse --verify --quiet HEAD~1 >/dev/null; then
    mapfile -t files < <(changed_since HEAD~1)
  fi
fi
if [ ${#files[@]} -eq 0 ]; then
  echo "style.sh: no C++ file has changed"
  exit 0
fi

failed=false
if $fix; then
  clang-format-19 -i "${files[@]}"
else
  clang-format-19 --dry-run -Werror "${files[@]}" ||
    { failed=true && echo "style.sh: cmake/style.sh --fix formats these files" >&2; }
fi

# Commands of single files, which unity builds do not have, as clang understands them.
sources=()
for file in "${files[@]}"; do
  [[ $file != *.cpp ]] || sources+=("$file")
done
left_out=$((${#sources[@]} > most ? ${#sources[@]} - most : 0))
sources=("${sources[@]:0:most}")
if [ ${#sources[@]} -gt 0 ]; then
  cmake --preset release -B build/tidy -DCMAKE_CXX_COMPILER=clang++-19 -DPACKKIT_UNITY=OFF \
    -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON -DPACKKIT_TORCH=ON -DPACKKIT_BUILD_TESTS=ON \
    -DPACKKIT_BUILD_BENCH=ON >build/tidy.log 2>&1 ||
    { cat build/tidy.log >&2 && exit 1; }
  printf '%s\n' "${sources[@]}" |
    xargs -P "$(nproc)" -n 1 clang-tidy-19 -p build/tidy --quiet --header-filter='^$' --warnings-as-errors='*' || failed=true
fi
echo "style.sh: files read by clang-format: ${#files[@]}, by clang-tidy: ${#sources[@]};" \
  "sources left out: $left_out (PACKKIT_TIDY_FILES=$most)"
! $failed
