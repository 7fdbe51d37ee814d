#!/usr/bin/env bash
# Tests metric-core with the feature `lapack`: factorizations by the system's OpenBLAS instead of pure Rust, and both
# compared with each other. On Debian and its kin it installs what is missing (as root or with sudo).
set -euo pipefail
cd "$(dirname "$0")/.."

libraries=$(PATH=$PATH:/sbin ldconfig -p)
if [[ $libraries != *"libopenblas.so "* ]] || ! command -v gfortran >/dev/null; then
    root=$([ "$(id -u)" = 0 ] || echo sudo)
    $root apt-get update
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends libopenblas-dev gfortran pkg-config
fi

# Debian's OpenBLAS (0.3.21) does not know newer CPUs and gives them its oldest, slow kernels unless it is told better.
# Set OPENBLAS_CORETYPE for your own programs too.
if [ -z "${OPENBLAS_CORETYPE:-}" ] && [ -r /proc/cpuinfo ]; then
    if grep -qw avx512bw /proc/cpuinfo; then
        export OPENBLAS_CORETYPE=SKYLAKEX
    elif grep -qw avx2 /proc/cpuinfo; then
        export OPENBLAS_CORETYPE=HASWELL
    fi
fi
# With several threads of its own, OpenBLAS may add in another order: one thread for the same bits.
export OPENBLAS_NUM_THREADS=1
echo "OPENBLAS_CORETYPE=${OPENBLAS_CORETYPE:-(its own choice)}"

cargo test -p metric-core --features lapack "$@"
