#!/usr/bin/env bash
# Tests metric-losses with the feature `mpi`: processes that share a batch have the gradients of one. Arguments go to cargo.
set -euo pipefail
cd "$(dirname "$0")/.."
metric-core/mpi.sh install

target=${CARGO_TARGET_DIR:-target}
cargo build --release -p metric-losses --features metric-losses/mpi --example gathered_mpi "$@"
# More processes than cores, and as root in a container: neither matters to a test.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
for processes in 2 3 4; do
    timeout 120 mpirun --oversubscribe -n "$processes" "$target/release/examples/gathered_mpi"
done
