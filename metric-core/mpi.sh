#!/usr/bin/env bash
# Tests metric-core with the feature `mpi`: processes exchange what threads do. On Debian and its kin it installs what is
# missing, OpenMPI and libclang (as root or with sudo); with the argument `install` it does only that.
set -euo pipefail
cd "$(dirname "$0")/.."

libraries=$(PATH=$PATH:/sbin ldconfig -p)
if ! command -v mpirun >/dev/null || ! command -v mpicc >/dev/null || [[ $libraries != *libclang[-.][0-9s]* ]]; then
    root=$([ "$(id -u)" = 0 ] || echo sudo)
    $root apt-get update
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        openmpi-bin libopenmpi-dev libclang-dev
fi
[ "${1:-}" = install ] && exit

target=${CARGO_TARGET_DIR:-target}
cargo build --release -p metric-core --features mpi --example ranks
# More processes than cores, and as root in a container: neither matters to a test.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
for processes in 1 2 3 4; do
    timeout 60 mpirun --oversubscribe -n "$processes" "$target/release/examples/ranks"
done
status=0
timeout 60 mpirun --oversubscribe -n 3 "$target/release/examples/ranks" panic 2>/dev/null || status=$?
if [ "$status" = 0 ] || [ "$status" = 124 ]; then
    echo "a rank that panics must end all with an error, but mpirun ended with status $status" >&2
    exit 1
fi
echo "a rank that panics ends all: status $status"
