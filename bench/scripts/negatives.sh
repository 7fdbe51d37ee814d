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
. "$(dirname "$0")/runs.sh"
budget=(--steps 3000) seeds=5 out=runs/negatives
take_options "$@"
find_program
sets=("${rest[@]}")
[ ${#sets[@]} = 0 ] && sets=(omniglot fashion-mnist)
ways=${WAYS:-"uniform --miner random
semi-hard --miner semi-hard
distance-weighted --miner distance-weighted
hard-tilted --miner hard-tilted --beta 20
density-aware --miner density-aware --beta 20"}
begin "$out/negatives.csv" data,way,seed,map_at_r,recall_at_1,hardness,zero_loss,effective_negatives

table() {
    echo "| data | negatives | MAP@R | recall@1 | median hardness | without loss, % | effective negatives | seeds |"
    echo "|---|---|---|---|---|---|---|---|"
    summary 2 '1;%.4f;ci' '2;%.4f;ci' '3;%.2f;mean' '4;%.0f;mean;100' '5;%.0f;mean' | sort -t'|' -k2,2 -k4,4gr
}

# DATA WAY SEED OPTIONS...
train() {
    local data=$1 run=$out/$1-$2-$3 all report
    if [ -e "$run/config.json" ]; then
        all=(--resume "$run")
    else
        all=("${@:4}" --data "$data" --loss triplet "${budget[@]}" --seed "$3" --no-baseline --out "$run")
        [ "$data" = omniglot ] || all+=(--imbalance 100)
    fi
    report=$(RAYON_NUM_THREADS=1 "$program" train "${all[@]}" --json </dev/null) || return
    echo "$(number map_at_r "$report"),$(number precision_at_1 "$report"),$(number hardness "$report"),$(
        number zero_loss "$report"
    ),$(number effective_negatives "$report")"
}

for ((seed = 1; seed <= seeds; seed++)); do
    for data in "${sets[@]}"; do
        while read -r way options; do
            read -ra options <<<"$options"
            once "$data,$way,$seed" train "$data" "$way" "$seed" "${options[@]}"
        done <<<"$ways"
    done
done
table
