#!/usr/bin/env bash
# Takes a ResNet-18 of torchvision through the program and back, and compares features with torch's.
#   bench/peers/resnet.sh PYTHON
# PYTHON has numpy, pillow, torch, torchvision and safetensors. METRIC is the program, built if it is not given.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${1:?usage: resnet.sh PYTHON}
program=${METRIC:-}
if [ -z "$program" ]; then
    target=${CARGO_TARGET_DIR:-$here/../../target}
    (cd "$here/../.." && cargo build --release --quiet -p metric-bench --bin metric)
    program=$target/release/metric
fi
exec "$python" "$here/resnet.py" "$program"
