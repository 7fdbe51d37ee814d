#!/usr/bin/env bash
# Times views against torchvision's on one thread and prints a table in Markdown: images a second, and processor time.
#   bench/peers/views.sh PYTHON [--rounds R]
# PYTHON has numpy, torch and torchvision.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${1:?usage: views.sh PYTHON [--rounds R]}
shift
program=${METRIC:-}
if [ -z "$program" ]; then
    target=${CARGO_TARGET_DIR:-$here/../../target}
    (cd "$here/../.." && cargo build --release --quiet -p metric-bench --bin metric)
    program=$target/release/metric
fi
OMP_NUM_THREADS=1 exec "$python" "$here/views.py" "$program" "$@"
