#!/usr/bin/env bash
# Trains on Omniglot with one loss after the other and makes a table of what they reach.
#   bench/scripts/omniglot_losses.sh [--minutes M | --steps N] [--seeds S] [--out DIR] [LOSS ...]
# LOSS is a name of `metric train --loss`; without one, all are tried. Each run has M minutes [1], or N optimizer steps,
# on one thread, with seeds 1 to S [1]. "untrained" is the network that all begin with. A finished run adds a line to
# DIR/scores.csv [runs/omniglot-losses] and makes DIR/scores.md anew, which gives means and standard deviations over the
# seeds. Runs that have their line are skipped and one that was stopped goes on from its checkpoint, so that this can be
# killed and started again. METRIC is the program, built if it is not given; METRIC_DATA_DIR says where Omniglot lies.
set -euo pipefail
. "$(dirname "$0")/runs.sh"
budget=(--minutes 1) seeds=1 out=runs/omniglot-losses
take_options "$@"
find_program
losses=("${rest[@]}")
if [ ${#losses[@]} = 0 ]; then
    # A loss that does not exist is answered with those that do.
    known=$("$program" train --loss '?' 2>&1 | sed -n 's/.*possible values: \(.*\)].*/\1/p' || true)
    IFS=', ' read -ra losses <<<"$known"
fi
begin "$out/scores.csv" loss,seed,map_at_r,recall_at_1,first_loss,last_loss,images,seconds

table() {
    echo "| loss | MAP@R | recall@1 | its own value, first part | last part | images seen | seeds |"
    echo "|---|---|---|---|---|---|---|"
    summary 1 '1;%.4f;sd' '2;%.4f;mean' '3;%.4g;mean' '4;%.4g;mean' '5;%d;mean' | sort -t'|' -k3,3gr
}

# Mean loss of the first and the last of the parts of the training, with a comma between.
ends() {
    grep -o '"loss":\[[^]]*' <<<"$1" | tail -1 | cut -d'[' -f2 | awk -F, '{ print $1 "," $NF }'
}

# LOSS SEED
train() {
    local run=$out/$1-$2 options report
    if [ -e "$run/config.json" ]; then
        options=(--resume "$run")
    else
        options=(--data omniglot --no-baseline --seed "$2" --out "$run")
        case $1 in
            # One step too small to change anything.
            untrained) options+=(--steps 1 --learning-rate 1e-30 --weight-decay 0) ;;
            *) options+=(--loss "$1" "${budget[@]}") ;;
        esac
    fi
    report=$(RAYON_NUM_THREADS=1 "$program" train "${options[@]}" --json </dev/null) || return
    echo "$(number map_at_r "$report"),$(number precision_at_1 "$report"),$(ends "$report"),$(
        number images "$report"
    ),$(number seconds "$report")"
}

for ((seed = 1; seed <= seeds; seed++)); do
    for loss in untrained "${losses[@]}"; do
        once "$loss,$seed" train "$loss" "$seed"
    done
done
table
