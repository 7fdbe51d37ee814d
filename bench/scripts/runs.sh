# Shared by the scripts that make long tables: their options, the program, and runs that are made once.
# A script sets `csv`, whose lines are keys, a seed and numbers, and defines `table`.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Takes `--steps N`, `--minutes M`, `--seeds S`, `--limit IMAGES` and `--out DIR`; what else there is stays in `rest`.
# Anything that is not understood prints the script's own header.
take_options() {
    rest=()
    while [ $# -gt 0 ]; do
        case $1 in
            --steps | --minutes) budget=("$1" "${2:?}") ;;
            --seeds) seeds=${2:?} ;;
            --limit) limit=${2:?} ;;
            --out) out=${2:?} ;;
            --*)
                sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
                exit 2
                ;;
            *)
                rest+=("$1")
                shift
                continue
                ;;
        esac
        shift 2
    done
}

# Sets `program`: METRIC, or what is built here.
find_program() {
    program=${METRIC:-}
    if [ -z "$program" ]; then
        (cd "$here/../.." && cargo build --release --quiet -p metric-bench --bin metric)
        program=${CARGO_TARGET_DIR:-$here/../../target}/release/metric
    fi
}

# begin CSV COLUMNS: the file of finished runs, with its first line if it is new.
begin() {
    csv=$1
    mkdir -p "$(dirname "$csv")"
    [ -s "$csv" ] || echo "$2" >"$csv"
}

# once KEY COMMAND...: adds a line of the key and what COMMAND prints, unless there is one, and makes the table anew. A
# command that ends with 2 was refused or diverged, says why itself, and is left out.
once() {
    local key=$1 line status=0
    shift
    ! grep -q "^$key," "$csv" || return 0
    line=$("$@") || status=$?
    case $status in
        0) ;;
        2)
            echo "$key: left out" >&2
            return 0
            ;;
        *) return "$status" ;;
    esac
    echo "$key,$line" >>"$csv"
    table >"${csv%.csv}.md.new"
    mv "${csv%.csv}.md.new" "${csv%.csv}.md"
}

# number NAME REPORT: the last number of that name; scores of raw pixels come before those of what was learned.
number() {
    grep -o "\"$1\":[0-9.eE+-]*" <<<"$2" | tail -1 | cut -d: -f2
}

# summary KEYS SPEC...: a line of a table for all runs that have their first KEYS columns in common, whose next is the seed.
# SPEC is COLUMN;FORMAT;KIND;FACTOR for a column after the seed. KIND is mean, sd for mean and standard deviation, ci for mean
# and 95 % confidence interval, or least; FACTOR is 1 if it is left out.
summary() {
    local keys=$1
    shift
    tail -n +2 "$csv" | awk -F, -v keys="$keys" -v specs="$(printf '%s\n' "$@")" '
        BEGIN {
            count = split(specs, spec, "\n")
            # Student, two-sided 95 %, by degrees of freedom.
            split("12.706 4.303 3.182 2.776 2.571 2.447 2.365 2.306 2.262", t, " ")
            for (c = 1; c <= count; c++) {
                split(spec[c], part, ";")
                column[c] = keys + 1 + part[1]; format[c] = part[2]; kind[c] = part[3]; factor[c] = part[4] ? part[4] : 1
            }
        }
        {
            key = $1
            for (i = 2; i <= keys; i++) key = key " | " $i
            n[key]++
            for (c = 1; c <= count; c++) {
                x = factor[c] * $column[c]; sum[key, c] += x; squares[key, c] += x * x
                if (n[key] == 1 || x < least[key, c]) least[key, c] = x
            }
        }
        function spread(key, c,    v) {
            if (n[key] < 2 || kind[c] !~ /^(sd|ci)$/) return ""
            v = (squares[key, c] - sum[key, c] ^ 2 / n[key]) / (n[key] - 1)
            v = v > 0 ? sqrt(v) : 0
            if (kind[c] == "ci") v *= (n[key] - 1 in t ? t[n[key] - 1] : 1.96) / sqrt(n[key])
            return sprintf(" ± " format[c], v)
        }
        END {
            for (key in n) {
                printf "| %s |", key
                for (c = 1; c <= count; c++)
                    printf " " format[c] "%s |", kind[c] == "least" ? least[key, c] : sum[key, c] / n[key], spread(key, c)
                printf " %d |\n", n[key]
            }
        }'
}
