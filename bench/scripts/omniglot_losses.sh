#!/usr/bin/env bash
# Trains on Omniglot with one loss after the other and makes a table of what they reach.
#   bench/scripts/omniglot_losses.sh [--minutes M] [--out DIR] [LOSS ...]
# LOSS is a name of `metric train --loss`; without one, all are tried. Each has M minutes [1] on one thread. A finished
# run adds a line to DIR/scores.csv [runs/omniglot-losses] and makes DIR/scores.md anew. Losses that have their line are
# skipped and a run that was stopped goes on from its checkpoint, so that this can be killed and started again.
# METRIC is the program, built if it is not given; METRIC_DATA_DIR says where Omniglot lies.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
minutes=1 out=runs/omniglot-losses
while [[ ${1:-} == --* ]]; do
    case $1 in
        --minutes) minutes=$2 ;;
        --out) out=$2 ;;
        *)
            echo "usage: omniglot_losses.sh [--minutes M] [--out DIR] [LOSS ...]" >&2
            exit 2
            ;;
    esac
    shift 2
done

program=${METRIC:-}
if [ -z "$program" ]; then
    target=${CARGO_TARGET_DIR:-$here/../../target}
    (cd "$here/../.." && cargo build --release --quiet -p metric-bench --bin metric)
    program=$target/release/metric
fi
losses=("$@")
if [ ${#losses[@]} = 0 ]; then
    # A loss that does not exist is answered with those that do.
    known=$("$program" train --loss '?' 2>&1 | sed -n 's/.*possible values: \(.*\)].*/\1/p' || true)
    IFS=', ' read -ra losses <<<"$known"
fi

mkdir -p "$out"
csv=$out/scores.csv
[ -s "$csv" ] || echo "loss,map_at_r,recall_at_1,images,seconds" >"$csv"

# The last number called $1 in the report $2: scores of raw pixels come before those of the model.
number() {
    grep -o "\"$1\":[0-9.eE+-]*" <<<"$2" | tail -1 | cut -d: -f2
}

table() {
    echo "| loss | MAP@R | recall@1 | images seen |"
    echo "|---|---|---|---|"
    tail -n +2 "$csv" | sort -t, -k2,2gr | awk -F, '{ printf "| %s | %.4f | %.4f | %d |\n", $1, $2, $3, $4 }'
}

for loss in "${losses[@]}"; do
    if grep -q "^$loss," "$csv"; then
        continue
    fi
    run=$out/$loss
    if [ -e "$run/config.json" ]; then
        options=(--resume "$run")
    else
        options=(--data omniglot --loss "$loss" --minutes "$minutes" --no-baseline --out "$run")
    fi
    status=0
    report=$(RAYON_NUM_THREADS=1 "$program" train "${options[@]}" --json) || status=$?
    case $status in
        0) ;;
        2) # refused or diverged; the reason stands above
            echo "$loss: left out" >&2
            continue
            ;;
        *) exit "$status" ;;
    esac
    echo "$loss,$(number map_at_r "$report"),$(number precision_at_1 "$report"),$(number images "$report"),$(number seconds "$report")" >>"$csv"
    table >"$out/scores.md.new"
    mv "$out/scores.md.new" "$out/scores.md"
done
table
