#!/usr/bin/env bash
# Checks that distance-weighted mining draws negatives as pytorch-metric-learning's does in 32 dimensions, and shows what
# becomes of both in 512.
#   bench/peers/draws.sh PYTHON
# PYTHON has numpy, scipy, torch and pytorch-metric-learning. Exit status 1 if the two differ by more than chance.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${1:?usage: draws.sh PYTHON}
target=${CARGO_TARGET_DIR:-$here/../../target}
(cd "$here/../.." && cargo build --release --quiet -p metric-sampling --example draws)
exec "$python" "$here/draws.py" "$target/release/examples/draws"
