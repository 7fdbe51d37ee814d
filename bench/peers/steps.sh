#!/usr/bin/env bash
# Compares one step of learning without labels with lightly's, from the same weights on the same views, number by number.
#   bench/peers/steps.sh PYTHON [METHOD ...]
# PYTHON has numpy, torch, torchvision, lightly and safetensors; METRIC_DATA_DIR says where Fashion-MNIST lies. Prints how far
# apart both losses are and, over all tensors, how far what the step changed. Exit status 1 if that is more than rounding.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${1:?usage: steps.sh PYTHON [METHOD ...]}
: "${METRIC_DATA_DIR:?says where the folder fashion-mnist lies}"
target=${CARGO_TARGET_DIR:-$here/../../target}
(cd "$here/../.." && cargo build --release --quiet --workspace --example steps)
exec "$python" "$here/steps.py" "$target/release/examples/steps" "$METRIC_DATA_DIR" "${@:2}"
