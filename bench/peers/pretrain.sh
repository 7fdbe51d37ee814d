#!/usr/bin/env bash
# Compares learning without labels with lightly's: the first 10,000 images of Fashion-MNIST, the same network, views, heads,
# optimizer, schedule and number of steps.
#   bench/peers/pretrain.sh PYTHON [--steps N] [--seeds S] [--limit IMAGES] [--out DIR] [METHOD ...]
# PYTHON has torch, torchvision and lightly. Each run has N steps [400] on one thread, with seeds 1 to S [3]. A finished run
# adds a line to DIR/pretrain.csv [runs/pretrain-peers] and makes DIR/pretrain.md anew: mean and standard deviation of the
# k-nearest-neighbour accuracy on the 10,000 test images, the images learned from as gallery, by cosine and majority. Runs that
# have their line are skipped, so that this can be killed and started again. METRIC is the program, built if it is not
# given; METRIC_DATA_DIR says where Fashion-MNIST lies.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${1:?usage: pretrain.sh PYTHON [--steps N] [--seeds S] [--limit IMAGES] [--out DIR] [METHOD ...]}
shift
steps=400 seeds=3 limit=10000 out=runs/pretrain-peers
while [[ ${1:-} == --* ]]; do
    case $1 in
        --steps) steps=$2 ;;
        --seeds) seeds=$2 ;;
        --limit) limit=$2 ;;
        --out) out=$2 ;;
        *)
            echo "usage: pretrain.sh PYTHON [--steps N] [--seeds S] [--limit IMAGES] [--out DIR] [METHOD ...]" >&2
            exit 2
            ;;
    esac
    shift 2
done
methods=("$@")
[ ${#methods[@]} = 0 ] && methods=(simclr moco-v2 byol simsiam barlow-twins vicreg swav)

program=${METRIC:-}
if [ -z "$program" ]; then
    target=${CARGO_TARGET_DIR:-$here/../../target}
    (cd "$here/../.." && cargo build --release --quiet -p metric-bench --bin metric)
    program=$target/release/metric
fi
: "${METRIC_DATA_DIR:?says where the folder fashion-mnist lies}"
mkdir -p "$out"
csv=$out/pretrain.csv
[ -s "$csv" ] || echo "system,method,seed,knn_1,knn_5,knn_10,knn_20,seconds" >"$csv"

table() {
    echo "| method | system | k = 1 | k = 20 | seconds | seeds |"
    echo "|---|---|---|---|---|---|"
    tail -n +2 "$csv" | awk -F, '
        { k = $2 "," $1; n[k]++; a[k] += $4; aa[k] += $4 * $4; b[k] += $7; bb[k] += $7 * $7; s[k] += $8 }
        function spread(sum, squares, n,    v) {
            if (n < 2) return ""
            v = (squares - sum * sum / n) / (n - 1)
            return sprintf(" ± %.2f", 100 * sqrt(v > 0 ? v : 0))
        }
        END {
            for (k in n) {
                split(k, of, ",")
                printf "| %s | %s | %.2f%s | %.2f%s | %.0f | %d |\n", of[1], of[2], 100 * a[k] / n[k], \
                    spread(a[k], aa[k], n[k]), 100 * b[k] / n[k], spread(b[k], bb[k], n[k]), s[k] / n[k], n[k]
            }
        }' | sort
}

ours() {
    local run=$out/$1-$2
    local all=(--resume "$run")
    if [ ! -e "$run/pretrain.json" ]; then
        all=(--method "$1" --data fashion-mnist --limit "$limit" --views small-grey --steps "$steps" --seed "$2" --batch 256)
        all+=(--head-hidden 512 --head-output 128 --prototypes 256 --queue 4096 --momentum 0.99)
        all+=(--optimizer sgd --learning-rate 0.06 --weight-decay 5e-4 --out "$run")
    fi
    RAYON_NUM_THREADS=1 "$program" pretrain "${all[@]}" --json </dev/null | "$python" -c '
import json, sys
report = json.load(sys.stdin)["report"]
shares = dict(report["knn"][-1]["accuracy"])
print(",".join(f"{shares[k]:.4f}" for k in (1, 5, 10, 20)) + ",%.1f" % report["timing"]["seconds"])'
}

for ((seed = 1; seed <= seeds; seed++)); do
    for method in "${methods[@]}"; do
        for system in metric lightly; do
            grep -q "^$system,$method,$seed," "$csv" && continue
            if [ "$system" = metric ]; then
                line=$(ours "$method" "$seed")
            else
                line=$("$python" "$here/pretrain.py" "$METRIC_DATA_DIR" "$method" "$seed" "$steps" "$limit")
            fi
            echo "$system,$method,$seed,$line" >>"$csv"
            table >"$out/pretrain.md.new"
            mv "$out/pretrain.md.new" "$out/pretrain.md"
        done
    done
done
table
