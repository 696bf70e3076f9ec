#!/bin/sh
# Builds what users get and asks every question of bench/; prints one table.
# Usage: bench/run.sh [--quick] [--dir DIR] [NAME...]   NAME: raw_sqlite orders visible ...
# DIR: a folder on the file system to measure (default: the build folder). Ends with 1 if a
# figure is not met.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build/release
dir=$build
quick=
names=
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=--quick ;;
    --dir) dir=$2; shift ;;
    -*) sed -n '2,6s/^# //p' "$0" >&2; exit 2 ;;
    *) names="$names $1" ;;
    esac
    shift
done
[ -n "$names" ] || names="raw_sqlite footprint orders visible backlog idle reconnect"

targets=tillbox-edge
for name in $names; do
    targets="$targets bench_$name"
done
cmake -S "$root" --preset release >&2
# shellcheck disable=SC2086 # several targets
cmake --build "$build" --target $targets >&2

rows=$(mktemp)
trap 'rm -f "$rows"' EXIT
trap 'exit 130' INT TERM
printf 'figure\tmeasured\traw limit\tratio\tasked\tmet\n' >"$rows"
for name in $names; do
    "$build/bench/bench_$name" $quick --edge "$build/src/tillbox-edge" --dir "$dir" >>"$rows"
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
