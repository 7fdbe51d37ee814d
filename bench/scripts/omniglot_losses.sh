#!/usr/bin/env bash
# Trains on Omniglot with one loss after the other and makes a table of what they reach.
#   bench/scripts/omniglot_losses.sh [--minutes M | --steps N] [--seeds S] [--out DIR] [LOSS ...]
# LOSS is a name of `metric train --loss`; without one, all are tried. Each run has M minutes [1], or N optimizer steps,
# on one thread, with seeds 1 to S [1]. "untrained" is the network that all begin with. A finished run adds a line to
# DIR/scores.csv [runs/omniglot-losses] and makes DIR/scores.md anew, which gives means and standard deviations over the
# seeds. Runs that have their line are skipped and one that was stopped goes on from its checkpoint, so that this can be
# killed and started again. METRIC is the program, built if it is not given; METRIC_DATA_DIR says where Omniglot lies.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
budget=(--minutes 1) seeds=1 out=runs/omniglot-losses
while [[ ${1:-} == --* ]]; do
    case $1 in
        --minutes | --steps) budget=("$1" "$2") ;;
        --seeds) seeds=$2 ;;
        --out) out=$2 ;;
        *)
            echo "usage: omniglot_losses.sh [--minutes M | --steps N] [--seeds S] [--out DIR] [LOSS ...]" >&2
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
[ -s "$csv" ] || echo "loss,seed,map_at_r,recall_at_1,first_loss,last_loss,images,seconds" >"$csv"

# The last number called $1 in the report $2: scores of raw pixels come before those of the model.
number() {
    grep -o "\"$1\":[0-9.eE+-]*" <<<"$2" | tail -1 | cut -d: -f2
}

# Mean loss of the first and the last of the parts of the training, with a comma between.
ends() {
    grep -o '"loss":\[[^]]*' <<<"$1" | tail -1 | cut -d'[' -f2 | awk -F, '{ print $1 "," $NF }'
}

table() {
    echo "| loss | MAP@R | recall@1 | its own value, first and last part | images seen | seeds |"
    echo "|---|---|---|---|---|---|"
    tail -n +2 "$csv" | awk -F, '
        { n[$1]++; a[$1] += $3; aa[$1] += $3 * $3; r[$1] += $4; first[$1] += $5; last[$1] += $6; images[$1] += $7 }
        END {
            for (l in n) {
                mean = a[l] / n[l]
                spread = n[l] > 1 ? sprintf(" ± %.4f", sqrt((aa[l] - n[l] * mean * mean) / (n[l] - 1))) : ""
                printf "| %s | %.4f%s | %.4f | %.4g, %.4g | %d | %d |\n", \
                    l, mean, spread, r[l] / n[l], first[l] / n[l], last[l] / n[l], images[l] / n[l], n[l]
            }
        }' | sort -t'|' -k3,3gr
}

for ((seed = 1; seed <= seeds; seed++)); do
    for loss in untrained "${losses[@]}"; do
        if grep -q "^$loss,$seed," "$csv"; then
            continue
        fi
        run=$out/$loss-$seed
        if [ -e "$run/config.json" ]; then
            options=(--resume "$run")
        elif [ "$loss" = untrained ]; then
            # One step too small to change anything.
            options=(--steps 1 --learning-rate 1e-30 --weight-decay 0)
        else
            options=(--loss "$loss" "${budget[@]}")
        fi
        if [ "${options[0]}" != --resume ]; then
            options+=(--data omniglot --no-baseline --seed "$seed" --out "$run")
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
        line="$loss,$seed,$(number map_at_r "$report"),$(number precision_at_1 "$report"),$(ends "$report")"
        echo "$line,$(number images "$report"),$(number seconds "$report")" >>"$csv"
        table >"$out/scores.md.new"
        mv "$out/scores.md.new" "$out/scores.md"
    done
done
table
