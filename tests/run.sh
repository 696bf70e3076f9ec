#!/bin/sh
# Runs every test: installs the Debian packages that are missing, builds with sanitizers, tests.
#
#   sh tests/run.sh            all of it
#   sh tests/run.sh --quick    unit tests only, no builds with TSan and of the fast simulation
#
# TB_SQLITE_SOURCE names a folder with another SQLite's sqlite3.c and sqlite3.h: the tests that are
# closest to it run on that, too.
# TB_JOBS sets how many compile at once (default: the number of processors); one more test runs.
set -eu
export LC_ALL=C.UTF-8
cd "$(dirname "$0")/.."
jobs=${TB_JOBS:-$(nproc)}
quick=no
for arg in "$@"; do
    case $arg in
    --quick) quick=yes ;;
    *)
        echo "usage: sh tests/run.sh [--quick]" >&2
        exit 2
        ;;
    esac
done

sh tests/packages.sh build test

# Leaks are errors; a report ends the program with a status no test expects.
export ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:exitcode=99:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:exitcode=99:${UBSAN_OPTIONS:-}"
export TSAN_OPTIONS="halt_on_error=1:exitcode=99:${TSAN_OPTIONS:-}"

# build PRESET [TARGET]
build() {
    mkdir -p "build/$1"
    cmake --preset "$1" -DTB_BENCH=OFF >"build/$1/configure.log" 2>&1 || {
        cat "build/$1/configure.log"
        exit 1
    }
    cmake --build "build/$1" -j "$jobs" --target "${2:-all}"
}

if [ "$quick" = no ]; then
    # Jars that are not cached yet come over the network while the compilers work. A server that cannot
    # be had is told by the tests that need it.
    mkdir -p build
    for service in kafka mongo; do
        sh tests/services/service.sh fetch "$service" || :
    done >build/services.log 2>&1 &
fi
build dev
if [ "$quick" = yes ]; then
    exec ctest --test-dir build/dev -L unit -j "$jobs" --output-on-failure
fi
# Everything is built first: a compiler takes both processors, tests mostly wait.
build tsan threaded_tests
build sim tillbox-sim
# The tests in which threads meet, under TSan; beside them the seeds that every change must pass, and
# the mutants. With sanitizers ctest runs fewer seeds, below.
ctest --test-dir build/tsan -L threads -j "$jobs" --output-on-failure >build/tsan/ctest.log 2>&1 &
threads=$!
trap 'kill "$threads" 2>/dev/null || :' EXIT # if the seeds or the mutants end this script
build/sim/tests/sim/tillbox-sim
build/sim/tests/sim/tillbox-sim --mutant all
wait "$threads" || {
    cat build/tsan/ctest.log
    exit 1
}
trap - EXIT
tail -n 12 build/tsan/ctest.log
if [ -n "${TB_SQLITE_SOURCE:-}" ]; then
    cmake --preset dev -B build/sqlite -DTB_BENCH=OFF "-DTILLBOX_SQLITE_SOURCE=$TB_SQLITE_SOURCE"
    cmake --build build/sqlite -j "$jobs"
    ctest --test-dir build/sqlite -R '^(base/sqlite|store|query/sqlite|bridge/log/inproc)/' \
        -j "$jobs" --output-on-failure
fi
# One more than there are processors: many tests wait for servers more than they compute.
exec ctest --test-dir build/dev -j "$((jobs + 1))" --output-on-failure
