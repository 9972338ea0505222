# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# What packkit's scripts install, from a bare Debian 12 on. Sourced by quickstart.sh and check.sh.
#
#   need_debian_packages NAME...   Debian packages, only those that are missing
#   need_libtorch                  .deps/torch    LibTorch from the PyTorch wheel (or LIBTORCH_ROOT)
#   need_arrow                     .deps/arrow    Arrow and Parquet from the pyarrow wheel
#   need_nccl                      .deps/nccl     NCCL, only where the system has no nccl.h
#   need_python_tools              .deps/python   safetensors and numpy, for tests (PYTHONPATH)
#   need_corpus                    .deps/corpus   text from Debian packages, for quickstart.sh
#
# Nothing goes into the system's Python. Each function returns when the thing is whole, and is free
# when it already was; otherwise it prints the command that is missing and exits 2. A folder in
# .deps/ is made under another name and renamed, and its file `.versions` names what is in it, so an
# interrupted download is never taken for a whole one. Two scripts at once wait for each other.

packkit_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
packkit_deps=$packkit_root/.deps

# Debian packages: to build the programs; to build and run the tests and benches as well.
packkit_build_packages=(cmake ninja-build ccache g++ libfmt-dev libcli11-dev nlohmann-json3-dev
  libeigen3-dev libonig-dev libutf8proc-dev libsentencepiece-dev libyaml-cpp-dev libxxhash-dev
  zlib1g-dev libzstd-dev libgloo-dev python3 python3-pip)
packkit_test_packages=(libboost-test-dev librapidcheck-dev libbenchmark-dev clang-19
  clang-format-19 clang-tidy-19 iproute2)

libtorch_version=2.11.0
libtorch_wheels=("torch==$libtorch_version" nvidia-cuda-cupti==13.0.85 nvidia-cuda-runtime==13.0.96)
arrow_wheels=(pyarrow==26.0.1)
nccl_wheels=(nvidia-nccl-cu13==2.28.9)
python_tools_wheels=(safetensors==0.8.0 numpy==2.4.6)
corpus_packages=(fortunes fortunes-min python3.11-doc)

say() { printf '==> %s\n' "$*" >&2; }

# stop_setup MESSAGE COMMAND: what is wrong, and the command that mends it.
stop_setup() {
  printf '%s: %s; run%s: %s\n' "${0##*/}" "$1" "$([ "$(id -u)" = 0 ] || echo ' as root')" "$2" >&2
  exit 2
}

# --- Debian packages ------------------------------------------------------------------------------

# missing_packages NAME...: prints those that are not installed.
missing_packages() {
  local package
  for package in "$@"; do
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
      printf '%s\n' "$package"
    fi
  done
}

need_debian_packages() {
  if ! command -v dpkg-query >/dev/null; then
    printf '%s: not a Debian system; install the equivalents of these Debian 12 packages: %s\n' \
      "${0##*/}" "$*" >&2
    exit 2
  fi
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  local install="apt-get install -y --no-install-recommends ${missing[*]}"
  if [ "$(id -u)" != 0 ]; then
    stop_setup "${#missing[@]} Debian packages are not installed" "apt-get update && $install"
  fi
  local begin=$SECONDS log
  log=$(mktemp)
  say "Debian packages: installing ${missing[*]}"
  if ! run_apt "$log" update || ! run_apt "$log" install -y --no-install-recommends "${missing[@]}"
  then
    grep -E '^(E|W|Err):?' "$log" | head -n 8 >&2
    rm -f "$log"
    stop_setup "apt-get could not install ${#missing[@]} Debian packages (no network?)" \
      "apt-get update && $install"
  fi
  rm -f "$log"
  say "Debian packages: installed, $((SECONDS - begin)) s"
}

# run_apt LOG ARGUMENT...: apt-get without questions, its output into LOG.
run_apt() {
  local log=$1
  shift
  DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@" \
    >>"$log" 2>&1 </dev/null
}

