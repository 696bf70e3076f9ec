#!/bin/sh
# Installs the packages that are missing, builds tillbox, starts an edge, and imports 200 orders.
#
#   sh examples/quickstart.sh           stays until Ctrl-C, for trying things out
#   sh examples/quickstart.sh --once    ends by itself
set -eu
cd "$(dirname "$0")/.."
case ${1:-} in
'') once=no ;;
--once) once=yes ;;
*)
    echo "usage: sh examples/quickstart.sh [--once]" >&2
    exit 2
    ;;
esac

say() { printf '\n== %s\n' "$*"; }

say "Looking for the Debian packages that the build needs"
sh tests/packages.sh build

say "Building into build/release"
cmake --preset release -DTB_TESTS=OFF >/dev/null # tests need more packages: tests/run.sh
cmake --build build/release --target tillbox tillbox-edge
tillbox=$PWD/build/release/src/tillbox

data=$(mktemp -d)
edge=
stop() {
    trap '' INT TERM
    if [ -n "$edge" ]; then
        say "Stopping"
        kill "$edge" 2>/dev/null || true
        wait "$edge" || echo "the node ended with status $?"
    fi
    rm -rf "$data"
}
trap stop EXIT
trap 'exit 0' INT TERM

say "Starting a node on a fresh folder: $data"
mkfifo "$data/first-line"
# In a new session: Ctrl-C ends only this script, which then stops the edge.
setsid "$tillbox" edge --data "$data/node" --node till1 --listen 127.0.0.1:0 \
    >"$data/first-line" 2>"$data/diagnostics" &
edge=$!
exec 3<"$data/first-line"
read -r line <&3 || {
    cat "$data/diagnostics" >&2
    exit 1
}
echo "$line"
TILLBOX_URL=${line##* }
export TILLBOX_URL

say "Importing examples/orders.jsonl"
"$tillbox" order import examples/orders.jsonl

# An order can be read some milliseconds after it was placed. Wait until all of them can be read.
tries=0
until [ "$("$tillbox" order list --all | wc -l)" -ge 200 ]; do
    tries=$((tries + 1))
    [ "$tries" -le 100 ] || {
        echo "the read model does not catch up" >&2
        exit 1
    }
    sleep 0.1
done

say "tillbox stats --group-by day"
"$tillbox" stats --group-by day

say "tillbox order show: the newest one"
"$tillbox" order show "$("$tillbox" order list --limit 1 | cut -f 2)"

[ "$once" = no ] || exit 0
cat <<EOF

== It runs until you press Ctrl-C. In another terminal try:

export TILLBOX_URL=$TILLBOX_URL PATH=$PWD/build/release/src:\$PATH
tillbox order place --line TEA-1:2:350:'Green tea' --customer C-1001
tillbox order list --customer C-1001
tillbox status
tillbox order import examples/orders.jsonl   # again: nothing is added
tillbox link offline                         # orders are taken all the same
tillbox --help
EOF
wait "$edge"
