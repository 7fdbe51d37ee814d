#!/usr/bin/env bash
# Compares learning without labels with lightly's: the first 10,000 images of Fashion-MNIST, the same network, views, heads,
# optimizer, schedule and number of steps.
#   bench/peers/pretrain.sh PYTHON [--steps N] [--seeds S] [--limit IMAGES] [--out DIR] [METHOD ...]
# PYTHON has torch, torchvision, lightly and safetensors. `lightly-given` is lightly from the weights that our run began with, on
# the very views that it saw, which leaves no chance between them; `lightly` draws its own; SYSTEMS names the systems that
# run [metric lightly-given lightly]. Each run has N steps [400] on one thread, with seeds 1 to S [3]. A finished run
# adds a line to DIR/pretrain.csv [runs/pretrain-peers] and makes DIR/pretrain.md anew: mean and standard deviation of the
# k-nearest-neighbour accuracy on the 10,000 test images, the images learned from as gallery, by cosine and majority. Runs that
# have their line are skipped, so that this can be killed and started again. METRIC is the program, built if it is not
# given; METRIC_DATA_DIR says where Fashion-MNIST lies.
set -euo pipefail
. "$(dirname "$0")/../scripts/runs.sh"
budget=(--steps 400) seeds=3 limit=10000 out=runs/pretrain-peers
take_options "$@"
[ ${#rest[@]} -gt 0 ] && [ "${budget[0]}" = --steps ] || take_options --help
python=${rest[0]} methods=("${rest[@]:1}") steps=${budget[1]}
[ ${#methods[@]} = 0 ] && methods=(simclr moco-v2 byol simsiam barlow-twins vicreg swav)
find_program
inputs=${INPUTS:-}
if [ -z "$inputs" ]; then
    (cd "$here/../.." && cargo build --release --quiet --workspace --example inputs)
    inputs=${CARGO_TARGET_DIR:-$here/../../target}/release/examples/inputs
fi
: "${METRIC_DATA_DIR:?says where the folder fashion-mnist lies}"
begin "$out/pretrain.csv" method,system,seed,knn_1,knn_5,knn_10,knn_20,seconds

table() {
    echo "| method | system | k = 1, % | k = 20, % | least seconds | seeds |"
    echo "|---|---|---|---|---|---|"
    summary 2 '1;%.2f;sd;100' '4;%.2f;sd;100' '5;%.0f;least' | sort
}

# METHOD SEED
metric() {
    local run=$out/$1-$2 all=(--resume "$out/$1-$2") rate=0.06
    [ "$1" = vicreg ] && rate=0.02 # as in pretrain.py
    if [ ! -e "$run/pretrain.json" ]; then
        all=(--method "$1" --data fashion-mnist --limit "$limit" --views small-grey --steps "$steps" --seed "$2" --batch 256)
        all+=(--head-hidden 512 --head-output 128 --prototypes 256 --queue 4096 --momentum 0.99)
        all+=(--optimizer sgd --learning-rate "$rate" --weight-decay 5e-4 --out "$run")
    fi
    local report
    report=$(RAYON_NUM_THREADS=1 "$program" pretrain "${all[@]}" --json </dev/null) || return
    "$python" -c '
import json, sys
report = json.load(sys.stdin)["report"]
shares = dict(report["knn"][-1]["accuracy"])
print(",".join(f"{shares[k]:.4f}" for k in (1, 5, 10, 20)) + ",%.1f" % report["timing"]["seconds"])' <<<"$report"
}

# METHOD SEED
lightly() {
    "$python" "$here/../peers/pretrain.py" "$METRIC_DATA_DIR" "$1" "$2" "$steps" "$limit"
}

# METHOD SEED
lightly-given() {
    local run=$out/$1-$2
    RAYON_NUM_THREADS=1 "$inputs" "$run" |
        "$python" "$here/../peers/pretrain.py" "$METRIC_DATA_DIR" "$1" "$2" "$steps" "$limit" "$run/start.safetensors"
}

for ((seed = 1; seed <= seeds; seed++)); do
    for method in "${methods[@]}"; do
        for system in ${SYSTEMS:-metric lightly-given lightly}; do
            once "$method,$system,$seed" "$system" "$method" "$seed"
        done
    done
done
table