# --- Folders in .deps/ ----------------------------------------------------------------------------

# is_whole FOLDER VERSION...: was this folder finished, with these versions?
is_whole() {
  local folder=$1
  shift
  [ "$(cat "$folder/.versions" 2>/dev/null)" = "$*" ]
}

# make_folder NAME TITLE MAKER VERSION...: .deps/NAME, filled by `MAKER FOLDER VERSION...` unless a
# whole one is there. MAKER returns non-zero when it fails; nothing of its work is left then.
make_folder() {
  local folder=$packkit_deps/$1 title=$2 maker=$3
  shift 3
  if is_whole "$folder" "$@"; then return 0; fi
  mkdir -p "$packkit_deps"
  local begin=$SECONDS lock result=0
  exec {lock}>"$packkit_deps/.lock"
  if ! flock -n "$lock"; then
    say "$title: waiting for another set-up of this folder"
    flock "$lock"
  fi
  if ! is_whole "$folder" "$@"; then
    local work=$packkit_deps/.making
    rm -rf "$work"
    mkdir "$work"
    if "$maker" "$work" "$@"; then
      printf '%s\n' "$*" >"$work/.versions"
      rm -rf "$folder"
      mv "$work" "$folder"
      say "$title: in ${folder#"$PWD"/} ($(du -sh "$folder" | cut -f1)), $((SECONDS - begin)) s"
    else
      rm -rf "$work"
      result=1
    fi
  fi
  exec {lock}>&-
  return $result
}

# --- Python wheels --------------------------------------------------------------------------------

# A Python that has pip. Nothing is installed into it: pip only downloads.
find_pip() {
  local candidate
  for candidate in python3 /usr/bin/python3; do
    if "$candidate" -m pip --version >/dev/null 2>&1; then
      pip_python=$candidate
      return 0
    fi
  done
  need_debian_packages python3 python3-pip
  pip_python=/usr/bin/python3
}

