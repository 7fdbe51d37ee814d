#!/usr/bin/env bash
# Measures `metric` against other systems on this machine and prints a table in Markdown.
#   bench/peers/run.sh PYTHON [--quick] [--laws] [--rounds R] [OP ...]
# PYTHON has numpy, scipy, scikit-learn, torch, faiss-cpu, numkong, usearch and pytorch-metric-learning; one that is
# missing is left out.
# OP is a name of `metric speed --op`, such as pairwise:euclidean; without one, all comparisons are made.
# --quick makes fewer rounds and sizes. --laws shows instead how well the laws hold for rows near 1e4.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${1:?usage: run.sh PYTHON [--quick] [--laws] [--rounds R] [OP ...]}
shift
program=${METRIC:-}
if [ -z "$program" ]; then
    target=${CARGO_TARGET_DIR:-$here/../../target}
    (cd "$here/../.." && cargo build --release --quiet -p metric-bench --bin metric)
    program=$target/release/metric
fi
exec "$python" "$here/compare.py" "$program" "$@"
