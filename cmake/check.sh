#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds, and runs every test; exits 0 only when all of it passed.
set -euo pipefail

help() {
  cat <<'HELP'
usage: cmake/check.sh [--quick]

  set-up    Debian packages, and LibTorch and Arrow into .deps/ (see cmake/dependencies.sh)
  release   builds everything and runs every test
  format    clang-format over the files that have changed (see cmake/style.sh)
  asan      builds everything but LibTorch with ASan and UBSan; runs unit, property, fuzz and cli tests
  cuda      where a CUDA 13 toolkit is found: builds packkit-train with CUDA and NCCL, and the tests
            for a GPU, which skip themselves where there is none

  --quick   set-up, release and format only

The first failure ends it with exit status 1; what cannot be installed, with 2. The last line counts
the tests of all runs: "N passed, N failed, N skipped".
HELP
}

quick=false
for argument in "$@"; do
  case $argument in
    --quick) quick=true ;;
    -h | --help) help && exit 0 ;;
    *) echo "check.sh: unknown argument '$argument', expected --quick or --help" >&2 && exit 2 ;;
  esac
done

# shellcheck source=cmake/dependencies.sh
source "$(dirname "${BASH_SOURCE[0]}")/dependencies.sh"
cd "$packkit_root"
jobs=$(nproc)

# --- Steps, and the table of them at the end ------------------------------------------------------

step_names=() step_seconds=() step_results=() test_logs=() test_reports=()

record() {
  step_names+=("$1") step_seconds+=("$2") step_results+=("$3")
}

# step NAME COMMAND...: runs it, or ends the whole check.
step() {
  local name=$1 begin=$SECONDS
  shift
  say "$name"
  if "$@"; then
    record "$name" $((SECONDS - begin)) passed
  else
    record "$name" $((SECONDS - begin)) FAILED
    summary
    exit 1
  fi
}

# The table, and under it the closing lines of each ctest run once more.
summary() {
  local i log
  printf '\n%-32s %9s  %s\n' step seconds result
  for i in "${!step_names[@]}"; do
    printf '%-32s %9s  %s\n' "${step_names[i]}" "${step_seconds[i]}" "${step_results[i]}"
  done
  for log in "${test_logs[@]}"; do
    printf '\n%s\n' "${log%/ctest.log}"
    # From the verdict on: with failures, their list comes after it.
    awk '/tests passed,|^No tests/ { closing = 1 } closing' "$log"
  done
  python3 cmake/slowest.py 20 build/release build/asan
  printf '\n'
  count_tests
}

# The tests of all runs, by their reports; a skipped one has not passed.
count_tests() {
  local report header all=0 failed=0 skipped=0
  for report in "${test_reports[@]}"; do
    [ -f "$report" ] || continue
    # The attributes of <testsuite> are on lines of their own.
    header=$(awk '/<testcase/ { exit } { print }' "$report")
    all=$((all + $(attribute tests "$header")))
    failed=$((failed + $(attribute failures "$header")))
    skipped=$((skipped + $(attribute skipped "$header")))
  done
  echo "$((all - failed - skipped)) passed, $failed failed, $skipped skipped"
}

# attribute NAME TEXT: the number NAME="number" in TEXT.
attribute() {
  grep -oE "\b$1=\"[0-9]+\"" <<<"$2" | head -1 | grep -oE '[0-9]+'
}

# configure PRESET ARGUMENT...: configures and builds it, or only $target of it.
configure() {
  local targets
  read -r -a targets <<<"${target:-all}"
  cmake --preset "$1" "${@:2}" && cmake --build --preset "$1" -j "$jobs" --target "${targets[@]}"
}

# run_tests PRESET ARGUMENT...: ctest there; no test at all is a failure too.
run_tests() {
  local log=build/$1/ctest.log report=$PWD/build/$1/ctest.xml
  test_logs+=("$log")
  test_reports+=("$report")
  rm -f "$report"
  ctest --preset "$1" -j "$jobs" --no-tests=error --output-junit "$report" "${@:2}" \
    </dev/null 2>&1 | tee "$log"
}

# The toolkit's nvcc, where its major version is 13.
find_cuda_13() {
  local nvcc
  for nvcc in "$(command -v nvcc || true)" /usr/local/cuda/bin/nvcc; do
    if [ -x "$nvcc" ] && "$nvcc" --version | grep -q 'release 13\.'; then
      readlink -f "$nvcc"
      return 0
    fi
  done
  return 1
}

# --- The check ------------------------------------------------------------------------------------

begin=$SECONDS
need_debian_packages "${packkit_build_packages[@]}" "${packkit_test_packages[@]}"
need_libtorch
need_arrow
need_python_tools
record set-up $((SECONDS - begin)) passed
export PYTHONPATH=$packkit_deps/python${PYTHONPATH:+:$PYTHONPATH}

# The options are spelled out: an earlier run of quickstart.sh may have left the tests out.
everything=(-DPACKKIT_TORCH=ON -DPACKKIT_BUILD_TESTS=ON -DPACKKIT_BUILD_BENCH=ON)
step "release: build" configure release "${everything[@]}"
step "release: every test" run_tests release
# clang-tidy takes a minute a file: cmake/style.sh by hand.
PACKKIT_TIDY_FILES=0 step "format of what has changed" cmake/style.sh

if ! $quick; then
  step "asan: build" configure asan
  step "asan: unit, property, fuzz, cli tests" run_tests asan -L '^(unit|property|fuzz|cli)$'
  if nvcc=$(find_cuda_13); then
    need_nccl
    # The only program with CUDA in it, and the tests that a GPU runs.
    target="packkit-train gpu_tests" step "cuda: build" configure cuda \
      -DCUDAToolkit_ROOT="${nvcc%/bin/nvcc}" -DPACKKIT_BUILD_TESTS=ON -DPACKKIT_BUILD_BENCH=OFF
    step "cuda: gpu tests" run_tests cuda -L '^gpu$'
  else
    record "cuda: build" - "skipped: no CUDA 13 toolkit (nvcc) found"
  fi
fi
summary
