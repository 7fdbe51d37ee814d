#!/usr/bin/env bash
# Compares ways to choose negatives: trains with each of them, on the same data, network, loss and number of steps.
#   bench/scripts/negatives.sh [--steps N] [--seeds S] [--out DIR] [DATA ...]
# DATA is omniglot or fashion-mnist, whose class sizes fall by a factor of 100; without one, both. Each run has N steps
# [3000] on one thread, with seeds 1 to S [5]. A finished run adds a line to DIR/negatives.csv [runs/negatives] and makes
# DIR/negatives.md anew, which gives means and 95 % confidence intervals over the seeds. Runs that have their line are
# skipped and one that was stopped goes on from its checkpoint, so that this can be killed and started again.
# Of the betas 5, 10 and 20 the last did best in short runs. WAYS, lines of a name and options of `metric train`, takes the
# place of the ways compared. METRIC is the program, built if it is not given; METRIC_DATA_DIR says where the sets lie.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
steps=3000 seeds=5 out=runs/negatives
while [[ ${1:-} == --* ]]; do
    case $1 in
        --steps) steps=$2 ;;
        --seeds) seeds=$2 ;;
        --out) out=$2 ;;
        *)
            echo "usage: negatives.sh [--steps N] [--seeds S] [--out DIR] [DATA ...]" >&2
            exit 2
            ;;
    esac
    shift 2
done
sets=("$@")
[ ${#sets[@]} = 0 ] && sets=(omniglot fashion-mnist)
ways=${WAYS:-"uniform --miner random
semi-hard --miner semi-hard
distance-weighted --miner distance-weighted
hard-tilted --miner hard-tilted --beta 20
density-aware --miner density-aware --beta 20"}

program=${METRIC:-}
if [ -z "$program" ]; then
    target=${CARGO_TARGET_DIR:-$here/../../target}
    (cd "$here/../.." && cargo build --release --quiet -p metric-bench --bin metric)
    program=$target/release/metric
fi
mkdir -p "$out"
csv=$out/negatives.csv
[ -s "$csv" ] || echo "data,way,seed,map_at_r,recall_at_1,hardness,zero_loss,effective_negatives" >"$csv"

# The last number called $1 in the report $2: scores of raw pixels come before those of the model.
number() {
    grep -o "\"$1\":[0-9.eE+-]*" <<<"$2" | tail -1 | cut -d: -f2
}

table() {
    echo "| data | negatives | MAP@R | recall@1 | median hardness | without loss | effective negatives | seeds |"
    echo "|---|---|---|---|---|---|---|---|"
    # Student's t for two-sided 95 %, by degrees of freedom.
    tail -n +2 "$csv" | awk -F, '
        BEGIN { split("12.706 4.303 3.182 2.776 2.571 2.447 2.365 2.306 2.262", t, " ") }
        {
            k = $1 "," $2; n[k]++
            m[k] += $4; mm[k] += $4 * $4; r[k] += $5; rr[k] += $5 * $5
            h[k] += $6; z[k] += $7; e[k] += $8
        }
        function interval(sum, squares, n,    v) {
            if (n < 2) return ""
            v = (squares - sum * sum / n) / (n - 1)
            return sprintf(" ± %.4f", (n - 1 in t ? t[n - 1] : 1.96) * sqrt((v > 0 ? v : 0) / n))
        }
        END {
            for (k in n) {
                split(k, of, ",")
                printf "| %s | %s | %.4f%s | %.4f%s | %.2f | %.0f %% | %.0f | %d |\n", of[1], of[2], \
                    m[k] / n[k], interval(m[k], mm[k], n[k]), r[k] / n[k], interval(r[k], rr[k], n[k]), \
                    h[k] / n[k], 100 * z[k] / n[k], e[k] / n[k], n[k]
            }
        }' | sort -t'|' -k2,2 -k4,4gr
}

for ((seed = 1; seed <= seeds; seed++)); do
    for data in "${sets[@]}"; do
        while read -r way options; do
            if grep -q "^$data,$way,$seed," "$csv"; then
                continue
            fi
            run=$out/$data-$way-$seed
            if [ -e "$run/config.json" ]; then
                all=(--resume "$run")
            else
                read -ra all <<<"$options"
                all+=(--data "$data" --loss triplet --steps "$steps" --seed "$seed" --no-baseline --out "$run")
                [ "$data" = omniglot ] || all+=(--imbalance 100)
            fi
            report=$(RAYON_NUM_THREADS=1 "$program" train "${all[@]}" --json </dev/null)
            line="$data,$way,$seed,$(number map_at_r "$report"),$(number precision_at_1 "$report")"
            line+=",$(number hardness "$report"),$(number zero_loss "$report"),$(number effective_negatives "$report")"
            echo "$line" >>"$csv"
            table >"$out/negatives.md.new"
            mv "$out/negatives.md.new" "$out/negatives.md"
        done <<<"$ways"
    done
done
table
