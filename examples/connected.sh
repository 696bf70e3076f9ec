#!/bin/sh
# The connected edition on one machine: Kafka, a MongoDB-compatible server, three tills, two
# centrals. One till loses its network, goes on selling, and comes back. Then every order of every
# till is compared with the view of the centrals.
#
#   sh examples/connected.sh           stays until Ctrl-C, for trying things out
#   sh examples/connected.sh --once    ends by itself
#
# Installs what is missing: the packages of the build, a Java runtime and Maven for the servers.
set -eu
cd "$(dirname "$0")/.."
case ${1:-} in
'') once=no ;;
--once) once=yes ;;
*)
    echo "usage: sh examples/connected.sh [--once]" >&2
    exit 2
    ;;
esac

say() { printf '\n== %s\n' "$*"; }
service=tests/services/service.sh

say "Looking for the Debian packages that the build needs"
sh tests/packages.sh build

say "Building into build/release"
cmake --preset release -DTB_TESTS=OFF >/dev/null
cmake --build build/release --target tillbox tillbox-edge tillbox-central
tillbox=$PWD/build/release/src/tillbox

work=$(mktemp -d)
pids=
stop() {
    trap '' INT TERM
    say "Stopping"
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in $pids; do
        wait "$pid" || echo "process $pid ended with status $?"
    done
    for kind in kafka mongo; do
        [ ! -d "$work/$kind" ] || sh $service stop "$work/$kind" || true
    done
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 0' INT TERM

# start NAME ARGUMENT...: starts tillbox and sets url to its address.
start() {
    name=$1
    shift
    mkfifo "$work/$name.first"
    # In a new session: Ctrl-C ends only this script, which then stops the others.
    setsid "$tillbox" "$@" --listen 127.0.0.1:0 >"$work/$name.first" 2>"$work/$name.log" &
    pids="$pids $!"
    exec 3<"$work/$name.first"
    read -r line <&3 || {
        cat "$work/$name.log" >&2
        exit 1
    }
    url=${line##* }
    echo "$name: $url"
}

# until_true SECONDS TEXT COMMAND...: repeats the command until it succeeds, or ends with the text.
until_true() {
    left=$(($1 * 5))
    what=$2
    shift 2
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || {
            echo "this takes too long: $what" >&2
            tail -n 5 "$work"/*.log >&2
            exit 1
        }
        sleep 0.2
    done
}

say "Starting Kafka and a MongoDB-compatible server"
sh $service start kafka "$work/kafka" >"$work/kafka.address"
sh $service start mongo "$work/mongo" >"$work/mongo.address"
brokers=$(cat "$work/kafka.address")
mongo=$(cat "$work/mongo.address")
echo "Kafka: $brokers, MongoDB: $mongo"

say "Starting three tills and two centrals"
for i in 1 2 3; do
    start "till$i" edge --node "till$i" --data "$work/till$i" --log kafka \
        --kafka-brokers "$brokers" --create-topics
    eval "till$i=\$url"
done
for i in 1 2; do
    start "central$i" central --kafka-brokers "$brokers" --mongo-uri "mongodb://$mongo" \
        --create-topics
    eval "central$i=\$url"
done

# The orders of the example in three parts, one for each till.
for i in 1 2 3; do
    awk -v part="$i" 'NR % 3 == part - 1' examples/orders.jsonl >"$work/orders$i.jsonl"
done

say "Importing orders at till1 and till2"
"$tillbox" order import --url "$till1" "$work/orders1.jsonl"
"$tillbox" order import --url "$till2" "$work/orders2.jsonl"

say "till3 loses its network and goes on selling"
"$tillbox" link offline --url "$till3"
"$tillbox" order import --url "$till3" "$work/orders3.jsonl"
"$tillbox" status --url "$till3"

say "till3 comes back"
"$tillbox" link auto --url "$till3"
all_there() {
    "$tillbox" verify --edge "$till1" --edge "$till2" --edge "$till3" --central "$central1" \
        >/dev/null 2>&1
}
until_true 120 "every order at the centre" all_there

say "tillbox nodes, at the centre"
"$tillbox" nodes --url "$central1"

say "tillbox stats --group-by node, at the other central"
"$tillbox" stats --url "$central2" --group-by node

say "tillbox verify: every order of every till against the centre"
"$tillbox" verify --edge "$till1" --edge "$till2" --edge "$till3" --central "$central2"

[ "$once" = no ] || exit 0
cat <<EOF

== It runs until you press Ctrl-C. In another terminal try:

export PATH=$PWD/build/release/src:\$PATH
tillbox order place --url $till1 --line TEA-1:2:350:'Green tea' --customer C-1001
tillbox order list --url $central1 --limit 5
tillbox stats --url $central2 --group-by day
tillbox link offline --url $till2
tillbox nodes --url $central1
EOF
# shellcheck disable=SC2086 # several processes
wait $pids