# The wheels wanted are named by the C library they need: all that this machine's one satisfies.
wheel_platforms() {
  local machine glibc minor
  machine=$(uname -m)
  glibc=$(getconf GNU_LIBC_VERSION)
  for ((minor = ${glibc##*.}; minor >= 5; --minor)); do
    printf -- '--platform\nmanylinux_2_%s_%s\n' "$minor" "$machine"
  done
  for minor in 2014 2010 1; do
    printf -- '--platform\nmanylinux%s_%s\n' "$minor" "$machine"
  done
}

# download_command PYTHON_VERSION WHEEL...: fills the array `download`.
download_command() {
  local platforms
  mapfile -t platforms < <(wheel_platforms)
  download=("$pip_python" -m pip download -q --no-deps --no-cache-dir
    --disable-pip-version-check --retries 2
    --only-binary=:all: --python-version "$1" --implementation cp "${platforms[@]}" "${@:2}")
}

# unpack_wheels FOLDER WHEEL...: downloads the wheels and unpacks them side by side.
unpack_wheels() {
  local folder=$1 wheel
  shift
  download_command "${wheel_python:-3.11}" "$@"
  mkdir "$folder/.wheels"
  "${download[@]}" -d "$folder/.wheels" </dev/null >&2 || return 1
  for wheel in "$folder"/.wheels/*.whl; do
    "$pip_python" -m zipfile -e "$wheel" "$folder" || return 1
    rm "$wheel"
  done
  rmdir "$folder/.wheels"
}

# need_wheels NAME TITLE SIZE WHEEL...: .deps/NAME holds the unpacked wheels.
need_wheels() {
  local name=$1 title=$2 size=$3
  shift 3
  if is_whole "$packkit_deps/$name" "$@"; then return 0; fi
  find_pip
  say "$title: downloading ($size)"
  if ! make_folder "$name" "$title" unpack_wheels "$@"; then
    printf '%s: %s could not be downloaded (no network?); this must work: %s\n' \
      "${0##*/}" "$title" "python3 -m pip download --no-deps $*" >&2
    exit 2
  fi
}

# libtorch_version_of FOLDER: the version of the LibTorch with FOLDER/include; nothing without one.
libtorch_version_of() {
  sed -n 's/^#define TORCH_VERSION_\(MAJOR\|MINOR\|PATCH\) //p' \
    "$1/include/torch/headeronly/version.h" 2>/dev/null | paste -sd.
}

need_libtorch() {
  if [ -n "${LIBTORCH_ROOT:-}" ]; then
    local root=$LIBTORCH_ROOT found
    [ -e "$root/lib/libtorch_cpu.so" ] || root=$LIBTORCH_ROOT/torch
    found=$(libtorch_version_of "$root")
    if [ ! -e "$root/lib/libtorch_cpu.so" ] || [ "${found%.*}" != "${libtorch_version%.*}" ]; then
      printf '%s: LIBTORCH_ROOT=%s holds LibTorch %s, expected %s.x with %s; %s\n' "${0##*/}" \
        "$LIBTORCH_ROOT" "${found:-(none)}" "${libtorch_version%.*}" "lib/libtorch_cpu.so" \
        "unset LIBTORCH_ROOT to have it downloaded" >&2
      exit 2
    fi
    say "LibTorch $found: from LIBTORCH_ROOT=$LIBTORCH_ROOT"
    return 0
  fi
  need_wheels torch "LibTorch $libtorch_version" "530 MB" "${libtorch_wheels[@]}"
}

need_arrow() { need_wheels arrow "Arrow ${arrow_wheels[0]#*==}" "50 MB" "${arrow_wheels[@]}"; }

need_nccl() {
  local folder
  for folder in "${NCCL_ROOT:-/usr/local/cuda}/include" /usr/local/cuda/include /usr/include; do
    if [ -e "$folder/nccl.h" ]; then return 0; fi
  done
  need_wheels nccl "NCCL ${nccl_wheels[0]#*==}" "190 MB" "${nccl_wheels[@]}"
}

# These are imported, so they must fit the Python that runs the tests.
need_python_tools() {
  local wheel_python
  wheel_python=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  need_wheels python "Python test tools" "20 MB" "${python_tools_wheels[@]}"
}

# --- Text -----------------------------------------------------------------------------------------

# unpack_corpus FOLDER PACKAGE...: fetches the packages as files and turns them into text; they are
# not installed.
unpack_corpus() {
  local folder=$1 package
  shift
  mkdir "$folder/.packages" "$folder/.unpacked"
  (cd "$folder/.packages" && apt-get -qq -o APT::Sandbox::User=root download "$@" </dev/null >&2) ||
    return 1
  for package in "$folder"/.packages/*.deb; do
    dpkg-deb -x "$package" "$folder/.unpacked" || return 1
  done
  python3 "$packkit_root/cmake/corpus.py" "$folder/.unpacked/usr/share" "$folder" >&2 || return 1
  rm -rf "$folder/.packages" "$folder/.unpacked"
}

need_corpus() {
  if is_whole "$packkit_deps/corpus" "${corpus_packages[@]}"; then return 0; fi
  local log package
  for package in "${corpus_packages[@]}"; do
    if ! apt-cache show "$package" >/dev/null 2>&1; then
      [ "$(id -u)" = 0 ] || stop_setup "apt-get does not know the package $package" "apt-get update"
      log=$(mktemp)
      run_apt "$log" update || true
      rm -f "$log"
      break
    fi
  done
  say "text: downloading the Debian packages ${corpus_packages[*]} (14 MB)"
  make_folder corpus text unpack_corpus "${corpus_packages[@]}" ||
    stop_setup "the Debian packages ${corpus_packages[*]} could not be fetched (no network?)" \
      "apt-get update && apt-get download ${corpus_packages[*]}"
}
