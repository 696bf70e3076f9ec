#!/bin/sh
# Builds what users get, runs the benchmarks, and prints one table.
# Usage: bench/run.sh [--quick] [--dir DIR] [--orders N] [NAME...]   NAME: raw_sqlite orders ...
# DIR: a folder on the file system to measure (default: the build folder). For relay, consume,
# arrive and fleet it starts Kafka and a MongoDB-compatible server of its own (tests/services).
# N: how many orders fleet loads (default: 2,000,000). Ends with 1 if a figure is not met.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build/release
dir=$build
quick=
orders=
names=
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=--quick ;;
    --dir) dir=$2; shift ;;
    --orders) orders="--orders $2"; shift ;;
    -*) sed -n '2,8s/^# //p' "$0" >&2; exit 2 ;;
    *) names="$names $1" ;;
    esac
    shift
done
[ -n "$names" ] || names="raw_sqlite footprint orders visible backlog idle reconnect plan \
    relay consume arrive fleet"

targets=tillbox-edge
servers=
for name in $names; do
    targets="$targets bench_$name"
    case $name in
    relay | consume | arrive | fleet)
        servers="kafka mongo"
        targets="$targets tillbox-central"
        ;;
    esac
done
cmake -S "$root" --preset release >&2
# shellcheck disable=SC2086 # several targets
cmake --build "$build" --target $targets >&2

rows=$(mktemp)
scratch=$(mktemp -d "$dir/tillbox-servers-XXXXXX")
service=$root/tests/services/service.sh
end() {
    for server in $servers; do
        [ ! -d "$scratch/$server" ] || sh "$service" kill "$scratch/$server" || true
    done
    rm -rf "$rows" "$scratch"
}
trap end EXIT
trap 'exit 130' INT TERM
for server in $servers; do
    sh "$service" start "$server" "$scratch/$server" >"$scratch/$server.address"
done
# What a program of the connected edition needs besides.
connected() {
    echo "--central $build/src/tillbox-central --kafka $(tail -n 1 "$scratch/kafka.address")"
    echo "--mongo mongodb://$(tail -n 1 "$scratch/mongo.address")"
}
printf 'figure\tmeasured\traw limit\tratio\tasked\tmet\n' >"$rows"
for name in $names; do
    more=
    case $name in relay | consume | arrive | fleet) more=$(connected) ;; esac
    # shellcheck disable=SC2086 # several words
    "$build/bench/bench_$name" $quick $orders --edge "$build/src/tillbox-edge" --dir "$dir" $more \
        >>"$rows"
done

awk -F '\t' '
    { for (i = 1; i <= 6; i++) { cell[NR, i] = $i; if (length($i) > width[i]) width[i] = length($i) } }
    $6 == "NO" { missed = 1 }
    END {
        for (row = 1; row <= NR; row++) {
            line = ""
            for (i = 1; i <= 6; i++)
                line = line sprintf("%-" width[i] "s  ", cell[row, i])
            sub(/ +$/, "", line)
            print line
        }
        exit missed
    }' "$rows"
