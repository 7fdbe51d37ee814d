#!/usr/bin/env bash
# Learns without labels in several ways and makes a table of what the nearest neighbours of their features say.
#   bench/scripts/pretrainings.sh TABLE [--steps N | --minutes M] [--seeds S] [--limit IMAGES] [--out DIR]
# TABLE is a file of lines: a name and options of `metric pretrain`, where @NAME is the run of that line with the same seed;
# methods.txt and claims.txt here are two. All learn from
# the first IMAGES [10000] images of Fashion-MNIST on one thread, for M minutes [2] or N steps where a line does not say
# otherwise, with seeds 1 to S [2]. A finished run adds a line to DIR/TABLE.csv [runs/pretrainings] and makes DIR/TABLE.md
# anew: mean and standard deviation of the k-nearest-neighbour accuracy on the 10,000 test images, the images learned from as
# gallery, and how many runs were reported as collapsed or as still guessing. Runs that have their line are skipped and one
# that was stopped goes on from its checkpoint, so that this can be killed and started again. METRIC is the program, built if it
# is not given; METRIC_DATA_DIR says where Fashion-MNIST lies.
set -euo pipefail
. "$(dirname "$0")/runs.sh"
budget=(--minutes 2) seeds=2 limit=10000 out=runs/pretrainings
take_options "$@"
[ ${#rest[@]} = 1 ] || take_options --help
find_program
ways=$(grep -v '^#' "${rest[0]}")
name=$(basename "${rest[0]}" .txt)
begin "$out/$name.csv" way,seed,knn_1,knn_20,best,warnings,images,seconds

table() {
    echo "| way | k = 1, % | k = 20, % | best of 1, 5, 10, 20 | warned of, % of runs | images seen | seeds |"
    echo "|---|---|---|---|---|---|---|"
    summary 1 '1;%.2f;sd;100' '2;%.2f;sd;100' '3;%.2f;sd;100' '4;%.0f;mean;100' '5;%d;mean' |
        awk -F'|' 'NR == FNR { place[$1] = NR; next } { way = $2; gsub(/^ | $/, "", way); print place[way] "\t" $0 }' \
            <(cut -d' ' -f1 <<<"$ways" | sed 's/$/|/') - | sort -n | cut -f2-
}

# WAY SEED OPTIONS...
learn() {
    local run=$out/$1-$2 all report shares warned=0
    if [ -e "$run/pretrain.json" ]; then
        all=(--resume "$run")
    else
        all=(--data fashion-mnist --limit "$limit" --seed "$2" --out "$run" "${@:3}")
        [[ " $* " == *" --steps "* ]] || all+=("${budget[@]}")
        for i in "${!all[@]}"; do
            # Another run of this table, as a teacher.
            [[ ${all[i]} != @* ]] || all[i]=$out/${all[i]#@}-$2
        done
    fi
    report=$(RAYON_NUM_THREADS=1 "$program" pretrain "${all[@]}" --json </dev/null) || return
    # "accuracy":[[1,a],[5,b],[10,c],[20,d]],"name":"features"
    shares=$(grep -o '"accuracy":[^a-z]*,"name":"features"' <<<"$report" | grep -o ',[0-9.]*\]' | tr -d ',]')
    [ "$(wc -l <<<"$shares")" = 4 ] || return 1
    grep -q '"collapse":null' <<<"$report" && grep -q '"guessing":null' <<<"$report" || warned=1
    echo "$(sed -n 1p <<<"$shares"),$(sed -n 4p <<<"$shares"),$(sort -g <<<"$shares" | tail -1),$warned,$(
        number images "$report"
    ),$(number seconds "$report")"
}

for ((seed = 1; seed <= seeds; seed++)); do
    while read -r way options; do
        read -ra options <<<"$options"
        once "$way,$seed" learn "$way" "$seed" "${options[@]}"
    done <<<"$ways"
done
table
