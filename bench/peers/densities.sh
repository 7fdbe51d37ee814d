#!/usr/bin/env bash
# Checks densities and local outlier factors against scikit-learn's, and prints the worst deviations.
#   bench/peers/densities.sh PYTHON
# PYTHON has numpy and scikit-learn. Exit status 1 if a deviation is beyond what rounding explains.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${1:?usage: densities.sh PYTHON}
target=${CARGO_TARGET_DIR:-$here/../../target}
(cd "$here/../.." && cargo build --release --quiet -p metric-sampling --example densities)
exec "$python" "$here/densities.py" "$target/release/examples/densities"
